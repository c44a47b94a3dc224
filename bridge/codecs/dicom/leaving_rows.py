"""An object's attributes as received beside those that leave, row by row, for a page. Pixels are not read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pydicom.datadict import dictionary_description
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_dataset

from bridge.codecs.dicom.edits import apply_edits
from bridge.codecs.dicom.elements import Event, Walk, syntax_of
from bridge.codecs.dicom.overlay import plan_edits
from bridge.codecs.dicom.part10 import dataset_bytes, open_buffer, read_file_meta
from bridge.domain.overlay import Layer
from bridge.errors import Malformed

_PIXEL_GROUP = 0x7FE00000
_TEXT_MAX = 256
_MOST_ROWS = 5000
_BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})


@dataclass(frozen=True, slots=True)
class TagRow:
    """
    One attribute. tag: "(0010,0010)"; path: its sequences' keywords and item numbers, outermost first.

    received, leaving: None where the attribute is not there. layer: what changed it, None where it leaves as it came.
    """

    tag: str
    keyword: str
    name: str
    vr: str
    path: tuple[str, ...]
    received: str | None
    leaving: str | None
    layer: Layer | None = None

    @property
    def is_changed(self) -> bool:
        return self.received != self.leaving


def leaving_header(path: Path, layers: Sequence[Layer], modifying_system: str) -> bytes:
    """
    Return everything before the pixels of the Part 10 file at *path*, as it leaves under *layers*.

    A deflated data set comes inflated, in Explicit VR Little Endian; its meta group says what it came in.
    Raises: Malformed, Unsupported, as `corrected_copy`.
    """
    with open_buffer(path) as data:
        meta = read_file_meta(data)
        dataset = dataset_bytes(data, meta)
        end = _pixels_at(Walk(dataset.data, dataset.start, dataset.end, dataset.syntax), dataset.end)
        edits = plan_edits(dataset, layers, modifying_system) if layers else []
        out = BytesIO()
        apply_edits(dataset.data, (dataset.start, end), [one for one in edits if one.end <= end], out.write)
        return out.getvalue()


def tag_rows(path: Path, layers: Sequence[Layer], modifying_system: str) -> list[TagRow]:
    """
    Return each attribute of the file at *path* as received and as it leaves under *layers*, in order.

    At most 5,000 rows, values cut at 256 characters. Raises: Malformed, Unsupported, as `corrected_copy`.
    """
    with open_buffer(path) as data:
        syntax_uid = read_file_meta(data).transfer_syntax_uid
    received, leaving = (
        _flat(_read(leaving_header(path, laid, modifying_system), syntax_uid)) for laid in ((), layers)
    )
    owners = {keyword: layer for layer in layers for keyword in layer.values}
    rows = []
    for place in sorted(received.keys() | leaving.keys())[:_MOST_ROWS]:
        before, after = received.get(place), leaving.get(place)
        rows.append(_row(place, before, after, owners))
    return rows


_Place = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Leaf:
    path: tuple[str, ...]
    vr: str
    keyword: str
    text: str


def _pixels_at(walk: Walk, end: int) -> int:
    for element in walk:
        if element.depth == 0 and element.tag >= _PIXEL_GROUP and element.event in (Event.VALUE, Event.SEQUENCE):
            return element.at
    return min(end, walk.ended_at)


def _read(header: bytes, transfer_syntax_uid: str) -> Dataset:
    syntax = syntax_of(transfer_syntax_uid)
    try:
        found = read_dataset(BytesIO(header), syntax.implicit, not syntax.big_endian)
        found.decode()
    except (InvalidDicomError, OSError, ValueError, TypeError, KeyError, RecursionError, AttributeError):
        raise Malformed("the object cannot be read") from None
    return found


def _flat(dataset: Dataset) -> dict[_Place, _Leaf]:
    return dict(_leaves(dataset, (), ()))


def _leaves(dataset: Dataset, place: _Place, path: tuple[str, ...]) -> Iterator[tuple[_Place, _Leaf]]:
    for element in dataset:
        here = (*place, int(element.tag))
        if element.VR != "SQ":
            yield here, _Leaf(path, element.VR, element.keyword, _text(element))
            continue
        yield here, _Leaf(path, "SQ", element.keyword, f"{len(element.value)} items")
        name = element.keyword or str(element.tag)
        for number, item in enumerate(element.value, start=1):
            yield from _leaves(item, (*here, number), (*path, f"{name} {number}"))


def _text(element: DataElement) -> str:
    if element.VR in _BINARY:
        return f"{len(element.value or b'')} bytes"
    values = element.value if element.VM > 1 else [element.value]
    text = "\\".join("" if value is None else str(value) for value in values)
    return text if len(text) <= _TEXT_MAX else text[: _TEXT_MAX - 1] + "…"


def _row(place: _Place, before: _Leaf | None, after: _Leaf | None, owners: Mapping[str, Layer]) -> TagRow:
    one = after or before
    assert one is not None
    tag = place[-1]
    received, leaving = (None if leaf is None else leaf.text for leaf in (before, after))
    layer = _owner(one, owners) if received != leaving else None
    try:
        name = dictionary_description(tag)
    except KeyError:
        name = "Private" if tag & 0x10000 else "Unknown"
    return TagRow(
        f"({tag >> 16:04X},{tag & 0xFFFF:04X})", one.keyword, name, one.vr, one.path, received, leaving, layer
    )


def _owner(leaf: _Leaf, owners: Mapping[str, Layer]) -> Layer | None:
    """Return the layer that changed an attribute, at the root or repeated in an item; the last one for what goes with it."""
    keyword = "PatientName" if leaf.keyword == "PersonName" else leaf.keyword
    found = owners.get(keyword) or next((owners[word] for word in owners if word in " ".join(leaf.path)), None)
    return found or max(owners.values(), key=lambda layer: (layer.at, layer.version), default=None)
