"""Runs each role as a process of its own, restarts one that dies, and stops all of them in order.

A busy image stream then cannot stall the worklist, and a crash takes one role down for a moment. Children end by
themselves when the supervisor is gone, however it went, so that its ports are free for the next one.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import FrameType

import structlog

from bridge.errors import Misconfigured

_log = structlog.get_logger(__name__)

_START_SECS = 60.0
_STOP_SECS = 20.0
# A fork has all modules read already and shares their memory: a third of the memory, half of the work. The supervisor
# has no threads that a fork could cut off. Elsewhere the system's own libraries have some.
_CONTEXT = multiprocessing.get_context("fork") if sys.platform == "linux" else multiprocessing.get_context("spawn")
_STEADY_SECS = 60.0
_PAUSES_SECS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)

RunRole = Callable[[str, Callable[[Mapping[str, str]], None]], None]


class _Child:
    """One role's process. failures: how often it died soon after its start, in a row."""

    def __init__(self, name: str, run_role: RunRole) -> None:
        self.name = name
        self.failures = 0
        self.restart_at = 0.0
        self._run_role = run_role
        self._started_at = 0.0
        self.process: BaseProcess | None = None
        self.inbox: Connection | None = None

    def start(self) -> None:
        self.inbox, outbox = _CONTEXT.Pipe(duplex=False)
        self.process = _CONTEXT.Process(target=_child_main, args=(self.name, self._run_role, outbox), name=self.name)
        self.process.start()
        outbox.close()
        self._started_at = time.monotonic()

    def await_addresses(self, deadline: float) -> Mapping[str, str]:
        """Return what the role listens on, once it does. Raises: Misconfigured, with what it said if it cannot."""
        assert self.inbox is not None
        while time.monotonic() < deadline:
            if self.inbox.poll(0.1):
                return _said(self.name, self.inbox)
            if self.process is not None and not self.process.is_alive() and not self.inbox.poll():
                break
        raise Misconfigured([f"the role {self.name} did not start"])

    def note_death(self) -> None:
        steady = time.monotonic() - self._started_at > _STEADY_SECS
        self.failures = 0 if steady else self.failures + 1
        self.restart_at = time.monotonic() + _PAUSES_SECS[min(self.failures, len(_PAUSES_SECS) - 1)]


class Supervisor:
    """
    Keeps the processes of *roles* running until it is told to stop.

    run_role: what a child does; it calls back with its addresses once it serves, and returns when asked to end.
    """

    def __init__(self, roles: Sequence[str], run_role: RunRole) -> None:
        self._children = [_Child(name, run_role) for name in roles]
        self._stopping = threading.Event()

    def start(self) -> Mapping[str, str]:
        """
        Start every role and return all addresses by name.

        Raises: Misconfigured, if one cannot start; the others are stopped again.
        """
        for child in self._children:
            child.start()
        deadline = time.monotonic() + _START_SECS
        addresses: dict[str, str] = {}
        try:
            for child in self._children:
                addresses |= child.await_addresses(deadline)
        except Misconfigured:
            self._end_all()
            raise
        return addresses

    def run(self) -> None:
        """Watch and restart until SIGTERM or SIGINT, then stop every role: doors first, the worker last."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        while not self._stopping.is_set():
            self._restart_due()
            sentinels = [child.process.sentinel for child in self._children if child.process is not None]
            for sentinel in wait(sentinels, timeout=0.2):
                self._note_death(sentinel)
        self._end_all()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping.set()

    def _note_death(self, sentinel: object) -> None:
        for child in self._children:
            if child.process is not None and child.process.sentinel == sentinel:
                child.process.join()
                _log.error("role_died", role=child.name, exit_code=child.process.exitcode)
                child.process = None
                child.note_death()

    def _restart_due(self) -> None:
        for child in self._children:
            if child.process is None and time.monotonic() >= child.restart_at:
                _log.warning("role_restarted", role=child.name, failures=child.failures)
                child.start()

    def _end_all(self) -> None:
        deadline = time.monotonic() + _STOP_SECS
        for child in self._children:
            if child.process is not None and child.process.is_alive():
                child.process.terminate()
        for child in self._children:
            if child.process is None:
                continue
            child.process.join(max(0.1, deadline - time.monotonic()))
            if child.process.is_alive():
                _log.error("role_killed", role=child.name)
                child.process.kill()
                child.process.join(5)


def _said(name: str, inbox: Connection) -> Mapping[str, str]:
    try:
        answer = inbox.recv()
    except EOFError:
        raise Misconfigured([f"the role {name} did not start"]) from None
    if isinstance(answer, Misconfigured):
        raise Misconfigured(answer.faults)
    assert isinstance(answer, dict)
    return answer


def _child_main(name: str, run_role: RunRole, outbox: Connection) -> None:
    _end_with_parent()
    # Ctrl-C reaches the whole group; the supervisor alone decides the order of ending.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        run_role(name, lambda addresses: outbox.send(dict(addresses)))
    except Misconfigured as fault:
        outbox.send(fault)
        os._exit(2)


def _end_with_parent() -> None:
    """End this process at once when the supervisor is gone: two nodes must not share its ports and leases."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        assert parent is not None
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
