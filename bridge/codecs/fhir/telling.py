"""The Subscription by which a payer tells what it decided, and its notifications, in R4's backport form; and R4's own, by which a
server says that something changed.

Source: HL7 Da Vinci PAS, profile-subscription, PASSubscriptionTopic; Subscriptions R5 Backport 1.1, backport-subscription-status-r4; FHIR R4
Subscription.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from bridge.codecs.fhir.elements import objects_in, reference_in
from bridge.errors import Malformed

Json = dict[str, Any]

TOPIC = "http://hl7.org/fhir/us/davinci-pas/SubscriptionTopic/PASSubscriptionTopic"
_PROFILE = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/profile-subscription"
_BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-"
_BROKEN = frozenset({"error", "off"})
_KINDS = frozenset({"handshake", "heartbeat", "event-notification", "query-status", "query-event"})
_MOST_EVENTS = 1000


@dataclass(frozen=True, slots=True)
class Heard:
    """
    One notification. number: of the last event that there was, 0 where it is not said; first: of the first told here.

    is_whole: every event told here brings its resource along. is_broken: the payer says that it has given the subscription up.
    """

    kind: str
    number: int = 0
    first: int = 0
    is_whole: bool = True
    is_broken: bool = False

    @property
    def is_event(self) -> bool:
        return self.kind == "event-notification"


def subscription(npi: str, endpoint: str, secret: str, heartbeat_secs: int) -> Json:
    """Return what a payer is asked for: whatever it decides for the organization with *npi*, whole, to *endpoint*."""
    return {
        "resourceType": "Subscription",
        "meta": {"profile": [_PROFILE]},
        "status": "requested",
        "reason": "Decisions on prior authorization",
        "criteria": TOPIC,
        "_criteria": {
            "extension": [{"url": f"{_BACKPORT}filter-criteria", "valueString": f"Bundle?orgIdentifier={npi}"}]
        },
        "channel": {
            "extension": [{"url": f"{_BACKPORT}heartbeat-period", "valueUnsignedInt": heartbeat_secs}],
            "type": "rest-hook",
            "endpoint": endpoint,
            "payload": "application/fhir+json",
            "_payload": {"extension": [{"url": f"{_BACKPORT}payload-content", "valueCode": "full-resource"}]},
            "header": [f"Authorization: Bearer {secret}"],
        },
    }


def change_subscription(criteria: str, endpoint: str, secret: str) -> Json:
    """Return what a server is asked for: that it calls *endpoint* when what *criteria* find changes, without saying what."""
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "What changed is fetched",
        "criteria": criteria,
        "channel": {"type": "rest-hook", "endpoint": endpoint, "header": [f"Authorization: Bearer {secret}"]},
    }


def endpoint_of(resource: Json) -> str:
    """Return where a Subscription tells to, "" where it does not say."""
    channel = resource.get("channel")
    said = channel.get("endpoint") if isinstance(channel, dict) else None
    return said if isinstance(said, str) else ""


def stands(resource: Json) -> bool:
    """Say whether a Subscription is, or is about to be, told to."""
    return resource.get("status") in ("requested", "active")


def read_notification(body: bytes) -> Heard:
    """Return what a notification is. Raises: Malformed, for anything else."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Malformed("no readable JSON") from None
    is_bundle = isinstance(said, dict) and said.get("resourceType") == "Bundle"
    entries = objects_in(said.get("entry")) if is_bundle else []
    resources = [one["resource"] for one in entries if isinstance(one.get("resource"), dict)]
    if not resources:
        raise Malformed("a notification is a Bundle that begins with the subscription's status")
    status = _status(resources[0])
    kind, state = status["type"], status["status"]
    if not isinstance(kind, str) or kind not in _KINDS:
        raise Malformed("a notification says of which type it is", where="type")
    if state is not None and not isinstance(state, str):
        raise Malformed("a subscription's status is a code", where="status")
    events = status["events"]
    numbers = [number for number, _ in events if number]
    told = max([_number(status.get("since")), *numbers])
    brought = {f"{one.get('resourceType')}/{one.get('id')}" for one in resources[1:]}
    brought |= {one["fullUrl"] for one in entries[1:] if isinstance(one.get("fullUrl"), str) and "resource" in one}
    is_whole = all(bool(focus) and _is_among(focus, brought) for _, focus in events) and len(resources) > 1
    return Heard(kind, told, min(numbers, default=told), is_whole, state in _BROKEN)


def _is_among(focus: str, brought: set[str]) -> bool:
    return focus in brought or "/".join(focus.split("/_history/")[0].rsplit("/", 2)[-2:]) in brought


def _status(resource: Json) -> Json:
    """Return a subscription's status as one form: type, status, since, events as (number, focus)."""
    if resource.get("resourceType") == "SubscriptionStatus":
        events = [(one.get("eventNumber"), one.get("focus")) for one in objects_in(resource.get("notificationEvent"))]
        said = {name: resource.get(name) for name in ("type", "status")}
        since = resource.get("eventsSinceSubscriptionStart")
    elif resource.get("resourceType") == "Parameters":
        plain = dict(_named(resource.get("parameter")))
        said = {name: plain.get(name) for name in ("type", "status")}
        since = plain.get("events-since-subscription-start")
        told = [one for one in objects_in(resource.get("parameter")) if one.get("name") == "notification-event"]
        parts = [dict(_named(one.get("part"))) for one in told]
        events = [(one.get("event-number"), one.get("focus")) for one in parts]
    else:
        raise Malformed("a notification begins with the subscription's status", where="entry[0]")
    return said | {
        "since": since,
        "events": [(_number(number), reference_in(focus)) for number, focus in events[:_MOST_EVENTS]],
    }


def _named(parameters: object) -> Iterator[tuple[str, object]]:
    for one in objects_in(parameters):
        value = next((v for k, v in one.items() if k.startswith("value")), None)
        if isinstance(one.get("name"), str):
            yield one["name"], value


def _number(value: object) -> int:
    """Return an event's number, 0 for none or one that counts nothing: R4 writes it as text, R5 as a number or text."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0
