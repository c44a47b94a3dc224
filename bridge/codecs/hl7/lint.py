"""Structure lint by hl7apy, for people who look at a message; the only module that imports it.

Never on the receive path: it takes tens of milliseconds, is quadratic in the length of a date, and knows neither ZDS nor
AUT. What it says is advice: real senders' messages rarely pass it.
"""

from __future__ import annotations

import re
import tempfile
from typing import TYPE_CHECKING, Any

from bridge.codecs.hl7.er7 import Message

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_BYTES = 256 * 1024
_MAX_SEGMENTS = 500
_MAX_REPETITIONS = 200
_MAX_DIGITS = 26
_NOT_IN_STRUCTURES = ("Z", "AUT")
_FAULT = re.compile(
    r"^Error: ([A-Z][a-z ]{1,60}(?:child|element|found|exceeded)[a-z ]{0,60}):? ([A-Z][A-Z0-9_.]{1,60})", re.MULTILINE
)
# It asks for every alternative of a choice at once: an OBR with an RXO with an ODS.
_CHOICES = ("ORM_O01_OBRRQDRQ1RXOODSODT_SUPPGRP", "ORM_O01_CHOICE")


def lint(message: Message) -> list[str]:
    """
    Return what a strict reader would find wrong with the structure, one sentence each, without values; [] if nothing.

    A message beyond what hl7apy can take in reasonable time is not looked at, and says so.
    """
    reason = _too_much(message)
    if reason:
        return [f"not checked: {reason}"]
    text = "\r".join(s.text for s in message.segments if not s.name.startswith(_NOT_IN_STRUCTURES)) + "\r"
    return list(_faults(text))


def _too_much(message: Message) -> str:
    """Name the first thing that would stop hl7apy for longer than a person waits."""
    if sum(len(segment.text) for segment in message.segments) > _MAX_BYTES:
        return f"longer than {_MAX_BYTES // 1024} KiB"
    if len(message.segments) > _MAX_SEGMENTS:
        return f"more than {_MAX_SEGMENTS} segments"
    for segment in message.segments:
        if segment.text.count(message.delimiters.repetition or "~") > _MAX_REPETITIONS:
            return f"too many repetitions in {segment.where}"
        if any(len(run) > _MAX_DIGITS for value in segment.fields for run in _digit_runs(value)):
            return f"a number of more than {_MAX_DIGITS} digits in {segment.where}"
    return ""


def _digit_runs(value: str) -> Iterator[str]:
    return (run for run in "".join(c if c.isdigit() else " " for c in value).split())


def _faults(text: str) -> Iterator[str]:
    # Its structure tables take most of a second to load, and nothing but this function needs them.
    from hl7apy.consts import VALIDATION_LEVEL
    from hl7apy.exceptions import HL7apyException
    from hl7apy.parser import parse_message
    from hl7apy.validation import Validator

    # It tells everything it found in a file only, and the first thing in its exception.
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as report:
        try:
            parsed: Any = parse_message(text, validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=True)
            Validator.validate(parsed, report_file=report.name)
        except HL7apyException as error:
            found = _FAULT.findall(report.read())
            if not found:
                yield f"{type(error).__name__}: the structure cannot be read"
            yield from _readable(found)


def _readable(faults: list[tuple[str, str]]) -> dict[str, None]:
    """Return the faults by the elements they name; warnings quote values, which may be a patient's, and are left out."""
    chosen = (fault for fault in faults if not fault[1].startswith(_CHOICES))
    return dict.fromkeys(f"{kind[0].lower()}{kind[1:]} {element}" for kind, element in chosen)
