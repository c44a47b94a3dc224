"""Many journalled messages are read again, in the order they came, in small transactions that live traffic passes between.

How far it has come is written in each transaction, so that a process which ends in the middle takes nothing back and
does nothing twice: whoever takes the lease goes on behind the last message.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog

from bridge.clock import Clock
from bridge.domain.message import InboundMessage, MessageFilter, MessageState, ReplayState
from bridge.errors import Conflict, Incomplete, Unavailable
from bridge.flows.lookout import Lookout
from bridge.flows.read_journal import JournalReader
from bridge.flows.receive_fhir import is_fhir
from bridge.flows.receive_message import MessageReceiver
from bridge.store import audit, leases, messages, replays
from bridge.store.db import Store, WriteTx
from bridge.store.listings.message_search import MessageSearch
from bridge.store.replays import Replay

_log = structlog.get_logger(__name__)

_BATCH_MESSAGES = 20
_BATCH_BYTES = 2 << 20
_LEASE = timedelta(seconds=15)
_REST_MAX_SECS = 1.0
_ENDED = "replay_ended"


def ask_replay(store: Store, clock: Clock, wanted: MessageFilter, actor: str, *, dry_run: bool) -> int:
    """
    Ask for every message that is *wanted* to be read again; return the replay's key.

    dry_run: only count what would come of it by today's mapping. Raises: Incomplete, if the filter asks for nothing.
    """
    if wanted.is_everything:
        raise Incomplete("say which messages: by outcome, type, sender, time or a number", where="filter")
    with store.read() as tx:
        total = MessageSearch(tx, wanted).count()
    now = clock.now()
    with store.write() as tx:
        key = replays.add(tx, wanted, total, asked_by=actor, dry_run=dry_run, at=now)
        audit.add(tx, at=now, action="replay_asked", actor=actor, detail={"replay": key, "count": total})
    return key


def cancel_replay(store: Store, clock: Clock, key: int, actor: str) -> None:
    """Stop a replay behind the message it is at. Raises: LookupError, if there is none; Conflict, if it has ended."""
    now = clock.now()
    with store.write() as tx:
        replays.get(tx, key)
        if not replays.end(tx, key, ReplayState.CANCELLED, now):
            raise Conflict("this replay has ended", code="replay_ended")
        audit.add(tx, at=now, action="replay_cancelled", actor=actor, detail={"replay": key})


class ReplayQueue(Lookout):
    """
    Does what was asked for, one replay after the other, in one process at a time.

    look_at_mappings: reads mapping files that changed. owner: this process, unlike any other.
    """

    name = "replays"

    def __init__(
        self,
        store: Store,
        clock: Clock,
        receiver: MessageReceiver | JournalReader,
        look_at_mappings: Callable[[], object],
        *,
        owner: str,
    ) -> None:
        super().__init__()
        self._store = store
        self._clock = clock
        self._receiver = receiver
        self._look_at_mappings = look_at_mappings
        self._owner = owner

    def work(self) -> bool:
        """Do the next replay to its end; False if there is none, or another process is at it. Raises: Unavailable."""
        with self._store.read() as tx:
            replay = replays.next_open(tx)
        if replay is None or not self._take_lease():
            return False
        self._look_at_mappings()
        while replay is not None and not self._stopping.is_set():
            began = time.monotonic()
            replay = self._step(replay)
            # Half of the time belongs to the messages that come in now.
            self._stopping.wait(min(time.monotonic() - began, _REST_MAX_SECS))
        return True

    def _take_lease(self) -> bool:
        with self._store.write() as tx:
            return leases.take(tx, "replays", self._owner, self._clock.now(), _LEASE)

    def _step(self, replay: Replay) -> Replay | None:
        """Do the next few messages; None at the end, or where somebody stopped it."""
        batch = self._next_batch(replay)
        if not batch:
            self._end(replay)
            return None
        try:
            going_on = self._do(replay, batch)
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001 - one of them is more than a savepoint holds; alone, each bears its own fault
            _log.exception("replayed_one_by_one", replay=replay.key, count=len(batch))
            going_on = all(self._do_alone(replay, message) for message in batch)
        if not going_on:
            return None
        with self._store.read() as tx:
            return replays.get(tx, replay.key)

    def _next_batch(self, replay: Replay) -> list[InboundMessage]:
        batch: list[InboundMessage] = []
        size = 0
        with self._store.read() as tx:
            search = MessageSearch(tx, replay.wanted)
            for key in search.page(after=replay.cursor, limit=_BATCH_MESSAGES, oldest_first=True):
                if key > replay.until_key or size >= _BATCH_BYTES:
                    break
                message = messages.get(tx, key)
                if batch and is_fhir(message) != is_fhir(batch[0]):
                    break
                batch.append(message)
                size += len(batch[-1].raw)
        return batch

    def _do(self, replay: Replay, batch: Sequence[InboundMessage]) -> bool:
        """Read *batch* again and note it; False if the replay was cancelled, and then nothing of it is kept."""
        if replay.dry_run:
            states = [self._receiver.outlook(message) for message in batch]
            with self._store.write() as tx:
                return self._note(tx, replay, batch, states)
        try:
            self._receiver.read_again(
                batch, replay.asked_by, lambda tx, states: self._note_or_stop(tx, replay, batch, states)
            )
        except Conflict as fault:
            if fault.code != _ENDED:
                raise
            return False
        return True

    def _do_alone(self, replay: Replay, message: InboundMessage) -> bool:
        try:
            return self._do(replay, [message])
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001 - counted as our failure; the message stays as it was
            _log.exception("message_not_replayed", message_id=message.key)
            with self._store.write() as tx:
                return self._note(tx, replay, [message], [MessageState.FAILED])

    def _note_or_stop(
        self, tx: WriteTx, replay: Replay, batch: Sequence[InboundMessage], states: list[MessageState]
    ) -> None:
        if not self._note(tx, replay, batch, states):
            raise Conflict("the replay was stopped", code=_ENDED)

    def _note(self, tx: WriteTx, replay: Replay, batch: Sequence[InboundMessage], states: list[MessageState]) -> bool:
        """Write how far it has come, and keep the lease; what was applied stays so, whatever it would be today."""
        now = self._clock.now()
        if not leases.take(tx, "replays", self._owner, now, _LEASE):
            return False
        counted: Counter[str] = Counter(done=len(batch))
        for message, state in zip(batch, states, strict=True):
            kept = message.state if message.state == MessageState.APPLIED else state
            counted[kept.value] += 1
            counted["changed"] += kept != message.state
        return replays.note(tx, replay.key, batch[-1].key, counted, now)

    def _end(self, replay: Replay) -> None:
        now = self._clock.now()
        with self._store.write() as tx:
            replays.end(tx, replay.key, ReplayState.DONE, now)
            done = replays.get(tx, replay.key)
            counted = {name: getattr(done, name) for name in ("done", "applied", "refused", "failed", "changed")}
            audit.add(tx, at=now, action="replay_done", actor=replay.asked_by, detail={"replay": replay.key, **counted})
        _log.info("replay_done", replay=replay.key, dry_run=replay.dry_run, **counted)
