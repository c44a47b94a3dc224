"""Good X12 files made bad: whatever is cut, doubled or changed in them is read, or refused by name."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.codecs.x12 import envelope
from bridge.codecs.x12.summary import summary_of
from bridge.errors import BridgeError
from tests.fuzz.seeds import files
from tests.fuzz.targets import TARGETS
from tests.property.test_hl7_hostile import edited
from tests.unit.codecs.x12.payers import SENDING

FILES = files()
LOOSE = st.sampled_from(
    [b"*", b":", b"^", b"~", b"\n", b"\x00", b"\xff", b"ISA*", b"~SE*1*0001~", b"~HL*1**20*1~", b"~BDS*B64*9*"]
)
EDIT = st.tuples(st.integers(0, 1500), st.integers(0, 60), st.one_of(LOOSE, st.binary(max_size=6)), st.integers(1, 30))


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(FILES), st.lists(EDIT, max_size=5))
def test_a_spoilt_file_is_read_or_refused(file: bytes, edits: list[tuple[int, int, bytes, int]]) -> None:
    TARGETS["x12"](edited(file, edits))


@settings(deadline=None, max_examples=100)
@given(st.sampled_from(FILES), st.lists(EDIT, min_size=1, max_size=3))
def test_what_is_refused_never_repeats_a_name_or_number(file: bytes, edits: list[tuple[int, int, bytes, int]]) -> None:
    said: list[str] = []
    try:
        for interchange in envelope.read(edited(file, edits)):
            said += [f"{fault.where} {fault.detail}" for fault in interchange.all_faults()]
            for one in map(summary_of, interchange.transactions()):
                said += [one.refusal, *(f"{notice.where} {notice.detail}" for notice in one.notices)]
    except BridgeError as fault:
        said.append(f"{fault} {fault.where} {fault.to_caller}")
    text = " ".join(said)
    assert not [
        name for name in ("HALVORSEN", "OKAFOR", "DOE", "EP0041001", "MBR000", "ACC17", "EP-AUTH") if name in text
    ]


def _segments_of(raw: bytes) -> int:
    """Return how many segments the transactions of a file have."""
    return sum(len(one.segments) for found in envelope.read(raw) for one in found.transactions())


def test_a_file_of_very_many_small_things_is_read_once() -> None:
    body = b"HL*1**20*1~" + b"NM1*X3*2*A~" * 20_000 + b"REF*" + b":^" * 5_000 + b"~"
    head = files()[0].split(b"BHT*")[0]
    raw = head + b"BHT*0007*13*1*20260302~" + body + b"SE*20005*0001~GE*1*1~IEA*1*%09d~" % SENDING.control_number

    assert _segments_of(raw) == 20_003
    [transaction] = envelope.read(raw)[0].transactions()
    assert len(summary_of(transaction).notices) <= 100


def test_levels_inside_levels_without_end_are_read() -> None:
    levels = b"".join(
        b"HL*%d*%s*ZZ~" % (number, b"%d" % (number - 1) if number > 1 else b"") for number in range(1, 3001)
    )
    head = files()[0].split(b"BHT*")[0]
    raw = head + b"BHT*0007*13*1*20260302~" + levels + b"SE*3003*0001~GE*1*1~IEA*1*%09d~" % SENDING.control_number

    assert _segments_of(raw) == 3001
    TARGETS["x12"](raw)
