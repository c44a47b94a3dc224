"""An object's header as it leaves, without a copy of its pixels. Source: PS3.3 C.12.1.1.9, PS3.18 10.4.1.1.2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from bridge.codecs.dicom.edits import apply_edits
from bridge.codecs.dicom.elements import Event, Syntax, Walk
from bridge.codecs.dicom.overlay import plan_edits
from bridge.codecs.dicom.part10 import DataSetBytes, dataset_bytes, open_buffer, read_file_meta
from bridge.codecs.dicom.survey import stands_already
from bridge.domain.overlay import Layer
from bridge.errors import Malformed

_IMPLICIT_VRS = {0x7FE00008: "OF", 0x7FE00009: "OD", 0x7FE00010: "OW"}
_FROM_PIXELS_ON = frozenset(_IMPLICIT_VRS)


@dataclass(frozen=True, slots=True)
class LeavingHeader:
    """
    Everything before an object's pixels, corrected, encoded as it is kept.

    pixel_tag, pixel_vr: which pixel data element follows, 0 and "" for none.
    """

    encoded: bytes
    syntax: Syntax
    transfer_syntax_uid: str
    pixel_tag: int = 0
    pixel_vr: str = ""

    def data_set(self) -> Dataset:
        """Return it as a data set. Raises: Malformed."""
        try:
            return read_dataset(
                BytesIO(self.encoded),
                is_implicit_VR=self.syntax.implicit,
                is_little_endian=not self.syntax.big_endian,
            )
        except (ValueError, TypeError, KeyError, OSError, RuntimeError):
            raise Malformed("the object cannot be read") from None


def leaving_header(source: Path, layers: Sequence[Layer], modifying_system: str) -> LeavingHeader:
    """
    Return the header of the Part 10 file *source* with *layers* applied.

    Raises: as `overlay.corrected_copy`, where the corrections cannot be made.
    """
    with open_buffer(source) as data:
        meta = read_file_meta(data)
        dataset = dataset_bytes(data, meta)
        end, tag, vr = _pixels_of(dataset)
        values = {keyword: value for layer in layers for keyword, value in layer.values.items()}
        edits = []
        if values and not stands_already(dataset, values):
            edits = [edit for edit in plan_edits(dataset, layers, modifying_system) if edit.end <= end]
        encoded = BytesIO()
        apply_edits(dataset.data, (dataset.start, end), edits, encoded.write)
        return LeavingHeader(encoded.getvalue(), dataset.syntax, meta.transfer_syntax_uid, tag, vr)


def _pixels_of(dataset: DataSetBytes) -> tuple[int, int, str]:
    """Return where the header ends, and which pixel data element is there."""
    walk = Walk(dataset.data, dataset.start, dataset.end, dataset.syntax, wanted=_FROM_PIXELS_ON)
    for element in walk:
        if element.depth == 0 and element.tag in _FROM_PIXELS_ON and element.event in (Event.VALUE, Event.SEQUENCE):
            # In implicit VR pixels are words. Source: PS3.5 A.1.
            return element.at, element.tag, _IMPLICIT_VRS[element.tag] if element.implicit else element.vr
    return walk.ended_at, 0, ""
