"""
An archive that took a study's objects is asked whether it keeps them, and is believed only by its own report.

The question waits until the report has come, on the same association or at our door; when none comes it is asked again.
What the archive does not keep is sent to it again. Source: PS3.4 J.3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from bridge.clock import Clock
from bridge.codecs.dicom.status import SUCCESS, is_warning
from bridge.domain.commitment import SENDS_MOST, CommitmentState, Report, Request, words_of
from bridge.errors import Unavailable, Unsupported
from bridge.outbox import commitments as outcome
from bridge.outbox import enqueue
from bridge.outbox.enqueue import Work
from bridge.outbox.publisher import Hold, Nothing, NotYet, Parcel, Receipt, StillWanted
from bridge.publishers.commitment_client import LINGER_SECS, ask
from bridge.publishers.dicom_connection import Target
from bridge.store import commitments, events, studies
from bridge.store.commitments import Kept, Uncommitted
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery, HoldKind
from bridge.store.events import Event, Station

# A report that has not come is asked for again after so long, then twice, four and eight times that.
_FIRST_WAIT = timedelta(minutes=10)
_LONGEST_WAIT = timedelta(hours=6)
_ASKED_MOST = 8
_AT_ONCE = 5000


class Step(Enum):
    """What one delivery does: settle under which Transaction UID, ask, or let what is not kept be sent again."""

    ASSIGN = auto()
    ASK = auto()
    SEND_AGAIN = auto()


@dataclass(frozen=True, slots=True)
class QuestionParcel(Parcel):
    """One step. request: what is asked under which Transaction UID. forwards: the rows that the step is about."""

    step: Step
    request: Request
    forwards: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class QuestionReceipt(Receipt):
    """What the archive said. report: if it came at once. is_offered: whether the archive commits at all."""

    report: Report | None = None
    is_offered: bool = True


class CommitmentPublisher:
    """
    Asks every archive that commits, by its AE title.

    required: archives that must commit; one of them that does not offer to is a fault, not a fact. linger_secs: how long
    a report is waited for on the association that asked.
    """

    topic = enqueue.COMMITMENT

    def __init__(
        self,
        targets: Mapping[str, Target],
        calling_ae_title: str,
        clock: Clock,
        required: Set[str] = frozenset(),
        *,
        linger_secs: float = LINGER_SECS,
    ) -> None:
        self._linger_secs = linger_secs
        self._targets = dict(targets)
        self._calling_ae_title = calling_ae_title
        self._clock = clock
        self._required = required

    @property
    def destinations(self) -> tuple[str, ...]:
        return tuple(self._targets)

    def prepare(self, tx: ReadTx, delivery: Delivery, now: datetime) -> QuestionParcel | NotYet | Hold | Nothing:
        """Find the next step with what the archive has not committed to."""
        if delivery.study_key is None:
            return Nothing("it names no study")
        study = studies.get(tx, delivery.study_key)
        if not study.is_bound:
            return Hold("the study is not bound to a patient")
        left = commitments.open_of(tx, study.key, delivery.destination)
        found = _next_step(left, delivery, now)
        if found is None:
            return Nothing(_said(outcome.kept_by(tx, delivery.destination, study.key)))
        if isinstance(found, NotYet | Hold):
            return found
        step, chosen = found
        uid = chosen[0].transaction_uid if step is Step.ASK else self._clock.new_uid()
        request = Request(uid, tuple(one.reference for one in chosen))
        keys = tuple(one.forward_key for one in chosen)
        return QuestionParcel(delivery, study.key, study.binding_version, step, request, keys)

    def send(self, parcel: QuestionParcel, still_wanted: StillWanted) -> QuestionReceipt:
        """Ask the archive; the other steps are ours alone."""
        still_wanted()
        objects = "1 object" if len(parcel.forwards) == 1 else f"{len(parcel.forwards)} objects"
        if parcel.step is Step.ASSIGN:
            return QuestionReceipt(f"to be asked for: {objects}")
        if parcel.step is Step.SEND_AGAIN:
            return QuestionReceipt(f"sent again: {objects}")
        destination = parcel.delivery.destination
        try:
            status, report = ask(self._targets[destination], self._calling_ae_title, parcel.request, self._linger_secs)
        except Unsupported as fault:
            if destination in self._required:
                return QuestionReceipt(fault.detail, held=_hold(f"{destination} does not offer storage commitment"))
            return QuestionReceipt(f"{destination} does not offer storage commitment", is_offered=False)
        if status != SUCCESS and not is_warning(status):
            raise Unavailable(f"N-ACTION answered {status:04X}", code="archive_unavailable")
        return QuestionReceipt(f"asked to keep {objects}", report=report)

    def settled(self, tx: WriteTx, parcel: QuestionParcel, receipt: QuestionReceipt, at: datetime) -> None:
        """Note how far it came, and queue the next step."""
        delivery, study_key = parcel.delivery, parcel.study_key
        if study_key is None:
            raise AssertionError("a question is about a study")
        if receipt.held:
            return
        if parcel.step is Step.ASSIGN:
            commitments.put_transaction(tx, parcel.forwards, parcel.request.transaction_uid)
            enqueue.look_again(tx, delivery, at)
        elif parcel.step is Step.SEND_AGAIN:
            commitments.send_again(tx, parcel.forwards)
            work = Work(enqueue.ARCHIVE, delivery.destination, delivery.order_of, study_key=study_key)
            enqueue.enqueue(tx, work, at)
        elif not receipt.is_offered:
            commitments.put_unsupported(tx, parcel.forwards, at)
        elif commitments.put_asked(tx, parcel.request.transaction_uid, at):
            enqueue.look_again(tx, delivery, at, at + _FIRST_WAIT)
            if receipt.report is not None:
                outcome.take_report(tx, delivery.destination, receipt.report, at)

    def failed(self, tx: WriteTx, delivery: Delivery, detail: str, is_dead: bool, at: datetime) -> None:
        """Tell the timeline of a question that is given up."""
        if is_dead:
            what = f"{delivery.destination} was not asked whether it keeps the study: {detail}"
            source = ("delivery", str(delivery.key))
            events.add(tx, Event(at, Station.IMAGES, what, delivery.destination, *source, study_key=delivery.study_key))


def _next_step(
    left: Sequence[Uncommitted], delivery: Delivery, now: datetime
) -> tuple[Step, Sequence[Uncommitted]] | NotYet | Hold | None:
    """Return what is to be done about what is *left*, None if nothing is."""
    waiting = [one for one in left if one.state in (CommitmentState.UNASKED, CommitmentState.ASKED)]
    assigned = [one for one in waiting if one.state is CommitmentState.UNASKED and one.transaction_uid]
    if assigned:
        return Step.ASK, [one for one in assigned if one.transaction_uid == assigned[0].transaction_uid]
    due = [one for one in waiting if (at := _asks_at(one)) is None or at <= now]
    if any(one.asks >= _ASKED_MOST for one in due):
        return _hold(f"{delivery.destination} was asked {_ASKED_MOST} times and never reported")
    if due:
        return Step.ASSIGN, due[:_AT_ONCE]
    if waiting:
        return NotYet(min(at for one in waiting if (at := _asks_at(one)) is not None), "waiting for the report")
    lost = [one for one in left if one.state is CommitmentState.FAILED and one.failures >= SENDS_MOST]
    if not lost:
        return None
    # Whoever freed it since the last report wants it tried once more.
    if delivery.next_at > max(one.at for one in lost if one.at is not None):
        return Step.SEND_AGAIN, lost
    reasons = ", ".join(sorted({words_of(one.reason or 0) for one in lost}))
    return _hold(f"{delivery.destination} has not committed {len(lost)} objects, sent {SENDS_MOST} times: {reasons}")


def _hold(why: str) -> Hold:
    return Hold(why, HoldKind.RECEIVER)


def _asks_at(one: Uncommitted) -> datetime | None:
    """Return when an object is asked for again, None if it was not asked for yet."""
    if one.at is None:
        return None
    longer: int = 2 ** max(one.asks - 1, 0)
    return one.at + min(_FIRST_WAIT * longer, _LONGEST_WAIT)


def _said(kept: Kept | None) -> str:
    if kept is None:
        return "the archive has nothing"
    if kept.unsupported:
        return "the archive does not offer storage commitment"
    return f"committed {kept.committed} of {kept.forwarded}"
