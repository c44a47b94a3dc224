"""Orders' status and images, told over MLLP to the systems that the settings name.

One delivery tells one thing: the oldest that is owed. What else is owed is queued behind it when it ends, so that each
message has its own tries, its own answer and its own line on the page. Source: HL7 2.5.1 2.9.2, IHE RAD TF-2 4.3, 4.132.

| answer           | becomes                                                                             |
|------------------|-------------------------------------------------------------------------------------|
| AA, CA           | sent                                                                                |
| AE, CE           | dead, with the reason; what follows goes on without it                              |
| AR, CR           | again; from the third on the whole destination waits                                |
| none, unreadable | again with the same bytes: what came of them is not known                           |
| nobody there     | again; the whole destination waits                                                  |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from bridge.codecs.hl7.answer import ACCEPTED, FAULTY, Answer
from bridge.errors import BridgeError, Conflict, Refused, Unavailable
from bridge.outbox import enqueue
from bridge.outbox.publisher import BINDING_CHANGED, Nothing, NotYet, Parcel, Receipt, StillWanted
from bridge.outbox.retry import DESTINATION_DOWN
from bridge.outbox.settle import LEASE_LOST
from bridge.publishers.mllp_link import NO_ANSWER, MllpLink
from bridge.publishers.order_owed import Answerable, Owed, Owing
from bridge.store import events, lanes, order_notices
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery
from bridge.store.events import Event, Station
from bridge.store.order_notices import HAS_IMAGES, STATUS

# What says something of the destination, not of one message.
_TAKES_NOTHING = frozenset({"answered_ar", "answered_cr", DESTINATION_DOWN})
_NOT_AN_ATTEMPT = frozenset({BINDING_CHANGED, LEASE_LOST})


class _Outcome(StrEnum):
    TAKEN = "taken"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class NoticeParcel(Parcel):
    """One message. again_at: when something else of the order is owed, None if nothing is."""

    owed: Owed
    again_at: datetime | None

    @property
    def what(self) -> str:
        """What it says, for people."""
        if self.owed.told.subject == STATUS:
            return f"Status {self.owed.said}"
        return "Images" if self.owed.said == HAS_IMAGES else "Withdrawal of images"


@dataclass(frozen=True, slots=True)
class NoticeReceipt(Receipt):
    """What became of the message."""

    outcome: _Outcome


@dataclass(frozen=True, slots=True)
class Destination:
    """Who is told, and how. max_attempts: 0 for as long as any delivery is tried."""

    link: MllpLink
    answerable: Answerable
    max_attempts: int = 0


class OrderStatusPublisher:
    """Tells every configured HL7 destination, by its name. study_quiet: without an MPPS, so long without an image."""

    topic = enqueue.ORDER_STATUS

    def __init__(self, destinations: Mapping[str, Destination], study_quiet: timedelta) -> None:
        self._destinations = dict(destinations)
        self._study_quiet = study_quiet

    @property
    def destinations(self) -> tuple[str, ...]:
        return tuple(self._destinations)

    def prepare(self, tx: ReadTx, delivery: Delivery, now: datetime) -> NoticeParcel | NotYet | Nothing:
        """Find the first thing that is owed."""
        if delivery.order_key is None:
            return Nothing("it names no order")
        until = lanes.rests_until(tx, delivery, _TAKES_NOTHING, now)
        if until is not None:
            return NotYet(until, "the destination takes nothing just now")
        to = self._destinations[delivery.destination].answerable
        owing = Owing(tx, delivery, to, self._study_quiet, now)
        owed = owing.all()
        if owed:
            first = owed[0]
            again_at = now if len(owed) > 1 else owing.ready_at
            study = first.study
            if study is None:
                return NoticeParcel(delivery, None, 0, first, again_at)
            return NoticeParcel(delivery, study.key, study.binding_version, first, again_at)
        if owing.ready_at is not None:
            return NotYet(owing.ready_at, "the study is not complete yet")
        return Nothing("nothing new to tell")

    def send(self, parcel: NoticeParcel, still_wanted: StillWanted) -> NoticeReceipt:
        """Send the message and wait for the answer that names it."""
        link = self._destinations[parcel.delivery.destination].link
        try:
            answer = link.exchange(parcel.owed.raw, parcel.owed.control_id, still_wanted)
        except Unavailable as fault:
            if fault.code in _NOT_AN_ATTEMPT:
                raise
            ended = self._or_given_up(fault, parcel.delivery)
            if fault.code != NO_ANSWER:
                raise ended from None
            return NoticeReceipt(fault.detail, _Outcome.UNKNOWN, fault=ended)
        return self._receipt(parcel, answer)

    def _receipt(self, parcel: NoticeParcel, answer: Answer) -> NoticeReceipt:
        sentence = f"{parcel.what}: {answer.sentence}"
        code = f"answered_{answer.code.lower()}"
        if answer.code in ACCEPTED:
            return NoticeReceipt(sentence, _Outcome.TAKEN)
        if answer.code in FAULTY:
            return NoticeReceipt(sentence, _Outcome.REFUSED, fault=Conflict(sentence, code=code))
        if parcel.delivery.attempts < lanes.FAILURES_BEFORE_REST:
            raise self._or_given_up(Unavailable(sentence, code=code), parcel.delivery)
        raise self._or_given_up(Refused(sentence, code=code), parcel.delivery)

    def settled(self, tx: WriteTx, parcel: NoticeParcel, receipt: NoticeReceipt, at: datetime) -> None:
        """Record where the destination stands, tell the timeline, and queue what else is owed."""
        order_notices.put(tx, _standing(parcel, receipt, at))
        if receipt.outcome == _Outcome.TAKEN:
            if parcel.delivery.last_error:
                lanes.resume(tx, parcel.delivery, at)
            _tell(tx, parcel.delivery, f"{parcel.what} told to {parcel.delivery.destination}", at, _station(parcel))
        if parcel.again_at is not None and receipt.outcome != _Outcome.UNKNOWN:
            enqueue.look_again(tx, parcel.delivery, at, parcel.again_at)

    def failed(self, tx: WriteTx, delivery: Delivery, detail: str, is_dead: bool, at: datetime) -> None:
        """The delivery's own row says it all, unless it is dead: then the exam's timeline says so too."""
        if is_dead:
            _tell(tx, delivery, f"{delivery.destination} was not told: {detail}", at, Station.PERFORMED)

    def _or_given_up(self, fault: BridgeError, delivery: Delivery) -> BridgeError:
        most = self._destinations[delivery.destination].max_attempts
        if not most or delivery.attempts < most:
            return fault
        return Conflict(f"given up after {delivery.attempts} tries: {fault.detail}", code=fault.code)


def _standing(parcel: NoticeParcel, receipt: NoticeReceipt, at: datetime) -> order_notices.Told:
    owed = parcel.owed
    if receipt.outcome == _Outcome.REFUSED:
        return replace(
            owed.told,
            refused_control_id=owed.control_id,
            refused_delivery_key=parcel.delivery.key,
            told_at=at,
        )
    is_taken = receipt.outcome == _Outcome.TAKEN
    return replace(
        owed.told,
        said=owed.said,
        is_certain=is_taken,
        control_id=owed.control_id,
        times_taken=owed.told.times_taken + is_taken,
        patient_key=owed.patient_key,
        refused_control_id="",
        refused_delivery_key=None,
        told_at=at,
    )


def _station(parcel: NoticeParcel) -> Station:
    return Station.PERFORMED if parcel.owed.told.subject == STATUS else Station.IMAGES


def _tell(tx: WriteTx, delivery: Delivery, what: str, at: datetime, station: Station) -> None:
    source_id = str(delivery.key)
    line = Event(at, station, what, delivery.destination, "delivery", source_id, order_key=delivery.order_key)
    events.add(tx, line)
