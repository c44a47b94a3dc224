"""Patient updates and merges by the base rules. Source: HL7 2.5.1 3.3, 3.4."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.domain.patient import PatientDraft
from bridge.errors import Incomplete, Malformed, Unsupported
from bridge.mapping.site import Receiving
from tests.unit.mapping.senders import DEFAULTS, header, mapped, shipped

A08 = header("ADT^A08^ADT_A01")


def patient(pid: str) -> PatientDraft:
    found = mapped(A08, "EVN|A08", pid).patient
    assert found is not None
    return found


def test_an_update_gives_the_patient() -> None:
    found = mapped(
        A08,
        "EVN|A08|20260301115959",
        "PID|1||77^^^MERCY^MR~XX1^^^STATE^NI||DOE^JANE^Q^JR^DR^MD^L||19700101|F|||1 Way^^Town^ST^1||555|||||||||||Y|||||||N",
        "PV1|1|I|W^2^B||||1^ATT|2^REF^ROB|||||||||||V9^^^MERCY^VN",
    )

    assert found.event == "ADT^A08"
    assert found.control_id == "C1"
    assert found.message_at == datetime(2026, 3, 1, 17, 0, tzinfo=UTC)
    assert found.patient == PatientDraft(
        (PatientIdentifier("77", "MERCY", "MR"), PatientIdentifier("XX1", "STATE", "NI")),
        patient_name="DOE^JANE^Q^DR^JR MD",
        patient_birth_date="19700101",
        patient_sex="F",
        multiple_birth=True,
        provisional=False,
        patient_address="1 Way, Town, ST, 1",
        patient_telephone="555",
        details={"patient_telephone_numbers": ("555",)},
    )
    assert found.visit is not None
    assert found.visit.admission_id == EntityIdentifier("V9", "MERCY")
    assert found.visit.current_patient_location == "W-2-B"
    assert found.visit.referring_physician_name == "REF^ROB"


@pytest.mark.parametrize("trigger", ["A01", "A04", "A08"])
def test_the_served_updates(trigger: str) -> None:
    assert mapped(header(f"ADT^{trigger}"), "PID|1||7^^^M^MR").event == f"ADT^{trigger}"


def test_empty_keeps_and_null_erases() -> None:
    assert patient("PID|1||7||||").patient_name is None
    erased = patient('PID|1||7||""||""|""')
    assert (erased.patient_name, erased.patient_birth_date, erased.patient_sex) == ("", "", "")


def test_every_value_says_where_it_came_from() -> None:
    trace = {line.target: (line.source, line.rule) for line in mapped(A08, "PID|1||7^^^M^MR||DOE^J").trace}

    assert trace["patient.name"] == ("PID-5", "base/patient")


# Which number.


def test_an_identifier_without_authority_belongs_to_the_senders() -> None:
    assert patient("PID|1||77").identifiers == (PatientIdentifier("77", "HOME"),)
    of_site = replace(shipped().base, authority="MERCYW")
    found = mapped(A08, "PID|1||77", site=of_site).patient
    assert found is not None
    assert found.identifiers[0].issuer_of_patient_id == "MERCYW"


def test_the_configured_authority_goes_first_then_the_type() -> None:
    assert patient("PID|1||1^^^X^MR~2^^^HOME^PI").identifiers[0].patient_id == "2"
    assert patient("PID|1||1^^^X^PI~2^^^X^MR").identifiers[0].patient_id == "2"
    assert patient("PID|1||1^^^X~2^^^X").identifiers[0].patient_id == "1"


@pytest.mark.parametrize("kind", ["SS", "MB", "MC", "DL"])
def test_a_number_of_the_state_or_the_insurance_is_never_the_patients(kind: str) -> None:
    assert patient(f"PID|1||123456789^^^HOME^{kind}~2^^^X^MR").identifiers[0].patient_id == "2"
    with pytest.raises(Incomplete) as refused:
        patient(f"PID|1||123456789^^^HOME^{kind}")
    assert refused.value.where == "PID-3"


def test_a_universal_id_that_the_settings_know_names_the_authority() -> None:
    assert patient("PID|1||7^^^&1.2.3.4&ISO").identifiers[0].issuer_of_patient_id == "HOME"
    assert patient("PID|1||7^^^ALIAS&1.2.3.4&ISO").identifiers[0].issuer_of_patient_id == "HOME"
    assert patient("PID|1||7^^^&9.9.9&ISO").identifiers[0].issuer_of_patient_id == "9.9.9"


def test_the_same_number_twice_is_one() -> None:
    assert len(patient("PID|1||7^^^M^MR~7^^^M^MR").identifiers) == 1


@pytest.mark.parametrize("pid", ["PID|1||", "PID|1", 'PID|1||""', "PID|1||^^^M^MR", "PV1|1|O"])
def test_no_number_is_refused(pid: str) -> None:
    with pytest.raises(Incomplete) as refused:
        patient(pid)
    assert (refused.value.code, refused.value.where) == ("missing", "PID-3")


def test_a_number_that_does_not_fit_is_never_cut() -> None:
    with pytest.raises(Malformed) as refused:
        patient(f"PID|1||{'7' * 65}")
    assert (refused.value.code, refused.value.where) == ("too_long", "PID-3")


def test_two_patients_in_an_event_for_one_are_refused() -> None:
    with pytest.raises(Malformed) as refused:
        mapped(A08, "PID|1||7", "PID|2||8")
    assert (refused.value.code, refused.value.where) == ("segment_sequence", "PID[2]")


# Merges.


def test_a_merge_names_survivor_and_retired() -> None:
    found = mapped(header("ADT^A40^ADT_A39"), "EVN|A40", "PID|1||77^^^M^MR||DOE^JANE", "MRG|66^^^M^MR")

    assert found.patient is None
    assert [(m.survivor.identifiers[0].patient_id, m.retired) for m in found.merges] == [
        ("77", PatientIdentifier("66", "M", "MR"))
    ]


def test_every_pair_of_a_merge_message_counts() -> None:
    found = mapped(header("ADT^A40"), "PID|1||77", "PV1|1|O", "MRG|66", "PID|2||99", "PD1|1", "MRG|88")

    assert [(m.survivor.identifiers[0].patient_id, m.retired.patient_id) for m in found.merges] == [
        ("77", "66"),
        ("99", "88"),
    ]


def test_of_several_retired_numbers_those_that_the_survivor_keeps_do_not_end() -> None:
    found = mapped(header("ADT^A40"), "PID|1||77^^^M^MR~5^^^STATE^NI", "MRG|5^^^STATE^NI~66^^^M^MR~4^^^OLD^MR~3^^^S^SS")

    assert [m.retired.patient_id for m in found.merges] == ["66", "4"]


def test_a_merge_into_itself_is_left_for_the_decision() -> None:
    found = mapped(header("ADT^A40"), "PID|1||77^^^M^MR", "MRG|77^^^M^MR")

    assert found.merges[0].retired == PatientIdentifier("77", "M", "MR")


@pytest.mark.parametrize(
    ("segments", "error", "where"),
    [
        (("PID|1||77",), Incomplete, "MRG-1"),
        (("PID|1||77", "MRG|"), Incomplete, "MRG-1"),
        (("PID|1||", "MRG|66"), Incomplete, "PID-3"),
        (("EVN|A40",), Incomplete, "PID-3"),
        (("MRG|66", "PID|1||77"), Malformed, "MRG"),
        (("PID|1||77", "MRG|66", "MRG|65"), Malformed, "MRG[2]"),
    ],
)
def test_a_merge_without_its_halves_is_refused(segments: tuple[str, ...], error: type[Exception], where: str) -> None:
    with pytest.raises(error) as refused:
        mapped(header("ADT^A40"), *segments)
    assert getattr(refused.value, "where", "") == where


# The header.


@pytest.mark.parametrize(
    ("message_type", "code", "where"),
    [
        ("BAR^P01", "unsupported_type", "MSH-9.1"),
        ("MDM^T01", "unsupported_event", "MSH-9.2"),
        ("ZZZ^Z99", "unsupported_type", "MSH-9.1"),
        ("ADT^A17", "unsupported_event", "MSH-9.2"),
        ("ADT", "unsupported_event", "MSH-9.2"),
        ("ORM^O02", "unsupported_event", "MSH-9.2"),
    ],
)
def test_a_type_or_trigger_that_is_not_served(message_type: str, code: str, where: str) -> None:
    with pytest.raises(Unsupported) as refused:
        mapped(header(message_type), "PID|1||7")
    assert (refused.value.code, refused.value.where) == (code, where)


def test_a_component_that_holds_a_caret_under_other_delimiters_is_no_type() -> None:
    said = "MSH|&~\\^|EHR|MERCYW|BRIDGE|HOSP|20260301120000||ADT^A08|C1|P|2.5.1"
    with pytest.raises(Unsupported) as refused:
        mapped(said, "PID|1||7")
    assert (refused.value.code, refused.value.where) == ("unsupported_type", "MSH-9.1")


def test_the_structure_is_not_gone_by_but_its_contradiction_is_told() -> None:
    found = mapped(header("ADT^A08^ORU_R01"), "PID|1||7")

    assert [notice.where for notice in found.notices] == ["MSH-9.3"]


@pytest.mark.parametrize(
    ("field", "where"), [("control_id", "MSH-10"), ("processing_id", "MSH-11"), ("version", "MSH-12")]
)
def test_a_header_without_its_required_fields(field: str, where: str) -> None:
    with pytest.raises(Incomplete) as refused:
        mapped(header("ADT^A08", **{field: ""}), "PID|1||7")
    assert refused.value.where == where


@pytest.mark.parametrize("version", ["9.9", "3.0", "x"])
def test_a_version_that_is_no_version_2(version: str) -> None:
    with pytest.raises(Unsupported) as refused:
        mapped(header("ADT^A08", version=version), "PID|1||7")
    assert refused.value.code == "unsupported_version"


@pytest.mark.parametrize("version", ["2.2", "2.3.1", "2.5.1^USA", "2.8.2", "2.9"])
def test_versions_that_are_read(version: str) -> None:
    assert mapped(header("ADT^A08", version=version), "PID|1||7").patient is not None


def test_processing_ids_are_the_sites() -> None:
    site = replace(shipped().base, processing_ids=("P",))
    with pytest.raises(Unsupported) as refused:
        mapped(header("ADT^A08", processing_id="T"), "PID|1||7", site=site)
    assert refused.value.code == "unsupported_processing_id"
    assert mapped(header("ADT^A08", processing_id="T"), "PID|1||7").patient is not None


def test_the_receiver_is_checked_only_where_the_site_says_so() -> None:
    site = replace(shipped().base, receiving=Receiving(application="OTHER"))
    with pytest.raises(Incomplete) as refused:
        mapped(A08, "PID|1||7", site=site)
    assert (refused.value.code, refused.value.where) == ("not_in_table", "MSH-5")


@pytest.mark.parametrize("at", ["2026-03-01T12:00", "01/15/2026", "11111"])
def test_a_message_time_that_is_none_falls_back_to_the_events(at: str) -> None:
    found = mapped(header("ADT^A08", at=at), "EVN|A08|20260301120000", "PID|1||7")

    assert found.message_at == datetime(2026, 3, 1, 17, 0, tzinfo=UTC)
    assert [notice.where for notice in found.notices] == ["MSH-7"]


def test_a_visit_needs_its_segment_only() -> None:
    assert mapped(A08, "PID|1||7").visit is None
    visit = mapped(A08, "PID|1||7|||||||||||||||ACC1", "PV1|1|E").visit
    assert visit is not None
    assert visit.admission_id == EntityIdentifier("ACC1", "HOME")


def test_an_unreadable_admission_date_does_not_cost_the_message() -> None:
    found = mapped(A08, "PID|1||7", "PV1|1|I" + "|" * 42 + "yesterday")

    assert found.visit is not None
    assert found.visit.admitted_local is None
    assert [notice.where for notice in found.notices] == ["PV1-44"]


@pytest.mark.parametrize("date", ["1" * 100_000 + "+", "19701301", "7 May 1970", "1970010a"])
def test_a_birth_date_that_is_none_is_refused(date: str) -> None:
    with pytest.raises(Malformed) as refused:
        patient(f"PID|1||7||DOE||{date}")
    assert refused.value.where == "PID-7"


@pytest.mark.parametrize("date", ["1970", "197001", "00000000", "0000"])
def test_half_a_birth_date_is_left_out(date: str) -> None:
    assert patient(f"PID|1||7||DOE||{date}").patient_birth_date is None


def test_a_birth_date_has_no_time_zone() -> None:
    assert patient("PID|1||7||DOE||19700101233000+1400").patient_birth_date == "19700101"


def test_defaults_stand_in_for_a_silent_site() -> None:
    assert mapped(A08, "PID|1||7", defaults=replace(DEFAULTS, authority="OTHER")).patient == PatientDraft(
        (PatientIdentifier("7", "OTHER"),)
    )
