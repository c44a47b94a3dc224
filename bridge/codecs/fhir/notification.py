"""What a subscriber is sent: a Bundle that begins with the subscription's status. Source: FHIR R5 3.2 (Subscriptions), Backport 1.1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from bridge.domain.subscription import News, NotificationContent, Subscription, SubscriptionState, Topic

Json = dict[str, Any]

_STATUS_PROFILE = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription-status-r4"
_BUNDLE_PROFILE = (
    "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription-notification-r4"
)
_ERRORS = "http://terminology.hl7.org/CodeSystem/subscription-error"


class NotificationKind(StrEnum):
    """Why a notification is sent, or read."""

    HANDSHAKE = "handshake"
    HEARTBEAT = "heartbeat"
    EVENT = "event-notification"
    QUERY_STATUS = "query-status"
    QUERY_EVENT = "query-event"


@dataclass(frozen=True, slots=True)
class Notice:
    """
    One notification before it is written. numbered: news by their numbers. resources: by reference, where they are sent
    along. base: of the subscription's release. message_id: unlike any other. content: how much it says.
    """

    kind: NotificationKind
    subscription: Subscription
    state: SubscriptionState
    base: str
    at: datetime
    message_id: str
    numbered: Sequence[tuple[int, News]]
    resources: Mapping[str, Json]
    content: NotificationContent


def bundle(notice: Notice) -> Json:
    """Return the notification in its subscription's release."""
    is_r5 = notice.subscription.draft.release == "r5"
    said = status(notice)
    where = f"Subscription/{notice.subscription.key}/$status"
    first = {
        "fullUrl": f"urn:uuid:{notice.message_id}",
        "resource": said,
        "request": {"method": "GET", "url": where},
        "response": {"status": "200"},
    }
    entries = [first]
    if notice.content != NotificationContent.EMPTY:
        entries += [_entry(notice, one) for one in {one.focus: one for _, one in notice.numbered}.values()]
    return {
        "resourceType": "Bundle",
        "id": notice.message_id,
        **({} if is_r5 else {"meta": {"profile": [_BUNDLE_PROFILE]}}),
        "type": "subscription-notification" if is_r5 else "history",
        "timestamp": notice.at.isoformat(),
        "entry": entries,
    }


def status(notice: Notice) -> Json:
    """Return how a subscription stands: SubscriptionStatus in R5, Parameters in R4."""
    return _status_r5(notice) if notice.subscription.draft.release == "r5" else _status_r4(notice)


def topic_resource(topic: Topic, base: str, release: str, at: str) -> Json:
    """Return a SubscriptionTopic, as R5 and R4B have it. at: the date of this version, "YYYY-MM-DD"."""
    modifier: Json = {"modifier": ["in"]} if release == "r4" else {"comparator": ["eq"]}
    return {
        "resourceType": "SubscriptionTopic",
        "id": topic.name,
        "url": f"{base}/SubscriptionTopic/{topic.name}",
        "version": "1",
        "title": topic.title,
        "status": "active",
        "date": at,
        "description": topic.description,
        "resourceTrigger": [
            {
                "description": topic.description,
                "resource": topic.resource,
                "supportedInteraction": list(topic.interactions),
            }
        ],
        "canFilterBy": [{"resource": topic.resource, "filterParameter": name} | modifier for name in topic.filters],
        "notificationShape": [{"resource": topic.resource}],
    }


def _entry(notice: Notice, one: News) -> Json:
    resource = notice.resources.get(one.focus)
    entry: Json = {
        "fullUrl": f"{notice.base}/{one.focus}",
        "request": {"method": "PUT" if resource is not None else "GET", "url": one.focus},
        "response": {"status": "200"},
    }
    return entry | ({"resource": resource} if resource is not None else {})


def _status_r4(notice: Notice) -> Json:
    one, topic = notice.subscription, _topic(notice)
    parts: list[Json] = [
        {"name": "subscription", "valueReference": {"reference": f"{notice.base}/Subscription/{one.key}"}},
        *([{"name": "topic", "valueCanonical": topic}] if topic else []),
        {"name": "status", "valueCode": notice.state.value},
        {"name": "type", "valueCode": notice.kind.value},
        {"name": "events-since-subscription-start", "valueString": str(_since_start(notice))},
    ]
    for number, said in _told(notice):
        told: list[Json] = [
            {"name": "event-number", "valueString": str(number)},
            {"name": "timestamp", "valueInstant": said.at.isoformat()},
        ]
        if notice.content != NotificationContent.EMPTY:
            told.append({"name": "focus", "valueReference": {"reference": f"{notice.base}/{said.focus}"}})
        parts.append({"name": "notification-event", "part": told})
    if notice.state == SubscriptionState.ERROR:
        parts.append({"name": "error", "valueCodeableConcept": _error(one)})
    return {
        "resourceType": "Parameters",
        "id": notice.message_id,
        "meta": {"profile": [_STATUS_PROFILE]},
        "parameter": parts,
    }


def _status_r5(notice: Notice) -> Json:
    one, topic = notice.subscription, _topic(notice)
    told = []
    for number, said in _told(notice):
        event: Json = {"eventNumber": str(number), "timestamp": said.at.isoformat()}
        if notice.content != NotificationContent.EMPTY:
            event["focus"] = {"reference": f"{notice.base}/{said.focus}"}
        told.append(event)
    return {
        "resourceType": "SubscriptionStatus",
        "id": notice.message_id,
        "status": notice.state.value,
        "type": notice.kind.value,
        "eventsSinceSubscriptionStart": str(_since_start(notice)),
        "subscription": {"reference": f"{notice.base}/Subscription/{one.key}"},
        **({"topic": topic} if topic else {}),
        **({"notificationEvent": told} if told else {}),
        **({"error": [_error(one)]} if notice.state == SubscriptionState.ERROR else {}),
    }


def _topic(notice: Notice) -> str:
    """Return what a subscription is about, "" where it says nothing. Source: FHIR R5 SubscriptionStatus.topic."""
    is_empty = notice.content == NotificationContent.EMPTY
    return "" if is_empty else f"{notice.base}/SubscriptionTopic/{notice.subscription.draft.topic}"


def _told(notice: Notice) -> Sequence[tuple[int, News]]:
    return notice.numbered if notice.kind in (NotificationKind.EVENT, NotificationKind.QUERY_EVENT) else ()


def _since_start(notice: Notice) -> int:
    """Return the number of the last news told of in this notification, or of the last there are."""
    if notice.kind == NotificationKind.EVENT and notice.numbered:
        return notice.numbered[-1][0]
    return notice.subscription.told


def _error(one: Subscription) -> Json:
    coding = {"system": _ERRORS, "code": "no-response"}
    return {"coding": [coding], "text": one.error or "the endpoint does not take notifications"}
