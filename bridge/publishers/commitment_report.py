"""What a peer asked us to keep is reported on an association of ours, where the one that asked is gone. Source: PS3.4 J.3.3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.codecs.dicom.status import SUCCESS, is_warning
from bridge.domain.commitment import Report
from bridge.errors import Conflict, Unavailable
from bridge.outbox import enqueue
from bridge.outbox.publisher import Nothing, NotYet, Parcel, Receipt, StillWanted
from bridge.publishers.commitment_client import tell
from bridge.publishers.dicom_connection import Target
from bridge.store import commitment_requests
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery

_LOOK_AGAIN = timedelta(seconds=1)
_TRIED_FOR = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class ReportParcel(Parcel):
    """What one peer is to be told of its request in row *request_key*."""

    request_key: int
    report: Report


class CommitmentReportPublisher:
    """Reports to every peer that may ask, by its AE title. calling_ae_title: ours."""

    topic = enqueue.COMMITMENT_REPORT

    def __init__(self, targets: Mapping[str, Target], calling_ae_title: str) -> None:
        self._targets = dict(targets)
        self._calling_ae_title = calling_ae_title

    @property
    def destinations(self) -> tuple[str, ...]:
        return tuple(self._targets)

    def prepare(self, tx: ReadTx, delivery: Delivery, now: datetime) -> ReportParcel | NotYet | Nothing:
        """Take what was found. Raises: Conflict, once the peer was tried for a day."""
        key = enqueue.request_of(delivery)
        request = None if key is None else commitment_requests.get(tx, key)
        if request is None or request.ae_title != delivery.destination:
            return Nothing("the request is forgotten")
        if request.reported_at is not None:
            return Nothing("reported on the association that asked")
        report = request.report
        if report is None or request.verified_at is None:
            return NotYet(now + _LOOK_AGAIN, "the objects are still looked at")
        # A person's retry starts over.
        if delivery.attempts > 1 and now - request.verified_at > _TRIED_FOR:
            raise Conflict("the peer took no report for 24 hours", code="not_reported")
        return ReportParcel(delivery, None, 0, request.key, report)

    def send(self, parcel: ReportParcel, still_wanted: StillWanted) -> Receipt:
        """Tell the peer; one that knows the report already takes it again."""
        report = parcel.report
        still_wanted()
        status = tell(self._targets[parcel.delivery.destination], self._calling_ae_title, report)
        if status != SUCCESS and not is_warning(status):
            raise Unavailable(f"N-EVENT-REPORT answered {status:04X}", code="report_refused")
        total = len(report.committed) + len(report.failed)
        return Receipt(f"committed {len(report.committed)} of {total}")

    def settled(self, tx: WriteTx, parcel: ReportParcel, receipt: Receipt, at: datetime) -> None:
        """Note that the peer knows."""
        commitment_requests.note_reported(tx, parcel.request_key, at)

    def failed(self, tx: WriteTx, delivery: Delivery, detail: str, is_dead: bool, at: datetime) -> None:
        """The delivery's own row says it all."""
