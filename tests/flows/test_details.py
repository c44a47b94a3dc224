"""What devices are told besides: from messages of every kind to the item that a scanner gets, and what becomes of it later."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import pytest
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from bridge.codecs.dicom.worklist_model import ROOT_KEYS, SEQUENCES, STEP_KEYS, STEP_SEQUENCE
from bridge.domain.identifiers import PatientIdentifier
from bridge.flows.answer_worklist import answer_worklist
from bridge.store import patients
from bridge.wiring import House
from tests.cast import NEAR_TWIN, PLAIN, adt, merge, order
from tests.flows.asking import IMPLICIT, encode_query, say
from tests.flows.registration import pv1, tell

WEIGHT = "OBX|1|NM|29463-7^Body weight^LN||{}|kg\r"


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    return make_house()


def whole_item(house: House, accession: str = "A1") -> Dataset:
    """Return everything that a device can be told of an exam: every key of the model is asked for."""
    query = Dataset()
    for tag in ROOT_KEYS - {STEP_SEQUENCE, 0x00080005}:
        query.add_new(tag, "SQ" if tag in SEQUENCES else "LO", [] if tag in SEQUENCES else "")
    step = Dataset()
    for tag in STEP_KEYS:
        step.add_new(tag, "SQ" if tag in SEQUENCES else "LO", [] if tag in SEQUENCES else "")
    query.ScheduledProcedureStepSequence = [step]
    query.AccessionNumber = accession
    (answer,) = answer_worklist(house.store, encode_query(query), IMPLICIT, house.devices.asking("CT1"))
    assert answer.status == 0xFF00
    return read_dataset(BytesIO(answer.identifier), True, True)


def step_of(item: Dataset) -> Dataset:
    (step,) = item.ScheduledProcedureStepSequence
    return step


def segment(name: str, fields: dict[int, str]) -> str:
    """Return a segment of these fields by their numbers."""
    return "|".join([name, *(fields.get(number, "") for number in range(1, max(fields) + 1))])


def test_every_detail_of_a_rich_order_reaches_the_device(house: House) -> None:
    segments = (
        "MSH|^~\\&|RIVEHR|RIVERSIDE|BRIDGE|RIVERSIDE|20260302080500||ORM^O01|R1|P|2.5.1||||||UNICODE UTF-8",
        "PID|1||00041001^^^RIVERSIDE&1.2.3.4&ISO^MR~N9^^^NATION^NI||HALVORSEN^INGRID|BERG^MARY|19580312|F|||1 Way^^Town"
        "||555-0101~555-0102|555-0199|de^German^ISO6391",
        "NTE|1||hard of hearing",
        segment(
            "PV1", {2: "I", 3: "W^2^B", 10: "MED", 15: "A2", 16: "VIP", 19: "V1^^^RIVERSIDE", 44: "20260301140000"}
        ),
        "DG1|1||R91.1^Nodule^I10C",
        "AL1|1|DA|^Iodinated contrast",
        segment(
            "ORC",
            {
                1: "NW",
                2: "P1^RIVEHR",
                3: "F1^RIVRIS",
                7: "^^^20260302101500-0500^20260302104500-0500^^R",
                9: "20260302080000",
            }
            | {10: "5^CLERK^CAL", 12: "9^DOC^DAN", 13: "DESK^1^^^^^^^Front", 14: "555-7", 15: "20260302075500"}
            | {17: "MED^Medicine^L", 22: "2 Road^^Town", 28: "R"},
        ),
        segment(
            "OBR",
            {
                2: "P1^RIVEHR",
                3: "F1^RIVRIS",
                4: "71260^CT CHEST^C4",
                12: "I^Infectious^L",
                13: "pacemaker",
                16: "9^DOC^DAN",
            }
            | {18: "A1", 19: "A1", 20: "A1", 24: "CT", 28: "7^COPY^CARL", 30: "WHLC", 31: "R05^Cough^I10"}
            | {34: "3&TECH&TOM&&&&&&STAFF"},
        ),
        "OBX|1|NM|29463-7^Body weight^LN||180|[lb_av]",
        "OBX|2|NM|8302-2^Body height^LN||178|cm",
        "OBX|3|CE|82810-3^Pregnancy^LN||LA26683-5",
        "ZDS|1.2.826.0.1.77.9^RIVEHR^Application^DICOM",
    )
    raw = "\r".join(segments) + "\r"
    (answer,) = say(house, raw.encode())
    assert b"MSA|AA" in answer
    item = whole_item(house)
    step = step_of(item)
    expected = {
        "TimezoneOffsetFromUTC": "+0000",
        "InstitutionName": "Medicine",
        "InstitutionAddress": "2 Road, Town",
        "InstitutionalDepartmentName": "Front",
        "AdmittingDiagnosesDescription": "Nodule",
        "OtherPatientIDs": "N9",
        "PatientTelephoneNumbers": ["555-0101", "555-0102"],
        "PatientTelecomInformation": "555-0199",
        "PatientMotherBirthName": "BERG^MARY",
        "PatientComments": "hard of hearing",
        "PatientWeight": 81.647,
        "PatientSize": 1.78,
        "PregnancyStatus": 1,
        "Allergies": "Iodinated contrast",
        "MedicalAlerts": "pacemaker",
        "SpecialNeeds": "Wheelchair or stretcher bound",
        "PatientState": "Infectious",
        "ConfidentialityConstraintOnPatientDataDescription": "VIP",
        "ConfidentialityCode": "R",
        "RequestingService": "Medicine",
        "RouteOfAdmissions": "I",
        "AdmittingDate": "20260301",
        "AdmittingTime": "140000",
        "PatientTransportArrangements": "WHLC",
        "NamesOfIntendedRecipientsOfResults": "COPY^CARL",
        "ReasonForTheImagingServiceRequest": "pacemaker",
        "ImagingServiceRequestComments": "pacemaker",
        "IssueDateOfImagingServiceRequest": "20260302",
        "IssueTimeOfImagingServiceRequest": "075500",
        "OrderEnteredBy": "CLERK^CAL",
        "OrderEntererLocation": "DESK-1",
        "OrderCallbackPhoneNumber": "555-7",
        "StudyDate": "",
        "StudyTime": "",
    }
    assert {name: item[name].value for name in expected} == expected
    assert item.IssuerOfPatientIDQualifiersSequence[0].UniversalEntityID == "1.2.3.4"
    assert item.AdmittingDiagnosesCodeSequence[0].CodingSchemeDesignator == "I10"
    assert item.PatientPrimaryLanguageCodeSequence[0].CodeValue == "de"
    assert item.ReasonForRequestedProcedureCodeSequence[0].CodeValue == "R05"
    assert item.InstitutionCodeSequence[0].CodingSchemeDesignator == "99RIVERSIDE"
    assert (len(item.ReferencedStudySequence), len(item.ReferencedPatientSequence)) == (0, 0)
    assert (step.ScheduledProcedureStepEndDate, step.ScheduledProcedureStepEndTime) == ("20260302", "154500")
    (person,) = step.ScheduledPerformingPhysicianIdentificationSequence
    assert person.PersonIdentificationCodeSequence[0].CodeValue == "3"


def test_the_newest_weight_wins_whoever_says_it(house: House) -> None:
    say(house, adt(PLAIN, at="20260302080000", extra=WEIGHT.format(70)), order(PLAIN, "A1"))
    assert whole_item(house).PatientWeight == 70
    say(house, order(PLAIN, "A2", at="20260302090000", extra=WEIGHT.format(72)))
    assert whole_item(house).PatientWeight == 72
    say(house, adt(PLAIN, "A08", at="20260302083000", extra=WEIGHT.format(90)))
    assert whole_item(house).PatientWeight == 72
    say(house, adt(PLAIN, "A08", at="20260302100000"))
    assert whole_item(house).PatientWeight == 72
    say(house, adt(PLAIN, "A08", at="20260302110000", extra=WEIGHT.format('""')))
    assert whole_item(house).PatientWeight is None


def test_allergies_that_registration_tells_reach_every_open_exam(house: House) -> None:
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    say(house, adt(PLAIN, "A08", at="20260302090000", extra="AL1|1|DA|^Penicillin\rAL1|2|FA|^Peanut\r"))
    assert list(whole_item(house).Allergies) == ["Penicillin", "Peanut"]
    say(house, adt(PLAIN, "A08", at="20260302100000", extra="AL1|1|DA|^Penicillin\r"))
    assert whole_item(house).Allergies == "Penicillin"


def test_what_a_visit_says_reaches_its_exams_before_and_after_they_are_ordered(house: House) -> None:
    visit = pv1("V1").split("|")
    visit += [""] * (17 - len(visit))
    visit[15], visit[16] = "A6", "VIP"
    say(house, tell("A01", PLAIN.pid, "|".join(visit), at="20260302080000"))
    plain = pv1("V1")
    say(house, order(PLAIN, "A1").replace(b"PV1|1|O", plain.encode()))
    assert whole_item(house).SpecialNeeds == "Hearing impaired"
    assert whole_item(house).ConfidentialityConstraintOnPatientDataDescription == "VIP"
    visit[15], visit[16] = '""', ""
    say(house, tell("A08", PLAIN.pid, "|".join(visit), at="20260302090000"))
    assert whole_item(house).SpecialNeeds == ""
    assert whole_item(house).ConfidentialityConstraintOnPatientDataDescription == "VIP"


def test_a_changed_order_keeps_what_it_does_not_repeat_and_when_it_was_issued(house: House) -> None:
    rich = order(PLAIN, "A1").replace(b"|A1|A1|A1||||CT", b"|A1|A1|A1||||CT||||||WHLC")
    say(house, rich, order(PLAIN, "A1", "XO", at="20260302090000", start="20260302140000"))
    item = whole_item(house)
    assert item.PatientTransportArrangements == "WHLC"
    assert item.IssueTimeOfImagingServiceRequest == "080500"
    say(house, order(PLAIN, "A1", "XO", at="20260302093000").replace(b"||||CT\r", b'||||CT||||||""\r'))
    assert whole_item(house).PatientTransportArrangements == ""


def test_what_has_begun_stays_on_the_list_as_the_device_read_it(house: House) -> None:
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    say(house, order(PLAIN, "A1", "SC", status="IP", at="20260302101500"))
    say(house, adt(PLAIN, "A08", at="20260302103000").replace(b"INGRID", b"INGRID KARIN"))
    item = whole_item(house)
    assert (item.PatientName, step_of(item).ScheduledProcedureStepStatus) == ("HALVORSEN^INGRID", "STARTED")
    with house.store.read() as tx:
        record = patients.find(tx, PatientIdentifier(PLAIN.patient_id, "RIVERSIDE"))
    assert record is not None
    assert record.patient_name == "HALVORSEN^INGRID KARIN"


def test_an_exam_that_is_another_patients_after_all_is_put_right_on_the_list(house: House) -> None:
    say(house, adt(PLAIN), adt(NEAR_TWIN), order(PLAIN, "A1"))
    say(house, order(PLAIN, "A1", "SC", status="IP", at="20260302101500"))
    say(house, order(NEAR_TWIN, "A1", "XO", status="IP", at="20260302110000"))
    assert whole_item(house).PatientID == NEAR_TWIN.patient_id


def test_a_merge_leaves_the_number_that_images_carry(house: House) -> None:
    say(house, adt(PLAIN), adt(NEAR_TWIN), order(NEAR_TWIN, "A1"))
    say(
        house, order(NEAR_TWIN, "A1", "SC", status="IP", at="20260302101500"), merge(PLAIN, NEAR_TWIN, "20260302110000")
    )
    assert whole_item(house).PatientID in (PLAIN.patient_id, NEAR_TWIN.patient_id)
