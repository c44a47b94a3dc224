"""What a destination has not been told yet of an order, as things are now, in the order it is to be told.

A status is owed where a device made it what it is: what a sender said itself is never said back to it. A study is owed
once it is bound to the order and whole; one that was told and is no longer this order's, or no longer that patient's,
is owed a withdrawal to the chart it was told about.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bridge.codecs.hl7.order_notice import OMG, ORM, ORU, OrderNotice, build
from bridge.codecs.hl7.written import Route
from bridge.domain.order import Order
from bridge.domain.order_status import SCHEDULED, code_of, status_fact
from bridge.domain.patient import Patient
from bridge.domain.study import Study
from bridge.domain.viewer_links import study_link
from bridge.leaving.completeness import study_complete_at
from bridge.store import (
    decisions,
    deliveries,
    order_notices,
    orders,
    patients,
    performed,
    step_changes,
    studies,
    visits,
)
from bridge.store.db import ReadTx
from bridge.store.deliveries import Delivery
from bridge.store.order_notices import HAS_IMAGES, STATUS, WITHDRAWN, Told

_CONTROL_ID_LENGTH = 20
_LOST = "lost"


@dataclass(frozen=True, slots=True)
class Owed:
    """
    One message to be sent. told: where the destination stands with its subject. said: what it stands at after this.

    control_id: MSH-10, the same for the same bytes as long as they were not taken, so that whoever got them knows them.
    """

    told: Told
    said: str
    raw: bytes
    control_id: str
    patient_key: int
    study: Study | None


@dataclass(frozen=True, slots=True)
class Answerable:
    """
    How a destination is spoken to. messages: of ORM^O01, OMG^O19, ORU^R01.

    link_type: what a link to the images is told as, RP or ST, "" for none. public_url: what links begin with.
    """

    route: Route
    messages: frozenset[str]
    link_type: str = ""
    public_url: str = ""

    @property
    def status_message(self) -> str:
        """What a status is told with, "" for nothing."""
        return next((kind for kind in (ORM, OMG) if kind in self.messages), "")

    @property
    def images_message(self) -> str:
        """What images are told with, "" for nothing."""
        return next((kind for kind in (ORU, OMG) if kind in self.messages), "")


class Owing:
    """
    One look at one order for one destination.

    ready_at: once everything was looked at, when the first study that is not whole yet will be; None if none is awaited.
    """

    def __init__(self, tx: ReadTx, delivery: Delivery, to: Answerable, quiet: timedelta, now: datetime) -> None:
        assert delivery.order_key is not None
        self._tx = tx
        self._delivery = delivery
        self._to = to
        self._quiet = quiet
        self._now = now
        self._order: Order = orders.get(tx, delivery.order_key)
        self._steps = orders.steps_of(tx, self._order.key)
        self._told = order_notices.of_order(tx, self._order.key, delivery.destination)
        self.ready_at: datetime | None = None

    def all(self) -> list[Owed]:
        """Return everything that is owed now, but what the destination has refused for good."""
        found = [*self._status(), *self._images()]
        return [one for one in found if not self._is_refused(one)]

    def _is_refused(self, one: Owed) -> bool:
        """Say whether these very bytes were refused; the delivery that brought them may bring them again: a person said so."""
        told = one.told
        return told.refused_control_id == one.control_id and told.refused_delivery_key != self._delivery.key

    def _status(self) -> Iterator[Owed]:
        key = self._order.key
        done, changed = performed.of_order(self._tx, key), step_changes.of_order(self._tx, key)
        fact = status_fact(self._order, self._steps, done, changed)
        if fact is None or not self._to.status_message:
            return
        told = self._standing(STATUS)
        # Who heard of no beginning need not hear that it was none.
        is_old = told.said == fact.code and told.is_certain
        if is_old or (fact.code == SCHEDULED and not told.said):
            return
        patient = patients.survivor(self._tx, self._order.patient_key)
        yield self._write(told, fact.code, self._notice(self._to.status_message, fact.code, fact.at, patient))

    def _images(self) -> Iterator[Owed]:
        if not self._to.images_message:
            return
        bound = {one.study_instance_uid: one for one in studies.of_order(self._tx, self._order.key) if one.is_bound}
        told = {uid: one for uid, one in self._told.items() if uid != STATUS}
        lost = self._told_by_who_died(bound, told)
        for uid, one in {**told, **lost}.items():
            if one.may_hold_images and not self._is_same_chart(one, bound.get(uid)):
                yield self._withdrawal(one)
                bound.pop(uid, None)
        for uid, study in bound.items():
            stands = self._standing(uid)
            if stands.said == HAS_IMAGES and stands.is_certain:
                continue
            ready_at = study_complete_at(self._tx, study, self._quiet, self._now)
            if ready_at > self._now:
                self.ready_at = min(ready_at, self.ready_at or ready_at)
            else:
                yield self._presence(stands, study)

    def _presence(self, told: Told, study: Study) -> Owed:
        assert study.patient_key is not None
        patient = patients.survivor(self._tx, study.patient_key)
        notice = self._notice(self._to.images_message, self._code(), self._decided_at(study), patient)
        return self._write(replace(told, study_key=study.key), HAS_IMAGES, self._about(notice, study))

    def _withdrawal(self, told: Told) -> Owed:
        assert told.study_key is not None
        assert told.patient_key is not None
        study = studies.get(self._tx, told.study_key)
        patient = patients.survivor(self._tx, told.patient_key)
        notice = self._notice(self._to.images_message, self._code(), self._decided_at(study), patient)
        return self._write(told, WITHDRAWN, replace(self._about(notice, study), withdrawn=True))

    def _about(self, notice: OrderNotice, study: Study) -> OrderNotice:
        """Return *notice* with the study that it is about, and the way to it where the destination asks for one."""
        to = self._to
        link = study_link(to.public_url, study.study_instance_uid) if to.link_type else None
        return replace(notice, study=study, link=link, link_type=to.link_type)

    def _told_by_who_died(self, bound: dict[str, Study], told: dict[str, Told]) -> dict[str, Told]:
        """Return the order's study if a worker that died may have told it and it has been unbound since."""
        uid = self._order.study_instance_uid
        if not uid or uid in bound or uid in told:
            return {}
        study = studies.by_uid(self._tx, uid)
        if study is None or study.held_from_order_key != self._order.key or study.held_from_patient_key is None:
            return {}
        if all(tried.outcome != _LOST for tried in deliveries.attempts_of(self._tx, self._delivery.key)):
            return {}
        doubtful = replace(self._standing(uid), said=HAS_IMAGES, study_key=study.key)
        return {uid: replace(doubtful, patient_key=study.held_from_patient_key)}

    def _is_same_chart(self, told: Told, study: Study | None) -> bool:
        if study is None or study.patient_key is None or told.patient_key is None:
            return False
        mine = patients.survivor(self._tx, study.patient_key).key
        return mine == patients.survivor(self._tx, told.patient_key).key

    def _standing(self, subject: str) -> Told:
        return self._told.get(subject) or Told(self._order.key, self._delivery.destination, subject)

    def _code(self) -> str:
        return code_of(self._order, has_images=True)

    def _decided_at(self, study: Study) -> datetime:
        made = decisions.of_study(self._tx, study.key)
        return made[0].decided_at if made else self._now

    def _notice(self, message_type: str, code: str, at: datetime, patient: Patient) -> OrderNotice:
        visit = visits.find(self._tx, self._order.admission_id) if self._order.admission_id else None
        patient_class = visit.patient_class if visit is not None else ""
        return OrderNotice(message_type, code, at, patient, self._order, self._steps, patient_class)

    def _write(self, told: Told, said: str, notice: OrderNotice) -> Owed:
        route = self._to.route
        subject = (told.destination, str(told.order_key), told.subject, str(told.times_taken))
        content = "\x00".join(subject).encode() + build(notice, route, "")
        control_id = hashlib.sha256(content).hexdigest()[:_CONTROL_ID_LENGTH].upper()
        raw = build(notice, route, control_id)
        return Owed(told, said, raw, control_id, notice.patient.key, notice.study)
