"""What was performed, reports, documents and key images become one resource each in their patient's chart, and leave it with their exam."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bridge.codecs.fhir.imaging_study import ENTERED_IN_ERROR, House
from bridge.codecs.fhir.references import Links
from bridge.domain.chart import DOCUMENT, PROCEDURE, SELECTION, Whose
from bridge.errors import Conflict
from bridge.outbox import enqueue
from bridge.outbox.publisher import Hold, Nothing, Parcel, StillWanted
from bridge.publishers import exam_parts
from bridge.publishers.exam_parts import Wanted
from bridge.publishers.imaging_study import ASKS_A_PERSON, Ehr, until_settled
from bridge.publishers.part_placing import KnownPart, PartPlacing, PartReceipt
from bridge.store import chart_parts, chart_subjects, chart_versions, deliveries, events, patients
from bridge.store.chart_causes import cause_of_part
from bridge.store.chart_parts import ChartPart
from bridge.store.chart_versions import Standing
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery, HoldKind
from bridge.store.events import Event, Station


@dataclass(frozen=True, slots=True)
class PartParcel(Parcel):
    """What is to stand, and what is known to stand. wanted.why_not: not "" takes back what does."""

    wanted: Wanted
    known: KnownPart


class ChartPartPublisher:
    """Publishes to every FHIR server that takes one of these kinds. documents_at: the address of our Binary, by FHIR release."""

    topic = enqueue.CHART_PART

    def __init__(self, ehrs: Mapping[str, Ehr], house: House, documents_at: Mapping[str, str]) -> None:
        self._ehrs = dict(ehrs)
        self._house = house
        self._documents_at = dict(documents_at)

    @property
    def destinations(self) -> tuple[str, ...]:
        return tuple(self._ehrs)

    def prepare(self, tx: ReadTx, delivery: Delivery, now: datetime) -> PartParcel | Nothing:
        """Collect it as it is now; what is in nobody's chart any more is withdrawn if it may stand in one."""
        server, work = delivery.destination, delivery.order_of
        wanted = self._wanted(tx, delivery)
        known = tuple(chart_parts.of_work(tx, server, work))
        may_stand = bool(known) or deliveries.was_tried(tx, self.topic, server, work)
        if (wanted.why_not or wanted.is_taken_back) and not may_stand:
            return Nothing(wanted.why_not or "it was taken back before it was ever there")
        same = frozenset(
            one.reference
            for one in known
            if wanted.patient is not None
            and one.patient_key is not None
            and patients.survivor(tx, one.patient_key).key == wanted.patient.key
        )
        study = wanted.study
        study_key, binding_version = (study.key, study.binding_version) if study is not None else (None, 0)
        known_part = KnownPart(enqueue.part_in(delivery).kind, wanted.identity, known, same)
        return PartParcel(delivery, study_key, binding_version, wanted, known_part)

    def _wanted(self, tx: ReadTx, delivery: Delivery) -> Wanted:
        part = enqueue.part_in(delivery)
        if part.kind == PROCEDURE:
            return exam_parts.procedure_of(tx, part.key, self._house)
        if part.kind == SELECTION:
            return exam_parts.selection_of(tx, part, delivery.destination, self._house)
        where = (delivery.destination, self._house, self._documents_at)
        if part.kind == DOCUMENT:
            return exam_parts.document_of(tx, part, *where)
        return exam_parts.report_of(tx, part.key, *where)

    def send(self, parcel: PartParcel, still_wanted: StillWanted) -> PartReceipt:
        """Bring the server to what *parcel* says; what only a person can tell apart there waits for one."""
        ehr, wanted = self._ehrs[parcel.delivery.destination], parcel.wanted
        placing = PartPlacing(ehr.client, parcel.known, still_wanted)
        try:
            if wanted.patient is None or wanted.make is None:
                return until_settled(placing.withdraw)
            chart = ehr.directory.chart(wanted.patient)
            order = wanted.order
            links = Links(
                subject=chart.name,
                service_request=ehr.directory.service_request(order, chart) if order else "",
                encounter=ehr.directory.encounter(order, chart) if order else "",
            )
            made = wanted.make(ehr.client.version, links) | {"subject": chart.subject}
            ours = ehr.validation.checked(ehr.client.version, made)
            return until_settled(lambda: placing.place(ours, chart))
        except Conflict as fault:
            if fault.code not in ASKS_A_PERSON:
                raise
            return PartReceipt(fault.detail, held=Hold(fault.detail, HoldKind.RECEIVER))

    def settled(self, tx: WriteTx, parcel: PartParcel, receipt: PartReceipt, at: datetime) -> None:
        """Record what stands and what does no more, keep the versions, and tell the timeline."""
        server, work = parcel.delivery.destination, parcel.delivery.order_of
        patient, standing = parcel.wanted.patient, receipt.standing
        for one in receipt.ended:
            gone = (server, work, one.reference, one.version, ENTERED_IN_ERROR, None, "", at)
            chart_parts.end(tx, ChartPart(*gone))
        if standing is not None:
            status = str(standing.resource.get("status", ""))
            owner = patient.key if patient is not None else None
            said = (server, work, standing.reference, standing.version, status, owner, receipt.content_digest, at)
            chart_parts.put(tx, ChartPart(*said))
        order_key = parcel.wanted.order.key if parcel.wanted.order is not None else parcel.delivery.order_key
        self._keep_versions(tx, parcel, receipt, order_key, at)
        if receipt.was_written and order_key is not None:
            source = ("delivery", str(parcel.delivery.key))
            events.add(tx, Event(at, Station.CHART, receipt.detail, server, *source, order_key=order_key))

    def _keep_versions(
        self, tx: WriteTx, parcel: PartParcel, receipt: PartReceipt, order_key: int | None, at: datetime
    ) -> None:
        """Keep a version of each resource that is not as it was kept last."""
        server, part = parcel.delivery.destination, enqueue.part_in(parcel.delivery)
        ehr, patient = self._ehrs[server], parcel.wanted.patient
        about = chart_subjects.studies_of(tx, part)
        owner = patient.key if patient is not None else None
        whose = Whose(about[0] if about else None, owner, order_key, parcel.binding_version)
        words = parcel.wanted.why_not or "its exam or its report changed"
        for one in (*receipt.ended, *([receipt.standing] if receipt.standing is not None else [])):
            said = Standing(server, one.reference, {ehr.client.version: one.resource}, one.version)
            is_ours = receipt.was_written or one is not receipt.standing
            why = cause_of_part(tx, part, (*about, *chart_subjects.coming_of(tx, part)), said, words, is_ours=is_ours)
            kept = chart_versions.keep(tx, said, whose, why, at)
            if kept is not None and ehr.keeps_provenance:
                enqueue.enqueue(tx, enqueue.provenance(kept), at)

    def failed(self, tx: WriteTx, delivery: Delivery, detail: str, is_dead: bool, at: datetime) -> None:
        """The delivery's own row says it all, unless it is dead: then the exam's timeline says so too."""
        if is_dead and delivery.order_key is not None:
            kind = enqueue.part_in(delivery).kind
            source = ("delivery", str(delivery.key))
            what = f"{kind} not published: {detail}"
            line = Event(at, Station.CHART, what, delivery.destination, *source, order_key=delivery.order_key)
            events.add(tx, line)
