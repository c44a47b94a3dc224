"""The walk over raw elements."""

from __future__ import annotations

import struct

import pytest

from bridge.codecs.dicom.elements import Element, Event, Limits, Syntax, Walk
from bridge.codecs.dicom.part10 import dataset_bytes, read_file_meta
from bridge.errors import BridgeError, Malformed
from tests.unit.codecs.dicom.objects import corpus, element

_IMPLICIT = Syntax(implicit=True)
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_ANY = 0xFFFFFFFF


def explicit(tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    size = len(value) if length is None else length
    return struct.pack("<HH2sHL", tag >> 16, tag & 0xFFFF, vr, 0, size) + value


def walked(data: bytes, syntax: Syntax = _IMPLICIT, limits: Limits | None = None) -> list[tuple[str, int, int]]:
    return [(e.event.name, e.tag, e.depth) for e in Walk(data, 0, len(data), syntax, limits)]


_CLOSED_BY_LENGTH = element(0x00400275, element(_ITEM, element(0x00080050, b"A-77")))
_CLOSED_BY_DELIMITERS = (
    element(0x00400275, b"", _ANY)
    + element(_ITEM, b"", _ANY)
    + element(0x00080050, b"A-77")
    + element(_ITEM_END, b"")
    + element(_SEQUENCE_END, b"")
)


@pytest.mark.parametrize("data", [_CLOSED_BY_LENGTH, _CLOSED_BY_DELIMITERS])
def test_sequences_closed_either_way_are_the_same(data: bytes) -> None:
    assert walked(data + element(0x00401001, b"RP-1")) == [
        ("SEQUENCE", 0x00400275, 0),
        ("ITEM", _ITEM, 1),
        ("VALUE", 0x00080050, 1),
        ("ITEM_END", _ITEM, 1),
        ("SEQUENCE_END", 0x00400275, 0),
        ("VALUE", 0x00401001, 0),
    ]


@pytest.mark.parametrize("length", [None, _ANY])
def test_a_sequence_of_unknown_vr_is_implicit_inside(length: int | None) -> None:
    inside = element(_ITEM, element(0x00080050, b"A-77"))
    data = explicit(0x00400275, b"UN", inside, length) + (element(_SEQUENCE_END, b"") if length else b"")
    events = list(Walk(data, 0, len(data), Syntax()))
    (value,) = [e for e in events if e.event is Event.VALUE]
    assert (value.tag, value.vr, value.implicit) == (0x00080050, "SH", True)


def test_pixel_fragments_are_told_from_items() -> None:
    data = (
        explicit(0x7FE00010, b"OB", b"", _ANY)
        + element(_ITEM, b"")
        + element(_ITEM, b"\xff\xd8")
        + element(_SEQUENCE_END, b"")
    )
    assert [e[0] for e in walked(data, Syntax())] == ["SEQUENCE", "FRAGMENT", "FRAGMENT", "SEQUENCE_END"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (_CLOSED_BY_DELIMITERS[:-8], "truncated"),
        (_CLOSED_BY_DELIMITERS[:-16], "truncated"),
        (_CLOSED_BY_LENGTH[:-1], "truncated"),
        (element(0x00400275, element(_ITEM, element(0x00080050, b"A-77", 40))), "truncated"),
        (element(0x00400275, element(_ITEM, b"", 40)), "truncated"),
        (element(0x00400275, element(0x00080050, b"A-77")), "bad_sequence"),
        (element(0x00400275, element(_SEQUENCE_END, b"")), "bad_sequence"),
        (element(_ITEM_END, b""), "bad_sequence"),
        (element(0x7FE00010, b"", _ANY) + element(_ITEM, b"", _ANY), "bad_sequence"),
        (element(0x00080050, b"A-77")[:5], "truncated"),
    ],
)
def test_a_broken_structure_is_refused_by_name(data: bytes, code: str) -> None:
    with pytest.raises(Malformed) as refused:
        walked(data)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (explicit(0x00100020, b"\x01\x02", b""), "garbage"),
        (explicit(0x00100020, b"lo", b""), "garbage"),
        (struct.pack("<HH2sH", 0x0010, 0x0020, b"OB", 0), "truncated"),
        (struct.pack("<HH2sHL", 0x0010, 0x0020, b"UT", 0, _ANY) + element(0x00100010, b""), "bad_sequence"),
    ],
)
def test_a_broken_explicit_element_is_refused_by_name(data: bytes, code: str) -> None:
    with pytest.raises(Malformed) as refused:
        walked(data, Syntax())
    assert refused.value.code == code


def test_each_ceiling_holds() -> None:
    nested = element(0x00400275, element(_ITEM, _CLOSED_BY_LENGTH))
    many = b"".join(element(0x00100000 + n, b"") for n in range(1, 12))
    for data, limits, code in (
        (nested, Limits(depth=1), "too_deep"),
        (nested, Limits(items=1), "too_many_items"),
        (many, Limits(elements=10), "too_many_elements"),
    ):
        with pytest.raises(Malformed) as refused:
            walked(data, limits=limits)
        assert refused.value.code == code
        with pytest.raises(Malformed):
            list(Walk(data, 0, len(data), _IMPLICIT, limits, wanted=frozenset()))


def test_a_vr_newer_than_we_are_takes_the_long_form() -> None:
    data = explicit(0x00091001, b"ZZ", b"1234")
    walk = Walk(data, 0, len(data), Syntax())
    assert [e.length for e in walk] == [4]
    assert walk.faults == {"unknown_vr"}


def test_tags_out_of_order_are_noted_with_and_without_a_choice() -> None:
    data = element(0x00100020, b"RI-1") + element(0x00080050, b"A-77")
    for wanted in (None, frozenset[int](), frozenset({0x00080050})):
        walk = Walk(data, 0, len(data), _IMPLICIT, wanted=wanted)
        list(walk)
        assert walk.faults == {"tags_out_of_order"}


def test_choosing_values_changes_nothing_else() -> None:
    wanted = frozenset({0x00100010, 0x00100020, 0x00080050, 0x00400275, 0x00401001, 0x7FE00010})
    compared = 0
    for path in sorted(p for p in corpus("dicom").rglob("*") if p.is_file()):
        data = path.read_bytes()
        try:
            dataset = dataset_bytes(data, read_file_meta(data))
        except BridgeError:
            continue
        outcomes: list[tuple[list[Element], str]] = []
        for chosen in (None, wanted):
            outcomes.append(
                _walk_to_the_end(Walk(dataset.data, dataset.start, dataset.end, dataset.syntax, wanted=chosen))
            )
        (everything, fault), (some, same_fault) = outcomes
        assert fault == same_fault, path
        kept = [e for e in everything if e.event is not Event.VALUE or e.tag in wanted]
        assert [e for e in some if e.event is not Event.VALUE or e.tag in wanted] == kept, path
        compared += 1
    assert compared > 190


def _walk_to_the_end(walk: Walk) -> tuple[list[Element], str]:
    seen: list[Element] = []
    try:
        seen.extend(walk)
    except Malformed as fault:
        return [], fault.code
    return seen, ""
