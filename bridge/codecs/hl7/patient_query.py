"""Asking another registry over HL7 v2 who somebody is: PDQ (QBP^Q22, RSP^K22) and PIX (QBP^Q23, RSP^K23).

Source: IHE ITI TF-2 3.9 (PIX Query), 3.21 (Patient Demographics Query); HL7 2.5.1 5.4 (QPD, QAK, RCP), 3.3.56, 3.3.57.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bridge.codecs.hl7.er7 import Message, Segment, build_segment, parse
from bridge.codecs.hl7.escapes import STANDARD, escape
from bridge.domain.identifiers import PatientIdentifier
from bridge.errors import Incomplete, Malformed, Refused, Unsupported

# Somebody who is looked for by name and birth date is one of very few, or nobody.
MOST_PATIENTS = 10
_UNKNOWN_KEY = "204"


class QueryKind(StrEnum):
    """PDQ: who has this number or is of this name. PIX: which other numbers has whoever has this one."""

    PDQ = "Q22"
    PIX = "Q23"

    @property
    def answered_by(self) -> str:
        return f"RSP^K{self.value[1:]}"

    @property
    def query_name(self) -> str:
        return "IHE PDQ Query" if self is QueryKind.PDQ else "IHE PIX Query"


@dataclass(frozen=True, slots=True)
class Authority:
    """An assigning authority as CX-4 names it. oid: "" if it has none."""

    name: str
    oid: str = ""

    @property
    def parts(self) -> tuple[str, ...]:
        return (self.name, self.oid, "ISO") if self.oid else (self.name,)


@dataclass(frozen=True, slots=True)
class QueryRoute:
    """Who asks whom. charset: a name of HL7 table 0211; codec: the same in Python."""

    sending_application: str
    sending_facility: str
    receiving_application: str
    receiving_facility: str
    charset: str
    codec: str


@dataclass(frozen=True, slots=True)
class PatientQuery:
    """
    One query. number: who is meant by number, with its authority; None to look for name, birth date and sex (PDQ).

    wanted: whose numbers PIX shall answer with. control_id also serves as the query's tag.
    """

    kind: QueryKind
    control_id: str
    at: datetime
    number: PatientIdentifier | None = None
    authority: Authority | None = None
    patient_name: str = ""
    birth_date: str = ""
    sex: str = ""
    wanted: tuple[Authority, ...] = ()


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """What came back. message: the whole, for its character set and delimiters; patients: a PID for each."""

    message: Message
    patients: tuple[Segment, ...] = ()
    has_more: bool = False


def build_query(query: PatientQuery, route: QueryRoute) -> bytes:
    """
    Return the message.

    Raises: Incomplete, if a number or name cannot be written in the route's character set.
    """
    event = query.kind.value
    header = build_segment(
        "MSH",
        [
            route.sending_application,
            route.sending_facility,
            route.receiving_application,
            route.receiving_facility,
            query.at.strftime("%Y%m%d%H%M%S%z"),
            "",
            ["QBP", event, "QBP_Q21"],
            query.control_id,
            "P",
            "2.5",
            *([""] * 5),
            route.charset,
        ],
    )
    text = header + _parameters(query) + build_segment("RCP", ["I", [str(MOST_PATIENTS), "RD"]])
    try:
        return text.encode(route.codec)
    except UnicodeEncodeError:
        raise Incomplete(f"the question cannot be written in {route.charset}", code="charset", where="QPD-3") from None


def read_answer(payload: bytes, query: PatientQuery) -> QueryAnswer:
    """
    Return what the other registry answered to *query*.

    Raises: Malformed, for what is no answer to it: another type, control ID, tag or number; Refused, where it was not
    carried out; Unsupported, where such queries are not served there.
    """
    message = parse(payload)
    if message.envelope.message_type != query.kind.answered_by:
        raise Malformed(
            f"answered with something else than {query.kind.answered_by}", code="other_answer", where="MSH-9"
        )
    acknowledged, status = message.first("MSA"), message.first("QAK")
    if acknowledged is None or acknowledged.value(2) != query.control_id:
        raise Malformed("the answer is about another message", code="other_answer", where="MSA-2")
    if _is_nobody(message):
        return QueryAnswer(message)
    _check_code(acknowledged.value(1).upper(), "MSA-1")
    if status is None or status.value(1) != query.control_id:
        raise Malformed("the answer is about another query", code="other_answer", where="QAK-1")
    _check_echo(message, query)
    outcome = status.value(2).upper()
    if outcome == "NF":
        return QueryAnswer(message)
    if outcome != "OK":
        raise Refused(f"the query was not carried out ({_shown(outcome)})", code="query_refused", where="QAK-2")
    patients = message.all("PID")
    if len(patients) > MOST_PATIENTS:
        raise Malformed("more patients than were asked for", code="too_many", where="PID")
    more = message.first("DSC")
    return QueryAnswer(message, tuple(patients), has_more=more is not None and bool(more.value(1)))


def _parameters(query: PatientQuery) -> str:
    name: list[str] = [query.kind.value, query.kind.query_name, "HL7"]
    if query.kind is QueryKind.PIX:
        assert query.number is not None
        asked = _number(query.number.patient_id, query.authority)
        wanted = STANDARD.repetition.join(_number("", one) for one in query.wanted)
        return _segment_of(["QPD", _joined(name), query.control_id, asked, wanted])
    asked = STANDARD.repetition.join(f"@{place}^{_escaped(value)}" for place, value in _demographics(query) if value)
    return _segment_of(["QPD", _joined(name), query.control_id, asked])


def _demographics(query: PatientQuery) -> Sequence[tuple[str, str]]:
    if query.number is not None:
        named = query.authority.parts if query.authority is not None else (query.number.issuer_of_patient_id,)
        places = zip(("PID.3.4.1", "PID.3.4.2", "PID.3.4.3"), named, strict=False)
        return [("PID.3.1", query.number.patient_id), *places]
    family, _, given = query.patient_name.partition("=")[0].partition("^")
    return [
        ("PID.5.1.1", family.strip()),
        ("PID.5.2", given.partition("^")[0].strip()),
        ("PID.7", query.birth_date),
        ("PID.8", query.sex),
    ]


def _number(value: str, authority: Authority | None) -> str:
    """Return a CX, escaped. Source: HL7 2.5.1 2.A.14."""
    named = STANDARD.subcomponent.join(_escaped(part) for part in authority.parts) if authority is not None else ""
    return f"{_escaped(value)}^^^{named}"


def _escaped(text: str) -> str:
    """Return *text* for a message. Raises: Incomplete, for control characters: they would end a segment, or the frame."""
    if any(unicodedata.category(char) == "Cc" for char in text):
        raise Incomplete("the question holds control characters", code="control_characters", where="QPD-3")
    return escape(text)


def _joined(parts: Sequence[str]) -> str:
    return STANDARD.component.join(_escaped(part) for part in parts)


def _segment_of(fields: Sequence[str]) -> str:
    return STANDARD.field.join(fields).rstrip(STANDARD.field) + "\r"


def _is_nobody(message: Message) -> bool:
    """Say whether the other side does not know the number, which PIX says as an error. Source: IHE ITI TF-2 3.9.4.2.2.6."""
    status, errors = message.first("QAK"), message.all("ERR")
    unknown = any(one.value(3) == _UNKNOWN_KEY or one.value(1, 4, 1) == _UNKNOWN_KEY for one in errors)
    return unknown and (status is None or status.value(2).upper() in ("AE", "NF", ""))


def _check_code(code: str, where: str) -> None:
    if code in ("AR", "CR"):
        raise Unsupported("such a query is not served there", code="query_rejected", where=where)
    if code != "AA":
        raise Refused(f"the query was not accepted ({_shown(code)})", code="query_refused", where=where)


def _check_echo(message: Message, query: PatientQuery) -> None:
    """The answer repeats the question, so that nobody takes it for another one's. Source: HL7 2.5.1 5.4.2."""
    echo = message.first("QPD")
    if echo is None:
        return
    if echo.value(2) != query.control_id:
        raise Malformed("the answer is about another query", code="other_answer", where="QPD-2")
    if query.kind is QueryKind.PIX and query.number is not None and echo.value(3) != query.number.patient_id:
        raise Malformed("the answer is about another patient", code="other_patient", where="QPD-3")


def _shown(code: str) -> str:
    return code if code in ("AE", "AR", "CE", "CR", "NF", "CA") else "an unknown code"
