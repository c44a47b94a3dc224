"""Key images are read from the document that names them, and told to charts one series at a time."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from bridge.codecs.dicom.key_objects import read_key_images
from bridge.codecs.fhir import imaging_selection
from bridge.domain.code import Code
from bridge.domain.key_images import KeyImage
from bridge.errors import BridgeError
from tests.fakes.fhir_samples import HOUSE, LINKS, ORDER
from tests.unit.codecs.dicom.objects import ct, save

CT = "1.2.840.10008.5.1.4.1.1.2"


def item(**attributes: object) -> Dataset:
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def named(uid: str, **more: object) -> Dataset:
    return item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=uid, **more)


def document(folder: Path, uid: str = "2.25.77.1.1") -> Path:
    said = ct()
    for keyword in ("PixelData", "Rows", "Columns"):
        delattr(said, keyword)
    said.StudyInstanceUID = "2.25.77"
    said.ConceptNameCodeSequence = [item(CodeValue="113000", CodingSchemeDesignator="DCM", CodeMeaning="Of Interest")]
    series = [
        item(SeriesInstanceUID="2.25.77.1", ReferencedSOPSequence=[named(uid), named("2.25.77.1.2")]),
        item(SeriesInstanceUID="2.25.77.2", ReferencedSOPSequence=[named("2.25.77.2.1")]),
    ]
    other = [item(SeriesInstanceUID="2.25.78.1", ReferencedSOPSequence=[named("2.25.78.1.1")])]
    said.CurrentRequestedProcedureEvidenceSequence = [
        item(StudyInstanceUID="2.25.77", ReferencedSeriesSequence=series),
        item(StudyInstanceUID="2.25.78", ReferencedSeriesSequence=other),
    ]
    said.ContentSequence = [
        item(ValueType="TEXT", TextValue="nodule, see frame 3"),
        item(ValueType="IMAGE", ReferencedSOPSequence=[named("2.25.77.2.1", ReferencedFrameNumber=[1, 3])]),
    ]
    return save(said, folder / "kos.dcm")


def test_the_images_of_its_own_study_are_read_with_their_frames(tmp_path: Path) -> None:
    said = read_key_images(document(tmp_path))
    assert (said.title, said.description) == (Code("113000", "DCM", "Of Interest"), "nodule, see frame 3")
    assert said.images == (
        KeyImage("2.25.77.1", "2.25.77.1.1", CT),
        KeyImage("2.25.77.1", "2.25.77.1.2", CT),
        KeyImage("2.25.77.2", "2.25.77.2.1", CT, (1, 3)),
    )


def test_each_series_is_one_selection(tmp_path: Path) -> None:
    content = imaging_selection.build(read_key_images(document(tmp_path)), "ImagingStudy/5", ORDER, LINKS, HOUSE)
    first, second = imaging_selection.r5(content)
    assert [one["uid"] for one in first["instance"]] == ["2.25.77.1.1", "2.25.77.1.2"]
    assert second["instance"][0]["subset"] == ["1", "3"]


def test_what_names_no_uid_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BridgeError):
        read_key_images(document(tmp_path, ""))
