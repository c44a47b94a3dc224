"""Subscriptions and their topics, in R5 and in R4's backport. Source: FHIR R5 3.2, Subscriptions R5 Backport 1.1."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response, request

from bridge.codecs.fhir import notification, server
from bridge.codecs.fhir import subscription as codec
from bridge.codecs.fhir.notification import Notice, NotificationKind
from bridge.domain.accounts import Permission, Role
from bridge.domain.subscription import TOPICS, News, NotificationContent, Subscription
from bridge.errors import Incomplete, Malformed
from bridge.flows.subscribe import own
from bridge.leaving import resources
from bridge.store import news, subscriptions
from bridge.store.db import ReadTx
from bridge.web import access, bodies, reads
from bridge.web.access import caller, needs, services
from bridge.web.fhir import allowed, answers, asked
from bridge.web.fhir.serving import serving_house

blueprint = Blueprint("fhir_subscriptions", __name__, url_prefix="/fhir/<any(r4,r5):release>")

Json = dict[str, Any]
_ETAG = re.compile(r'W/"(\d{1,9})"')
_EVENTS_MAX = 100
_TOPICS_SINCE = "2026-11-22"


@blueprint.get("/SubscriptionTopic")
@needs(Permission.SUBSCRIBE)
def list_topics(release: str) -> Response:
    """Return every topic that can be asked for."""
    asked.version_of(release)
    found = [_topic(release, name) for name in TOPICS]
    if wanted := request.args.get("url"):
        found = [one for one in found if one["url"] == wanted]
    return _bundle(release, found)


@blueprint.get("/SubscriptionTopic/<resource_id>")
@needs(Permission.SUBSCRIBE)
def read_topic(release: str, resource_id: str) -> Response:
    """Return one topic."""
    asked.version_of(release)
    if resource_id not in TOPICS:
        raise LookupError(resource_id)
    return answers.plain(_topic(release, resource_id))


@blueprint.post("/Subscription")
@needs(Permission.SUBSCRIBE)
def create(release: str) -> Response:
    """Take a subscription; its handshake follows."""
    asked.version_of(release)
    draft = codec.read(_sent(), release, _bases())
    allowed.check("Subscription", "c")
    _check_reads(draft.topic, draft.channel.content)
    made = services().peers.subscriptions.create(draft, caller())
    response = _answer(release, made, 201)
    response.headers["Location"] = f"{asked.base(release)}/Subscription/{made.key}/_history/{made.version}"
    return response


@blueprint.get("/Subscription")
@needs(Permission.SUBSCRIBE)
def find(release: str) -> Response:
    """Return the caller's own subscriptions, everybody's to an administrator; by _id, status or url."""
    asked.version_of(release)
    now = services().clock.now()
    wanted = {name: request.args[name].split(",") for name in ("_id", "status", "url") if request.args.get(name)}
    with services().store.read() as tx:
        mine = None if caller().role == Role.ADMIN else caller().credential
        found = [
            one
            for one in subscriptions.of_owner(tx, mine, release)
            if str(one.key) in wanted.get("_id", [str(one.key)])
            and one.state_at(now).value in wanted.get("status", [one.state_at(now).value])
            and one.draft.channel.endpoint in wanted.get("url", [one.draft.channel.endpoint])
        ]
    return _bundle(release, [_written(release, one) for one in found])


@blueprint.get("/Subscription/<resource_id>")
@needs(Permission.SUBSCRIBE)
def read(release: str, resource_id: str) -> Response:
    """Return one subscription."""
    with services().store.read() as tx:
        return _answer(release, _own(tx, release, resource_id))


@blueprint.put("/Subscription/<resource_id>")
@needs(Permission.SUBSCRIBE)
def change(release: str, resource_id: str) -> Response:
    """Put another request in a subscription's place; status off ends it."""
    said = _sent()
    if said.get("id") != resource_id:
        raise Malformed("its id is not the address's", where="id")
    with services().store.read() as tx:
        before = _own(tx, release, resource_id)
    match = _ETAG.fullmatch(request.headers.get("If-Match", "").strip())
    draft = codec.read(said, release, _bases(), before.draft.channel)
    allowed.check("Subscription", "u")
    _check_reads(draft.topic, draft.channel.content)
    made = services().peers.subscriptions.change(before.key, draft, caller(), int(match[1]) if match else None)
    return _answer(release, made)


@blueprint.delete("/Subscription/<resource_id>")
@needs(Permission.SUBSCRIBE)
def remove(release: str, resource_id: str) -> Response:
    """Forget a subscription."""
    with services().store.read() as tx:
        one = _own(tx, release, resource_id)
    allowed.check("Subscription", "d")
    services().peers.subscriptions.remove(one.key, caller())
    return Response(status=204)


@blueprint.route("/Subscription/$status", methods=["GET", "POST"])
@needs(Permission.SUBSCRIBE)
def statuses(release: str) -> Response:
    """Return how the caller's subscriptions stand; id: of these alone; status: of those that stand so."""
    asked.version_of(release)
    said, now = _asked(), services().clock.now()
    wanted = [one for name, one in said if name == "status"]
    with services().store.read() as tx:
        if ids := [one for name, one in said if name == "id"]:
            found = [_own(tx, release, one) for one in dict.fromkeys(ids)]
        else:
            mine = None if caller().role == Role.ADMIN else caller().credential
            found = subscriptions.of_owner(tx, mine, release)
    return _statuses(release, [one for one in found if not wanted or one.state_at(now).value in wanted])


@blueprint.route("/Subscription/<resource_id>/$status", methods=["GET", "POST"])
@needs(Permission.SUBSCRIBE)
def status(release: str, resource_id: str) -> Response:
    """Return how a subscription stands."""
    with services().store.read() as tx:
        return _statuses(release, [_own(tx, release, resource_id)])


@blueprint.route("/Subscription/<resource_id>/$events", methods=["GET", "POST"])
@needs(Permission.SUBSCRIBE)
def events(release: str, resource_id: str) -> Response:
    """Return what a subscription was told, by number: what a receiver missed it reads here."""
    said = dict(_asked())
    with services().store.read() as tx:
        one = _own(tx, release, resource_id)
        first = _number(said, "eventsSinceNumber", 1)
        last = min(_number(said, "eventsUntilNumber", one.told), first + _EVENTS_MAX - 1)
        content = _content(said, one)
        _check_reads(one.draft.topic, content)
        numbered = news.numbered(tx, one.key, first, last)
        found: dict[str, Json] = {}
        if content == NotificationContent.FULL_RESOURCE:
            house, at = serving_house(), services().clock.now()
            made = {one.focus: resources.about(tx, one, release, at, house) for _, one in numbered}
            found = {focus: resource for focus, resource in made.items() if resource is not None}
    if found:
        reads.note_patients("fhir_searched", [said.patient_key for _, said in numbered])
    told = _Told(NotificationKind.QUERY_EVENT, content, tuple(numbered), found)
    return answers.plain(notification.bundle(_notice(release, one, told)))


@dataclass(frozen=True, slots=True)
class _Told:
    """What a caller is told of a subscription."""

    kind: NotificationKind
    content: NotificationContent
    numbered: tuple[tuple[int, News], ...] = ()
    found: Mapping[str, Json] = field(default_factory=dict)


def _notice(release: str, one: Subscription, told: _Told) -> Notice:
    here = services()
    now = here.clock.now()
    rest = (told.numbered, told.found, told.content)
    return Notice(told.kind, one, one.state_at(now), asked.base(release), now, here.clock.new_id(), *rest)


def _statuses(release: str, found: Sequence[Subscription]) -> Response:
    told = [_Told(NotificationKind.QUERY_STATUS, one.draft.channel.content) for one in found]
    said = [notification.status(_notice(release, one, each)) for one, each in zip(found, told, strict=True)]
    return answers.plain(server.searchset(asked.base(release), said, len(said), {"self": request.base_url}))


def _check_reads(topic: str, content: NotificationContent) -> None:
    """Raises: Refused, for a caller that may not read what it would be told of, or sent along."""
    allowed.check(TOPICS[topic].resource, "r")
    if content == NotificationContent.FULL_RESOURCE:
        access.check(Permission.READ_FHIR)


def _bundle(release: str, found: Sequence[Json]) -> Response:
    return answers.plain(server.searchset(asked.base(release), found, len(found), {"self": request.base_url}))


def _key_of(resource_id: str) -> int:
    if not (resource_id.isascii() and resource_id.isdecimal() and len(resource_id) < 19):
        raise LookupError(resource_id)
    return int(resource_id)


def _topic(release: str, name: str) -> Json:
    return notification.topic_resource(TOPICS[name], asked.base(release), release, _TOPICS_SINCE)


def _bases() -> list[str]:
    return [asked.base(one) for one in ("r4", "r5")]


def _sent() -> Json:
    said = bodies.json_object()
    if said.get("resourceType") != "Subscription":
        raise Malformed("a Subscription is wanted", where="resourceType")
    return said


def _own(tx: ReadTx, release: str, resource_id: str) -> Subscription:
    asked.version_of(release)
    found = own(tx, _key_of(resource_id), caller())
    if found.draft.release != release:
        raise LookupError(resource_id)
    return found


def _written(release: str, one: Subscription) -> Json:
    return codec.written(one, asked.base(release), services().clock.now())


def _answer(release: str, one: Subscription, status: int = 200) -> Response:
    response = answers.resource(_written(release, one))
    response.status_code = status
    return response


def _asked() -> list[tuple[str, str]]:
    """Return an operation's parameters, out of the address or of Parameters. Raises: Malformed."""
    if request.method == "GET":
        return [(name, one) for name, text in request.args.items(multi=True) for one in text.split(",")]
    said = bodies.json_object() if request.get_data(cache=True) else {}
    return [
        (str(one.get("name", "")), str(next((value for name, value in one.items() if name.startswith("value")), "")))
        for one in bodies.objects(said, "parameter")
    ]


def _number(said: Mapping[str, str], name: str, default: int) -> int:
    text = said.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or len(text) > 9:
        raise Malformed("a number is wanted", where=name)
    return int(text)


def _content(said: Mapping[str, str], one: Subscription) -> NotificationContent:
    if not said.get("content"):
        return one.draft.channel.content
    try:
        return NotificationContent(said["content"])
    except ValueError:
        raise Incomplete("empty, id-only or full-resource", code="not_in_table", where="content") from None
