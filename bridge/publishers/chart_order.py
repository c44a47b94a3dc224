"""An EHR's own order is told how it stands: its status and nothing else, where that is ours to say.

| the EHR's ServiceRequest                       | what happens                                             |
|------------------------------------------------|----------------------------------------------------------|
| not exactly one in the patient's chart         | nothing                                                  |
| draft, entered-in-error                        | nothing: it is no order of ours to follow                |
| active, on-hold, unknown                       | gets our status                                          |
| completed, revoked                             | gets another one only if that end was our own word       |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bridge.codecs.fhir.service_request import status_of
from bridge.domain.chart import Cause, Whose, Why
from bridge.domain.order import Order
from bridge.domain.patient import Patient
from bridge.errors import Conflict
from bridge.outbox import enqueue
from bridge.outbox.publisher import Hold, Nothing, Parcel, Receipt, StillWanted
from bridge.publishers.fhir_client import Found
from bridge.publishers.imaging_study import ASKS_A_PERSON, Ehr, until_settled
from bridge.store import chart_parts, chart_versions, events, orders, patients
from bridge.store.chart_parts import ChartPart
from bridge.store.chart_versions import Standing
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery, HoldKind
from bridge.store.events import Event, Station

_OPEN = frozenset({"active", "on-hold", "unknown"})
_ENDED = frozenset({"completed", "revoked"})
_AS_IT_STOOD = "as the EHR had it"


@dataclass(frozen=True, slots=True)
class OrderParcel(Parcel):
    """An order as it stands, and what we last said of it there."""

    order: Order
    patient: Patient
    known: tuple[ChartPart, ...]


@dataclass(frozen=True, slots=True)
class OrderReceipt(Receipt):
    """The EHR's order as it stands now, None where nothing was to be said of one. before: as it stood before we wrote."""

    standing: Found | None = None
    was_written: bool = False
    before: Found | None = None


class ChartOrderPublisher:
    """Tells every FHIR server that takes ServiceRequest."""

    topic = enqueue.CHART_ORDER

    def __init__(self, ehrs: Mapping[str, Ehr]) -> None:
        self._ehrs = dict(ehrs)

    @property
    def destinations(self) -> tuple[str, ...]:
        return tuple(self._ehrs)

    def prepare(self, tx: ReadTx, delivery: Delivery, now: datetime) -> OrderParcel | Nothing:
        """Read the order as it is now."""
        order = orders.get(tx, enqueue.part_in(delivery).key)
        patient = patients.survivor(tx, order.patient_key)
        if order.is_test:
            return Nothing("it is a test")
        if patient.in_question:
            return Nothing("its patient's record is in question")
        known = tuple(chart_parts.of_work(tx, delivery.destination, delivery.order_of))
        return OrderParcel(delivery, None, 0, order, patient, known)

    def send(self, parcel: OrderParcel, still_wanted: StillWanted) -> OrderReceipt:
        """Write the status where it differs, if the EHR's order is still as it was read."""
        try:
            return until_settled(lambda: self._sent(parcel, still_wanted))
        except Conflict as fault:
            if fault.code not in ASKS_A_PERSON:
                raise
            return OrderReceipt(fault.detail, held=Hold(fault.detail, HoldKind.RECEIVER))

    def _sent(self, parcel: OrderParcel, still_wanted: StillWanted) -> OrderReceipt:
        ehr, status = self._ehrs[parcel.delivery.destination], status_of(parcel.order)
        chart = ehr.directory.chart(parcel.patient)
        reference = ehr.directory.service_request(parcel.order, chart)
        standing = ehr.client.read(reference) if reference else None
        if standing is None:
            return OrderReceipt("the patient's chart has not exactly one such order")
        said = standing.resource.get("status")
        if said == status:
            return OrderReceipt(f"{reference} says so already", standing)
        if said not in _OPEN and not _ended_by_us(parcel, standing):
            by_others = f"{reference} is {said if said in _ENDED else 'no open order'} there, by others' word"
            return OrderReceipt(by_others, standing)
        still_wanted()
        written = ehr.client.update(standing.resource | {"status": status}, standing.version)
        return OrderReceipt(f"{reference} is {status}", written, True, standing)

    def settled(self, tx: WriteTx, parcel: OrderParcel, receipt: OrderReceipt, at: datetime) -> None:
        """Record what we said and what the EHR has, and tell the timeline."""
        found = receipt.standing
        if found is None:
            return
        self._keep_versions(tx, parcel, receipt, at)
        if not receipt.was_written:
            return
        server, order = parcel.delivery.destination, parcel.order
        status = str(found.resource.get("status", ""))
        said = (server, parcel.delivery.order_of, found.reference, found.version, status, parcel.patient.key, "", at)
        chart_parts.put(tx, ChartPart(*said))
        source = ("delivery", str(parcel.delivery.key))
        events.add(tx, Event(at, Station.CHART, receipt.detail, server, *source, order_key=order.key))

    def _keep_versions(self, tx: WriteTx, parcel: OrderParcel, receipt: OrderReceipt, at: datetime) -> None:
        """Keep the EHR's order as it stood, and as it stands with our status."""
        server = parcel.delivery.destination
        ehr, whose = self._ehrs[server], Whose(None, parcel.patient.key, parcel.order.key)
        theirs, ours = Why(Cause.DELIVERY, server, _AS_IT_STOOD), Why(Cause.EVENT, "", "its exam went on")
        written = receipt.standing if receipt.was_written else None
        for found, why in ((receipt.before if written else receipt.standing, theirs), (written, ours)):
            if found is not None:
                said = Standing(server, found.reference, {ehr.client.version: found.resource}, found.version)
                kept = chart_versions.keep(tx, said, whose, why, at)
                if kept is not None and found is written and ehr.keeps_provenance:
                    enqueue.enqueue(tx, enqueue.provenance(kept), at)

    def failed(self, tx: WriteTx, delivery: Delivery, detail: str, is_dead: bool, at: datetime) -> None:
        """The delivery's own row says it all, unless it is dead: then the exam's timeline says so too."""
        if is_dead:
            source = ("delivery", str(delivery.key))
            what = f"the order's status was not published: {detail}"
            events.add(tx, Event(at, Station.CHART, what, delivery.destination, *source, order_key=delivery.order_key))


def _ended_by_us(parcel: OrderParcel, standing: Found) -> bool:
    """Say whether the end that stands is the one that we wrote ourselves, or may have before our answer was lost."""
    return any(
        one.reference == standing.reference and one.status == standing.resource.get("status") and one.status in _ENDED
        for one in parcel.known
    )
