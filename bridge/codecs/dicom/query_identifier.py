"""A worklist query to be tried: a device's own with other values, or one as devices usually ask; and its answer as read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.multival import MultiValue

from bridge.codecs.dicom import answers, charset, worklist_model
from bridge.codecs.dicom.charset import CharacterSet
from bridge.codecs.dicom.elements import EXPLICIT_LITTLE, vr_of
from bridge.codecs.dicom.keys import Key, read_identifier
from bridge.errors import Malformed

# What people may ask for on a form, by keyword; those of the first line stand inside the scheduled step.
TRIED: Final[Mapping[str, int]] = {
    "ScheduledStationAETitle": 0x00400001,
    "Modality": 0x00080060,
    "ScheduledProcedureStepStartDate": 0x00400002,
    "ScheduledProcedureStepStartTime": 0x00400003,
    "PatientName": 0x00100010,
    "PatientID": 0x00100020,
    "AccessionNumber": 0x00080050,
    "RequestedProcedureID": 0x00401001,
}
_IN_STEP: Final = frozenset(list(TRIED.values())[:4])
# What devices commonly want to have back.
_STEP_KEYS: Final = (0x00400006, 0x00400007, 0x00400008, 0x00400009, 0x00400010, 0x00400011)
_ROOT_KEYS: Final = frozenset(
    {0x00080090, 0x00081110, 0x00081120, 0x00100021, 0x00100030, 0x00100040, 0x00101030, 0x0020000D}
    | {0x00321032, 0x00321060, 0x00321064, 0x00380010, 0x00380300, 0x00401003}
)
_VALUE_MAX: Final = 256
_LINES_MAX: Final = 400

Values = Mapping[int, bytes]


@dataclass(frozen=True, slots=True)
class Line:
    """One element of a data set as a device reads it. depth: 0 outside of sequences."""

    depth: int
    tag: str
    keyword: str
    vr: str
    value: str


def to_identifier(base: bytes, transfer_syntax_uid: str, wanted: Mapping[str, str], default: CharacterSet) -> bytes:
    """
    Return the query *base* with the values of *wanted* (by keyword) in the place of its own, in implicit VR little endian.

    base: a device's query in *transfer_syntax_uid*, b"" for one as devices usually ask. default: the character set where
    base names none. Raises: Malformed, if base cannot be read or a value has no place in the query's character set.
    """
    keys = read_identifier(base, transfer_syntax_uid) if base else _usual_keys(default)
    raw = next((key.value for key in keys if key.tag == worklist_model.CHARACTER_SET), b"").strip(b" \0")
    declared = charset.parse(raw) if raw else default
    values = {TRIED[keyword]: _encoded(keyword, value, declared) for keyword, value in wanted.items()}
    root = {tag: value for tag, value in values.items() if tag not in _IN_STEP}
    inside = {tag: value for tag, value in values.items() if tag in _IN_STEP}
    return _written(keys, root, inside)


def lines_of(identifier: bytes, transfer_syntax_uid: str) -> tuple[Line, ...]:
    """Return an answer as a device reads it, in the character set that it names; at most 400 elements."""
    explicit = transfer_syntax_uid == EXPLICIT_LITTLE
    dataset = read_dataset(BytesIO(identifier), not explicit, True)
    return tuple(line for line, _ in zip(_lines(dataset, 0), range(_LINES_MAX), strict=False))


def _lines(dataset: Dataset, depth: int) -> Iterator[Line]:
    dataset.decode()
    for element in dataset:
        tag = f"({element.tag.group:04X},{element.tag.element:04X})"
        items = element.value if element.VR == "SQ" else ()
        text = f"{len(items)} {'item' if len(items) == 1 else 'items'}" if element.VR == "SQ" else _shown(element.value)
        yield Line(depth, tag, element.keyword, element.VR, text)
        for item in items:
            yield from _lines(item, depth + 1)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return f"{len(value)} bytes" if value else ""
    return "\\".join(map(str, value)) if isinstance(value, list | tuple | MultiValue) else str(value)


def _usual_keys(default: CharacterSet) -> tuple[Key, ...]:
    step = tuple(_key(tag) for tag in sorted({*_STEP_KEYS, *_IN_STEP}))
    root = {tag: _key(tag) for tag in (*_ROOT_KEYS, *TRIED.values()) if tag not in _IN_STEP}
    root[worklist_model.STEP_SEQUENCE] = Key(worklist_model.STEP_SEQUENCE, "SQ", items=step)
    root[worklist_model.CHARACTER_SET] = Key(worklist_model.CHARACTER_SET, "CS", default.value)
    return tuple(root[tag] for tag in sorted(root))


def _key(tag: int) -> Key:
    vr = vr_of(tag)
    return Key(tag, vr, items=() if vr == "SQ" else None)


def _encoded(keyword: str, value: str, declared: CharacterSet) -> bytes:
    if len(value) > _VALUE_MAX or not value.isprintable():
        raise Malformed("not a value of a query", code="bad_key", where=keyword)
    try:
        return declared.encode(value, person_name=keyword == "PatientName")
    except UnicodeEncodeError:
        what = "this cannot be written in the character set of the device's query"
        raise Malformed(what, code="wrong_charset", where=keyword) from None


def _written(keys: tuple[Key, ...], root: Values, inside: Values) -> bytes:
    """Encode *keys* with other values; a key that is wanted and not there is added."""
    written: dict[int, bytes | list[bytes]] = {}
    for key in keys:
        is_step = key.tag == worklist_model.STEP_SEQUENCE
        if key.items is None and not is_step:
            written[key.tag] = key.value
        else:
            items = _written(key.items or (), inside if is_step else {}, {})
            written[key.tag] = [items] if items else []
    if worklist_model.STEP_SEQUENCE not in written and any(inside.values()):
        written[worklist_model.STEP_SEQUENCE] = [_written((), inside, {})]
    return answers.encode_record(written | dict(root))
