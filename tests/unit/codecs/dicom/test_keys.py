"""What a query asks, from bytes."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from bridge.codecs.dicom import charset, keys
from bridge.domain.matching import Range, TimeRange
from bridge.errors import Malformed, Unsupported
from tests.unit.codecs.dicom.objects import EXPLICIT, IMPLICIT, element, encoded


def identifier(step: dict[str, object] | None = None, **root: object) -> Dataset:
    """Return a worklist identifier."""
    dataset = Dataset()
    for keyword, value in root.items():
        setattr(dataset, keyword, value)
    if step is not None:
        item = Dataset()
        for keyword, value in step.items():
            setattr(item, keyword, value)
        dataset.ScheduledProcedureStepSequence = [item]
    return dataset


@pytest.mark.parametrize(("implicit", "syntax"), [(True, IMPLICIT), (False, EXPLICIT)])
def test_the_usual_query_of_a_scanner(implicit: bool, syntax: str) -> None:
    asked = identifier(
        {
            "ScheduledStationAETitle": "CT1",
            "Modality": "CT",
            "ScheduledProcedureStepStartDate": "20260105-20260106",
            "ScheduledProcedureStepStartTime": "0800-1200",
            "ScheduledProcedureStepID": "",
        },
        SpecificCharacterSet="ISO_IR 100",
        PatientName="Núñez*",
        PatientID="",
        AccessionNumber="*",
    )
    query = keys.to_worklist_query(encoded(asked, implicit=implicit), syntax)
    assert query.scheduled_station_ae_title == ("CT1",)
    assert query.modality == ("CT",)
    assert query.start_dates == Range("20260105", "20260106")
    assert query.start_times == TimeRange("080000", "120059.999999")
    assert query.start_window == Range("20260105080000", "20260106120059.999999")
    assert query.patient_name == ("Núñez*",)
    assert query.patient_id == query.accession_number == ()
    assert query.character_set == charset.LATIN_1
    assert query.is_fully_supported
    assert [key.tag for key in query.keys] == [0x00080005, 0x00080050, 0x00100010, 0x00100020, 0x00400100]


def test_old_dates_lists_and_asterisks_are_understood() -> None:
    asked = encoded(
        identifier(
            {"ScheduledProcedureStepStartDate": "*", "Modality": ["CR", "DX"]},
            StudyInstanceUID=["1.2", "1.3"],
            PatientName="^^^^",
        )
    ) + element(0x00100030, b"1962.07.14")
    query = keys.to_worklist_query(asked, IMPLICIT)
    assert query.start_dates is None
    assert query.start_window is None
    assert query.modality == ("CR", "DX")
    assert query.study_instance_uid == ("1.2", "1.3")
    assert query.patient_name == ()
    assert query.birth_dates == Range("19620714", "19620714")


def test_a_lone_day_is_a_window_of_one_day() -> None:
    query = keys.to_worklist_query(encoded(identifier({"ScheduledProcedureStepStartDate": "20260105"})), IMPLICIT)
    assert query.start_window == Range("20260105000000", "20260105235959.999999")


def test_step_keys_at_the_root_are_ignored_with_a_hint() -> None:
    query = keys.to_worklist_query(encoded(identifier({}, Modality="CT", ScheduledStationAETitle="CT1")), IMPLICIT)
    assert query.modality == query.scheduled_station_ae_title == ()
    assert query.hints == ("step_keys_at_root",)
    assert not query.is_fully_supported


def test_an_unknown_key_or_one_that_is_not_matched_makes_the_answer_ff01() -> None:
    assert keys.to_worklist_query(encoded(identifier(PatientID="", PatientWeight=None)), IMPLICIT).is_fully_supported
    unknown = keys.to_worklist_query(encoded(identifier(PatientID="", EthnicGroup="")), IMPLICIT)
    assert not unknown.is_fully_supported
    unmatched = keys.to_worklist_query(encoded(identifier(PatientID="", RequestedProcedureComments="x")), IMPLICIT)
    assert not unmatched.is_fully_supported


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes((i * 91 + 7) % 256 for i in range(500)),
        element(0x00100020, b"RI-1", length=40),
        element(0x00400100, b"\xfe\xff\x00\xe0\x10\x00\x00\x00"),
        element(0x00400100, b"", 0xFFFFFFFF) + element(0xFFFEE000, b"") * 65 + element(0xFFFEE0DD, b""),
        b"".join(element(0x00110000 + i + 0x1000, b"") for i in range(600)),
        element(0x00100020, b"x" * 20_000),
    ],
)
def test_an_identifier_that_cannot_be_read_is_refused(data: bytes) -> None:
    for read in (keys.to_worklist_query, keys.to_study_query):
        with pytest.raises(Malformed):
            read(data, IMPLICIT)


@pytest.mark.parametrize(
    "step", [{"ScheduledProcedureStepStartDate": "20261399"}, {"ScheduledProcedureStepStartTime": "9999"}]
)
def test_a_date_or_time_that_is_none_is_refused(step: dict[str, object]) -> None:
    item = b"".join(
        element(0x00400002 if "Date" in keyword else 0x00400003, str(value).encode()) for keyword, value in step.items()
    )
    with pytest.raises(Malformed):
        keys.to_worklist_query(element(0x00400100, element(0xFFFEE000, item)), IMPLICIT)


def test_keys_without_a_declared_set_are_read_as_the_peer_is_known_to_write() -> None:
    data = element(0x00100010, "ÁRB*".encode("iso8859_2"))
    query = keys.to_worklist_query(data, IMPLICIT, default_charset=charset.parse(b"ISO_IR 101"))
    assert query.patient_name == ("ÁRB*",)
    assert query.character_set is None


def test_a_study_query_at_each_level() -> None:
    asked = identifier(QueryRetrieveLevel="STUDY", PatientID="RI-1001", StudyDate="20260105-", ModalitiesInStudy="CT")
    query = keys.to_study_query(encoded(asked), IMPLICIT)
    assert (query.level, query.patient_id, query.modalities_in_study) == ("STUDY", ("RI-1001",), ("CT",))
    assert query.study_dates == Range("20260105", "")
    image = identifier(
        QueryRetrieveLevel="IMAGE", StudyInstanceUID="1.1", SeriesInstanceUID="1.2", SOPInstanceUID=["1.3", "1.4"]
    )
    found = keys.to_study_query(encoded(image), IMPLICIT)
    assert (found.series_instance_uid, found.sop_instance_uid) == (("1.2",), ("1.3", "1.4"))
    with pytest.raises(Unsupported):
        keys.to_study_query(encoded(identifier(QueryRetrieveLevel="PATIENT")), IMPLICIT)
    with pytest.raises(Malformed):
        keys.to_study_query(encoded(identifier(PatientID="x")), IMPLICIT)
