"""The header of a message as far as it can be read, so that even a refusal can name it. Source: HL7 2.5.1 2.14.9."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, replace
from functools import cached_property

from bridge.codecs.hl7.charset import codec_of
from bridge.codecs.hl7.escapes import STANDARD, Delimiters, read_delimiters, unescape
from bridge.errors import BridgeError, Malformed

# Longer marks first: UTF-32 in little endian begins as UTF-16 does.
_WIDE_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HEADERS = (b"MSH", b"FHS", b"BHS")
_BATCH = ("FHS", "BHS")
_PADDING = b"\r\n\x00 \t"
_LINE_END = re.compile(rb"[\r\n]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ufffd]")
# Longer than any header that is meant: the rest of such a line is not looked at.
_HEADER_MAX_BYTES = 16384
_ECHO_MAX = 199


@dataclass(frozen=True)
class Envelope:
    """
    What MSH says, raw fields (escapes and components as sent), "" where it says nothing.

    sending_application, sending_facility: the first component, decoded, else the second (a sender with an OID only):
    what names a site. control_id: as sent, to be echoed. fault: why the header is not fit for more than a refusal.
    """

    delimiters: Delimiters = STANDARD
    codec: str = "ascii"
    header: tuple[str, ...] = ()
    sending_application: str = ""
    sending_facility: str = ""
    control_id: str = ""
    is_batch: bool = False
    fault: BridgeError | None = None

    def field(self, number: int) -> str:
        """Return MSH-*number* raw, "" if it is not there."""
        return self.header[number - 1] if number <= len(self.header) else ""

    def component(self, number: int, component: int = 1) -> str:
        """Return one component of the first repetition of MSH-*number*, decoded; no journal keeps its control characters."""
        value = self.field(number)
        if not value:
            return ""
        delimiters = self.delimiters
        if delimiters.repetition and delimiters.repetition in value:
            value = value.split(delimiters.repetition, 1)[0]
        if delimiters.component in value:
            parts = value.split(delimiters.component)
            value = parts[component - 1] if component <= len(parts) else ""
        elif component > 1:
            return ""
        if delimiters.escape in value:
            value = unescape(value, delimiters, self.codec)
        text = value.strip()
        return text if text.isprintable() else _CONTROL.sub("", text)

    def in_original_mode(self) -> Envelope:
        """Return it as if MSH-15 and MSH-16 were empty: its sender wants one answer, whatever they say."""
        if not self.field(15) and not self.field(16):
            return self
        header = tuple("" if place in (14, 15) else value for place, value in enumerate(self.header))
        return replace(self, header=header)

    @cached_property
    def message_code(self) -> str:
        return self.component(9)

    @cached_property
    def trigger(self) -> str:
        return self.component(9, 2)

    @cached_property
    def message_type(self) -> str:
        """Code and trigger, "ADT^A08"."""
        return f"{self.message_code}^{self.trigger}" if self.trigger else self.message_code

    @cached_property
    def processing_id(self) -> str:
        return self.component(11)

    @cached_property
    def version(self) -> str:
        return self.component(12)

    @cached_property
    def declared_charsets(self) -> tuple[str, ...]:
        """The repetitions of MSH-18."""
        value = self.field(18)
        names = value.split(self.delimiters.repetition) if self.delimiters.repetition else [value]
        return tuple(name.strip() for name in names)


def body_of(raw: bytes) -> bytes:
    """Return *raw* without byte order mark and padding; UTF-16 and UTF-32 that say so by a mark come back as UTF-8."""
    if raw[:1] in (b"\xff", b"\xfe", b"\x00"):
        raw = _narrow(raw)
    return raw.strip(_PADDING).removeprefix(codecs.BOM_UTF8).lstrip(_PADDING)


def _narrow(raw: bytes) -> bytes:
    codec = next((codec for mark, codec in _WIDE_MARKS if raw.startswith(mark)), "")
    try:
        return raw.decode(codec).encode("utf-8") if codec else raw
    except UnicodeError:
        return raw


def read_envelope(raw: bytes) -> Envelope:
    """Return what the header of *raw* says; whatever is wrong with it stands in `fault`, and nothing is raised."""
    body = body_of(raw)
    if body[:3] not in _HEADERS:
        return Envelope(fault=_no_header(body))
    end = _LINE_END.search(body, 0, _HEADER_MAX_BYTES)
    line = body[: end.start() if end else _HEADER_MAX_BYTES]
    try:
        delimiters = read_delimiters(line[:10].decode("latin-1"))
    except Malformed as fault:
        return _guess(line.decode("latin-1"), fault)
    codec, text = _decode_header(line, delimiters)
    fields = text.split(delimiters.field)
    if text[:3] in _BATCH:
        return _batch(fields, delimiters, codec)
    return _envelope((delimiters.field, *fields[1:]), delimiters, codec)


def _no_header(body: bytes) -> Malformed:
    if body[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or body[:5] == b"M\x00S\x00H":
        return Malformed("in UTF-16 without saying so; send UTF-8", code="wrong_charset", where="MSH-18")
    return Malformed("does not begin with MSH", code="no_header", where="MSH-1")


def _decode_header(line: bytes, delimiters: Delimiters) -> tuple[str, str]:
    """Return codec and text of the header, Latin-1 where it is not what it declares: the refusal comes later, with words."""
    plain = line.decode("latin-1")
    fields = plain.split(delimiters.field)
    declared = fields[17] if len(fields) > 17 else ""
    for codec in (codec_of(declared.split(delimiters.repetition or None, 1)[0]) if declared.strip() else None, "utf-8"):
        if codec:
            try:
                return codec, line.decode(codec)
            except UnicodeDecodeError:
                continue
    return "latin-1", plain


def _envelope(header: tuple[str, ...], delimiters: Delimiters, codec: str) -> Envelope:
    bare = Envelope(delimiters, codec, header)
    control_id = bare.field(10)
    if not control_id.isalnum():
        control_id = _CONTROL.sub("", control_id)
    fault = None
    if len(control_id) > _ECHO_MAX:
        fault = Malformed(
            f"longer than {_ECHO_MAX} characters", code="too_long", where="MSH-10", source="HL7 2.7 2.14.9.10"
        )
        control_id = control_id[:_ECHO_MAX]
    return Envelope(
        delimiters,
        codec,
        header,
        sending_application=bare.component(3) or bare.component(3, 2),
        sending_facility=bare.component(4) or bare.component(4, 2),
        control_id=control_id.strip(),
        fault=fault,
    )


def _batch(fields: list[str], delimiters: Delimiters, codec: str) -> Envelope:
    """A batch header, its fields moved to where MSH has them. Source: HL7 2.5.1 2.14.2, 2.14.6."""
    fields = [delimiters.field, *fields[1:], *[""] * 12]
    header = (*fields[:9], fields[10])
    found = _envelope(header, delimiters, codec)
    return Envelope(
        delimiters,
        codec,
        header,
        found.sending_application,
        found.sending_facility,
        found.control_id,
        True,
        found.fault,
    )


def _guess(text: str, fault: Malformed) -> Envelope:
    """Return an envelope for delimiters that cannot be used: the control id may still be where it always is."""
    fields = text.split(text[3:4]) if len(text) > 3 and not text[3].isalnum() else []
    control_id = _CONTROL.sub("", fields[9])[:_ECHO_MAX] if len(fields) > 9 else ""
    return Envelope(control_id=control_id if control_id.isalnum() else "", fault=fault)
