"""The numbers a message goes by, whatever a site's mapping makes of it: a refused message must be found, too."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.codecs.hl7.envelope import body_of, read_envelope
from bridge.codecs.hl7.er7 import NULL, Message
from bridge.domain.message import Term, TermKind, term_text

# Where senders put numbers. Source: HL7 2.5.1 3.4.2, 3.4.3, 3.4.9, 4.5.1, 4.5.3, 10.6.1; IHE RAD TF-2 4.2 for IPC.
_PLACES: dict[str, tuple[tuple[int, TermKind], ...]] = {
    "PID": ((3, TermKind.PATIENT), (2, TermKind.PATIENT), (4, TermKind.PATIENT), (18, TermKind.VISIT)),
    "MRG": ((1, TermKind.PATIENT), (4, TermKind.PATIENT), (3, TermKind.VISIT), (5, TermKind.VISIT)),
    "PV1": ((19, TermKind.VISIT), (50, TermKind.VISIT)),
    "OBR": ((18, TermKind.ACCESSION), (2, TermKind.ORDER), (3, TermKind.ORDER)),
    "IPC": ((1, TermKind.ACCESSION), (2, TermKind.ORDER)),
    "ORC": ((2, TermKind.ORDER), (3, TermKind.ORDER)),
    "SCH": ((1, TermKind.ORDER), (2, TermKind.ORDER), (26, TermKind.ORDER), (27, TermKind.ORDER)),
}
_TERMS_MAX = 200
# The number and, of a patient's, its authority.
_PARTS_READ = 4
_LINES_MAX = 20_000


def numbers_of(message: Message, authority: str = "") -> tuple[Term, ...]:
    """
    Return the numbers of a message that could be read.

    authority: whose a patient's number is where it names none.
    """
    found: dict[tuple[str, str], Term] = {}
    for segment in message.segments:
        for number, kind in _PLACES.get(segment.name, ()):
            raw = segment.field(number)
            if raw and raw != NULL:
                _note(found, kind, _split(message, raw), authority)
    return tuple(found.values())


def numbers_of_unreadable(raw: bytes, authority: str = "") -> tuple[Term, ...]:
    """Return the numbers of a message that no reader takes, as far as they stand where they should."""
    delimiters = read_envelope(raw).delimiters
    body = body_of(raw)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = body.decode("latin-1")
    found: dict[tuple[str, str], Term] = {}
    for line in text.replace("\n", "\r").split("\r", _LINES_MAX)[:_LINES_MAX]:
        places = _PLACES.get(line[:3])
        if places is None or line[3:4] != delimiters.field:
            continue
        fields = line.split(delimiters.field)
        for number, kind in places:
            if number < len(fields) and fields[number]:
                repetitions = _repetitions(fields[number], delimiters.repetition)
                _note(found, kind, [one.split(delimiters.component) for one in repetitions], authority)
    return tuple(found.values())


def _split(message: Message, raw: str) -> list[list[str]]:
    delimiters = message.delimiters
    split = [one.split(delimiters.component) for one in _repetitions(raw, delimiters.repetition)]
    mark = delimiters.escape
    if mark and mark in raw:
        return [[message.decode(part) for part in parts[:_PARTS_READ]] for parts in split]
    return split


def _repetitions(raw: str, mark: str) -> list[str]:
    return raw.split(mark, _TERMS_MAX)[:_TERMS_MAX] if mark and mark in raw else [raw]


def _note(found: dict[tuple[str, str], Term], kind: TermKind, repetitions: Iterable[list[str]], authority: str) -> None:
    """Keep each number once: of an order's numbers that are the same, the accession number counts."""
    for parts in repetitions:
        text = parts[0].strip()
        if not text or text == NULL or len(found) >= _TERMS_MAX:
            continue
        if not text.isprintable():
            text = "".join(character for character in text if character.isprintable())
        value = term_text(text)
        issuer = _issuer(parts, authority) if kind == TermKind.PATIENT else ""
        known = found.get((value, issuer))
        if value and (known is None or kind == TermKind.ACCESSION):
            found[value, issuer] = Term(kind, value, issuer)


def _issuer(parts: list[str], authority: str) -> str:
    """Return CX.4.1 of a patient's number, else whose it is by the site. Source: HL7 2.5.1 2.A.14."""
    named = parts[3].partition("&")[0] if len(parts) > 3 else ""
    return term_text(named if named.isprintable() and named else authority)
