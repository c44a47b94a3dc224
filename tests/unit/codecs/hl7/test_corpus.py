"""Other people's messages: each is read or refused by name, and what is read agrees with hl7apy where that can read it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bridge.clock import Clock
from bridge.codecs.hl7 import er7
from bridge.codecs.hl7.ack import answer_code, build_ack
from bridge.codecs.hl7.framing import FrameDecoder
from bridge.errors import BridgeError

CORPUS = Path(__file__).parents[5] / "shared" / "corpus" / "hl7"
FILES = sorted(file for file in CORPUS.rglob("*") if file.is_file()) if CORPUS.is_dir() else []
pytestmark = pytest.mark.skipif(not FILES, reason="the corpus of public HL7 files is not beside this checkout")


def content(file: Path) -> bytes:
    raw = file.read_bytes()
    if raw[:1] != b"\x0b":
        return raw
    decoder = FrameDecoder()
    decoder.feed(raw)
    frame = decoder.settle()
    assert frame is not None
    return frame.payload


def test_every_file_is_read_or_refused_by_name_and_answered() -> None:
    read = 0
    for file in FILES:
        raw = content(file)
        error: BridgeError | None = None
        try:
            er7.parse(raw)
            read += 1
        except BridgeError as fault:
            error = fault
        envelope = er7.read_envelope(raw)
        ack = build_ack(envelope, error, control_id="A", at=Clock().now())
        assert (b"\rMSA" in ack) is bool(answer_code(envelope, error)), file

    assert read > 300


def test_no_segment_of_a_file_is_lost() -> None:
    for file in FILES:
        raw = content(file)
        try:
            message = er7.parse(raw)
        except BridgeError:
            continue
        names = [
            line[:3] for line in re.split(rb"[\r\n]+", raw.removeprefix(b"\xef\xbb\xbf")) if line.strip(b" \x00\t")
        ]
        kept = [segment.name.encode() for segment in message.segments]
        # A line feed inside a text may split a line here; what is a segment must be there, in order.
        assert kept == [name for name in names if re.fullmatch(rb"[A-Z][A-Z0-9]{2}", name)][: len(kept)], file


def oracle_values(text: str) -> dict[str, str] | None:
    from hl7apy.core import Message
    from hl7apy.exceptions import HL7apyException
    from hl7apy.parser import parse_message

    try:
        parsed: Message = parse_message(text, find_groups=False)
        return {
            "MSH-10": parsed.msh.msh_10.to_er7(),
            "PID-3": "~".join(field.to_er7() for field in parsed.pid.pid_3),
            "PID-5": "~".join(field.to_er7() for field in parsed.pid.pid_5),
            "PID-7": parsed.pid.pid_7.to_er7(),
            "PID-8": parsed.pid.pid_8.to_er7(),
        }
    except (HL7apyException, AttributeError, ValueError, IndexError, KeyError):
        return None


def test_identity_fields_agree_with_hl7apy() -> None:
    compared = 0
    for file in FILES:
        raw = content(file)
        if not raw.isascii() or len(raw) > 8000 or b"\\" in raw[20:] or file.suffix == ".bin":
            continue
        try:
            message = er7.parse(raw)
        except BridgeError:
            continue
        pid = message.all("PID")
        if len(pid) != 1 or message.delimiters.encoding_characters != "^~\\&" or compared >= 60:
            continue
        found = oracle_values("\r".join(segment.text for segment in message.segments))
        if found is None:
            continue
        ours = {"MSH-10": message.segments[0].field(10) or ""}
        ours |= {f"PID-{n}": pid[0].field(n) or "" for n in (3, 5, 7, 8)}
        for place, value in found.items():
            assert ours[place].rstrip("^~") == value.rstrip("^~"), (file, place)
        compared += 1

    assert compared >= 40
