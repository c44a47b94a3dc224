"""What another system answered to a message of ours. Source: HL7 2.5.1 2.9.2, 2.9.3, 2.14.5, tables 0008 and 0357."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bridge.codecs.hl7.ack import MEANINGS
from bridge.codecs.hl7.escapes import read_delimiters
from bridge.errors import Malformed

ACCEPTED = frozenset({"AA", "CA"})
FAULTY = frozenset({"AE", "CE"})
REJECTED = frozenset({"AR", "CR"})
_CODES = ACCEPTED | FAULTY | REJECTED
_SEGMENT_ENDS = re.compile(r"[\r\n]+")
_PLACE = re.compile(r"[A-Z][A-Z0-9]{2}")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Answer:
    """
    One answer. code: MSA-1. control_id: MSA-2, the message it is about. error: table 0357 and the place it names, in
    words of ours: a text of the other side may hold a patient's name. payload: the whole of it, unframed.
    """

    code: str
    control_id: str
    error: str = ""
    payload: bytes = field(default=b"", repr=False, compare=False)

    @property
    def is_application_level(self) -> bool:
        """Whether the message was processed, not only taken in. Source: HL7 2.5.1 2.9.3."""
        return self.code.startswith("A")

    @property
    def sentence(self) -> str:
        """The answer as a person reads it, without patient data."""
        return f"answered {self.code}: {self.error}" if self.error else f"answered {self.code}"


def read_answer(payload: bytes) -> Answer:
    """
    Return the answer in an unframed message.

    Raises: Malformed, if it is none. Its text is read as Latin-1: all that is used of it is ASCII.
    """
    text = payload.removeprefix(_BYTE_ORDER_MARK).decode("latin-1")
    lines = [line.strip() for line in _SEGMENT_ENDS.split(text) if line.strip()]
    if not lines or not lines[0].startswith("MSH"):
        raise Malformed("the answer is no HL7 message", code="no_header")
    delimiters = read_delimiters(lines[0])
    segments = [line.split(delimiters.field) for line in lines]
    about = [fields for fields in segments if fields[0] == "MSA"]
    if len(about) != 1 or len(about[0]) < 3:
        raise Malformed("the answer has no MSA of its own", code="no_answer", where="MSA")
    code, control_id = about[0][1].strip().upper(), about[0][2].strip()
    if code not in _CODES:
        raise Malformed("the answer's code is none", code="not_in_table", where="MSA-1", source="HL7 table 0008")
    errors = [fields for fields in segments if fields[0] == "ERR"]
    error = _error(errors[0], delimiters.component) if errors and code not in ACCEPTED else ""
    return Answer(code, control_id, error, payload)


def _error(fields: list[str], mark: str) -> str:
    """Return ERR-3 and ERR-2 (2.5), or ERR-1 (2.4), by number and place only. Source: HL7 2.5.1 2.14.5."""
    modern = len(fields) > 3 and fields[3]
    if modern:
        code, place = fields[3].split(mark)[0], fields[2].split(mark)
    else:
        parts = (fields[1] if len(fields) > 1 else "").split(mark)
        code, place = (parts[3].split("&")[0] if len(parts) > 3 else ""), parts[:3]
    meaning = MEANINGS.get(code.strip(), "")
    said = f"{code.strip()} {meaning.lower()}" if meaning else ""
    return " at ".join(filter(None, (said, _place(place))))


def _place(parts: list[str]) -> str:
    """Return "PID-3" of an ERL or ELD, "" if it is none: a segment, its sequence, a field."""
    if not parts or not _PLACE.fullmatch(parts[0].strip()):
        return ""
    field = parts[2].strip() if len(parts) > 2 else ""
    return f"{parts[0].strip()}-{field}" if field.isdecimal() and len(field) < 4 else parts[0].strip()
