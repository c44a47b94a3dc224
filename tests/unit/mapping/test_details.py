"""What devices are told besides: where each detail comes from, what stands in for it, what erases it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.domain.code import Code
from bridge.domain.details import Finding
from bridge.mapping.apply import Mapped
from bridge.mapping.site import Defaults
from tests.unit.mapping.senders import header, mapped

ADT = header("ADT^A08")
ORM = header("ORM^O01")
PID = "PID|1||77^^^MERCY^MR||DOE^JANE"
PV1 = "PV1|1|I"
ORC = "ORC|NW|P1^EHR|F1^RIS"
OBR = "OBR|1|P1^EHR|F1^RIS|71260^CT chest^C4|||||||||||||||||||CT"


def field(segment: str, **more: str) -> str:
    """*segment* with further fields by number: f16="VIP"."""
    fields = segment.split("|")
    for name, value in more.items():
        number = int(name[1:])
        fields += [""] * (number + 1 - len(fields))
        fields[number] = value
    return "|".join(fields)


def ordered(orc: str = ORC, obr: str = OBR, *more: str, pv1: str = PV1) -> Any:
    (draft,) = mapped(ORM, PID, pv1, orc, obr, *more).orders
    return draft


def admitted(*segments: str, pid: str = PID, pv1: str = PV1) -> Mapped:
    return mapped(ADT, pid, pv1, *segments)


@pytest.mark.parametrize(
    ("segment", "name", "value"),
    [
        ({"f6": "BORN^MARY"}, "patient_mother_birth_name", "BORN^MARY"),
        ({"f15": "de^German^ISO6391"}, "patient_primary_language_code", (Code("de", "RFC5646", "German"),)),
        ({"f15": "SPA"}, "patient_primary_language_code", (Code("spa", "ISO639_2"),)),
        ({"f13": "555-1~^PRN^PH^^1^555^2"}, "patient_telephone_numbers", ("555-1", "15552")),
        ({"f14": "555-9~^NET^Internet^jane@example.org"}, "patient_telecom_information", ("555-9", "jane@example.org")),
        ({"f40": "^WPN^CP^^^79^1"}, "patient_telecom_information", ("791",)),
        ({"f35": "L-80700^Canine^SRT"}, "patient_species_description", "Canine"),
        ({"f36": "Beagle"}, "patient_breed_description", "Beagle"),
    ],
)
def test_a_detail_of_the_patient(segment: dict[str, str], name: str, value: object) -> None:
    patient = admitted(pid=field(PID, **segment)).patient
    assert patient is not None
    assert patient.details[name] == value  # type: ignore[literal-required]


def test_the_note_behind_the_patient_is_a_comment_on_the_patient() -> None:
    found = mapped(ORM, PID, "NTE|1||deaf in one ear", PV1, ORC, OBR, "NTE|1||with contrast")
    assert found.patient is not None
    assert found.patient.details["patient_comments"] == "deaf in one ear"
    assert found.orders[0].requested_procedure_comments == "with contrast"


@pytest.mark.parametrize(
    ("segments", "name", "value"),
    [
        ({"f15": "A2~B6~LIFT"}, "special_needs", ("Wheelchair or stretcher bound", "LIFT")),
        ({"f16": "VIP"}, "confidentiality_constraint_on_patient_data_description", "VIP"),
    ],
)
def test_a_detail_of_the_visit(segments: dict[str, str], name: str, value: object) -> None:
    visit = admitted(pv1=field(PV1, **segments)).visit
    assert visit is not None
    assert visit.details[name] == value  # type: ignore[literal-required]


def test_diagnoses_before_the_orders_are_the_visits_and_those_behind_an_order_its_own() -> None:
    found = mapped(ORM, PID, PV1, "DG1|1||R51^Headache^I10C", ORC, OBR, "DG1|1||R05|Cough||W")
    assert found.visit is not None
    assert found.visit.details["admitting_diagnoses_code"] == (Code("R51", "I10C", "Headache"),)
    assert found.visit.details["admitting_diagnoses_description"] == ("Headache",)
    assert found.orders[0].details["diagnoses_code"] == (Code("R05"),)
    assert found.orders[0].details["diagnoses_description"] == ("Cough",)
    assert found.orders[0].details["reason_for_requested_procedure_code"] == (Code("R05"),)


@pytest.mark.parametrize(
    ("orc", "obr", "name", "value"),
    [
        ({"f10": "5^CLERK^CAL"}, {}, "order_entered_by", "CLERK^CAL"),
        ({"f13": "DESK^1"}, {}, "order_enterer_location", "DESK-1"),
        ({"f13": "DESK^^^^^^^^Front office"}, {}, "institutional_department_name", "Front office"),
        ({"f14": "555-7"}, {"f17": "555-8"}, "order_callback_phone_number", ("555-7",)),
        ({}, {"f17": "555-8"}, "order_callback_phone_number", ("555-8",)),
        ({"f9": "20260301120000", "f15": "20260301080000"}, {}, "issue_of_imaging_service_request", "20260301080000"),
        ({"f9": "20260301120000"}, {}, "issue_of_imaging_service_request", "20260301120000"),
        ({"f17": "ORT^Orthopaedics^L"}, {}, "requesting_service", "Orthopaedics"),
        ({"f17": "ORT^Orthopaedics^L"}, {}, "institution_code", (Code("ORT", "L", "Orthopaedics"),)),
        ({"f21": "Clinic^L"}, {}, "requesting_service", "Clinic"),
        ({"f22": "1 Way^^Town"}, {}, "institution_address", "1 Way, Town"),
        ({"f28": "R^Restricted"}, {}, "confidentiality_code", "R"),
        ({}, {"f12": "I^Infectious^L"}, "patient_state", "Infectious"),
        ({}, {"f13": "pacemaker"}, "medical_alerts", ("pacemaker",)),
        ({}, {"f13": "pacemaker"}, "reason_for_the_imaging_service_request", "pacemaker"),
        ({}, {"f13": "pacemaker"}, "imaging_service_request_comments", "pacemaker"),
        ({}, {"f28": "7^COPY^CARL~8^MORE^MIA"}, "names_of_intended_recipients_of_results", ("COPY^CARL", "MORE^MIA")),
        ({}, {"f30": "WHLC"}, "patient_transport_arrangements", "WHLC"),
        (
            {},
            {"f31": "R05^Cough^I10~R51^Headache^I10"},
            "reason_for_requested_procedure_code",
            (Code("R05", "I10", "Cough"), Code("R51", "I10", "Headache")),
        ),
    ],
)
def test_a_detail_of_the_order(orc: dict[str, str], obr: dict[str, str], name: str, value: object) -> None:
    assert ordered(field(ORC, **orc), field(OBR, **obr)).details[name] == value


def test_the_service_of_the_visit_stands_in_for_the_requesting_service_and_the_sender_for_the_institution() -> None:
    found = ordered(pv1=field(PV1, f10="MED"))
    assert found.details["requesting_service"] == "MED"
    assert found.institution_name == "MERCYW"


def test_a_lone_text_is_a_reason_but_no_code() -> None:
    found = ordered(obr=field(OBR, f31="persistent cough"))
    assert found.reason_for_the_requested_procedure == "persistent cough"
    assert "reason_for_requested_procedure_code" not in found.details


@pytest.mark.parametrize(
    ("segments", "minutes"),
    [
        ((field(ORC, f7="^^^20260302093000^20260302100000"), OBR), "30"),
        ((ORC, "TQ1|1||||||20260302093000|20260302101500", OBR), "45"),
        ((ORC, field(OBR, f27="^^^20260302093000^20260302094500")), "15"),
    ],
)
def test_the_end_of_a_step_says_how_long_it_takes(segments: tuple[str, ...], minutes: str) -> None:
    (draft,) = mapped(ORM, PID, PV1, *segments).orders
    assert draft.steps[0].details["scheduled_duration"] == minutes


def test_the_number_of_who_performs_a_step() -> None:
    (step,) = ordered(obr=field(OBR, f34="3&TECH&TOM&&&&&&STAFF")).steps
    assert step.details["scheduled_performing_physician_code"] == (Code("3", "STAFF", "TECH TOM"),)


def observed(*segments: str) -> tuple[dict[str, Finding], list[str]]:
    found = admitted(*segments)
    assert found.patient is not None
    return dict(found.patient.findings), [notice.detail for notice in found.notices]


@pytest.mark.parametrize(
    ("obx", "name", "value"),
    [
        ("OBX|1|NM|29463-7^Body weight^LN||82.5|kg", "patient_weight", "82.5"),
        ("OBX|1|NM|3141-9^Weight^LN||180|[lb_av]^pound^UCUM", "patient_weight", "81.647"),
        ("OBX|1|NM|WT^Body Weight||3200|g", "patient_weight", "3.2"),
        ("OBX|1|SN|29463-7^Body weight^LN||^70|kg", "patient_weight", "70"),
        ("OBX|1|NM|29463-7^Body weight^LN||72,5|KG", "patient_weight", "72.5"),
        ("OBX|1|NM|8302-2^Body height^LN||178|cm", "patient_size", "1.78"),
        ("OBX|1|NM|8302-2^Body height^LN||70|[in_i]", "patient_size", "1.778"),
        ("OBX|1|NM|HT^Body Height||1.8|m", "patient_size", "1.8"),
        ("OBX|1|CE|82810-3^Pregnancy status^LN||LA15173-0^Pregnant^LN", "pregnancy_status", "3"),
        ("OBX|1|CE|82810-3^Pregnancy status^LN||60001007^Not pregnant^SCT", "pregnancy_status", "1"),
    ],
)
def test_a_measurement_in_the_units_of_dicom(obx: str, name: str, value: str) -> None:
    findings, notices = observed(obx)
    assert findings[name].value == value
    assert notices == []


@pytest.mark.parametrize(
    ("obx", "notice"),
    [
        ("OBX|1|NM|29463-7||82", "a measurement without a unit that is known was left out"),
        ("OBX|1|NM|29463-7||82|stone", "a measurement without a unit that is known was left out"),
        ("OBX|1|NM|8302-2||178|m", "a measurement that no patient has was left out"),
        ("OBX|1|NM|8302-2||2|cm", "a measurement that no patient has was left out"),
        ("OBX|1|ST|29463-7||heavy|kg", "not a number, left out"),
        ("OBX|1|ST|29463-7||1e999999|kg", "not a number, left out"),
        ("OBX|1|CE|82810-3||perhaps", "a value that is not in table pregnancy was left out"),
    ],
)
def test_what_cannot_be_a_measurement_is_left_out_with_a_notice(obx: str, notice: str) -> None:
    assert observed(obx) == ({}, [notice])


def test_a_withdrawn_measurement_says_nothing_and_a_null_erases() -> None:
    assert observed("OBX|1|NM|29463-7||82|kg|||||W") == ({}, [])
    findings, _ = observed('OBX|1|NM|29463-7||""|kg')
    assert findings == {"patient_weight": Finding("")}


def test_a_measurement_has_the_time_of_its_observation() -> None:
    findings, _ = observed("OBX|1|NM|29463-7||82|kg|||||F|||20260228070000")
    assert findings["patient_weight"].found_at == datetime(2026, 2, 28, 12, tzinfo=UTC)


def test_pregnant_by_the_visit_and_every_allergy() -> None:
    found = admitted("AL1|1|DA|91936005^Penicillin^SCT|SV", "AL1|2|FA|PEANUT", pv1=field(PV1, f15="A1~B6"))
    assert found.patient is not None
    assert found.patient.findings == {
        "pregnancy_status": Finding("3"),
        "allergies": Finding(("Penicillin", "PEANUT")),
    }


def test_the_oid_of_an_authority_as_sent_or_as_the_settings_have_it() -> None:
    sent = "PID|1||77^^^MERCY&1.2.3.9&ISO^MR~5^^^HOME^PI~6||DOE^JANE"
    found = mapped(ADT, sent, PV1, defaults=Defaults("HOME", "UTC", {"1.2.3.4": "HOME"}))
    assert found.patient is not None
    assert found.patient.details["issuer_universal_ids"] == {"MERCY": "1.2.3.9", "HOME": "1.2.3.4"}
    (draft,) = mapped(ORM, PID, PV1, "ORC|NW|P1^EHR^1.2.7^ISO|F1^HOME", OBR).orders
    assert draft.details["issuer_universal_ids"] == {"EHR": "1.2.7", "HOME": "1.2.3.4"}


def test_a_null_erases_and_an_empty_field_keeps() -> None:
    found = ordered(obr=field(OBR, f12='""', f13='""', f30="", f31='""'))
    assert (found.details["patient_state"], found.details["medical_alerts"]) == ("", ())
    assert found.details["reason_for_requested_procedure_code"] == ()
    assert "patient_transport_arrangements" not in found.details


def test_the_end_and_the_notes_of_a_service() -> None:
    found = mapped(
        header("SIU^S12"),
        "SCH|AP1|||||^FOLLOWUP|||60|min",
        "NTE|1||about the appointment",
        PID,
        "RGS|1",
        "AIS|1||71260^CT chest^C4|20260302093000|||45|min",
        "NTE|1||come fasting",
        "AIP|1||8^TECH^TOM^^^^^^STAFF",
        "AIS|2||76700^US abdomen^C4|20260302103000|||",
    )
    first, second = found.appointments[0].slots
    assert first.details == {
        "scheduled_duration": "45",
        "comments_on_the_scheduled_procedure_step": "come fasting",
        "scheduled_performing_physician_code": (Code("8", "STAFF", "TECH TOM"),),
    }
    assert second.details["scheduled_duration"] == "60"
