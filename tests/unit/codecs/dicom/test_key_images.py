"""Key images are read from the document that names them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from bridge.codecs.dicom import key_objects
from bridge.codecs.dicom.key_objects import read_key_images
from bridge.domain.code import Code
from bridge.domain.key_images import MarkedImage, is_choice
from bridge.errors import Malformed
from tests.unit.codecs.dicom.objects import ct, save

CT = "1.2.840.10008.5.1.4.1.1.2"


def item(**attributes: object) -> Dataset:
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def named(uid: str, **more: object) -> Dataset:
    return item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=uid, **more)


def document(folder: Path, evidence: list[Dataset], *content: Dataset) -> Path:
    said = ct()
    for keyword in ("PixelData", "Rows", "Columns"):
        delattr(said, keyword)
    said.SpecificCharacterSet = "ISO_IR 192"
    said.ContentDate, said.ContentTime, said.TimezoneOffsetFromUTC = "20260302", "101530.25", "+0100"
    said.ConceptNameCodeSequence = [item(CodeValue="113000", CodingSchemeDesignator="DCM", CodeMeaning="Für uns")]
    series = item(SeriesInstanceUID="2.25.77.1", ReferencedSOPSequence=evidence)
    said.CurrentRequestedProcedureEvidenceSequence = [
        item(StudyInstanceUID="2.25.77", ReferencedSeriesSequence=[series])
    ]
    said.ContentSequence = [item(ValueType="TEXT", TextValue="see frame 3"), *content]
    return save(said, folder / "kos.dcm")


def marked(*references: Dataset) -> Dataset:
    return item(ValueType="IMAGE", ReferencedSOPSequence=list(references))


def test_what_the_content_names_is_marked_with_its_frames(tmp_path: Path) -> None:
    """The evidence lists what else the document speaks of, such as a presentation state."""
    chosen = [marked(named("2.25.77.1.2", ReferencedFrameNumber=[3, 1])), marked(named("2.25.77.1.1"))]
    said = read_key_images(document(tmp_path, [named("2.25.77.1.1"), named("2.25.77.1.9")], *chosen))
    assert said.images == (MarkedImage("2.25.77.1.2", (1, 3)), MarkedImage("2.25.77.1.1"))
    assert said.title == Code("113000", "DCM", "Für uns")
    assert (said.made_local, said.timezone_offset_from_utc) == ("20260302101530", "+0100")


def test_where_the_content_names_nothing_the_evidence_is_marked(tmp_path: Path) -> None:
    said = read_key_images(document(tmp_path, [named("2.25.77.1.1"), named("2.25.77.1.2")]))
    assert [one.sop_instance_uid for one in said.images] == ["2.25.77.1.1", "2.25.77.1.2"]


@pytest.mark.parametrize(("second", "frames"), [([3], (1, 3)), (None, ())])
def test_an_image_that_is_named_twice_has_the_frames_of_both(
    tmp_path: Path, second: list[int] | None, frames: tuple[int, ...]
) -> None:
    more = {} if second is None else {"ReferencedFrameNumber": second}
    once, again = named("2.25.77.1.1", ReferencedFrameNumber=1), named("2.25.77.1.1", **more)
    said = read_key_images(document(tmp_path, [], marked(once), marked(again)))
    assert said.images == (MarkedImage("2.25.77.1.1", frames),)


def test_what_names_no_uid_or_too_many_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_objects, "_MOST_MARKED", 2)
    for uids in (["bad"], ["2.25.1", "2.25.2", "2.25.3"]):
        with pytest.raises(Malformed):
            read_key_images(document(tmp_path, [], *(marked(named(uid)) for uid in uids)))


@pytest.mark.parametrize(
    ("code", "scheme", "chosen"), [("113000", "DCM", True), ("113030", "DCM", False), ("113030", "99X", True)]
)
def test_a_manifest_is_nobodys_choice(code: str, scheme: str, chosen: bool) -> None:
    assert is_choice(Code(code, scheme, "title")) is chosen


def test_a_document_of_another_maker_is_read(corpus: Path) -> None:
    said = read_key_images(corpus / "dicom/hl7-eu-kos/GK17285-KOS.dcm")
    assert (said.title.code_value, len(said.images)) == ("113000", 1)
