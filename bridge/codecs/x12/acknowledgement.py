"""999 and TA1: whether the other side could read what we sent.

A 999 tells it of each transaction, a TA1 of a whole interchange; neither says what was decided.
Source: 005010X231A1; 005010 appendix B (TA1).
"""

from __future__ import annotations

from dataclasses import dataclass

from bridge.codecs.x12.envelope import Interchange, Transaction
from bridge.codecs.x12.segments import Segment
from bridge.errors import Malformed, Unsupported

ERRORS_MAX = 100
_ACCEPTED, _WITH_ERRORS = "A", "E"


@dataclass(frozen=True, slots=True)
class ReadError:
    """Where the other side stumbled. where: "NM1 (segment 8), loop 2010BA, element 3-2"; codes: IK304 and IK403."""

    where: str
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TransactionAnswer:
    """AK2 to IK5. is_accepted: it will be worked on, with errors or without. code: IK501."""

    name: str
    control_number: str
    code: str
    is_accepted: bool
    errors: tuple[ReadError, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupAnswer:
    """
    AK1 to AK9. name, control_number: GS01 and GS06 of what we sent. code: AK901 ("A", "E", "P" in part, "R").

    transactions: those that it names; a group that is accepted whole may name none.
    """

    name: str
    control_number: str
    code: str
    is_accepted: bool
    transactions: tuple[TransactionAnswer, ...]


@dataclass(frozen=True, slots=True)
class InterchangeAnswer:
    """TA1. control_number, created: ISA13, and ISA09 and ISA10, of what we sent. note: TA105, "000" where nothing is wrong."""

    control_number: str
    code: str
    is_accepted: bool
    note: str
    created: str = ""


def read(transaction: Transaction) -> GroupAnswer:
    """
    Return what a 999 says, or the 997 of older partners.

    Raises: Unsupported for another transaction, Malformed for one that is not whole or answers nothing.
    """
    if transaction.name not in ("997", "999"):
        raise Unsupported("it is no 999", code="unsupported_type", where="ST01")
    transaction.require_whole()
    ak1 = next((one for one in transaction.segments if one.name == "AK1"), None)
    ak9 = next((one for one in transaction.segments if one.name == "AK9"), None)
    if ak1 is None or ak9 is None:
        raise Malformed("an acknowledgement has AK1 and AK9", code="segment_sequence", where="AK1")
    code = ak9.element(1)
    return GroupAnswer(
        name=ak1.element(1),
        control_number=ak1.element(2),
        code=code,
        is_accepted=code in (_ACCEPTED, _WITH_ERRORS),
        transactions=tuple(_transactions(transaction.segments)),
    )


def read_interchange(interchange: Interchange) -> list[InterchangeAnswer]:
    """Return what the TA1 of an interchange say."""
    found = []
    for ta1 in interchange.acknowledgements:
        code = ta1.element(4)
        is_accepted = code in (_ACCEPTED, _WITH_ERRORS)
        created = ta1.element(2) + ta1.element(3)
        found.append(InterchangeAnswer(ta1.element(1), code, is_accepted, ta1.element(5), created))
    return found


def _transactions(segments: tuple[Segment, ...]) -> list[TransactionAnswer]:
    found: list[TransactionAnswer] = []
    asked: Segment | None = None
    errors: list[ReadError] = []
    for segment in segments:
        if segment.name == "AK2":
            asked, errors = segment, []
        elif segment.name in ("IK3", "AK3", "IK4", "AK4") and len(errors) < ERRORS_MAX:
            errors.append(_error(segment, errors))
        elif segment.name in ("IK5", "AK5") and asked is not None:
            code = segment.element(1)
            is_accepted = code in (_ACCEPTED, _WITH_ERRORS)
            found.append(TransactionAnswer(asked.element(1), asked.element(2), code, is_accepted, tuple(errors)))
            asked = None
    return found


def _error(segment: Segment, before: list[ReadError]) -> ReadError:
    """Return one error; that of an element stands in the segment that the error before it names."""
    if segment.name in ("IK3", "AK3"):
        loop = f", loop {segment.element(3)}" if segment.element(3) else ""
        return ReadError(f"{segment.element(1)} (segment {segment.element(2)}){loop}", (segment.element(4),))
    place = "-".join(one for one in (segment.component(1, 1), segment.component(1, 2)) if one)
    inside = f"{before[-1].where.split(', element')[0]}, " if before else ""
    return ReadError(f"{inside}element {place}", (segment.element(3),))
