"""How everything above the outbox speaks to it: queue, hold, release, retry, drop, all in the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bridge.domain.attachment import ClaimAttachment
from bridge.domain.chart import ORDER, WAY, ChartVersion, Part, part_named
from bridge.domain.payer_request import PayerRequest
from bridge.errors import Conflict
from bridge.store import deliveries, waiting
from bridge.store.db import WriteTx
from bridge.store.deliveries import Delivery, DeliveryState

IMAGING_STUDY = "imaging_study"
ANNOUNCEMENT = "announcement"
CLAIM = "claim"
ARCHIVE = "archive"
ORDER_STATUS = "order_status"
PERFORMED_STEP = "performed_step"
AVAILABILITY = "availability"
COMMITMENT = "commitment"
COMMITMENT_REPORT = "commitment_report"
REJECTION = "rejection"
ADT = "adt"
SUBSCRIPTION = "subscription"
# The one place that every subscription's notifications leave for: where each goes is its own affair.
SUBSCRIBERS = "subscribers"
WEBHOOK = "webhook"
# Packets for payers are put together here, and lie here until somebody fetches them.
PACKET = "packet"
PACKETS = "packets"
_SUBSCRIPTION_OF = "subscription:"
_NEWS_OF = "news:"
# What is asked of payers about authorizations.
PAYER_REQUEST = "payer_request"
_REQUEST_OF = "payer-request:"
# What a person let go to a payer, by the way it goes.
CDEX = "cdex"
X12 = "x12"
# How what a payer asks for stands, in its own Task.
EVIDENCE_REQUEST = "evidence_request"
_ASKED_IN = "evidence-request:"
PROVENANCE = "provenance"
CHART_PART = "chart_part"
CHART_ORDER = "chart_order"
CHART_WAY = "chart_way"
# What goes to one FHIR server: what keeps one of them waiting keeps all of them.
ON_ONE_SERVER = (IMAGING_STUDY, ANNOUNCEMENT, PROVENANCE, CHART_PART, CHART_ORDER, CHART_WAY, CLAIM)
_VERSION_OF = "version:"
_COMMITMENT_OF = "commitment:"
_REJECTION_OF = "rejection:"
_ADT_OF = "adt:"


@dataclass(frozen=True, slots=True)
class Work:
    """
    Something that must reach *destination*.

    topic: which publisher. destination: the server's name or the archive's AE title. order_of: work with the same one
    never overtakes itself (a Study Instance UID, "attachment:7", "order:7",
    a performed step's SOP Instance UID). The keys say what it is about. urgency: the higher goes first.
    """

    topic: str
    destination: str
    order_of: str
    study_key: int | None = None
    order_key: int | None = None
    attachment_key: int | None = None
    urgency: int = 0


def provenance(version: ChartVersion) -> Work:
    """Return the work that tells a server where a version of what it has comes from."""
    return Work(PROVENANCE, version.server, version_name(version))


def version_name(version: ChartVersion) -> str:
    """Return the order_of of what is told of a version of a chart entry."""
    return f"{_VERSION_OF}{version.reference}:{version.number}"


def version_in(delivery: Delivery) -> tuple[str, int] | None:
    """Return the reference and the number of the version that *delivery* tells of, None if it tells of none."""
    said = delivery.order_of
    reference, _, number = said.removeprefix(_VERSION_OF).rpartition(":")
    return (reference, int(number)) if said.startswith(_VERSION_OF) and number.isdecimal() else None


def chart_part(part: Part, server: str, order_key: int | None) -> Work:
    """Return the work that brings *part* to the chart on *server*. order_key: of the exam that it is about."""
    return Work(CHART_ORDER if part.kind == ORDER else CHART_PART, server, part.name, order_key=order_key)


def chart_way(server: str) -> Work:
    """Return the work that brings the ways to the images to *server*: they are the same for all its charts."""
    return Work(CHART_WAY, server, WAY)


def part_in(delivery: Delivery) -> Part:
    """Return the part that *delivery* brings to a chart. Raises: LookupError, if it brings none."""
    return part_named(delivery.order_of)


def packet_of(attachment: ClaimAttachment) -> Work:
    """Return the work that puts an attachment's packet together."""
    return of_attachment(PACKET, PACKETS, attachment)


def of_attachment(topic: str, destination: str, attachment: ClaimAttachment) -> Work:
    """Return the work that brings an attachment somewhere. topic: of the way it goes."""
    about = {"study_key": attachment.study_key, "attachment_key": attachment.key}
    return Work(topic, destination, f"attachment:{attachment.key}", **about)


def evidence_request(payer: str, key: int) -> Work:
    """Return the work that tells a payer how its request in row *key* stands."""
    return Work(EVIDENCE_REQUEST, payer, f"{_ASKED_IN}{key}")


def evidence_request_in(delivery: Delivery) -> int | None:
    """Return the row of the payer's request that *delivery* is about, None if it is about none."""
    return _row_in(delivery, _ASKED_IN)


def commitment_request(key: int) -> str:
    """Return the order_of of the report on a peer's commitment request in row *key*."""
    return f"{_COMMITMENT_OF}{key}"


def request_of(delivery: Delivery) -> int | None:
    """Return the row of the commitment request that *delivery* reports on, None if it is none."""
    key = delivery.order_of.removeprefix(_COMMITMENT_OF)
    return int(key) if key.isdecimal() else None


def payer_request(request: PayerRequest) -> Work:
    """Return the work that brings *request*, which has no evidence inside, to its payer."""
    return Work(PAYER_REQUEST, request.payer, f"{_REQUEST_OF}{request.key}")


def payer_request_in(delivery: Delivery) -> int:
    """Return the row of the request to a payer that *delivery* brings. Raises: LookupError, if it brings none."""
    key = _row_in(delivery, _REQUEST_OF)
    if key is None:
        raise LookupError("it brings no request to a payer")
    return key


def subscription_of(key: int) -> str:
    """Return the order_of of what the subscription in row *key* is told."""
    return f"{_SUBSCRIPTION_OF}{key}"


def subscription_in(delivery: Delivery) -> int | None:
    """Return the row of the subscription that *delivery* is for, None if it is for none."""
    return _row_in(delivery, _SUBSCRIPTION_OF)


def news_of(key: int) -> str:
    """Return the order_of of the news in row *key*."""
    return f"{_NEWS_OF}{key}"


def news_in(delivery: Delivery) -> int | None:
    """Return the row of the news that *delivery* tells, None if it tells none."""
    return _row_in(delivery, _NEWS_OF)


def _row_in(delivery: Delivery, prefix: str) -> int | None:
    key = delivery.order_of.removeprefix(prefix)
    return int(key) if key.isdecimal() else None


def rejection_of(key: int) -> str:
    """Return the order_of of what an archive is told of the rejection in row *key*."""
    return f"{_REJECTION_OF}{key}"


def rejection_in(delivery: Delivery) -> int | None:
    """Return the row of the rejection that *delivery* tells of, None if it is none."""
    key = delivery.order_of.removeprefix(_REJECTION_OF)
    return int(key) if key.isdecimal() else None


def adt_of(key: int) -> str:
    """Return the order_of of the ADT notice in row *key*."""
    return f"{_ADT_OF}{key}"


def adt_in(delivery: Delivery) -> int | None:
    """Return the row of the ADT notice that *delivery* brings, None if it is none."""
    return _row_in(delivery, _ADT_OF)


def enqueue(tx: WriteTx, work: Work, at: datetime, next_at: datetime | None = None, held_reason: str = "") -> None:
    """
    Queue *work* once: with one like it waiting, the two become one.

    next_at: not before, *at* unless given; the earlier of the two wins, unless the waiting one has failed and is
    backing off. held_reason: not "" queues it held; one that waits already stays as it is, since its publisher looks
    at the study again anyway. Without a reason a held one is freed. A delivery in flight gets a new one behind it.
    """
    waiting.add_or_merge(
        tx,
        waiting.Waiting(
            topic=work.topic,
            destination=work.destination,
            order_of=work.order_of,
            study_key=work.study_key,
            order_key=work.order_key,
            attachment_key=work.attachment_key,
            next_at=next_at or at,
            held_reason=held_reason,
            urgency=work.urgency,
        ),
        at,
    )


def hold(tx: WriteTx, study_key: int, reason: str, at: datetime) -> None:
    """
    Let nothing more of a study leave, and take back what did.

    Whatever may stand outside (published, in flight, or tried with no known end) gets a delivery at once whose
    publisher finds the study unbound and withdraws it.
    """
    # Held first: a worker that claims in between is then either kept out or seen in flight.
    deliveries.hold_waiting(tx, reason, at, study_key=study_key)
    outside = deliveries.may_stand_outside(tx, study_key, IMAGING_STUDY)
    for destination, order_of in outside:
        enqueue(tx, Work(IMAGING_STUDY, destination, order_of, study_key=study_key), at)
    if outside:
        deliveries.bring_forward(tx, study_key, IMAGING_STUDY, at)


def release(tx: WriteTx, study_key: int, at: datetime) -> None:
    """Let what was held of a study go; what is in flight may have read it as held, and is looked at again."""
    deliveries.release_held(tx, at, study_key=study_key)
    for delivery in deliveries.in_flight(tx, study_key=study_key):
        enqueue(tx, _work_of(delivery), at)


def hold_attachment(tx: WriteTx, attachment_key: int, reason: str, at: datetime) -> None:
    """Let nothing more of a claim attachment leave, and take back what did: its publisher finds it held and removes it."""
    deliveries.hold_waiting(tx, reason, at, attachment_key=attachment_key)
    for delivery in deliveries.tried_of_attachment(tx, attachment_key):
        enqueue(tx, _work_of(delivery), at)


def release_attachment(tx: WriteTx, attachment_key: int, at: datetime) -> None:
    """Let what was held of a claim attachment go; what is in flight is looked at again."""
    deliveries.release_held(tx, at, attachment_key=attachment_key)
    for delivery in deliveries.in_flight(tx, attachment_key=attachment_key):
        enqueue(tx, _work_of(delivery), at)


def release_performed_step(tx: WriteTx, sop_instance_uid: str, at: datetime) -> None:
    """Let what was held of a performed step go: whose exam it was is known by now."""
    deliveries.release_work(tx, PERFORMED_STEP, sop_instance_uid, at)


def nudge(tx: WriteTx, study_key: int, topic: str, at: datetime) -> None:
    """Look at a study's pending delivery now rather than when it was due: something it waited for has happened."""
    deliveries.bring_forward(tx, study_key, topic, at)
    for delivery in deliveries.in_flight(tx, study_key=study_key):
        if delivery.topic == topic:
            enqueue(tx, _work_of(delivery), at)


def look_again(tx: WriteTx, delivery: Delivery, at: datetime, next_at: datetime | None = None) -> None:
    """Queue the work of *delivery* once more: what it rested on has changed since it was prepared, or not all was sent."""
    enqueue(tx, _work_of(delivery), at, next_at)


def retry(tx: WriteTx, delivery_key: int, at: datetime) -> int:
    """
    Send a dead, held or waiting delivery now, because a person says so; return the key of the one that now waits.

    With a newer delivery of the same work in the queue that one is brought forward instead.
    Raises: LookupError, if there is none; Conflict, if it was sent or is being sent.
    """
    delivery = deliveries.get(tx, delivery_key)
    if delivery.state in (DeliveryState.SENT, DeliveryState.SENDING):
        raise _gone(delivery.state)
    if delivery.state == DeliveryState.DEAD and deliveries.has_twin(tx, delivery):
        enqueue(tx, _work_of(delivery), at)
        deliveries.put_aside(tx, delivery_key, "a newer delivery of the same work took its place", at)
        twin = deliveries.waiting(tx, delivery.topic, delivery.destination, delivery.order_of)
        if twin is None:
            raise AssertionError("an enqueued delivery waits")
        delivery_key = twin.key
    deliveries.make_pending(tx, delivery_key, at)
    return delivery_key


def drop(tx: WriteTx, delivery_key: int, reason: str, at: datetime) -> None:
    """
    Give a delivery up, because a person says so; it stays on record as dead and settled.

    Raises: LookupError, if there is none; Conflict, if it was sent, is being sent or was dropped before.
    """
    delivery = deliveries.get(tx, delivery_key)
    if delivery.state in (DeliveryState.SENT, DeliveryState.SENDING):
        raise _gone(delivery.state)
    if delivery.settled_at is not None:
        raise Conflict("the delivery was dropped before", code="delivery_dropped")
    deliveries.put_aside(tx, delivery_key, reason, at)


def _gone(state: DeliveryState) -> Conflict:
    said = "was sent already" if state == DeliveryState.SENT else "is being sent just now"
    return Conflict(f"the delivery {said}", code=f"delivery_{state}")


def _work_of(delivery: Delivery) -> Work:
    return Work(
        delivery.topic,
        delivery.destination,
        delivery.order_of,
        study_key=delivery.study_key,
        order_key=delivery.order_key,
        attachment_key=delivery.attachment_key,
        urgency=delivery.urgency,
    )
