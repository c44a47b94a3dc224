"""Each repair reads one wrong form, and leaves alone what it is not sure of."""

from __future__ import annotations

import pytest

from bridge.domain.repair_kinds import (
    AgeForm,
    CommaName,
    DateForm,
    FiveComponents,
    GluedIssuer,
    NumberForm,
    TakenFrom,
    TimeForm,
    UpperCase,
    Without,
    Words,
    is_form,
)
from bridge.domain.repairs import CharsetRule, DeviceRepairs, Repair, Repaired, Rule, View, as_received, view_of

NAME = ("PatientName",)


def read(repair: Repair, keyword: str, text: str) -> str:
    """Return what *repair* makes of one value."""
    return repair.read({keyword: text}).get(keyword, text)


@pytest.mark.parametrize(
    ("written", "as_read"),
    [
        ("DOE, JOHN", "DOE^JOHN"),
        ("DOE,JOHN Q", "DOE^JOHN Q"),
        ("DOE, JOHN, MD", "DOE^JOHN^^^MD"),
        ("DOE, JOHN=山田, 太郎", "DOE^JOHN=山田^太郎"),
        ("DOE^JOHN, JR", "DOE^JOHN, JR"),
        ("DOE", "DOE"),
        ("DOE,", "DOE,"),
        ("A, B, C, D", "A, B, C, D"),
    ],
)
def test_a_name_with_a_comma_is_family_and_given_name(written: str, as_read: str) -> None:
    assert read(CommaName(NAME), "PatientName", written) == as_read


def test_what_stands_beyond_five_components_belongs_to_the_last() -> None:
    assert read(FiveComponents(NAME), "PatientName", "DOE^JOHN^Q^DR^JR^MD^PHD") == "DOE^JOHN^Q^DR^JR MD PHD"
    assert read(FiveComponents(NAME), "PatientName", "DOE^JOHN^Q^DR^JR") == "DOE^JOHN^Q^DR^JR"
    assert read(FiveComponents(NAME), "PatientName", "DOE^JOHN^^^^^") == "DOE^JOHN"


@pytest.mark.parametrize(
    ("written", "stated", "expected"),
    [
        ("123^^^HOSP", "", {"PatientID": "123", "IssuerOfPatientID": "HOSPITAL"}),
        ("123^^^hosp&1.2.3&ISO^MR", "", {"PatientID": "123", "IssuerOfPatientID": "HOSPITAL"}),
        ("123^^^&1.2.3&ISO", "", {"PatientID": "123", "IssuerOfPatientID": "HOSPITAL"}),
        ("123^^^HOSP", "HOSP", {"PatientID": "123", "IssuerOfPatientID": "HOSPITAL"}),
        ("123^^^HOSP", "ELSEWHERE", {}),
        ("123^^^STRANGER", "", {}),
        ("123^^^", "", {}),
        ("^^^HOSP", "", {}),
        ("123^4^M11^HOSP", "", {}),
        ("123", "", {}),
    ],
)
def test_a_glued_issuer_is_taken_off_only_if_it_is_ours_to_know(
    written: str, stated: str, expected: dict[str, str]
) -> None:
    repair = GluedIssuer({"hosp": "HOSPITAL", "1.2.3": "HOSPITAL"})
    assert repair.read({"PatientID": written, "IssuerOfPatientID": stated}) == expected


def test_words_stand_for_codes_and_an_unknown_word_for_itself() -> None:
    repair = Words(("PatientSex",), {"male": "M"})
    assert [read(repair, "PatientSex", text) for text in ("MALE", "male ", "MAN", "")] == ["M", "M", "MAN", ""]
    assert read(UpperCase(("Modality",)), "Modality", "ct") == "CT"


@pytest.mark.parametrize(
    ("written", "as_read"),
    [("45", "045Y"), ("6m", "006M"), ("045Y", "045Y"), ("1000", "1000"), ("old", "old"), ("", "")],
)
def test_an_age_has_three_digits_and_a_unit(written: str, as_read: str) -> None:
    assert read(AgeForm(("PatientAge",)), "PatientAge", written) == as_read


@pytest.mark.parametrize(
    ("form", "written", "as_read"),
    [
        ("MM/DD/YYYY", "01/31/2024", "20240131"),
        ("MM/DD/YYYY", "1/31/2024", "20240131"),
        ("MM/DD/YYYY", "31/01/2024", "31/01/2024"),
        ("DD.MM.YYYY", "31.01.2024", "20240131"),
        ("YYYY.MM.DD", "2024.01.31", "20240131"),
        ("DDMMYYYY", "31012024", "20240131"),
        ("DD.MM.YYYY", "20240131", "20240131"),
        ("DD.MM.YYYY", "31.01.24", "31.01.24"),
        ("DD.MM.YYYY", "31.01.2024 x", "31.01.2024 x"),
    ],
)
def test_a_date_is_read_in_the_form_that_the_site_names(form: str, written: str, as_read: str) -> None:
    assert read(DateForm(("StudyDate",), form), "StudyDate", written) == as_read


@pytest.mark.parametrize(
    ("form", "written", "as_read"),
    [("HH.MM.SS", "8.05.30", "080530"), ("HH.MM", "08.05", "080500"), ("HH.MM", "25.00", "25.00")],
)
def test_a_time_is_read_in_the_form_that_the_site_names(form: str, written: str, as_read: str) -> None:
    assert read(TimeForm(("StudyTime",), form), "StudyTime", written) == as_read


def test_a_form_names_each_part_once() -> None:
    assert is_form("DD.MM.YYYY", is_date=True)
    assert not any(is_form(form, is_date=True) for form in ("DD.MM", "DD.MM.YYYY DD", "DDxMMxYYYY", ""))
    assert is_form("HH.MM", is_date=False)
    assert not is_form("MM.SS", is_date=False)


def test_a_number_may_have_a_comma_and_a_sign_but_no_fraction() -> None:
    repair = NumberForm(("SeriesNumber",))
    found = [read(repair, "SeriesNumber", text) for text in ("1,0", "+3", "-2.", "1,5", "No 7", "9" * 30)]
    assert found == ["1", "3", "-2", "1,5", "No 7", "9" * 30]


def test_an_accession_number_is_taken_from_elsewhere_only_where_its_place_is_empty_and_the_other_fits() -> None:
    repair = TakenFrom("StudyID", "@A999")
    assert repair.read({"StudyID": "RA007"}) == {"AccessionNumber": "RA007"}
    assert repair.read({"StudyID": "RA007", "AccessionNumber": "RA1"}) == {}
    assert [repair.read({"StudyID": text}) for text in ("1", "RB007", "1A007", "RA00x", "")] == [{}] * 5


def test_what_is_put_around_a_number_goes_and_never_the_number_itself() -> None:
    repair = Without(("PatientID",), prefix="H-", suffix="/1")
    assert [read(repair, "PatientID", text) for text in ("H-12/1", "H-12", "12", "H-/1")] == [
        "12",
        "H-12",
        "12",
        "H-/1",
    ]


def device(*rules: Rule, **more: object) -> DeviceRepairs:
    return DeviceRepairs("cr", "A reader", rules=rules, **more)  # type: ignore[arg-type]


def test_rules_are_applied_in_their_order_and_each_is_remembered() -> None:
    view = View(
        (
            device(
                Rule("cr.issuer", "", GluedIssuer({"hosp": "HOSP"})),
                Rule("cr.letter", "", Without(("PatientID",), "H-")),
            ),
        )
    )
    changed, repaired = view.read({"PatientID": "H-1^^^HOSP"})
    assert changed == {"PatientID": "1", "IssuerOfPatientID": "HOSP"}
    assert repaired == (
        Repaired("PatientID", "H-1^^^HOSP", "H-1", "cr.issuer"),
        Repaired("IssuerOfPatientID", "", "HOSP", "cr.issuer"),
        Repaired("PatientID", "H-1", "1", "cr.letter"),
    )
    assert as_received(repaired) == {"PatientID": "H-1^^^HOSP", "IssuerOfPatientID": ""}


def test_only_the_device_that_is_meant_is_read_so() -> None:
    rule = Rule("cr.names", "", CommaName(NAME))
    meant = device(rule, ae_titles=frozenset({"CR1"}), matches={"Manufacturer": frozenset({"plateworks"})})
    view = view_of([meant], "CR1")
    assert view is not None
    assert view.read({"PatientName": "A, B", "Manufacturer": "PLATEWORKS "})[0] == {"PatientName": "A^B"}
    assert view.read({"PatientName": "A, B", "Manufacturer": "Other"}) == ({}, ())
    assert view_of([meant], "CR2") is None
    assert view_of([], "CR1") is None


def test_a_declared_character_set_is_believed_unless_the_site_says_never() -> None:
    assumed, always = CharsetRule("cr.text", "", "ISO_IR 144"), CharsetRule("cr.text", "", "ISO_IR 144", always=True)
    for rule, is_declared, expected in ((assumed, False, True), (assumed, True, False), (always, True, True)):
        view = View((device(charset=rule),))
        assert (view.charset_for({}, is_declared=is_declared) is not None) is expected


def test_a_clock_that_goes_ahead_is_known_for_its_device_alone() -> None:
    view = View((device(clock_ahead_secs=3600, matches={"StationName": frozenset({"cellar"})}),))
    assert (view.clock_ahead_secs({"StationName": "Cellar"}), view.clock_ahead_secs({})) == (3600, 0)
