"""Real files as DICOMweb shows them: every header in both forms, every frame, and every uncompressed one rewritten."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import orjson
import pytest

from bridge.codecs.dicom import datasets
from bridge.codecs.dicom.content import same_content
from bridge.codecs.dicom.elements import NATIVE
from bridge.codecs.dicom.explicit import explicit_pieces
from bridge.codecs.dicom.frames import open_pixels
from bridge.codecs.dicom.leaving_header import leaving_header
from bridge.codecs.dicomweb.metadata import bulk_value, metadata_of, path_of, path_text
from bridge.codecs.dicomweb.native_xml import to_xml
from bridge.errors import BridgeError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

_PIXELS = range(0x7FE00000, 0x7FE10000)


def kept(corpus: Path) -> Iterator[Path]:
    """Yield the files that would be kept."""
    for path in sorted((corpus / "dicom").rglob("*")):
        try:
            if path.is_file():
                datasets.read_header(path)
                yield path
        except BridgeError:
            continue


def test_every_file_that_is_kept_can_be_shown(corpus: Path, tmp_path: Path) -> None:
    looked_at = 0
    for path in kept(corpus):
        header = leaving_header(path, (), "")
        addresses: list[str] = []

        def address(place: tuple[int, ...], addresses: list[str] = addresses) -> str:
            addresses.append(path_text(place))
            return addresses[-1]

        found = metadata_of(header, address)
        ElementTree.fromstring(to_xml(orjson.loads(orjson.dumps(found))))
        for one in addresses:
            assert path_of(one)[0] in _PIXELS or bulk_value(header, path_of(one)), path.name
        if header.transfer_syntax_uid in NATIVE:
            rewritten = tmp_path / "rewritten"
            rewritten.write_bytes(b"".join(explicit_pieces(path)))
            assert same_content(path, rewritten), path.name
        if header.pixel_tag:
            with open_pixels(path) as pixels:
                assert sum(1 for _ in pixels.frames()) == pixels.number_of_frames, path.name
        looked_at += 1
    assert looked_at > 150
