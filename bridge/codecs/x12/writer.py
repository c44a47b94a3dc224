"""The X12 writer: segments of transactions to the bytes of a file, with its counts and control numbers.

What it writes, `envelope.read` reads without a fault. Source: ASC X12.5, X12.6; 005010 appendix B.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from bridge.codecs.x12.envelope import GROUP_OF
from bridge.codecs.x12.segments import BINARY, SENDABLE, STANDARD, Delimiters, Segment, build
from bridge.errors import Incomplete

MAX_CONTROL_NUMBER = 999_999_999
# Whose guide does not use ST03: the version stands in GS08 alone. Source: 005010X221A1.
_WITHOUT_VERSION = frozenset({"835"})


@dataclass(frozen=True, slots=True)
class Draft:
    """One transaction to send. name: "278". version: "005010X217". segments: between ST and SE, by `segments.build`."""

    name: str
    version: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Sending:
    """
    Who sends to whom, and under which number.

    sender, receiver: (qualifier, id) for ISA05 to ISA08. sender_code, receiver_code: GS02 and GS03, the ids where "".
    control_number: 1 to 999,999,999, never used twice with this receiver. created: the sender's local time.
    line_ends: a line feed after each segment, for partners who ask for one. group_number: GS06 of the first group.
    """

    sender: tuple[str, str]
    receiver: tuple[str, str]
    control_number: int
    created: datetime
    is_test: bool = False
    sender_code: str = ""
    receiver_code: str = ""
    delimiters: Delimiters = STANDARD
    line_ends: bool = False
    group_number: int = 1


def write(sending: Sending, drafts: Sequence[Draft]) -> bytes:
    """
    Return the file of *drafts*, those of one kind beside each other in one group.

    Raises: Incomplete for a party's id or control number that ISA has no room for, or a text with a delimiter in it.
    """
    segments = []
    groups = 0
    for (name, version), of_one_kind in groupby(drafts, lambda draft: (draft.name, draft.version)):
        groups += 1
        segments += _group(sending, name, version, list(of_one_kind), sending.group_number + groups - 1)
    if not segments:
        raise Incomplete("there is nothing to send", code="empty", where="ST")
    segments.append(build("IEA", str(groups), f"{sending.control_number:09}"))
    end = sending.delimiters.segment + ("\n" if sending.line_ends else "")
    texts = [_isa(sending, drafts[0].version), *(_with(segment, sending.delimiters) for segment in segments)]
    return "".join(text + end for text in texts).encode("ascii")


def _group(sending: Sending, name: str, version: str, drafts: list[Draft], number: int) -> list[Segment]:
    at = sending.created
    sender, receiver = sending.sender_code or sending.sender[1], sending.receiver_code or sending.receiver[1]
    if name not in GROUP_OF:
        raise Incomplete("no group holds such a transaction", code="group_kind", where="ST01")
    head = (GROUP_OF[name], sender, receiver, f"{at:%Y%m%d}", f"{at:%H%M}", str(number), "X", version)
    found = [build("GS", *head)]
    for place, draft in enumerate(drafts, 1):
        control = f"{place:04}"
        found += [build("ST", name, control, "" if name in _WITHOUT_VERSION else version), *draft.segments]
        found.append(build("SE", str(len(draft.segments) + 2), control))
    return [*found, build("GE", str(len(drafts)), str(number))]


def _isa(sending: Sending, version: str) -> str:
    mark, at = sending.delimiters, sending.created
    if not 1 <= sending.control_number <= MAX_CONTROL_NUMBER:
        raise Incomplete("a control number has one to nine digits", code="too_long", where="ISA13")
    parties = []
    for number, (qualifier, identifier) in zip((5, 7), (sending.sender, sending.receiver), strict=True):
        if len(qualifier) != 2 or not 1 <= len(identifier) <= 15 or not SENDABLE.issuperset(qualifier + identifier):
            raise Incomplete("a party has a qualifier of 2 and an id of up to 15 characters", where=f"ISA{number:02}")
        parties += [qualifier, identifier.ljust(15)]
    fields = ["ISA", "00", " " * 10, "00", " " * 10, *parties, f"{at:%y%m%d}", f"{at:%H%M}", mark.repetition]
    fields += [version[:5], f"{sending.control_number:09}", "0", "T" if sending.is_test else "P", mark.component]
    if not mark.can_be_told_apart or not mark.repetition:
        raise Incomplete("its delimiters cannot be told apart", code="delimiters", where="ISA", source="ASC X12.6 3.5")
    if any(mark.element in one or mark.segment in one for one in parties):
        raise Incomplete("a party's id holds a delimiter", code="delimiter", where="ISA06")
    return mark.element.join(fields)


def _with(segment: Segment, wanted: Delimiters) -> str:
    """Return a segment's text with the delimiters of this file, for which its values must have no use."""
    if wanted == segment.delimiters:
        return segment.text
    head, data = segment.text, ""
    if segment.name in BINARY:
        elements = segment.elements()
        data = wanted.element + elements[-1]
        head = segment.delimiters.element.join(elements[:-1])
    if not (set(wanted) - set(segment.delimiters)).isdisjoint(head):
        raise Incomplete("a character that separates in this file", code="delimiter", where=segment.name)
    return head.translate(str.maketrans("".join(segment.delimiters), "".join(wanted))) + data
