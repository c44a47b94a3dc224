"""Messages from many connections, applied in the order they came by one thread: what waits together shares one commit."""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import Sequence
from concurrent.futures import Future

import structlog

from bridge.flows.receive_message import MessageReceiver, Received
from bridge.flows.shared_thread import SharedThread

_log = structlog.get_logger(__name__)

_BATCH_MESSAGES = 100
_BATCH_BYTES = 8 << 20
_WAITING_MAX = 5000
_COMPANY_SECS = 0.002

_Answer = Future[bytes] | asyncio.Future[bytes]
_Entry = tuple[Received, _Answer]
_Outcome = tuple[_Answer, bytes | Exception]


class MessageQueue:
    """
    One writer in front of a `MessageReceiver`.

    While it commits, what arrives waits; then all of it, up to a bound, goes into the next commit. Where several shared
    the last one, the next waits up to _COMPANY_SECS for as many: their senders speak again as soon as they are answered.
    With one sender every message has a commit of its own, at once. Several roles of one process share it: it runs from
    the first `start` to as many `stop`s.
    """

    def __init__(self, receiver: MessageReceiver) -> None:
        self._receiver = receiver
        self._waiting: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._company = 1
        self._writer = SharedThread(self._run, lambda: self._waiting.put(None), name="hl7-writer", wait_secs=30)

    def start(self) -> None:
        """Begin, for whoever is the first to ask."""
        self._writer.start()

    def stop(self) -> None:
        """Answer what waits, then end, for whoever is the last to ask."""
        self._writer.stop()

    @property
    def is_alive(self) -> bool:
        return self._writer.is_alive

    def submit(self, received: Received) -> Future[bytes]:
        """
        Queue one message; the future holds its answer once it is committed, or refused.

        Where too much waits already the answer is AR 207 at once, and the sender keeps the message.
        """
        answer: Future[bytes] = Future()
        self._put(received, answer)
        return answer

    def submit_from_loop(self, received: Received) -> asyncio.Future[bytes]:
        """Queue one message as `submit` does, from the running event loop: a whole commit's answers wake it once."""
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._put(received, answer)
        return answer

    def _put(self, received: Received, answer: _Answer) -> None:
        if self._waiting.qsize() < _WAITING_MAX:
            self._waiting.put((received, answer))
        else:
            _log.warning("message_turned_away", waiting=_WAITING_MAX)
            answer.set_result(self._receiver.turn_away(received))

    def _run(self) -> None:
        ended = False
        while not ended:
            batch, ended = self._next_batch()
            if not batch:
                continue
            try:
                answers = self._receiver.receive([received for received, _ in batch])
            except Exception as fault:  # noqa: BLE001 - the writer must outlive it; every sender hears of it
                _log.exception("writer_failed")
                _hand_out([(future, fault) for _, future in batch])
                continue
            _hand_out([(future, answer) for (_, future), answer in zip(batch, answers, strict=True)])

    def _next_batch(self) -> tuple[list[_Entry], bool]:
        """Wait for one message and take what else is there, or comes soon. True: the end was asked for."""
        batch: list[_Entry] = []
        size = 0
        entry = self._waiting.get()
        until = time.monotonic() + _COMPANY_SECS
        company, self._company = self._company, 1
        while entry is not None:
            batch.append(entry)
            self._company = len(batch)
            size += len(entry[0].raw)
            if len(batch) >= _BATCH_MESSAGES or size >= _BATCH_BYTES:
                return batch, False
            left = until - time.monotonic() if len(batch) < company else 0
            try:
                entry = self._waiting.get(timeout=left) if left > 0 else self._waiting.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True


def _hand_out(outcomes: Sequence[_Outcome]) -> None:
    """Give every sender its answer, an event loop all of its own at once."""
    of_loops: dict[asyncio.AbstractEventLoop, list[_Outcome]] = {}
    for outcome in outcomes:
        if isinstance(outcome[0], asyncio.Future):
            of_loops.setdefault(outcome[0].get_loop(), []).append(outcome)
        else:
            _settle([outcome])
    for loop, own in of_loops.items():
        try:
            loop.call_soon_threadsafe(_settle, own)
        except RuntimeError:
            _log.warning("answers_too_late", count=len(own))


def _settle(outcomes: Sequence[_Outcome]) -> None:
    for future, outcome in outcomes:
        if future.cancelled():
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
