"""Birth dates, sexes, index keys and corrections."""

from __future__ import annotations

import pytest

from bridge.domain import identity_keys as kinds
from bridge.domain.birth_dates import BirthDateGrade, SexGrade, grade_birth_date, grade_sex, read_birth_date, swapped
from bridge.domain.corrections import corrections, corrects
from bridge.domain.evidence import IdentityKey, PatientRecord
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.identity_keys import header_keys, identity_keys
from bridge.domain.patient import Patient
from bridge.domain.study import Header, RequestAttributes
from bridge.domain.waking import fact_keys, study_keys
from tests.unit.domain.hospital import OURS, RULES, THEIRS, Hospital, from_worklist, typed

PLACEHOLDERS = frozenset({"19000101"})
EQUAL, SWAP, NEAR = BirthDateGrade.EQUAL, BirthDateGrade.SWAP, BirthDateGrade.NEAR
PARTIAL, NA, DIFF = BirthDateGrade.PARTIAL, BirthDateGrade.NA, BirthDateGrade.DIFF


@pytest.mark.parametrize(
    ("received", "record", "grade"),
    [
        ("19800511", "19800511", EQUAL),
        ("1980-05-11", "19800511", EQUAL),
        ("19801105", "19800511", SWAP),
        ("19800512", "19800511", NEAR),
        ("19800711", "19800511", NEAR),
        ("19900511", "19800511", NEAR),
        ("19810511", "19800511", NEAR),
        ("19860511", "19800511", NEAR),
        ("20000511", "19990511", NEAR),
        ("19800000", "19800511", PARTIAL),
        ("1980", "19800511", PARTIAL),
        ("19800101", "19800511", PARTIAL),
        ("19800511", "19800101", PARTIAL),
        ("1981", "19800511", DIFF),
        ("19430511", "19800511", DIFF),
        ("19810512", "19800511", DIFF),
        ("19000101", "19800511", NA),
        ("11111111", "19800511", NA),
        ("19801332", "19800511", NA),
        ("", "19800511", NA),
        ("19800511", "", NA),
        ("19800511", "19000101", NA),
    ],
)
def test_a_birth_date_is_graded(received: str, record: str, grade: BirthDateGrade) -> None:
    assert grade_birth_date(received, [record], PLACEHOLDERS) == grade


def test_every_birth_date_known_of_a_patient_counts() -> None:
    assert grade_birth_date("19800511", ["19000101", "19710930", "19800511"], PLACEHOLDERS) == EQUAL
    assert grade_birth_date("19800511", [], PLACEHOLDERS) == NA


def test_day_and_month_are_exchanged_only_where_that_is_a_date() -> None:
    assert swapped("19800511") == "19801105"
    assert swapped("19800531") == ""
    assert swapped(read_birth_date("1980", PLACEHOLDERS)) == ""


@pytest.mark.parametrize(
    ("received", "record", "grade"),
    [("F", "F", SexGrade.EQUAL), ("M", "F", SexGrade.DIFF), ("O", "O", SexGrade.NA), ("", "F", SexGrade.NA)],
)
def test_a_sex_is_graded(received: str, record: str, grade: SexGrade) -> None:
    assert grade_sex(received, record) == grade


def record(**more: object) -> PatientRecord:
    patient = Patient(1, (PatientIdentifier("A0012345", OURS),), "Pérez^Luz=佐藤^花", "19800511", "F")
    return PatientRecord(patient, **more)  # type: ignore[arg-type]


def test_a_patient_is_indexed_by_number_date_letters_native_name_and_sound() -> None:
    keys = set(identity_keys(record()))
    assert IdentityKey(kinds.NORMALISED_ID, f"{OURS}|A0012345") in keys
    assert IdentityKey(kinds.ID_WITHOUT_LETTER, f"{OURS}|12345") in keys
    assert IdentityKey(kinds.BIRTH_DATE, "19800511") in keys
    assert IdentityKey(kinds.LETTERS, "EELPRUZZ") in keys
    assert IdentityKey(kinds.NATIVE_NAME, "佐藤花") in keys
    assert {key.kind for key in keys} >= {kinds.FAMILY_AND_YEAR, kinds.GIVEN_AND_DAY}


def test_earlier_values_and_merged_records_are_indexed_too() -> None:
    doe = Patient(2, (PatientIdentifier("70001", OURS),), "Doe^John", "19000101", "M", merged_into=1)
    keys = set(identity_keys(record(former_names=("Okafor^Luz",), former_birth_dates=("19810511",), merged=(doe,))))
    assert IdentityKey(kinds.BIRTH_DATE, "19810511") in keys
    assert IdentityKey(kinds.LETTERS, "".join(sorted("OKAFORLUZ"))) in keys
    assert IdentityKey(kinds.NORMALISED_ID, f"{OURS}|70001") in keys


@pytest.mark.parametrize(
    ("name", "birth_date"),
    [
        ("PEREZ^LUZ", ""),
        ("LUZ^PEREZ", ""),
        ("X^Y", "19801105"),
        ("PERES^X", "19800101"),
        ("X^LUS", "19990511"),
        ("佐藤花", ""),
    ],
)
def test_a_header_shares_a_key_with_the_patient_it_may_be(name: str, birth_date: str) -> None:
    header = typed(name, "", birth_date)
    assert set(header_keys(header, [name], RULES)) & set(identity_keys(record()))


def test_a_placeholder_date_finds_nobody() -> None:
    assert header_keys(typed("", "", "19000101"), [""], RULES) == ()


def test_what_the_record_does_not_know_is_not_erased() -> None:
    hospital = Hospital()
    patient = hospital.admit("00012345", "Perez^Luz", "", "")
    found = hospital.registry.survivor(patient.key)
    assert found is not None
    header = typed("Perez^Luz", "00012345", "19800511", "F", issuer_of_patient_id=OURS, accession_number="X1")
    assert corrections(header, found, None, RULES) == ()


@pytest.mark.parametrize(
    ("received", "is_correction"),
    [
        ("PEREZ IBANEZ^LUZ", False),
        ("Perez Ibanez, Luz", False),
        ("PÉREZ IBÁÑEZ^LUZ^^DRA", False),
        ("=佐藤^花", False),
        ("LUZ^PEREZ IBANEZ", True),
        ("PEREZ^LUZ", True),
        ("??^??", True),
        ("", True),
    ],
)
def test_another_way_of_writing_a_name_leaves_corrected_but_is_no_correction(
    received: str, is_correction: bool
) -> None:
    hospital = Hospital()
    patient = hospital.admit("00012345", "Pérez Ibáñez^Luz=佐藤^花", "19800511")
    found = hospital.registry.survivor(patient.key)
    assert found is not None
    header = typed(received, "00012345", "19800511", "F", issuer_of_patient_id=OURS)
    (difference,) = corrections(header, found, None, RULES)
    assert (difference.keyword, difference.received, difference.record) == (
        "PatientName",
        received,
        "Pérez Ibáñez^Luz=佐藤^花",
    )
    assert corrects(difference, RULES) == is_correction


def test_padding_and_trailing_carets_are_no_difference() -> None:
    hospital = Hospital()
    patient = hospital.admit("00012345", "Perez^Luz", "19800511")
    found = hospital.registry.survivor(patient.key)
    assert found is not None
    header = typed("Perez^Luz^^^ ", "00012345 ", "19800511", "F ", issuer_of_patient_id=OURS)
    assert corrections(header, found, None, RULES) == ()


def test_our_number_leaves_even_where_another_stands_first_on_the_list() -> None:
    theirs, ours = PatientIdentifier("771", THEIRS), PatientIdentifier("00012345", OURS)
    found = PatientRecord(Patient(1, (theirs, ours), "Perez^Luz", "19800511", "F"))
    header = typed("Perez^Luz", "00012345", "19800511", "F", issuer_of_patient_id=OURS)
    assert corrections(header, found, None, RULES) == ()


def test_an_order_gives_its_accession_number_and_issuer() -> None:
    hospital = Hospital()
    patient = hospital.admit("00012345", "Perez^Luz", "19800511")
    order = hospital.order(patient, "A100")
    found, ordered = hospital.registry.survivor(patient.key), hospital.registry.order_by_key(order.key)
    assert found is not None
    header = from_worklist(order, patient, accession_number="", issuer_of_patient_id=OURS)
    assert [(one.keyword, one.record) for one in corrections(header, found, ordered, RULES)] == [
        ("AccessionNumber", "A100")
    ]


@pytest.mark.parametrize(
    "header",
    [
        typed("", "MRN-00012345"),
        typed("", "12345"),
        typed("", "00012345^^^HARBOR"),
        typed("", "", accession_number="A100"),
        typed("", "", request_attributes=(RequestAttributes("RP1"),)),
        typed("", "", request_attributes=(RequestAttributes("", "SPS1"),)),
        typed("", "", other_patient_ids=(PatientIdentifier("00012345"),)),
        typed("PEREZ^LUZ"),
        typed("", "", "19801105"),
    ],
)
def test_a_study_that_waits_is_woken_by_the_order_and_patient_it_names(header: Header) -> None:
    hospital = Hospital()
    patient = hospital.admit("00012345", "Perez^Luz", "19800511")
    order = hospital.order(patient, "A100")
    found, ordered = hospital.registry.survivor(patient.key), hospital.registry.order_by_key(order.key)
    assert found is not None
    assert ordered is not None
    assert set(study_keys(header, RULES)) & set(fact_keys([found], [ordered]))


def test_an_empty_header_is_woken_by_its_study_uid_alone() -> None:
    assert study_keys(typed("", "0", "19000101"), RULES) == (IdentityKey("study_uid", "9.9.9"),)
