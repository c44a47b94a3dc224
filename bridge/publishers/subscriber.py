"""
Subscriptions are told over HTTP: a handshake first, then news in their order and without gaps, a heartbeat where asked.

One delivery stands for one subscription and sends what it has not been told yet, so many as it takes at a time. What
fails is tried again by the outbox; after the third time in a row the subscription is in error, and goes on being tried:
the first notification that arrives makes it active again. What its owner may read is looked at each time: whole resources
leave for nobody who may not read them by then. Source: FHIR R5 3.2, Subscriptions R5 Backport 1.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from bridge.clock import Clock
from bridge.codecs.fhir import notification
from bridge.codecs.fhir.notification import Notice, NotificationKind
from bridge.codecs.fhir.subscription import max_count
from bridge.domain.accounts import Permission
from bridge.domain.study import Study
from bridge.domain.subscription import (
    TOPICS,
    News,
    NotificationContent,
    Subscription,
    SubscriptionState,
)
from bridge.leaving import resources
from bridge.leaving.resources import ServingHouse
from bridge.outbox import enqueue
from bridge.outbox.enqueue import SUBSCRIBERS
from bridge.outbox.publisher import Nothing, NotYet, Parcel, Receipt, StillWanted
from bridge.publishers.outside_post import OutsidePost
from bridge.store import credentials, news, studies, subscriptions
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery

Json = dict[str, Any]

FAILURES_UNTIL_ERROR = 3
_FHIR_JSON = "application/fhir+json"


@dataclass(frozen=True, slots=True)
class NoticeParcel(Parcel):
    """One notification. upto: the number of the last news in it; has_more: there are others behind it."""

    notice: Notice
    upto: int
    has_more: bool


@dataclass(frozen=True, slots=True)
class _Told:
    """What one notification tells. study: whose binding the resources rest on, None if they rest on none."""

    numbered: tuple[tuple[int, News], ...] = ()
    resources: Mapping[str, Json] = field(default_factory=dict)
    study: Study | None = None


class SubscriptionPublisher:
    """Tells subscriptions. house: what resources are made with."""

    topic = enqueue.SUBSCRIPTION
    destinations = (SUBSCRIBERS,)

    def __init__(self, post: OutsidePost, house: ServingHouse, clock: Clock) -> None:
        self._post = post
        self._house = house
        self._clock = clock

    def prepare(self, tx: ReadTx, delivery: Delivery, now: datetime) -> NoticeParcel | NotYet | Nothing:
        """Collect what a subscription has not been told yet; nothing for one that ended, or whose owner may no longer."""
        try:
            one = subscriptions.get(tx, enqueue.subscription_in(delivery) or 0)
        except LookupError:
            return Nothing("the subscription was deleted")
        if one.state_at(now) == SubscriptionState.OFF:
            return Nothing("the subscription is off")
        owner = credentials.holder(tx, one.owner, now)
        if owner is None or not owner.may(Permission.SUBSCRIBE):
            return Nothing("whoever subscribed may sign in no longer")
        if not owner.is_granted(TOPICS[one.draft.topic].resource, "r"):
            return Nothing("whoever subscribed may no longer read what it is about")
        if one.state == SubscriptionState.REQUESTED or one.activated_at is None:
            return self._parcel(delivery, one, NotificationKind.HANDSHAKE, now, _Told())
        owed = news.numbered(tx, one.key, one.delivered + 1, one.delivered + max_count(one.draft.channel))
        if owed:
            return self._of_news(tx, delivery, one if owner.may(Permission.READ_FHIR) else _by_id(one), owed, now)
        return self._heartbeat(delivery, one, now)

    def send(self, parcel: NoticeParcel, still_wanted: StillWanted) -> Receipt:
        """Post the notification."""
        channel = parcel.notice.subscription.draft.channel
        still_wanted()
        body = orjson.dumps(notification.bundle(parcel.notice))
        headers = dict(channel.headers) | {"Content-Type": _FHIR_JSON}
        self._post.post(channel.endpoint, body, headers, channel.timeout_secs)
        told = len(parcel.notice.numbered)
        return Receipt(f"{parcel.notice.kind.value}{f', {told} told' if told else ''}")

    def settled(self, tx: WriteTx, parcel: NoticeParcel, receipt: Receipt, at: datetime) -> None:
        """Note how far it has been told, and what is due next."""
        try:
            one = subscriptions.get(tx, parcel.notice.subscription.key)
        except LookupError:
            return
        if one.state == SubscriptionState.OFF:
            return
        values: dict[str, Any] = {"failures": 0, "error": "", "sent_at": at}
        if parcel.notice.kind == NotificationKind.HANDSHAKE:
            if _is_other(one, parcel.notice.subscription):
                enqueue.look_again(tx, parcel.delivery, at)
                return
            values["activated_at"] = at
        else:
            values["delivered"] = max(one.delivered, parcel.upto)
        if one.state != SubscriptionState.REQUESTED or parcel.notice.kind == NotificationKind.HANDSHAKE:
            values |= {"state": SubscriptionState.ACTIVE.value, "at": at}
        subscriptions.move(tx, one.key, **values)
        heartbeat = one.draft.channel.heartbeat_secs
        if parcel.has_more or one.told > max(one.delivered, parcel.upto):
            enqueue.look_again(tx, parcel.delivery, at)
        elif heartbeat:
            enqueue.look_again(tx, parcel.delivery, at, at + timedelta(seconds=heartbeat))

    def failed(self, tx: WriteTx, delivery: Delivery, detail: str, is_dead: bool, at: datetime) -> None:
        """Count it; a handshake that fails, or the third failure in a row, is an error, and one given up ends it."""
        try:
            one = subscriptions.get(tx, enqueue.subscription_in(delivery) or 0)
        except LookupError:
            return
        if one.state == SubscriptionState.OFF:
            return
        values: dict[str, Any] = {"failures": one.failures + 1, "error": detail}
        if is_dead:
            values |= {"state": SubscriptionState.OFF.value, "at": at}
        elif one.failures + 1 >= FAILURES_UNTIL_ERROR or one.state == SubscriptionState.REQUESTED:
            values |= {"state": SubscriptionState.ERROR.value, "at": at}
        subscriptions.move(tx, one.key, **values)

    def _of_news(
        self, tx: ReadTx, delivery: Delivery, one: Subscription, owed: list[tuple[int, News]], now: datetime
    ) -> NoticeParcel:
        if one.draft.channel.content != NotificationContent.FULL_RESOURCE:
            return self._parcel(delivery, one, NotificationKind.EVENT, now, _Told(tuple(owed)))
        # Of one study alone: its binding is looked at again just before it leaves.
        study_key = owed[0][1].study_key
        owed = [pair for at, pair in enumerate(owed) if all(said.study_key == study_key for _, said in owed[: at + 1])]
        found = {said.focus: resources.about(tx, said, one.draft.release, now, self._house) for _, said in owed}
        along = {focus: resource for focus, resource in found.items() if resource is not None}
        study = studies.get(tx, study_key) if study_key is not None and along else None
        return self._parcel(delivery, one, NotificationKind.EVENT, now, _Told(tuple(owed), along, study))

    def _heartbeat(self, delivery: Delivery, one: Subscription, now: datetime) -> NoticeParcel | NotYet | Nothing:
        every = one.draft.channel.heartbeat_secs
        if not every or one.sent_at is None:
            return Nothing("nothing new to tell")
        due_at = one.sent_at + timedelta(seconds=every)
        if due_at > now:
            return NotYet(due_at, "the heartbeat is not due yet")
        return self._parcel(delivery, one, NotificationKind.HEARTBEAT, now, _Told())

    def _parcel(
        self,
        delivery: Delivery,
        one: Subscription,
        kind: NotificationKind,
        now: datetime,
        told: _Told,
    ) -> NoticeParcel:
        is_first = kind == NotificationKind.HANDSHAKE
        state = SubscriptionState.REQUESTED if is_first else SubscriptionState.ACTIVE
        base, content = self._house.base(one.draft.release), one.draft.channel.content
        notice = Notice(kind, one, state, base, now, self._clock.new_id(), told.numbered, told.resources, content)
        upto = told.numbered[-1][0] if told.numbered else one.delivered
        key, version = (told.study.key, told.study.binding_version) if told.study is not None else (None, 0)
        return NoticeParcel(delivery, key, version, notice, upto, has_more=upto < one.told)


def _by_id(one: Subscription) -> Subscription:
    """Return a subscription as it is told of without whole resources."""
    if one.draft.channel.content != NotificationContent.FULL_RESOURCE:
        return one
    channel = replace(one.draft.channel, content=NotificationContent.ID_ONLY)
    return replace(one, draft=replace(one.draft, channel=channel))


def _is_other(now: Subscription, then: Subscription) -> bool:
    """Say whether a subscription asks for something else than it did when its handshake was made."""
    return now.draft.channel != then.draft.channel or now.draft.topic != then.draft.topic
