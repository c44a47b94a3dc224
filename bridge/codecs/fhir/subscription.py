"""A Subscription as it is sent to us and shown again, in R5 and in R4's backport. Source: FHIR R5 Subscription, Subscriptions R5 Backport 1.1."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from bridge.codecs.fhir.check import faults_of
from bridge.domain.subscription import (
    TOPICS,
    Channel,
    Filter,
    NotificationContent,
    Subscription,
    SubscriptionDraft,
    Topic,
)
from bridge.errors import Incomplete, Malformed, Unsupported

Json = dict[str, Any]

_BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-"
PROFILE_R4 = f"{_BACKPORT}subscription"
TOPIC_EXTENSION = (
    "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/capabilitystatement-subscriptiontopic-canonical"
)
_CHANNEL_TYPES = "http://terminology.hl7.org/CodeSystem/subscription-channel-type"
_MEDIA_TYPE = "application/fhir+json"
HIDDEN = "(not shown)"
# What is kept as it was sent, and shown again.
_KEPT_FIELDS = {"r4": ("contact", "reason"), "r5": ("contact", "reason", "name", "identifier", "managingEntity")}
# The least that a Subscription has: what is kept is judged as a part of it.
_LEAST = {
    "r4": {"status": "requested", "reason": "-", "criteria": "-", "channel": {"type": "rest-hook"}},
    "r5": {"status": "requested", "topic": "-", "channelType": {"code": "rest-hook"}},
}
_HEADER = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}")
# What a request of ours says by itself, and nobody else may say in its place.
_OUR_HEADERS = frozenset(
    {"host", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade", "expect", "date"}
)
_OUR_HEADER_FAMILIES = ("content-", "proxy-")
_HEADERS_MAX = 10
_FILTERS_MAX = 20
_MOST_SECS = 86_400
_MOST_NEWS = 100


def read(said: Json, release: str, bases: Sequence[str], kept: Channel | None = None) -> SubscriptionDraft:
    """
    Return what a Subscription asks for.

    bases: our own servers' addresses, which topics are named below. kept: the channel that this one replaces: a header
    that comes as it was shown keeps its value.
    Raises: Malformed, Incomplete, Unsupported.
    """
    return _read_r5(said, bases, kept) if release == "r5" else _read_r4(said, bases, kept)


def written(one: Subscription, base: str, now: datetime) -> Json:
    """Return a subscription as a resource; its headers' values are not shown. base: of its own release."""
    state, draft, channel = one.state_at(now), one.draft, one.draft.channel
    meta = {"versionId": str(one.version), **({"lastUpdated": one.updated_at.isoformat()} if one.updated_at else {})}
    resource: Json = {"resourceType": "Subscription", "id": str(one.key), "meta": meta, "status": state.value}
    resource |= draft.resource
    if draft.ends_at is not None:
        resource["end"] = draft.ends_at.isoformat()
    topic = f"{base}/SubscriptionTopic/{draft.topic}"
    if draft.release == "r5":
        return resource | _channel_r5(channel, topic) | _filters_r5(draft)
    resource["meta"] = meta | {"profile": [PROFILE_R4]}
    resource.setdefault("reason", TOPICS[draft.topic].title)
    if one.error:
        resource["error"] = one.error
    return resource | {"criteria": topic} | _filters_r4(draft) | {"channel": _channel_r4(channel)}


def topic_of(canonical: object, bases: Sequence[str]) -> Topic:
    """Return the topic that a canonical address of ours names. Raises: Incomplete, Unsupported."""
    if not isinstance(canonical, str) or not canonical:
        raise Incomplete("a topic is required", where="topic")
    plain = canonical.partition("|")[0]
    for base in bases:
        name = plain.removeprefix(f"{base}/SubscriptionTopic/")
        if name != plain and name in TOPICS:
            return TOPICS[name]
    raise Unsupported("no such topic; the CapabilityStatement lists them", code="not_supported", where="topic")


def _read_r5(said: Json, bases: Sequence[str], kept: Channel | None) -> SubscriptionDraft:
    topic = topic_of(said.get("topic"), bases)
    kind = said.get("channelType")
    _rest_hook(kind.get("code") if isinstance(kind, dict) else None, "channelType")
    headers = []
    for one in _objects(said, "parameter"):
        headers.append((str(one.get("name", "")), str(one.get("value", ""))))
    channel = Channel(
        _endpoint(said.get("endpoint"), "endpoint"),
        _headers(headers, kept),
        _content(said.get("content")),
        _number(said.get("heartbeatPeriod"), "heartbeatPeriod", _MOST_SECS),
        _number(said.get("timeout"), "timeout", _MOST_SECS),
        max(1, _number(said.get("maxCount"), "maxCount", 1 << 31)),
    )
    _media_type(said.get("contentType"))
    filters = [_filter_r5(one, topic) for one in _objects(said, "filterBy")]
    return _draft("r5", topic, filters, channel, said)


def _read_r4(said: Json, bases: Sequence[str], kept: Channel | None) -> SubscriptionDraft:
    topic = topic_of(said.get("criteria"), bases)
    sent = said.get("channel")
    if not isinstance(sent, dict):
        raise Incomplete("required", where="channel")
    _rest_hook(sent.get("type"), "channel.type")
    lines = sent.get("header") or []
    if not isinstance(lines, list):
        raise Malformed("a list is wanted", where="channel.header")
    headers = [(name.strip(), value.strip()) for name, _, value in (str(line).partition(":") for line in lines)]
    found = _extensions(sent)
    channel = Channel(
        _endpoint(sent.get("endpoint"), "channel.endpoint"),
        _headers(headers, kept),
        _content(_extensions(_object(sent, "_payload")).get("payload-content")),
        _number(found.get("heartbeat-period"), "channel.extension", _MOST_SECS),
        _number(found.get("timeout"), "channel.extension", _MOST_SECS),
        max(1, _number(found.get("max-count"), "channel.extension", 1 << 31)),
    )
    _media_type(sent.get("payload"))
    filters = []
    for one in _objects(_object(said, "_criteria"), "extension"):
        if one.get("url") == f"{_BACKPORT}filter-criteria":
            filters += _filters_of(str(one.get("valueString", "")), topic)
    return _draft("r4", topic, filters, channel, said)


def _draft(release: str, topic: Topic, filters: list[Filter], channel: Channel, said: Json) -> SubscriptionDraft:
    status = said.get("status")
    if status not in ("requested", "active", "error", "off"):
        raise Incomplete("requested is wanted, or off", code="not_in_table", where="status")
    kept = {name: said[name] for name in _KEPT_FIELDS[release] if name in said}
    if faults := faults_of(release.upper(), {"resourceType": "Subscription"} | _LEAST[release] | kept):
        raise Malformed("it is not as FHIR has it", where=faults[0].partition(":")[0])
    return SubscriptionDraft(
        release, topic.name, tuple(filters), channel, _instant(said.get("end")), status == "off", kept
    )


def _filter_r5(one: Json, topic: Topic) -> Filter:
    resource = str(one.get("resourceType") or one.get("resource") or topic.resource).rpartition("/")[2]
    if resource != topic.resource or one.get("comparator", "eq") != "eq" or one.get("modifier") not in (None, "in"):
        raise Unsupported("this filter is none of the topic's", code="not_supported", where="filterBy")
    return _filter(str(one.get("filterParameter", "")), str(one.get("value", "")), topic, "filterBy")


def _filters_of(query: str, topic: Topic) -> list[Filter]:
    resource, mark, rest = query.partition("?")
    if not mark or resource != topic.resource:
        raise Unsupported("this filter is none of the topic's", code="not_supported", where="_criteria")
    try:
        pairs = parse_qsl(rest, keep_blank_values=True, max_num_fields=_FILTERS_MAX)
    except ValueError:
        raise Malformed(f"at most {_FILTERS_MAX} filters", where="_criteria") from None
    return [_filter(name, value, topic, "_criteria") for name, value in pairs]


def _filter(name: str, value: str, topic: Topic, where: str) -> Filter:
    if name not in topic.filters:
        raise Unsupported("this filter is none of the topic's", code="not_supported", where=where)
    values = tuple(_plain(name, one) for one in value.split(",")[:100] if one)
    if not values:
        raise Incomplete("a filter needs a value", where=where)
    return Filter(name, values)


def _plain(name: str, value: str) -> str:
    if name != "patient":
        return value.rpartition("|")[2]
    number = value.rpartition("/")[2]
    if not (number.isascii() and number.isdigit() and len(number) <= 18):
        raise Malformed("a patient is named by its reference here, Patient/ID", where="patient")
    return number


def _rest_hook(code: object, where: str) -> None:
    if code != "rest-hook":
        raise Unsupported("only rest-hook is served", code="not_supported", where=where)


def _media_type(value: object) -> None:
    if value is not None and str(value).partition(";")[0].strip() not in (_MEDIA_TYPE, "application/json"):
        raise Unsupported(f"only {_MEDIA_TYPE} is sent", code="not_supported", where="payload")


def _content(value: object) -> NotificationContent:
    if value is None:
        return NotificationContent.ID_ONLY
    try:
        return NotificationContent(str(value))
    except ValueError:
        raise Incomplete("empty, id-only or full-resource", code="not_in_table", where="content") from None


def _endpoint(value: object, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise Incomplete("required", where=where)
    return value


def _headers(pairs: Sequence[tuple[str, str]], kept: Channel | None) -> tuple[tuple[str, str], ...]:
    before = {name.lower(): value for name, value in kept.headers} if kept is not None else {}
    found = []
    for name, value in pairs:
        value = before.get(name.lower(), "") if value == HIDDEN else value
        if not _HEADER.fullmatch(name) or _is_ours(name.lower()):
            raise Malformed("this header cannot be sent", where="header")
        if not value or len(value) > 4096 or not value.isascii() or not value.isprintable():
            raise Malformed("a header needs a printable value", where="header")
        found.append((name, value))
    if len(found) > _HEADERS_MAX:
        raise Malformed(f"at most {_HEADERS_MAX} headers are sent", where="header")
    return tuple(found)


def _is_ours(name: str) -> bool:
    return name in _OUR_HEADERS or name.startswith(_OUR_HEADER_FAMILIES)


def _number(value: object, where: str, most: int) -> int:
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Malformed("a number is wanted", where=where)
    return min(value, most)


def _instant(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(str(value))
        if found.tzinfo is None:
            raise Malformed("an instant needs its zone", where="end")
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Malformed("an instant is wanted", where="end") from None


def _objects(said: Mapping[str, Any], name: str) -> list[Json]:
    found = said.get(name) or []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise Malformed("a list of objects is wanted", where=name)
    return found


def _object(said: Mapping[str, Any], name: str) -> Json:
    found = said.get(name)
    if found is not None and not isinstance(found, dict):
        raise Malformed("an object is wanted", where=name)
    return found or {}


def _extensions(element: Mapping[str, Any]) -> Json:
    """Return the backport's extensions of an element by the end of their names."""
    found: Json = {}
    for one in _objects(element, "extension"):
        url = str(one.get("url", ""))
        if url.startswith(_BACKPORT):
            found[url.removeprefix(_BACKPORT)] = next((v for k, v in one.items() if k.startswith("value")), None)
    return found


def _channel_r5(channel: Channel, topic: str) -> Json:
    return {
        "topic": topic,
        "channelType": {"system": _CHANNEL_TYPES, "code": "rest-hook"},
        "endpoint": channel.endpoint,
        "contentType": _MEDIA_TYPE,
        "content": channel.content.value,
        "maxCount": min(channel.max_count, _MOST_NEWS),
        **({"parameter": [{"name": name, "value": HIDDEN} for name, _ in channel.headers]} if channel.headers else {}),
        **({"heartbeatPeriod": channel.heartbeat_secs} if channel.heartbeat_secs else {}),
        **({"timeout": channel.timeout_secs} if channel.timeout_secs else {}),
    }


def _channel_r4(channel: Channel) -> Json:
    numbers = (
        ("heartbeat-period", "valueUnsignedInt", channel.heartbeat_secs),
        ("timeout", "valueUnsignedInt", channel.timeout_secs),
        ("max-count", "valuePositiveInt", min(channel.max_count, _MOST_NEWS)),
    )
    content = {"url": f"{_BACKPORT}payload-content", "valueCode": channel.content.value}
    return {
        "extension": [{"url": _BACKPORT + name, kind: number} for name, kind, number in numbers if number],
        "type": "rest-hook",
        "endpoint": channel.endpoint,
        "payload": _MEDIA_TYPE,
        "_payload": {"extension": [content]},
        **({"header": [f"{name}: {HIDDEN}" for name, _ in channel.headers]} if channel.headers else {}),
    }


def _filters_r5(draft: SubscriptionDraft) -> Json:
    resource = TOPICS[draft.topic].resource
    said = [
        {"resourceType": resource, "filterParameter": one.parameter, "value": ",".join(_shown(one))}
        for one in draft.filters
    ]
    return {"filterBy": said} if said else {}


def _filters_r4(draft: SubscriptionDraft) -> Json:
    if not draft.filters:
        return {}
    query = "&".join(f"{one.parameter}={','.join(_shown(one))}" for one in draft.filters)
    said = {"url": f"{_BACKPORT}filter-criteria", "valueString": f"{TOPICS[draft.topic].resource}?{query}"}
    return {"_criteria": {"extension": [said]}}


def _shown(one: Filter) -> list[str]:
    reference: Callable[[str], str] = (lambda value: f"Patient/{value}") if one.parameter == "patient" else str
    return [reference(value) for value in one.values]


def max_count(channel: Channel) -> int:
    """Return how many news one notification holds at most."""
    return min(channel.max_count, _MOST_NEWS)
