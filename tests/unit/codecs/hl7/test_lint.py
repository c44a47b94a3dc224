"""What hl7apy finds wrong with a structure, fenced in."""

from __future__ import annotations

import subprocess
import sys

from bridge.codecs.hl7.er7 import parse
from bridge.codecs.hl7.lint import lint

HEADER = "MSH|^~\\&|EHR|MERCYW|B|H|20260301120000||{}|C1|P|2.5.1\r"


def test_a_sound_message_has_no_faults() -> None:
    text = HEADER.format("ADT^A08^ADT_A01") + "EVN|A08|20260301120000\rPID|1||77^^^H^MR||DOE^JOHN\rPV1|1|O\r"

    assert lint(parse(text.encode())) == []


def test_a_missing_segment_is_named() -> None:
    text = HEADER.format("ADT^A08^ADT_A01") + "PID|1||77^^^H^MR||DOE^JOHN\rPV1|1|O\r"

    assert lint(parse(text.encode())) == ["missing required child ADT_A01.EVN"]


def test_segments_outside_every_structure_are_no_fault() -> None:
    text = HEADER.format("ADT^A08^ADT_A01") + "EVN|A08|20260301\rPID|1||77^^^H^MR||DOE^JOHN\rZPD|x\rPV1|1|O\rAUT|1\r"

    assert lint(parse(text.encode())) == []


def test_a_fault_shows_no_values() -> None:
    text = HEADER.format("ADT^A08") + "PID|1||77^^^H^MR||DOE^JOHN||x\rQQQ|DOE\r"

    assert "DOE" not in " ".join(lint(parse(text.encode())))


def test_what_would_stop_the_process_is_not_handed_over() -> None:
    text = HEADER.format("ADT^A08^ADT_A01") + f"PID|1||77||DOE||{'1' * 100_000}\r"

    assert lint(parse(text.encode())) == ["not checked: a number of more than 26 digits in PID"]


def test_reading_a_message_does_not_load_hl7apy() -> None:
    code = (
        "import sys, bridge.codecs.hl7.lint, bridge.codecs.hl7.ack, bridge.mapping.apply, bridge.mapping.load;"
        "sys.exit(any(name.startswith('hl7apy') for name in sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
