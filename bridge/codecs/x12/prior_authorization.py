"""278: a request for authorization, and the payer's answer to it, read and written by one model.

`read` gives one `PriorAuthorization` for each patient event; `segments_of` writes one. What was decided is in `Decision`
of the event and of each line, never in the presence of a number. Source: 005010X217 (request and response).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bridge.codecs.x12.envelope import Transaction
from bridge.codecs.x12.facts import (
    LOINC,
    Code,
    Decision,
    Delivery,
    Evidence,
    Reference,
    Rejection,
    Review,
    Service,
    Trace,
    When,
    read_codes,
    written,
)
from bridge.codecs.x12.loops import Loop, check, read_loops, table
from bridge.codecs.x12.parties import Member, Party, read_member, read_party
from bridge.codecs.x12.segments import Segment, build
from bridge.domain.message import Notice
from bridge.errors import Malformed, Unsupported

VERSION = "005010X217"
STRUCTURE = "0007"
REQUEST, ANSWER = "13", "11"


@dataclass(frozen=True, slots=True)
class Line:
    """2000F: one service. asked_for: LOINC codes of documents that the payer wants (HI*LOI). parties: 2010F."""

    service: Service | None = None
    traces: tuple[Trace, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    review: Review | None = None
    decision: Decision | None = None
    references: tuple[Reference, ...] = ()
    dates: tuple[When, ...] = ()
    asked_for: tuple[Code, ...] = ()
    delivery: Delivery | None = None
    evidence: tuple[Evidence, ...] = ()
    message: str = ""
    parties: tuple[Party, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """2000E: what is asked for a patient. diagnoses: HI but for LOINC codes, which are `asked_for`. parties: 2010E."""

    review: Review
    lines: tuple[Line, ...] = ()
    traces: tuple[Trace, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    decision: Decision | None = None
    references: tuple[Reference, ...] = ()
    dates: tuple[When, ...] = ()
    diagnoses: tuple[Code, ...] = ()
    asked_for: tuple[Code, ...] = ()
    delivery: Delivery | None = None
    evidence: tuple[Evidence, ...] = ()
    message: str = ""
    parties: tuple[Party, ...] = ()


@dataclass(frozen=True, slots=True)
class PriorAuthorization:
    """
    One request or answer.

    purpose: BHT02, REQUEST or ANSWER. reference: BHT03. created: BHT04 and BHT05, CCYYMMDDHHMM.
    kind: BHT06 ("18" with no further updates, "19" with). event: None where the answer refuses the whole request.
    """

    purpose: str
    reference: str
    created: str
    payer: Party
    requester: Party | None = None
    subscriber: Member | None = None
    dependent: Member | None = None
    event: Event | None = None
    kind: str = ""
    rejections: tuple[Rejection, ...] = ()
    notices: tuple[Notice, ...] = ()

    @property
    def is_answer(self) -> bool:
        """Whether the payer says it."""
        return self.purpose == ANSWER


def read(transaction: Transaction) -> list[PriorAuthorization]:
    """
    Return what a 278 says, one for each patient event; one without an event where none is left in it.

    Raises: Unsupported for another transaction, Malformed for one whose envelope or payer is not whole.
    """
    if transaction.name != "278":
        raise Unsupported("it is no 278", code="unsupported_type", where="ST01")
    transaction.require_whole()
    tree = read_loops(transaction.segments, table("278"))
    bht, sources = tree.root.first("BHT"), tree.root.within("2000A")
    if bht is None or not sources or not sources[0].within("2010A"):
        raise Malformed("a 278 names its purpose and its payer", code="segment_sequence", where="loop 2000A")
    notices = tuple(tree.notices)
    return [
        replace(one, notices=notices) for source in sources if source.within("2010A") for one in _of_payer(source, bht)
    ]


def _of_payer(source: Loop, bht: Segment) -> list[PriorAuthorization]:
    whole = PriorAuthorization(
        purpose=bht.element(2),
        reference=bht.element(3),
        created=bht.element(4) + bht.element(5),
        kind=bht.element(6),
        payer=read_party(source.within("2010A")[0]),
        rejections=tuple(Rejection.read(one) for one in source.all("AAA")),
    )
    found = []
    for requester in source.within("2000B"):
        asked = replace(whole, requester=_party(requester, "2010B"))
        subscribers = requester.within("2000C")
        found += [one for subscriber in subscribers for one in _of_subscriber(subscriber, asked)] or [asked]
    return found or [whole]


def _of_subscriber(subscriber: Loop, asked: PriorAuthorization) -> list[PriorAuthorization]:
    own = replace(asked, subscriber=_member(subscriber, "2010C"))
    found = [replace(own, event=_event(one)) for one in subscriber.within("2000E")]
    for dependent in subscriber.within("2000D"):
        other = replace(own, dependent=_member(dependent, "2010D"))
        events = dependent.within("2000E")
        found += [replace(other, event=_event(one)) for one in events] or [other]
    return found or [own]


def _party(level: Loop, id: str) -> Party | None:
    named = level.within(id)
    return read_party(named[0]) if named else None


def _member(level: Loop, id: str) -> Member | None:
    named = level.within(id)
    return read_member(named[0]) if named else None


def _event(loop: Loop) -> Event:
    um = loop.first("UM")
    codes = read_codes(loop.all("HI"))
    return Event(
        review=Review.read(um) if um is not None else Review(""),
        lines=tuple(_line(one) for one in loop.within("2000F")),
        traces=tuple(Trace.read(one) for one in loop.all("TRN")),
        rejections=tuple(Rejection.read(one) for one in loop.all("AAA")),
        decision=_decision(loop),
        references=tuple(Reference.read(one) for one in loop.all("REF")),
        dates=tuple(When.read(one) for one in loop.all("DTP")),
        diagnoses=tuple(one for one in codes if one.system != LOINC),
        asked_for=tuple(one for one in codes if one.system == LOINC),
        delivery=_delivery(loop),
        evidence=tuple(Evidence.read(one) for one in loop.all("PWK")),
        message=loop.value("MSG", 1),
        parties=tuple(read_party(one) for one in loop.within("2010E")),
    )


def _line(loop: Loop) -> Line:
    um = loop.first("UM")
    service = next((one for one in loop.segments if one.name in ("SV1", "SV2", "SV3")), None)
    return Line(
        service=Service.read(service) if service is not None else None,
        traces=tuple(Trace.read(one) for one in loop.all("TRN")),
        rejections=tuple(Rejection.read(one) for one in loop.all("AAA")),
        review=Review.read(um) if um is not None else None,
        decision=_decision(loop),
        references=tuple(Reference.read(one) for one in loop.all("REF")),
        dates=tuple(When.read(one) for one in loop.all("DTP")),
        asked_for=read_codes(loop.all("HI")),
        delivery=_delivery(loop),
        evidence=tuple(Evidence.read(one) for one in loop.all("PWK")),
        message=loop.value("MSG", 1),
        parties=tuple(read_party(one) for one in loop.within("2010F")),
    )


def _decision(loop: Loop) -> Decision | None:
    hcr = loop.first("HCR")
    return Decision.read(hcr) if hcr is not None else None


def _delivery(loop: Loop) -> Delivery | None:
    hsd = loop.first("HSD")
    return Delivery.read(hsd) if hsd is not None else None


def segments_of(said: PriorAuthorization) -> tuple[Segment, ...]:
    """
    Return the segments of a 278 between ST and SE.

    Raises: Incomplete with every fault where 005010X217 would not have it so.
    """
    date_of, time_of = said.created[:8], said.created[8:]
    levels = _Levels()
    found = [build("BHT", STRUCTURE, said.purpose, said.reference, date_of, time_of, said.kind)]
    people = [said.requester, said.subscriber, said.dependent]
    below = [one for one in (*people, said.event) if one is not None]
    found += [levels.open("20", len(below) > 0), *written(*said.rejections)]
    found += said.payer.segments()
    for code, one in zip(("21", "22", "23"), people, strict=True):
        if one is not None:
            below.remove(one)
            found += [levels.open(code, len(below) > 0), *one.segments()]
    if said.event is not None:
        found += [levels.open("EV", bool(said.event.lines)), *_segments_of_event(said.event)]
        for line in said.event.lines:
            found += [levels.open("SS", has_child=False, is_sibling=True), *_segments_of_line(line)]
    check(found, table("278"))
    return tuple(found)


class _Levels:
    """The numbers of hierarchical levels while they are written."""

    def __init__(self) -> None:
        self._last = 0
        self._parent = 0

    def open(self, code: str, has_child: bool, *, is_sibling: bool = False) -> Segment:
        self._last += 1
        parent = str(self._parent) if self._parent else ""
        if not is_sibling:
            self._parent = self._last
        return build("HL", str(self._last), parent, code, "1" if has_child else "0")


def _segments_of_event(event: Event) -> list[Segment]:
    codes = [*event.diagnoses, *event.asked_for]
    found = written(*event.traces, *event.rejections, event.review, event.decision, *event.references, *event.dates)
    found += [build("HI", *(one.composite() for one in codes))] if codes else []
    found += written(event.delivery, *event.evidence)
    found += [build("MSG", event.message)] if event.message else []
    return [*found, *(segment for party in event.parties for segment in party.segments())]


def _segments_of_line(line: Line) -> list[Segment]:
    found = written(*line.traces, *line.rejections, line.review, line.decision, *line.references, *line.dates)
    found += [build("HI", *(one.composite() for one in line.asked_for))] if line.asked_for else []
    found += written(line.service, line.delivery, *line.evidence)
    found += [build("MSG", line.message)] if line.message else []
    return [*found, *(segment for party in line.parties for segment in party.segments())]
