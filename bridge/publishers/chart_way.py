"""The ways to the images on each server, looked at anew because a person asked for it, and what was found of them so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bridge.outbox import enqueue
from bridge.outbox.publisher import Parcel, Receipt, StillWanted
from bridge.publishers.imaging_study import Ehr, keep_ways, until_settled
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery


@dataclass(frozen=True, slots=True)
class WayReceipt(Receipt):
    """written: the references to what was written over."""

    written: tuple[str, ...] = ()


class ChartWayPublisher:
    """Brings the Endpoints of every FHIR server that takes studies to what they are."""

    topic = enqueue.CHART_WAY

    def __init__(self, ehrs: Mapping[str, Ehr]) -> None:
        self._ehrs = dict(ehrs)

    @property
    def destinations(self) -> tuple[str, ...]:
        return tuple(self._ehrs)

    def prepare(self, tx: ReadTx, delivery: Delivery, now: datetime) -> Parcel:
        """Collect nothing: what they say stands in the settings."""
        return Parcel(delivery, None, 0)

    def send(self, parcel: Parcel, still_wanted: StillWanted) -> WayReceipt:
        """Look for them, and write what is not as it should be."""
        still_wanted()
        written = until_settled(self._ehrs[parcel.delivery.destination].directory.mend_endpoints)
        return WayReceipt(f"{', '.join(written)} written" if written else "as it should be", written=written)

    def settled(self, tx: WriteTx, parcel: Parcel, receipt: WayReceipt, at: datetime) -> None:
        """Keep what stands there as versions."""
        server = parcel.delivery.destination
        keep_ways(tx, self._ehrs[server], server, at, receipt.written)

    def failed(self, tx: WriteTx, delivery: Delivery, detail: str, is_dead: bool, at: datetime) -> None:
        """The delivery's own row says it all."""
