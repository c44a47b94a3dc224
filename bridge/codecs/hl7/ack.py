"""Answers: from an error's class to MSA-1, ERR-2 and ERR-3, in one table. Source: HL7 2.5.1 2.9, 2.14.5, table 0357."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from bridge.codecs.hl7.charset import codec_of
from bridge.codecs.hl7.envelope import Envelope
from bridge.codecs.hl7.escapes import escape
from bridge.domain.message import Notice
from bridge.errors import (
    BridgeError,
    Conflict,
    Incomplete,
    Malformed,
    Refused,
    Unavailable,
    Unsupported,
)

MEANINGS = {
    "0": "Message accepted",
    "100": "Segment sequence error",
    "101": "Required field missing",
    "102": "Data type error",
    "103": "Table value not found",
    "104": "Value too long",
    "199": "Other HL7 error",
    "200": "Unsupported message type",
    "201": "Unsupported event code",
    "202": "Unsupported processing id",
    "203": "Unsupported version id",
    "204": "Unknown key identifier",
    "205": "Duplicate key identifier",
    "206": "Application record locked",
    "207": "Application error",
}
_WHERE = re.compile(r"([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?(?:-(\d+)(?:\[(\d+)\])?(?:\.(\d+))?(?:\.(\d+))?)?")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ufffd]")
_ORDER_GROUP = re.compile(r"ORC\[\d+\]")
_ECHO_MAX = 250
_OUR_VERSION = "2.5.1"
_OLD_ERROR_FORM = re.compile(r"2\.[1-4](\D|$)")
_WANTED_IN_ERROR = ("AL", "ER")
_WANTED_IN_SUCCESS = ("AL", "SU")


class Verdict(NamedTuple):
    """acknowledgment_code: AA, AE, AR. error_code: table 0357. where: the place it names, "" for none."""

    acknowledgment_code: str
    error_code: str
    where: str


# class -> (acknowledgment code, default error code, place if the error names none, error code by slug)
_TABLE: tuple[tuple[type[BaseException], tuple[str, str, str, dict[str, str]]], ...] = (
    (
        Malformed,
        ("AE", "102", "", {"segment_sequence": "100", "cut_frame": "100", "no_header": "100", "too_long": "104"}),
    ),
    (
        Unsupported,
        (
            "AR",
            "200",
            "MSH-9.1",
            {"unsupported_event": "201", "unsupported_processing_id": "202", "unsupported_version": "203"},
        ),
    ),
    (Incomplete, ("AE", "101", "", {"not_in_table": "103"})),
    (Conflict, ("AE", "204", "", {"duplicate_key": "205", "record_locked": "206"})),
    (Refused, ("AR", "103", "MSH-4", {})),
    (Unavailable, ("AR", "207", "", {})),
)
_OUR_FAULT = Verdict("AR", "207", "")


def verdict_of(error: BaseException | None) -> Verdict:
    """Return how *error* is answered; None is success. Anything that is not ours to name is AR 207: a resend may work."""
    if error is None:
        return Verdict("AA", "0", "")
    for kind, (code, default, place, by_slug) in _TABLE:
        if isinstance(error, kind):
            assert isinstance(error, BridgeError)
            return Verdict(code, by_slug.get(error.code, default), error.where or place)
    return _OUR_FAULT


def answer_codes(envelope: Envelope, error: BaseException | None) -> tuple[str, ...]:
    """
    Return MSA-1 of each answer the sender wants, in order; () if it wants none.

    Original mode (MSH-15 and MSH-16 empty): AA, AE or AR. Enhanced mode: what MSH-15 asks for, CA, CE or CR, then what
    MSH-16 asks for; after CE and CR nothing follows. Source: HL7 2.5.1 2.9.2, 2.9.3, table 0155.
    """
    code = verdict_of(error).acknowledgment_code
    accept, application = envelope.field(15).strip(), envelope.field(16).strip()
    if not accept and not application:
        return (code,)
    wanted = _WANTED_IN_SUCCESS if error is None else _WANTED_IN_ERROR
    if accept not in wanted:
        return (code,) if application in wanted else ()
    accepted = "C" + code[1]
    return (accepted, code) if error is None and application in wanted else (accepted,)


def answer_code(envelope: Envelope, error: BaseException | None) -> str:
    """Return MSA-1 of the last answer, which says what became of the message; "" if the sender wants none."""
    return (answer_codes(envelope, error) or ("",))[-1]


def build_ack(
    envelope: Envelope,
    error: BaseException | None,
    notices: Sequence[Notice] = (),
    *,
    control_id: str,
    at: datetime,
) -> bytes:
    """
    Return the answer to one message: one ACK, or two behind each other (see `split_answers`); b"" if none is wanted.

    error: what stopped it, None if it is committed. notices: told beside a success. control_id: the answer's own.
    at: aware. The answer speaks the sender's delimiters, character set and version.
    """
    codes = answer_codes(envelope, error)
    if len(codes) < 2:
        return b"".join(_build(envelope, code, error, notices, (control_id, at)) for code in codes)
    first = _build(envelope, codes[0], None, (), (control_id[:19] + "C", at))
    return first + _build(envelope, codes[1], error, notices, (control_id, at))


def split_answers(answer: bytes) -> list[bytes]:
    """Return the messages of one answer, each for a frame of its own: one, two in enhanced mode, or a batch whole."""
    if not answer.startswith(b"MSH"):
        return [answer] if answer else []
    first, *more = answer.split(b"\rMSH")
    return [first + b"\r", *(b"MSH" + one.removesuffix(b"\r") + b"\r" for one in more)] if more else [answer]


def is_first_of_two(answer: bytes) -> bool:
    """Say whether *answer* is an accept acknowledgment alone, so that another one follows where MSH-16 asks for it."""
    return b"\rMSA" in answer and answer[answer.index(b"\rMSA") + 5 :].startswith(b"CA") and b"\rMSH" not in answer


def batch_header(name: str, asked: Envelope, control_id: str, at: datetime) -> bytes:
    """Return the FHS or BHS of an answer to *asked*, the header of what was received. Source: HL7 2.5.1 2.14.2, 2.14.6."""
    fields = [
        name,
        asked.delimiters.encoding_characters,
        *(asked.field(number)[:_ECHO_MAX] for number in (5, 6, 3, 4)),
        at.strftime("%Y%m%d%H%M%S%z"),
        *("", "", "", control_id, asked.control_id),
    ]
    return _raw_segment(asked, fields).encode(asked.codec, errors="replace")


def trailer(name: str, asked: Envelope, count: int) -> bytes:
    """Return the BTS or FTS behind *count* messages or batches."""
    return _raw_segment(asked, [name, str(count)]).encode(asked.codec, errors="replace")


def _build(
    envelope: Envelope,
    code: str,
    error: BaseException | None,
    notices: Sequence[Notice],
    stamp: tuple[str, datetime],
) -> bytes:
    """Return one ACK. stamp: its own control id, and when."""
    verdict = verdict_of(error)
    old_form = bool(_OLD_ERROR_FORM.match(envelope.version))
    text = _text_of(verdict, error, notices)
    if error is None and old_form:
        # Without an ERR for each, what became of the order groups of one message stands in the one text there is.
        groups = [f"{notice.where} {notice.detail}" for notice in notices if _ORDER_GROUP.fullmatch(notice.where)]
        text = "; ".join(groups) or text
    segments = [
        _header(envelope, *stamp),
        _raw_segment(envelope, ["MSA", code, envelope.control_id, _escaped(envelope, text)]),
    ]
    if error is not None:
        segments.append(_error_segment(envelope, verdict, "E", text, old_form))
    elif not old_form:
        # Before 2.5 an ERR has no severity: beside an AA it would read as an error.
        for notice in notices:
            place = Verdict(verdict.acknowledgment_code, notice.code, notice.where)
            segments.append(_error_segment(envelope, place, notice.severity, notice.detail, old_form))
    return "".join(segments).encode(envelope.codec, errors="replace")


def _text_of(verdict: Verdict, error: BaseException | None, notices: Sequence[Notice]) -> str:
    """Return MSA-3: for people, and free of patient data."""
    if error is None:
        return notices[0].detail if notices else ""
    if not isinstance(error, BridgeError):
        return "internal error, please send again"
    return f"{verdict.where}: {error.to_caller}" if verdict.where else error.to_caller


def _header(envelope: Envelope, control_id: str, at: datetime) -> str:
    component = envelope.delimiters.component
    answer_type = (
        component.join(["ACK", envelope.field(9).split(component)[1][:_ECHO_MAX], "ACK"]) if envelope.trigger else "ACK"
    )
    version = envelope.field(12) if envelope.version.startswith("2.") else _OUR_VERSION
    fields = [
        "MSH",
        envelope.delimiters.encoding_characters,
        *(envelope.field(number)[:_ECHO_MAX] for number in (5, 6, 3, 4)),
        at.strftime("%Y%m%d%H%M%S%z"),
        "",
        answer_type,
        control_id,
        envelope.field(11)[:_ECHO_MAX] or "P",
        version or _OUR_VERSION,
    ]
    if _answers_in_declared_set(envelope):
        fields += [""] * 5 + [envelope.field(18)[:_ECHO_MAX]]
    return _raw_segment(envelope, fields)


def _answers_in_declared_set(envelope: Envelope) -> bool:
    """Whether MSH-18 is true of the answer as well: a set that could not read the header is none to answer in."""
    first = envelope.declared_charsets[0]
    if not envelope.field(18):
        return False
    return codec_of(first) == envelope.codec if first else all(value.isascii() for value in envelope.header)


def _error_segment(envelope: Envelope, verdict: Verdict, severity: str, text: str, old_form: bool) -> str:
    meaning = MEANINGS.get(verdict.error_code, "")
    d = envelope.delimiters
    if old_form:
        segment, sequence, field, *_ = [*_location(verdict.where), "", "", ""]
        coded = (d.subcomponent or "&").join([verdict.error_code, meaning, "HL70357"])
        return _raw_segment(envelope, ["ERR", d.component.join([segment, sequence, field, coded])])
    place = d.component.join(_location(verdict.where))
    coded = d.component.join([verdict.error_code, meaning, "HL70357"])
    return _raw_segment(envelope, ["ERR", "", place, coded, severity, "", "", "", _escaped(envelope, text)])


def _location(where: str) -> list[str]:
    """Return ERL components of "PID-3[2].1"; [] for a place that is no HL7 one. Source: HL7 2.5.1 2.A.28."""
    found = _WHERE.fullmatch(where)
    if not found:
        return []
    segment, sequence, field, repetition, component, subcomponent = found.groups()
    parts = [segment, sequence or "1"]
    if field:
        parts += [field, repetition or "1"]
    if component:
        parts.append(component)
    if subcomponent:
        parts.append(subcomponent)
    return parts


def _raw_segment(envelope: Envelope, fields: list[str]) -> str:
    while fields and not fields[-1]:
        fields = fields[:-1]
    # A refused message may hold anything; what is echoed of it must not end our own frame.
    return _CONTROL.sub("", envelope.delimiters.field.join(fields)) + "\r"


def _escaped(envelope: Envelope, text: str) -> str:
    """Return *text* fit for one field in the sender's delimiters."""
    delimiters = envelope.delimiters
    if not delimiters.escape:
        return "".join(" " if c in (delimiters.field, *delimiters.encoding_characters) else c for c in text)
    return escape(text, delimiters)
