"""Ask to be told, ask otherwise, and ask no more. A subscription is its maker's own: nobody else sees or changes it."""

from __future__ import annotations

from bridge.clock import Clock
from bridge.domain.accounts import Caller, Role
from bridge.domain.endpoints import check_endpoint
from bridge.domain.subscription import Subscription, SubscriptionDraft
from bridge.errors import Conflict, Malformed
from bridge.outbox import enqueue
from bridge.outbox.enqueue import SUBSCRIBERS, SUBSCRIPTION, Work
from bridge.store import audit, subscriptions
from bridge.store.db import ReadTx, Store, WriteTx

_MOST_EACH = 100


class SubscriptionDesk:
    """Takes subscriptions. private: networks that may be told things though they are no public ones."""

    def __init__(self, store: Store, clock: Clock, private: tuple[str, ...] = ()) -> None:
        self._store = store
        self._clock = clock
        self._private = private

    def create(self, draft: SubscriptionDraft, caller: Caller) -> Subscription:
        """
        Keep a subscription, and queue its handshake.

        Raises: Malformed, Refused, for an endpoint that is not called; Conflict, where somebody has too many.
        """
        self._check(draft)
        now = self._clock.now()
        with self._store.write() as tx:
            if subscriptions.count_of(tx, caller.credential) >= _MOST_EACH:
                raise Conflict(f"at most {_MOST_EACH} subscriptions each", code="too_many")
            made = subscriptions.add(tx, draft, caller.credential, caller.name, now)
            self._queue(tx, made)
            self._note(tx, "subscription_created", made, caller)
        return made

    def change(self, key: int, draft: SubscriptionDraft, caller: Caller, seen: int | None = None) -> Subscription:
        """
        Put another request in its place: it is asked for its handshake again, and its news go on being numbered.

        seen: the version that the caller has before it. Raises: LookupError; Conflict "version"; as `create` does.
        """
        self._check(draft)
        now = self._clock.now()
        with self._store.write() as tx:
            before = own(tx, key, caller)
            if seen is not None and seen != before.version:
                raise Conflict("it was changed meanwhile: read it again", code="version")
            if before.draft.topic != draft.topic or before.draft.release != draft.release:
                raise Malformed("another topic is another subscription", where="topic")
            made = subscriptions.replace(tx, before, draft, now)
            self._queue(tx, made)
            self._note(tx, "subscription_changed", made, caller)
        return made

    def remove(self, key: int, caller: Caller) -> None:
        """Forget a subscription. Raises: LookupError."""
        with self._store.write() as tx:
            one = own(tx, key, caller)
            subscriptions.remove(tx, key)
            self._note(tx, "subscription_removed", one, caller)

    def _check(self, draft: SubscriptionDraft) -> None:
        check_endpoint(draft.channel.endpoint, self._private)
        if draft.ends_at is not None and draft.ends_at <= self._clock.now() and not draft.is_off:
            raise Malformed("its end is over", where="end")

    def _queue(self, tx: WriteTx, one: Subscription) -> None:
        if not one.draft.is_off:
            enqueue.enqueue(tx, Work(SUBSCRIPTION, SUBSCRIBERS, enqueue.subscription_of(one.key)), self._clock.now())

    def _note(self, tx: WriteTx, action: str, one: Subscription, caller: Caller) -> None:
        said = {"subscription": one.key, "topic": one.draft.topic, "content": one.draft.channel.content.value}
        audit.add(tx, at=self._clock.now(), action=action, actor=caller.name, detail=said)


def own(tx: ReadTx, key: int, caller: Caller) -> Subscription:
    """Return a subscription of *caller*'s, anybody's to an administrator. Raises: LookupError."""
    found = subscriptions.get(tx, key)
    if found.owner != caller.credential and caller.role != Role.ADMIN:
        raise LookupError(f"no subscription {key} of this caller's")
    return found
