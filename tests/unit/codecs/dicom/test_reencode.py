"""An object for a receiver that takes only the other uncompressed syntax: values stay byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.codecs.dicom.content import same_content
from bridge.codecs.dicom.elements import EXPLICIT_LITTLE
from bridge.codecs.dicom.reencode import reencode
from bridge.errors import Unsupported
from tests.unit.codecs.dicom.objects import JPEG, ct, save
from tests.unit.codecs.dicom.test_read_by_rule import write


def test_values_stay_byte_for_byte_even_such_as_a_reader_would_tidy_up(tmp_path: Path) -> None:
    source, target = write(tmp_path / "x.dcm", t00200011=b" 107", t00080020=b"2026.1.5"), tmp_path / "y.dcm"
    reencode(source, target, EXPLICIT_LITTLE)
    assert same_content(source, target)
    assert b"IS\4\0 107" in target.read_bytes()


def test_what_is_compressed_is_not_unpacked_for_it(tmp_path: Path) -> None:
    with pytest.raises(Unsupported):
        reencode(save(ct(), tmp_path / "x.dcm", JPEG), tmp_path / "y.dcm", EXPLICIT_LITTLE)
