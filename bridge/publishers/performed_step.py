"""
What devices report of their exams goes to other receivers, as it came, in the order it came.

A performed step carries its patient as the device wrote it. It leaves only where that is who the order's patient is by
the record, name and numbers, and where images of it are bound to nobody else: as received it cannot be corrected, and
what differs is held with the reason until a rule or a person has settled it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bridge.codecs.dicom.performed import read_performed
from bridge.codecs.dicom.status import MAY_NO_LONGER_BE_UPDATED, PROCESSING_FAILURE, SUCCESS, is_warning
from bridge.domain.corrections import corrections, corrects
from bridge.domain.patient import Patient
from bridge.domain.performed import PerformedStep
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.study import Header
from bridge.errors import BridgeError, Conflict, Refused, Unavailable
from bridge.outbox import enqueue
from bridge.outbox.publisher import Hold, Nothing, Parcel, Receipt, StillWanted
from bridge.publishers.dicom_connection import Target
from bridge.publishers.performed_client import send_performed_step
from bridge.store import events, orders, patients, performed, performed_messages, studies
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery
from bridge.store.events import Event, Station
from bridge.store.patient_records import record_of
from bridge.store.performed_messages import CREATE, PerformedMessage

_KNOWN_ALREADY = 0x0111
_UNKNOWN = 0x0112
_NOT_OFFERED = frozenset({0x0118, 0x0122, 0x0124, 0x0211})
_LATER = frozenset({0x0213})
_PATIENT = {
    "00100010": "patient_name",
    "00100020": "patient_id",
    "00100021": "issuer_of_patient_id",
    "00100030": "patient_birth_date",
    "00100040": "patient_sex",
}


@dataclass(frozen=True, slots=True)
class PerformedParcel(Parcel):
    """One message of a performed step. is_last: nothing was said of it since."""

    message: PerformedMessage
    performed_step_key: int
    is_last: bool


@dataclass(frozen=True, slots=True)
class PerformedReceipt(Receipt):
    """What is taken as heard. through: the last message that the receiver has, 0 if it has none, None if nothing changed."""

    through: int | None


class PerformedStepPublisher:
    """Tells every peer with forward_mpps, by its AE title. calling_ae_title: ours."""

    topic = enqueue.PERFORMED_STEP

    def __init__(self, targets: Mapping[str, Target], calling_ae_title: str, rules: ReconcileRules) -> None:
        self._targets = dict(targets)
        self._calling_ae_title = calling_ae_title
        self._rules = rules

    @property
    def destinations(self) -> tuple[str, ...]:
        return tuple(self._targets)

    def prepare(self, tx: ReadTx, delivery: Delivery, now: datetime) -> PerformedParcel | Hold | Nothing:
        """Find the first message that the receiver has not heard, if the exam may leave."""
        mpps = performed.by_uid(tx, delivery.order_of)
        if mpps is None:
            return Nothing("there is no such performed step")
        through = performed_messages.sent_through(tx, mpps.key, delivery.destination)
        owed = performed_messages.of_step(tx, mpps.key, through)
        if not owed:
            return Nothing("nothing new to forward")
        doubt = self._doubt(tx, mpps, owed[0])
        if doubt:
            return Hold(doubt)
        study = studies.by_uid(tx, mpps.study_instance_uid) if mpps.study_instance_uid else None
        study_key, version = (None, 0) if study is None else (study.key, study.binding_version)
        return PerformedParcel(delivery, study_key, version, owed[0], mpps.key, len(owed) == 1)

    def send(self, parcel: PerformedParcel, still_wanted: StillWanted) -> PerformedReceipt:
        """Send the message; one that the receiver has already is done."""
        said = parcel.message
        creates = said.operation == CREATE
        target = self._targets[parcel.delivery.destination]
        still_wanted()
        status, error_id = send_performed_step(
            target, self._calling_ae_title, said.sop_instance_uid, said.received, creates=creates
        )
        what = "N-CREATE" if creates else "N-SET"
        if status == SUCCESS or is_warning(status):
            return PerformedReceipt(f"{what} answered {status:04X}", said.key)
        if creates and status == _KNOWN_ALREADY:
            return PerformedReceipt(f"{what} answered 0111: it was there before", said.key)
        if status == PROCESSING_FAILURE and error_id == MAY_NO_LONGER_BE_UPDATED:
            return PerformedReceipt(f"{what} answered 0110: it is final there", said.key)
        # Who does not know it has lost it, or never had it: the next try begins at its beginning.
        through = 0 if status == _UNKNOWN else None
        return PerformedReceipt(f"{what} answered {status:04X}", through, fault=_fault(what, status))

    def settled(self, tx: WriteTx, parcel: PerformedParcel, receipt: PerformedReceipt, at: datetime) -> None:
        """Note how far the receiver has heard, and queue what was said since."""
        if receipt.through is not None:
            key = parcel.performed_step_key
            performed_messages.note_sent(tx, key, parcel.delivery.destination, receipt.through, at)
        if receipt.fault is None and not parcel.is_last:
            enqueue.look_again(tx, parcel.delivery, at)

    def failed(self, tx: WriteTx, delivery: Delivery, detail: str, is_dead: bool, at: datetime) -> None:
        """The delivery's own row says it all, unless it is dead: then the exam's timeline says so too."""
        mpps = performed.by_uid(tx, delivery.order_of) if is_dead else None
        if mpps is None:
            return
        what = f"The exam's MPPS was not forwarded: {detail}"
        for order_key in dict.fromkeys(step.order_key for step in orders.get_steps(tx, mpps.step_keys)):
            source = ("delivery", str(delivery.key))
            events.add(tx, Event(at, Station.PERFORMED, what, delivery.destination, *source, order_key=order_key))

    def _doubt(self, tx: ReadTx, mpps: PerformedStep, message: PerformedMessage) -> str:
        """Return why the exam, or what *message* says of it, may not leave, "" if it may."""
        found = [
            orders.get(tx, key) for key in dict.fromkeys(s.order_key for s in orders.get_steps(tx, mpps.step_keys))
        ]
        if not found:
            return "the exam is of no order that is known here"
        owners = {patients.survivor(tx, order.patient_key).key for order in found}
        if len(owners) > 1:
            return "the exam is of two patients' orders"
        owner = patients.get(tx, owners.pop())
        if owner.in_question:
            return "the patient's record is in question"
        study = studies.by_uid(tx, mpps.study_instance_uid) if mpps.study_instance_uid else None
        if study is not None:
            bound = study.is_bound and study.patient_key is not None
            if not bound or patients.survivor(tx, study.patient_key or 0).key != owner.key:
                return "nobody has confirmed that its images are the order's patient's"
        differs = self._differences(tx, performed.attributes_of(tx, mpps.key), owner)
        if message.operation != CREATE:
            # What an N-SET may not change is ignored here, but it would leave with the rest.
            said = json.loads(read_performed(message.received).attributes)
            differs += self._differences(tx, said, owner, is_whole=False)
        return f"the device wrote another {', '.join(dict.fromkeys(differs))} than the record has" if differs else ""

    def _differences(self, tx: ReadTx, said: Mapping[str, Any], owner: Patient, *, is_whole: bool = True) -> list[str]:
        """Return which patient attributes are not the record's. is_whole: the number must be among them."""
        values: dict[str, Any] = {name: _text(said, tag) for tag, name in _PATIENT.items()}
        header = Header("", "", "", "", "", **values)
        found = corrections(header, record_of(tx, owner), None, self._rules)
        needed = {"PatientID"} if is_whole else set()
        return [one.keyword for one in found if (one.received or one.keyword in needed) and corrects(one, self._rules)]


def _text(attributes: Mapping[str, Any], tag: str) -> str:
    """Return the first value of an attribute in DICOM JSON as text. Source: PS3.18 F.2."""
    values = attributes.get(tag, {}).get("Value") or [""]
    first = values[0]
    if isinstance(first, dict):
        return "=".join(first.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")).rstrip("=")
    return "" if first is None else str(first)


def _fault(what: str, status: int) -> BridgeError:
    sentence = f"{what} answered {status:04X}"
    if status in _LATER or 0xA700 <= status <= 0xA7FF:
        return Unavailable(sentence, code="peer_busy")
    if status in _NOT_OFFERED:
        return Refused(sentence, code="peer_refused")
    return Conflict(sentence, code=f"answered_{status:04x}")
