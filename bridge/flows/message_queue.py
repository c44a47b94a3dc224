"""Messages from many connections, applied in the order they came by one thread: what waits together shares one commit."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future

import structlog

from bridge.flows.receive_message import MessageReceiver, Received

_log = structlog.get_logger(__name__)

_BATCH_MESSAGES = 100
_BATCH_BYTES = 8 << 20
_WAITING_MAX = 5000


class MessageQueue:
    """
    One writer in front of a `MessageReceiver`.

    While it commits, what arrives waits; then all of it, up to a bound, goes into the next commit. Nothing waits for
    company: with one sender every message has a commit of its own. Several roles of one process share it: it runs from
    the first `start` to as many `stop`s.
    """

    def __init__(self, receiver: MessageReceiver) -> None:
        self._receiver = receiver
        self._waiting: queue.Queue[tuple[Received, Future[bytes]] | None] = queue.Queue(_WAITING_MAX)
        self._thread = threading.Thread(target=self._run, name="hl7-writer", daemon=True)
        self._users = 0
        self._users_lock = threading.Lock()

    def start(self) -> None:
        """Begin, for whoever is the first to ask."""
        with self._users_lock:
            self._users += 1
            if self._users == 1:
                self._thread.start()

    def stop(self) -> None:
        """Answer what waits, then end, for whoever is the last to ask."""
        with self._users_lock:
            self._users -= 1
            if self._users:
                return
        self._waiting.put(None)
        self._thread.join(timeout=30)

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def submit(self, received: Received) -> Future[bytes]:
        """
        Queue one message; the future holds its answer once it is committed, or refused.

        Where too much waits already the answer is AR 207 at once, and the sender keeps the message.
        """
        answer: Future[bytes] = Future()
        try:
            self._waiting.put_nowait((received, answer))
        except queue.Full:
            _log.warning("message_turned_away", waiting=_WAITING_MAX)
            answer.set_result(self._receiver.turn_away(received))
        return answer

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
                for _, future in batch:
                    future.set_exception(fault)
                continue
            for (_, future), answer in zip(batch, answers, strict=True):
                future.set_result(answer)

    def _next_batch(self) -> tuple[list[tuple[Received, Future[bytes]]], bool]:
        """Wait for one message and take what else is there. True: the end was asked for."""
        batch: list[tuple[Received, Future[bytes]]] = []
        size = 0
        entry = self._waiting.get()
        while entry is not None:
            batch.append(entry)
            size += len(entry[0].raw)
            if len(batch) >= _BATCH_MESSAGES or size >= _BATCH_BYTES:
                return batch, False
            try:
                entry = self._waiting.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True
