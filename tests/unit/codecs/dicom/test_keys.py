"""What a query asks, from bytes."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from bridge.codecs.dicom import keys
from bridge.codecs.dicom.worklist_query import to_worklist_query
from bridge.domain.matching import Range
from bridge.errors import Malformed
from tests.unit.codecs.dicom.objects import IMPLICIT, element, encoded


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
    for read in (to_worklist_query, keys.to_study_query):
        with pytest.raises(Malformed):
            read(data, IMPLICIT)


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
    with pytest.raises(Malformed):
        keys.to_study_query(encoded(identifier(QueryRetrieveLevel="PATIENT")), IMPLICIT)
    with pytest.raises(Malformed):
        keys.to_study_query(encoded(identifier(PatientID="x")), IMPLICIT)
