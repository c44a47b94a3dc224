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

_MEANINGS = {
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


def answer_code(envelope: Envelope, error: BaseException | None) -> str:
    """
    Return MSA-1: AA, AE, AR; CA, CE, CR where the sender wants accept acknowledgements; "" if it wants no answer.

    We answer when everything is committed, so one answer serves for both of enhanced mode, and only one is ever sent:
    a second one would be taken for the answer to the next message. Source: HL7 2.5.1 2.9.3, table 0155.
    """
    code = verdict_of(error).acknowledgment_code
    accept, application = envelope.field(15).strip(), envelope.field(16).strip()
    if not accept and not application:
        return code
    wanted = _WANTED_IN_SUCCESS if error is None else _WANTED_IN_ERROR
    if accept in wanted:
        return "C" + code[1]
    return code if application in wanted else ""


def build_ack(
    envelope: Envelope,
    error: BaseException | None,
    notices: Sequence[Notice] = (),
    *,
    control_id: str,
    at: datetime,
) -> bytes:
    """
    Return the answer to one message, b"" if its sender wants none.

    error: what stopped it, None if it is committed. notices: told beside a success. control_id: the answer's own.
    at: aware. The answer speaks the sender's delimiters, character set and version.
    """
    code = answer_code(envelope, error)
    if not code:
        return b""
    verdict = verdict_of(error)
    old_form = bool(_OLD_ERROR_FORM.match(envelope.version))
    text = _text_of(verdict, error, notices)
    segments = [
        _header(envelope, control_id, at),
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
    meaning = _MEANINGS.get(verdict.error_code, "")
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
