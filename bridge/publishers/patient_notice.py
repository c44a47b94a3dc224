"""Tells archives by ADT that a number ended, or who a patient is by now: each event once, in order for each patient.

A merge that a person took back before it was told is told no more; that is looked at in the very transaction which notes
that its bytes may reach the archive, so that whoever takes it back knows. Source: HL7 2.5.1 2.9.2, 3.3.40.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.codecs.hl7 import patient_notice
from bridge.codecs.hl7.answer import ACCEPTED, FAULTY
from bridge.codecs.hl7.patient_notice import MERGED, RENUMBERED, UPDATED, PatientNotice
from bridge.codecs.hl7.written import Route
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.patient import Patient
from bridge.errors import Conflict, Refused, Unavailable
from bridge.outbox import enqueue
from bridge.outbox.publisher import BINDING_CHANGED, Nothing, NotYet, Parcel, Receipt, StillWanted
from bridge.outbox.retry import DESTINATION_DOWN
from bridge.publishers.mllp_link import MllpLink
from bridge.store import archive_notices, events, lanes, merges, patients
from bridge.store.archive_notices import ArchiveNotice
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery
from bridge.store.events import Event, Station

_TAKES_NOTHING = frozenset({"answered_ar", "answered_cr", DESTINATION_DOWN})
_CONTROL_ID_LENGTH = 20
_A_MOMENT = timedelta(seconds=1)
# A person must say first who it is.
_UNTIL_DECIDED = timedelta(minutes=1)
_WORDS = {
    MERGED: "that one of the patient's numbers ended in another",
    RENUMBERED: "that the patient's number was changed",
    UPDATED: "what is known of the patient by now",
}


@dataclass(frozen=True, slots=True)
class AdtDoor:
    """An archive's ADT door. max_attempts: 0 for as long as any delivery is tried."""

    link: MllpLink
    route: Route
    max_attempts: int = 0


@dataclass(frozen=True, slots=True)
class AdtParcel(Parcel):
    """One message. control_id: MSH-10, the same for the same bytes."""

    notice: ArchiveNotice
    raw: bytes
    control_id: str


class PatientNoticePublisher:
    """Tells every configured archive door, by its destination's name."""

    topic = enqueue.ADT

    def __init__(self, doors: Mapping[str, AdtDoor]) -> None:
        self._doors = dict(doors)

    @property
    def destinations(self) -> tuple[str, ...]:
        return tuple(self._doors)

    def prepare(self, tx: ReadTx, delivery: Delivery, now: datetime) -> AdtParcel | NotYet | Nothing:
        """Write the message as things are now, once everything earlier about the patient has ended."""
        key = enqueue.adt_in(delivery)
        if key is None:
            return Nothing("it names no notice")
        until = lanes.rests_until(tx, delivery, _TAKES_NOTHING, now)
        if until is not None:
            return NotYet(until, "the destination takes nothing just now")
        notice = archive_notices.get(tx, key)
        if _is_undone(tx, notice):
            return Nothing("a person took it back before it was told")
        live = patients.survivor(tx, notice.patient_key)
        records = [live.key, *patients.merged_into(tx, live.key)]
        due = archive_notices.due_before(tx, notice, records, self.topic, enqueue.adt_of)
        if due is not None:
            return NotYet(max(due, now + _A_MOMENT), "earlier news of the patient goes first")
        told = patients.get(tx, notice.patient_key)
        if told.in_question or live.in_question:
            return NotYet(now + _UNTIL_DECIDED, "an update made another person of the record: a person must decide")
        if notice.trigger == UPDATED and told.merged_into is not None:
            return Nothing("the record was merged since: what followed tells it")
        return self._parcel(tx, delivery, notice, told)

    def _parcel(self, tx: ReadTx, delivery: Delivery, notice: ArchiveNotice, told: Patient) -> AdtParcel:
        prior = None
        if notice.merge_key is not None:
            ended = patients.get(tx, merges.get(tx, notice.merge_key).retired_key)
            prior = _known(notice.number, ended)
        said = PatientNotice(notice.trigger, notice.said_at, told, _known(notice.new_number, told), prior)
        route = self._doors[delivery.destination].route
        content = f"{delivery.destination}\x00{notice.key}\x00".encode() + patient_notice.build(said, route, "")
        control_id = hashlib.sha256(content).hexdigest()[:_CONTROL_ID_LENGTH].upper()
        return AdtParcel(delivery, None, 0, notice, patient_notice.build(said, route, control_id), control_id)

    def send(self, parcel: AdtParcel, still_wanted: StillWanted) -> Receipt:
        """Send the message and wait for the answer that names it."""
        door = self._doors[parcel.delivery.destination]
        trigger = parcel.notice.trigger

        def begin(tx: WriteTx, at: datetime) -> None:
            if _is_undone(tx, parcel.notice):
                raise Unavailable("the change was taken back while it was being sent", code=BINDING_CHANGED)
            begun_at = archive_notices.get(tx, parcel.notice.key).begun_at or at
            archive_notices.note(tx, parcel.notice.key, begun_at=begun_at, control_id=parcel.control_id)

        def go() -> None:
            still_wanted()
            still_wanted.note(begin, f"{trigger} is being told")

        answer = door.link.exchange(parcel.raw, parcel.control_id, go)
        sentence = f"{trigger} for {parcel.notice.archive}: {answer.sentence}"
        code = f"answered_{answer.code.lower()}"
        attempts, most = parcel.delivery.attempts, door.max_attempts
        if answer.code in ACCEPTED:
            return Receipt(sentence)
        if answer.code in FAULTY or (most and attempts >= most):
            return Receipt(sentence, fault=Conflict(sentence, code=code))
        if attempts < lanes.FAILURES_BEFORE_REST:
            raise Unavailable(sentence, code=code)
        raise Refused(sentence, code=code)

    def settled(self, tx: WriteTx, parcel: AdtParcel, receipt: Receipt, at: datetime) -> None:
        """Record that it was told, or that the archive will not take it, and let what waited behind it go."""
        notice = parcel.notice
        if receipt.fault is None:
            archive_notices.note(tx, notice.key, told_at=at)
            what = f"{notice.archive} was told by ADT ({notice.trigger}) {_WORDS[notice.trigger]}"
            _tell(tx, notice, parcel.delivery, what, at)
        elif notice.begun_at is None:
            archive_notices.note(tx, notice.key, begun_at=None)
        lanes.resume(tx, parcel.delivery, at)

    def failed(self, tx: WriteTx, delivery: Delivery, detail: str, is_dead: bool, at: datetime) -> None:
        """The delivery's own row says it all, unless it is dead: then the timeline of the images says so too."""
        key = enqueue.adt_in(delivery)
        if is_dead and key is not None:
            notice = archive_notices.get(tx, key)
            _tell(tx, notice, delivery, f"{notice.archive} was not told by ADT ({notice.trigger}): {detail}", at)


def _is_undone(tx: ReadTx, notice: ArchiveNotice) -> bool:
    return notice.merge_key is not None and merges.get(tx, notice.merge_key).undone_at is not None


def _known(number: PatientIdentifier, patient: Patient) -> PatientIdentifier:
    """Return *number* with the type that its holder's record has for it."""
    return next((one for one in patient.identifiers if one.key == number.key), number)


def _tell(tx: WriteTx, notice: ArchiveNotice, delivery: Delivery, what: str, at: datetime) -> None:
    live = patients.survivor(tx, notice.patient_key)
    for study_key in archive_notices.held_studies(tx, notice.archive, live.key):
        source = ("delivery", str(delivery.key))
        events.add(tx, Event(at, Station.IMAGES, what, delivery.destination, *source, study_key=study_key))
