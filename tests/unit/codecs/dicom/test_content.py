"""The same object, however it is written."""

from __future__ import annotations

from pathlib import Path

from pydicom.dataset import Dataset

from bridge.codecs.dicom.content import content_digest, same_content
from tests.unit.codecs.dicom.objects import BIG, DEFLATED, EXPLICIT, IMPLICIT, JPEG, ct, element, encoded, save, wrap


def _rich() -> Dataset:
    item, private = Dataset(), Dataset()
    item.AccessionNumber = "A-77"
    item.ReferencedFrameNumber = "1"
    private.AccessionNumber = "A-77"
    dataset = ct(RequestAttributesSequence=[item], ProcedureCodeSequence=[], SmallestImagePixelValue=3)
    dataset.RecommendedDisplayFrameRateInFloat = 1.5
    dataset.FrameIncrementPointer = 0x00181063
    block = dataset.private_block(0x0019, "ACME 1.0", create=True)
    block.add_new(0x01, "SQ", [private])
    return dataset


def test_every_uncompressed_syntax_has_the_same_digest(tmp_path: Path) -> None:
    digests = {
        content_digest(save(_rich(), tmp_path / f"{n}.dcm", syntax))
        for n, syntax in enumerate((IMPLICIT, EXPLICIT, BIG, DEFLATED))
    }
    assert len(digests) == 1


def test_lengths_padding_and_group_lengths_do_not_count(tmp_path: Path) -> None:
    dataset = _rich()
    plain = save(dataset, tmp_path / "a.dcm")
    dataset["RequestAttributesSequence"].is_undefined_length = True
    assert same_content(plain, save(dataset, tmp_path / "b.dcm"))
    one = wrap(encoded(ct()), tmp_path / "c.dcm")
    other = wrap(element(0x00080000, bytes(4)) + encoded(ct()) + element(0xFFFCFFFC, bytes(64)), tmp_path / "d.dcm")
    assert same_content(one, other)


def test_any_other_value_pixel_or_structure_counts(tmp_path: Path) -> None:
    reference = save(ct(), tmp_path / "a.dcm")
    pixels = ct()
    pixels.PixelData = pixels.PixelData[:-2] + b"\x63\0"
    assert not same_content(reference, save(pixels, tmp_path / "b.dcm"))
    assert not same_content(reference, save(ct(PatientID="RI-2002"), tmp_path / "c.dcm"))
    assert not same_content(reference, save(ct(ProcedureCodeSequence=[Dataset()]), tmp_path / "d.dcm"))
    assert not same_content(reference, save(ct(), tmp_path / "e.dcm", JPEG))
