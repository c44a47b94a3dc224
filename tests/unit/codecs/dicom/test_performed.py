"""What an attribute list of a performed step says."""

from __future__ import annotations

import json
from io import BytesIO

import pytest
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from bridge.codecs.dicom.performed import after_set, read_performed
from bridge.codecs.dicom.performed_answer import attribute_list, whole
from bridge.codecs.dicom.tree import Node
from bridge.domain.performed import AttributeList, ScheduledReference
from bridge.errors import Malformed
from tests.unit.codecs.dicom.objects import EXPLICIT, IMPLICIT, element, encoded


def _item(**attributes: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def _performed() -> Dataset:
    image = _item(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.2", ReferencedSOPInstanceUID="1.2.3.1")
    report = _item(ReferencedSOPInstanceUID="1.2.3.2")
    return _item(
        SpecificCharacterSet="ISO_IR 100",
        PatientName="NÚÑEZ^JOSÉ",
        PatientID="RI-1001",
        IssuerOfPatientID="RIVERSIDE",
        Modality="CT",
        PerformedProcedureStepID="PPS-1",
        PerformedStationAETitle="CT1",
        PerformedProcedureStepStatus="COMPLETED",
        PerformedProcedureStepStartDate="20260105",
        PerformedProcedureStepStartTime="0831",
        PerformedProcedureStepEndDate="20260105",
        PerformedProcedureStepEndTime="084012.25",
        EntranceDose=3,
        DistanceSourceToDetector="1000.5",
        PerformedProcedureStepDiscontinuationReasonCodeSequence=[_item(CodeValue="110514")],
        ScheduledStepAttributesSequence=[
            _item(
                StudyInstanceUID="1.2.3",
                AccessionNumber="A-77",
                RequestedProcedureID="RP-1",
                ScheduledProcedureStepID="SPS-1",
            )
        ],
        PerformedSeriesSequence=[
            _item(ReferencedImageSequence=[image, image], ReferencedNonImageCompositeSOPInstanceSequence=[report])
        ],
    )


@pytest.mark.parametrize(("implicit", "syntax"), [(True, IMPLICIT), (False, EXPLICIT)])
def test_everything_the_flow_asks_is_read(implicit: bool, syntax: str) -> None:
    draft = read_performed(AttributeList(encoded(_performed(), implicit=implicit), syntax))
    assert draft.status == "COMPLETED"
    assert draft.scheduled == (ScheduledReference("1.2.3", "A-77", "RP-1", "SPS-1"),)
    assert (draft.patient_id, draft.issuer_of_patient_id) == ("RI-1001", "RIVERSIDE")
    assert (draft.performed_procedure_step_id, draft.performed_station_ae_title, draft.modality) == (
        "PPS-1",
        "CT1",
        "CT",
    )
    assert (draft.started_local, draft.ended_local) == ("20260105083100", "20260105084012")
    assert draft.discontinuation_code == "110514"
    assert draft.referenced_instances == ("1.2.3.1", "1.2.3.2")
    kept = json.loads(draft.attributes)
    assert kept["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "NÚÑEZ^JOSÉ"}]}
    assert kept["00400302"] == {"vr": "US", "Value": [3]}
    assert kept["00181110"] == {"vr": "DS", "Value": [1000.5]}


@pytest.mark.parametrize(("implicit", "agreed"), [(True, EXPLICIT), (False, IMPLICIT)])
def test_a_device_that_writes_otherwise_than_agreed_is_read_as_it_writes(implicit: bool, agreed: str) -> None:
    draft = read_performed(AttributeList(encoded(_performed(), implicit=implicit), agreed))
    assert (draft.status, draft.patient_id) == ("COMPLETED", "RI-1001")


def test_an_n_set_that_leaves_things_out_says_so() -> None:
    draft = read_performed(_sent(_item(PerformedProcedureStepStatus="IN PROGRESS")))
    assert (draft.status, draft.referenced_instances, draft.scheduled, draft.started_local) == (
        "IN PROGRESS",
        None,
        (),
        "",
    )
    assert read_performed(_sent(_item(PerformedSeriesSequence=[]))).referenced_instances == ()


@pytest.mark.parametrize(
    "data",
    [
        element(0x00100020, b"RI-1", length=90),
        element(0x00100020, b"RI-1") * 2,
        b"".join(element(0x00400340, b"", 0xFFFFFFFF) + element(0xFFFEE000, b"", 0xFFFFFFFF) for _ in range(3000)),
    ],
)
def test_an_attribute_list_that_cannot_be_read_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        read_performed(AttributeList(data, IMPLICIT))


@pytest.mark.parametrize("codec", [b"unicode_escape", b"idna", b"rot13 "])
def test_a_python_codec_for_a_character_set_reads_as_latin_1(codec: bytes) -> None:
    named = element(0x00080005, codec) + element(0x00100010, b"A\xe9u41 ") + element(0x00400252, b"IN PROGRESS ")
    draft = read_performed(AttributeList(named, IMPLICIT))
    assert json.loads(draft.attributes)["00100010"]["Value"] == [{"Alphabetic": "Aéu41"}]


def test_numbers_that_json_does_not_have_are_kept_as_text() -> None:
    draft = read_performed(AttributeList(element(0x00181110, b"NaN ") + element(0x00181160, b"x"), IMPLICIT))
    assert json.loads(draft.attributes)["00181110"]["Value"] == ["NaN"]


def test_what_an_n_create_lacks_is_named() -> None:
    step = _item(StudyInstanceUID="", ScheduledProcedureStepID="1")
    draft = read_performed(
        _sent(_item(Modality="", PerformedStationAETitle="CT1", ScheduledStepAttributesSequence=[step]))
    )
    assert draft.absent == (
        "PerformedProcedureStepStartDate",
        "PerformedProcedureStepStartTime",
        "PerformedProcedureStepStatus",
        "PerformedProcedureStepID",
    )
    assert draft.empty == ("Modality", "StudyInstanceUID")
    assert "ScheduledStepAttributesSequence" in read_performed(_sent(_item(ScheduledStepAttributesSequence=[]))).empty


@pytest.mark.parametrize(
    ("tag", "value", "keyword"),
    [
        (0x00400244, b"20261399", "PerformedProcedureStepStartDate"),
        (0x00400251, b"9 am", "PerformedProcedureStepEndTime"),
        (0x0018115E, b"much", "ImageAndFluoroscopyAreaDoseProduct"),
        (0x00400241, b"A STATION TITLE THAT IS TOO LONG", "PerformedStationAETitle"),
        (0x00080060, b"COMPUTED TOMOGRAPHY", "Modality"),
    ],
)
def test_a_value_that_is_none_of_its_kind_is_named_and_kept(tag: int, value: bytes, keyword: str) -> None:
    draft = read_performed(AttributeList(element(tag, value), IMPLICIT))
    assert draft.out_of_range == (keyword,)
    assert f"{tag:08X}" in json.loads(draft.attributes)


def test_what_an_n_set_may_not_change_stays_and_is_named_only_if_it_was_tried() -> None:
    stands = json.loads(read_performed(_sent(_item(PatientID="A", Modality="CT"))).attributes)
    said = json.loads(read_performed(_sent(_item(PatientID="B", Modality="CT", EntranceDose=3))).attributes)
    assert after_set(stands, said) == ({"00400302": {"vr": "US", "Value": [3]}}, ("PatientID",))


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])
def test_a_performed_step_is_answered_whole_and_byte_for_byte(syntax: str) -> None:
    created, changed = _performed(), _item(SpecificCharacterSet="ISO_IR 100", PatientID="OTHER", EntranceDose=4)
    changed.add_new(0x00191001, "LO", "PRIVATE")
    data, missing = whole([_sent(created), _sent(changed)], (), syntax)
    answered = read_dataset(BytesIO(data), syntax == IMPLICIT, True)
    assert missing == ()
    assert (answered.PatientID, answered.EntranceDose, answered.SpecificCharacterSet) == ("RI-1001", 4, "ISO_IR 100")
    assert str(answered.PatientName) == "NÚÑEZ^JOSÉ"
    assert len(answered.PerformedSeriesSequence[0].ReferencedImageSequence) == 2
    assert (0x0019, 0x1001) in answered


def test_messages_in_several_character_sets_are_answered_in_utf_8() -> None:
    first = _item(SpecificCharacterSet="ISO_IR 100", PatientName="NÚÑEZ^JOSÉ")
    second = _item(SpecificCharacterSet="ISO_IR 144", PerformedProcedureStepDescription="Снимок")
    answered = read_dataset(BytesIO(whole([_sent(first), _sent(second)], (), EXPLICIT)[0]), False, True)
    assert (str(answered.PatientName), answered.PerformedProcedureStepDescription) == ("NÚÑEZ^JOSÉ", "Снимок")
    assert answered.SpecificCharacterSet == "ISO_IR 192"


def test_what_was_asked_for_and_is_not_there_is_named() -> None:
    data, missing = whole([_sent(_performed())], (0x00400252, 0x00400321), IMPLICIT)
    answered = read_dataset(BytesIO(data), True, True)
    assert answered.PerformedProcedureStepStatus == "COMPLETED"
    assert "PatientID" not in answered
    assert missing == (0x00400321,)


def test_the_attributes_of_a_refusal_come_with_or_without_their_values() -> None:
    with_value = attribute_list(Node(), (0x00400252,), EXPLICIT, values=True)
    assert with_value == b"\x40\x00\x52\x02CS\x00\x00"
    assert attribute_list(Node(), (0x00400270,), IMPLICIT, values=False) == b"\x40\x00\x70\x02" + bytes(4)


def _sent(dataset: Dataset) -> AttributeList:
    return AttributeList(encoded(dataset, implicit=False), EXPLICIT)
