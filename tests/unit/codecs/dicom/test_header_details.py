"""What a chart is told of an object is read with its header, and never refuses one."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from bridge.codecs.dicom.datasets import read_header
from bridge.codecs.dicom.skim import Head
from bridge.domain.code import Code
from bridge.domain.study import NO_DETAILS, Header, HeaderDetails
from tests.unit.codecs.dicom.objects import ct, save


def code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def full() -> Dataset:
    said = ct()
    said.ProcedureCodeSequence = [code("CTCHEST", "99RIS", "CT Chest")]
    said.NameOfPhysiciansReadingStudy = ["ODA^KENJI", "LEE^SUE"]
    said.InstitutionalDepartmentName = "Radiology"
    said.AnatomicRegionSequence = [code("T-D3000", "SRT", "Chest")]
    said.PerformingPhysicianName = "BRANDT^EVA"
    said.OperatorsName = ["RUIZ^ANA", "RUIZ^ANA", ""]
    specimen = Dataset()
    specimen.SpecimenIdentifier = "S-1"
    said.SpecimenDescriptionSequence = [specimen]
    said.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    return said


def read(folder: Path, said: Dataset) -> Header:
    """Return the header, the same by the careful walk and out of the first bytes."""
    path = save(said, folder / "one.dcm")
    walked = read_header(path)
    data = path.read_bytes()
    assert read_header(path, head=Head(data, len(data))) == walked
    return walked


def test_persons_codes_and_specimens_are_read(tmp_path: Path) -> None:
    assert read(tmp_path, full()).details == HeaderDetails(
        procedure_code=Code("CTCHEST", "99RIS", "CT Chest"),
        reading_physicians=("ODA^KENJI", "LEE^SUE"),
        department="Radiology",
        anatomic_region=Code("T-D3000", "SRT", "Chest"),
        performing_physicians=("BRANDT^EVA",),
        operators=("RUIZ^ANA",),
        specimens=("S-1",),
    )


def test_an_object_without_them_has_none(tmp_path: Path) -> None:
    assert read(tmp_path, ct()).details == NO_DETAILS


@pytest.mark.parametrize(
    ("keyword", "value", "title"),
    [
        ("ContentLabel", "LABEL", "LABEL"),
        ("ConceptNameCodeSequence", [code("113000", "DCM", "Of Interest")], "Of Interest"),
        ("DocumentTitle", "Consent", "Consent"),
    ],
)
def test_what_an_object_is_called_goes_before_its_image_type(
    tmp_path: Path, keyword: str, value: object, title: str
) -> None:
    said = full()
    setattr(said, keyword, value)
    assert read(tmp_path, said).content_label == title


def test_an_image_is_called_by_its_type(tmp_path: Path) -> None:
    assert read(tmp_path, full()).content_label == "ORIGINAL\\PRIMARY\\AXIAL"


def test_a_detail_that_is_far_too_long_refuses_nothing(tmp_path: Path) -> None:
    said = full()
    said.add_new("OperatorsName", "PN", "X" * 20_000)
    assert read(tmp_path, said).details.operators == ()


def test_a_detail_that_cannot_be_decoded_is_no_fault_of_the_object(tmp_path: Path) -> None:
    said = full()
    said.SpecificCharacterSet = "ISO_IR 192"
    path = save(said, tmp_path / "one.dcm")
    data = path.read_bytes().replace(b"Radiology", b"Radi\xff\xffogy")
    path.write_bytes(data)
    assert "undecodable_text" not in read_header(path).faults
