"""What we serve ourselves of a study that has only begun, written down whenever it changes: what is read, and its history.

Whose it is is judged once more by whoever reads it; so what is written here may be late, and is never believed alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from bridge.codecs.fhir.imaging_study import House, withdrawn
from bridge.domain.chart import OWN, Whose
from bridge.domain.chart_status import ChartStatus
from bridge.leaving.begun import Begun, begun, said, status_of
from bridge.outbox import enqueue
from bridge.outbox.publisher import Nothing, Parcel, Receipt, StillWanted
from bridge.store import announced_studies, chart_versions
from bridge.store.announced_studies import AnnouncedStudy
from bridge.store.chart_causes import cause_of_coming
from bridge.store.chart_versions import Standing
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery

Json = dict[str, Any]


class ServedAnnouncementPublisher:
    """Keeps what is read here of studies up to date of which no image is here."""

    topic = enqueue.ANNOUNCEMENT
    destinations = (OWN,)

    def __init__(self, house: House) -> None:
        self._house = house

    def prepare(self, tx: ReadTx, delivery: Delivery, now: datetime) -> Parcel | Nothing:
        """Collect nothing: it is looked at where it is written."""
        if begun(tx, delivery.order_of) is None and not announced_studies.of_study(tx, delivery.order_of):
            return Nothing("nothing has begun that is certainly one patient's")
        return Parcel(delivery, None, 0)

    def send(self, parcel: Parcel, still_wanted: StillWanted) -> Receipt:
        """Send nothing: whoever wants it reads it here."""
        return Receipt("read here")

    def settled(self, tx: WriteTx, parcel: Parcel, receipt: Receipt, at: datetime) -> None:
        """Write down what stands of the study in each chart."""
        uid = parcel.delivery.order_of
        now = begun(tx, uid)
        if now is not None:
            self._register(tx, _of_person(tx, uid, now, at), now, at)
        for one in announced_studies.of_study(tx, uid):
            status = status_of(tx, one)
            if one.study_key is None and status not in (one.status, ChartStatus.REGISTERED):
                self._end(tx, one, status, at)

    def failed(self, tx: WriteTx, delivery: Delivery, detail: str, is_dead: bool, at: datetime) -> None:
        """The delivery's own row says it all."""

    def _register(self, tx: WriteTx, one: AnnouncedStudy, now: Begun, at: datetime) -> None:
        stands = {release: each | {"id": one.resource_id} for release, each in said(tx, now, self._house).items()}
        if _keep(tx, one, stands, at) or one.status != ChartStatus.REGISTERED:
            announced_studies.save(tx, replace(one, status=ChartStatus.REGISTERED, changed_at=at))

    def _end(self, tx: WriteTx, one: AnnouncedStudy, status: ChartStatus, at: datetime) -> None:
        last = chart_versions.newest(tx, OWN, f"ImagingStudy/{one.resource_id}")
        was = chart_versions.said_by(tx, [last.key]).get(last.key) if last is not None else None
        ended = {release: withdrawn(each, status.value) for release, each in (was or {}).items()}
        if ended:
            _keep(tx, one, ended, at)
        announced_studies.save(tx, replace(one, status=status, changed_at=at))


def _of_person(tx: WriteTx, uid: str, now: Begun, at: datetime) -> AnnouncedStudy:
    """Return the study's row in the chart of whose it is: the one that was there, under whatever record, or a new one."""
    patient, step = now.patient.key, now.step
    said_of = (patient, now.order.key, step.modality, step.started_local)
    one = announced_studies.of_person(tx, uid, patient)
    if one is not None:
        found = AnnouncedStudy(one.key, uid, *said_of, one.status, one.changed_at)
        announced_studies.save(tx, found)
        return found
    return announced_studies.add(tx, AnnouncedStudy(0, uid, *said_of, ChartStatus.REGISTERED, at))


def _keep(tx: WriteTx, one: AnnouncedStudy, stands: Mapping[str, Json], at: datetime) -> bool:
    """Keep a version; return whether it says anything new."""
    whose = Whose(None, one.patient_key, one.order_key, 0, one.study_instance_uid)
    standing = Standing(OWN, f"ImagingStudy/{one.resource_id}", stands)
    why = cause_of_coming(tx, one.study_instance_uid, standing)
    return chart_versions.keep(tx, standing, whose, why, at) is not None
