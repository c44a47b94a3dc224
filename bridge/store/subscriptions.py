"""Subscriptions: who asked to be told of what, and how far they have been."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, update

from bridge.domain.subscription import (
    Channel,
    Filter,
    NotificationContent,
    Subscription,
    SubscriptionDraft,
    SubscriptionState,
)
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import subscription_news, subscriptions

_TOLD = (SubscriptionState.ACTIVE.value, SubscriptionState.ERROR.value)


def add(tx: WriteTx, draft: SubscriptionDraft, owner: str, owner_name: str, at: datetime) -> Subscription:
    """Keep a new subscription."""
    state = SubscriptionState.OFF if draft.is_off else SubscriptionState.REQUESTED
    values = {"state": state.value, "owner": owner, "owner_name": owner_name, "created_at": at, "updated_at": at}
    return get(tx, insert_row(tx, subscriptions, **_values(draft), **values))


def get(tx: ReadTx, key: int) -> Subscription:
    """Return the subscription in row *key*. Raises: LookupError."""
    row = tx.execute(select(subscriptions).where(subscriptions.c.key == key)).first()
    if row is None:
        raise LookupError(f"no subscription {key}")
    return _subscription(row)


def of_owner(tx: ReadTx, owner: str | None, release: str) -> list[Subscription]:
    """Return what a credential subscribed to in *release*, or everybody's, the newest first."""
    query = select(subscriptions).where(subscriptions.c.release == release).order_by(subscriptions.c.key.desc())
    if owner is not None:
        query = query.where(subscriptions.c.owner == owner)
    return [_subscription(row) for row in tx.execute(query)]


def count_of(tx: ReadTx, owner: str) -> int:
    """Return how many subscriptions a credential has."""
    return int(tx.execute(select(func.count()).where(subscriptions.c.owner == owner)).scalar_one())


def told_of(tx: WriteTx, topic: str) -> list[Subscription]:
    """Return the subscriptions that are told of *topic*, locked in a fixed order: each counts its news."""
    query = (
        select(subscriptions)
        .where(subscriptions.c.topic == topic, subscriptions.c.state.in_(_TOLD))
        .order_by(subscriptions.c.key)
        .with_for_update()
    )
    return [_subscription(row) for row in tx.execute(query)]


def tell(tx: WriteTx, one: Subscription, news_key: int) -> int:
    """Give a subscription one more piece of news; returns its number."""
    number = one.told + 1
    insert_row(tx, subscription_news, subscription_key=one.key, number=number, news_key=news_key)
    tx.execute(update(subscriptions).where(subscriptions.c.key == one.key).values(told=number))
    return number


def replace(tx: WriteTx, one: Subscription, draft: SubscriptionDraft, at: datetime) -> Subscription:
    """Put another request in the place of a subscription's; it is asked for its handshake again."""
    state = SubscriptionState.OFF if draft.is_off else SubscriptionState.REQUESTED
    values = {"state": state.value, "version": one.version + 1, "failures": 0, "error": "", "updated_at": at}
    tx.execute(update(subscriptions).where(subscriptions.c.key == one.key).values(**_values(draft), **values))
    return get(tx, one.key)


def move(tx: WriteTx, key: int, **values: Any) -> None:
    """Write columns of one subscription; its version rises with its state."""
    if "state" in values:
        changed = subscriptions.c.state != values["state"]
        tx.execute(
            update(subscriptions)
            .where(subscriptions.c.key == key, changed)
            .values(version=subscriptions.c.version + 1, updated_at=values.pop("at"), state=values["state"])
        )
    tx.execute(update(subscriptions).where(subscriptions.c.key == key).values(**values))


def remove(tx: WriteTx, key: int) -> None:
    """Forget a subscription."""
    tx.execute(delete(subscription_news).where(subscription_news.c.subscription_key == key))
    tx.execute(delete(subscriptions).where(subscriptions.c.key == key))


def _values(draft: SubscriptionDraft) -> dict[str, Any]:
    channel = draft.channel
    return {
        "release": draft.release,
        "topic": draft.topic,
        "filters": [[one.parameter, list(one.values)] for one in draft.filters],
        "endpoint": channel.endpoint,
        "headers": [list(pair) for pair in channel.headers],
        "content": channel.content.value,
        "heartbeat_secs": channel.heartbeat_secs,
        "timeout_secs": channel.timeout_secs,
        "max_count": channel.max_count,
        "ends_at": draft.ends_at,
        "resource": dict(draft.resource),
    }


def _filters(said: Iterable[Any]) -> tuple[Filter, ...]:
    return tuple(Filter(parameter, tuple(values)) for parameter, values in said)


def _subscription(row: Any) -> Subscription:
    channel = Channel(
        row.endpoint,
        tuple((name, value) for name, value in row.headers),
        NotificationContent(row.content),
        row.heartbeat_secs,
        row.timeout_secs,
        row.max_count,
    )
    is_off = row.state == SubscriptionState.OFF
    filters = _filters(row.filters)
    draft = SubscriptionDraft(row.release, row.topic, filters, channel, row.ends_at, is_off, row.resource)
    plain = (name for name in Subscription.__slots__ if name not in ("draft", "state"))
    said = {name: getattr(row, name) for name in plain}
    return Subscription(draft=draft, state=SubscriptionState(row.state), **said)
