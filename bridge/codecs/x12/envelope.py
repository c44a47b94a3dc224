"""The X12 envelope: ISA, GS, ST and their ends, read and checked for any of the bytes a partner may send.

`read` gives the interchanges of a file. What is no interchange at all raises Malformed. A count or control number that
does not agree is a `Fault` of what it ends: the transaction of a bad SE is refused, the ones beside it are not, as a 999
would answer. Nothing is echoed: a fault names its place and what is wrong. Source: ASC X12.5, X12.6; 005010 appendix B.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, NoReturn

from bridge.codecs.x12.cutting import MAX_BYTES, Cutter, delimiters_at, skip_blanks
from bridge.codecs.x12.segments import Delimiters, Segment
from bridge.errors import Malformed

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ENVELOPE = frozenset({"ISA", "IEA", "GS", "GE", "ST", "SE", "TA1"})
# Which transactions a functional group holds, for those that we know. Source: ASC X12 element 479.
GROUP_OF = {
    **{"278": "HI", "275": "PI", "277": "HN", "276": "HR", "835": "HP", "837": "HC", "999": "FA", "997": "FA"},
    **{"270": "HS", "271": "HB", "834": "BE", "820": "RA"},
}


class Fault(NamedTuple):
    """Something wrong with an envelope. code: a stable slug; where: "segment 14 (SE01)"; detail: in words, no values."""

    code: str
    where: str
    detail: str


@dataclass(frozen=True, slots=True)
class Transaction:
    """
    One ST to SE. segments: those between them. faults: why it must not be taken.

    name: ST01. version: ST03, else GS08. sender, receiver: GS02 and GS03. is_test: ISA15 is not "P".
    file_number: sender, ISA13, its day and time (senders begin anew every day), GS06, ST01, version and
    ST02: the same where the same transaction comes again, and nowhere else.
    """

    name: str
    control_number: str
    version: str
    segments: tuple[Segment, ...]
    sender: str = ""
    receiver: str = ""
    is_test: bool = False
    file_number: str = ""
    faults: tuple[Fault, ...] = ()

    def require_whole(self) -> None:
        """Refuse what its envelope does not vouch for. Raises: Malformed with the first fault."""
        if self.faults:
            first = self.faults[0]
            raise Malformed(first.detail, code=first.code, where=first.where, source="ASC X12.6")

    def let_through(self) -> Transaction:
        """Return it as if its envelope were in order: for a person who looks at it, never for what decides."""
        return replace(self, faults=())


@dataclass(frozen=True, slots=True)
class Group:
    """One GS to GE. name: GS01 ("HI"). version: GS08. created: GS04 and GS05."""

    name: str
    control_number: str
    version: str
    sender: str
    receiver: str
    created: str
    transactions: tuple[Transaction, ...] = ()
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Interchange:
    """
    One ISA to IEA. acknowledgements: its TA1 segments.

    sender, receiver: (qualifier, id) of ISA05 to ISA08. created: ISA09 and ISA10, "YYMMDDHHMM". is_test: ISA15.
    """

    control_number: str
    version: str
    sender: tuple[str, str]
    receiver: tuple[str, str]
    created: str
    is_test: bool
    delimiters: Delimiters
    groups: tuple[Group, ...] = ()
    acknowledgements: tuple[Segment, ...] = ()
    faults: tuple[Fault, ...] = ()

    def transactions(self) -> list[Transaction]:
        """Return the transactions of every group; what is wrong with group or interchange is wrong with each of them."""
        found = []
        for group in self.groups:
            above = (*group.faults, *self.faults)
            found += [replace(one, faults=(*one.faults, *above)) if above else one for one in group.transactions]
        return found

    def all_faults(self) -> list[Fault]:
        """Return every fault, in the order in which their places end."""
        found: list[Fault] = []
        for group in self.groups:
            found += [fault for one in group.transactions for fault in one.faults]
            found += group.faults
        return [*found, *self.faults]


def read(raw: bytes) -> list[Interchange]:
    """
    Return the interchanges of a file, at least one.

    Any segment terminator, with or without line ends after it; blanks and line ends between segments are let through.
    Raises: Malformed for what is no X12, has no end, or is larger than any file we take.
    """
    if len(raw) > MAX_BYTES:
        raise Malformed(f"more than {MAX_BYTES} bytes", code="too_large")
    position, number = skip_blanks(raw, len(_BYTE_ORDER_MARK) if raw.startswith(_BYTE_ORDER_MARK) else 0), 0
    found: list[Interchange] = []
    while position < len(raw):
        cutter = Cutter(raw, position, delimiters_at(raw, position, number + 1), number)
        found.append(_Reading(cutter).interchange())
        position, number = skip_blanks(raw, cutter.position), cutter.number
    if not found:
        raise Malformed("there is nothing in it", code="empty")
    return found


class _Reading:
    """One interchange while it is read."""

    def __init__(self, cutter: Cutter) -> None:
        self._cutter = cutter
        self._segments = iter(cutter)
        self._is_test = False
        self._number = ""

    def interchange(self) -> Interchange:
        isa = next(self._segments)
        self._is_test = isa.element(15) != "P"
        self._number = "/".join(isa.element(at) for at in (6, 13, 9, 10))
        groups: list[Group] = []
        acknowledgements: list[Segment] = []
        for segment in self._until("IEA"):
            if segment.name == "GS":
                groups.append(self._group(segment))
            elif segment.name == "TA1" and not groups:
                acknowledgements.append(segment)
            else:
                _misplaced(segment, "outside of a group")
        end = self._end
        faults = [
            *_number_faults(end, 2, isa.element(13)),
            *_count_faults(end, 1, len(groups), "groups"),
            *_twice(end, [group.control_number for group in groups], "groups"),
        ]
        return Interchange(
            control_number=isa.element(13),
            version=isa.element(12),
            sender=(isa.element(5), isa.element(6)),
            receiver=(isa.element(7), isa.element(8)),
            created=isa.element(9) + isa.element(10),
            is_test=self._is_test,
            delimiters=self._cutter.delimiters,
            groups=tuple(groups),
            acknowledgements=tuple(acknowledgements),
            faults=tuple(faults),
        )

    def _group(self, gs: Segment) -> Group:
        transactions: list[Transaction] = []
        for segment in self._until("GE"):
            if segment.name != "ST":
                _misplaced(segment, "outside of a transaction")
            transactions.append(self._transaction(segment, gs))
        end = self._end
        faults = [
            *_number_faults(end, 2, gs.element(6)),
            *_count_faults(end, 1, len(transactions), "transactions"),
            *_twice(end, [one.control_number for one in transactions], "transactions"),
        ]
        return Group(
            name=gs.element(1),
            control_number=gs.element(6),
            version=gs.element(8),
            sender=gs.element(2),
            receiver=gs.element(3),
            created=gs.element(4) + gs.element(5),
            transactions=tuple(transactions),
            faults=tuple(faults),
        )

    def _transaction(self, st: Segment, gs: Segment) -> Transaction:
        self._cutter.uncounted.clear()
        segments: list[Segment] = []
        for segment in self._until("SE"):
            if segment.name in _ENVELOPE:
                _misplaced(segment, "inside a transaction")
            segments.append(segment)
        end, name, version = self._end, st.element(1), st.element(3) or gs.element(8)
        faults = [
            *(Fault("binary_length", at, "the bytes are not as many as it says") for at in self._cutter.uncounted),
            *_count_faults(end, 1, len(segments) + 2, "segments"),
            *_number_faults(end, 2, st.element(2)),
        ]
        if GROUP_OF.get(name, gs.element(1)) != gs.element(1):
            faults.append(Fault("group_kind", st.place(1), "its group is of another kind"))
        return Transaction(
            name=name,
            control_number=st.element(2),
            version=version,
            segments=tuple(segments),
            sender=gs.element(2),
            receiver=gs.element(3),
            is_test=self._is_test,
            file_number=f"{self._number}/{gs.element(6)}/{name}/{version}/{st.element(2)}",
            faults=tuple(faults),
        )

    def _until(self, last: str) -> Iterator[Segment]:
        """Yield segments before the one named *last*, which is `_end` then. Raises: Malformed where none comes."""
        for segment in self._segments:
            if segment.name == last:
                self._end = segment
                return
            yield segment
        where = f"segment {self._cutter.number}"
        raise Malformed(f"the file ends before {last}", code="cut_off", where=where, source="ASC X12.6")


def _misplaced(segment: Segment, place: str) -> NoReturn:
    raise Malformed(f"it stands {place}", code="misplaced", where=segment.where, source="ASC X12.6")


def _number_faults(end: Segment, element: int, wanted: str) -> list[Fault]:
    if _plain(end.element(element)) == _plain(wanted) and wanted:
        return []
    return [Fault("control_number", end.place(element), "the control number is not that of its beginning")]


def _count_faults(end: Segment, element: int, counted: int, things: str) -> list[Fault]:
    if _plain(end.element(element)) == str(counted):
        return []
    return [Fault("count", end.place(element), f"the count is not that of its {things}")]


def _twice(end: Segment, numbers: list[str], things: str) -> list[Fault]:
    if len(set(numbers)) == len(numbers):
        return []
    return [Fault("number_twice", end.where, f"two of its {things} have one control number")]


def _plain(number: str) -> str:
    """Return a number as it is compared: leading zeros say nothing."""
    return number.lstrip("0") or "0" if number else ""
