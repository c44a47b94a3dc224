"""What an attribute list of a performed step says."""

from __future__ import annotations

import json
from io import BytesIO

import pytest
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from bridge.codecs.dicom.performed import performed_from, read_performed
from bridge.domain.performed import ScheduledReference
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
    draft = read_performed(encoded(_performed(), implicit=implicit), syntax)
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


def test_what_pydicom_has_read_is_read_the_same() -> None:
    assert performed_from(_performed()) == read_performed(encoded(_performed(), implicit=False), EXPLICIT)


def test_an_n_set_that_leaves_things_out_says_so() -> None:
    draft = performed_from(_item(PerformedProcedureStepStatus="IN PROGRESS"))
    assert (draft.status, draft.referenced_instances, draft.scheduled, draft.started_local) == (
        "IN PROGRESS",
        None,
        (),
        "",
    )
    assert performed_from(_item(PerformedSeriesSequence=[])).referenced_instances == ()


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
        read_performed(data, IMPLICIT)


@pytest.mark.parametrize("codec", [b"unicode_escape", b"idna", b"rot13 "])
def test_a_python_codec_for_a_character_set_reads_as_latin_1(codec: bytes) -> None:
    named = element(0x00080005, codec) + element(0x00100010, b"A\xe9u41 ") + element(0x00400252, b"IN PROGRESS ")
    received = read_dataset(BytesIO(named), True, True)
    received.set_original_encoding(True, True)
    for draft in (read_performed(named, IMPLICIT), performed_from(received)):
        assert json.loads(draft.attributes)["00100010"]["Value"] == [{"Alphabetic": "Aéu41"}]


def test_numbers_that_json_does_not_have_are_kept_as_text() -> None:
    draft = read_performed(element(0x00181110, b"NaN ") + element(0x00181160, b"x"), IMPLICIT)
    assert json.loads(draft.attributes)["00181110"]["Value"] == ["NaN"]
