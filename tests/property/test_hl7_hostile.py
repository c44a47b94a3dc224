"""Good messages made bad: whatever is cut, doubled or changed in them, every reader holds to its promises."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.codecs.hl7.batch import split
from bridge.codecs.hl7.framing import wrap
from tests.cast import EVERYONE, MULTI_BYTE, NEAR_TWIN, PLAIN, adt, merge, order
from tests.fuzz.targets import TARGETS

MESSAGES = [
    *(adt(person) for person in EVERYONE),
    merge(PLAIN, NEAR_TWIN),
    order(PLAIN, "A1"),
    order(MULTI_BYTE, "A2", "XO", extra="NTE|1||\\X41\\ \\.br\\ \\unknown\\\r"),
]
LOOSE = st.sampled_from(
    [
        b"|",
        b"^",
        b"~",
        b"\\",
        b"&",
        b"\r",
        b"\n",
        b'""',
        b"\x00",
        b"\x0b",
        b"\x1c\r",
        b"\xff",
        b"\x1b$B",
        b"MSH|",
        b"BTS|",
    ]
)
EDIT = st.tuples(st.integers(0, 700), st.integers(0, 40), st.one_of(LOOSE, st.binary(max_size=6)), st.integers(1, 30))


def edited(message: bytes, edits: list[tuple[int, int, bytes, int]]) -> bytes:
    """Replace, at each place, so many bytes by something so many times."""
    for at, length, instead, times in edits:
        message = message[:at] + instead * times + message[at + length :]
    return message


@pytest.mark.parametrize("target", [name for name in TARGETS if name != "x12"])
def test_every_reader_holds_with_a_spoilt_message(target: str) -> None:
    @settings(deadline=None, max_examples=300)
    @given(st.sampled_from(MESSAGES), st.lists(EDIT, max_size=6))
    def holds(message: bytes, edits: list[tuple[int, int, bytes, int]]) -> None:
        spoilt = edited(message, edits)
        TARGETS[target](b"\x20\x40\x60\x80" + wrap(spoilt) + wrap(message) if target == "frames" else spoilt)

    holds()


@given(st.lists(st.lists(st.sampled_from(MESSAGES), max_size=4), min_size=1, max_size=4))
def test_a_file_of_batches_is_cut_into_what_it_was_made_of(batches: list[list[bytes]]) -> None:
    made = b"".join(b"BHS|^~\\&|A|||||||\r" + b"".join(batch) + b"BTS|%d\r" % len(batch) for batch in batches)
    found = split(b"FHS|^~\\&|A\r" + made + b"FTS|%d\r" % len(batches))

    assert [batch.messages for batch in found.batches] == batches
