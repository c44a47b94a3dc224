"""What a publisher is to the worker: prepare reads, send speaks to the outside, settled and failed write what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

from bridge.errors import BridgeError
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery, HoldKind

BINDING_CHANGED = "binding_changed"


@dataclass(frozen=True, slots=True)
class Parcel:
    """
    What a publisher takes out of the database to send; each adds its own fields.

    study_key, binding_version: whose binding the contents rest on; None if they rest on none.
    """

    delivery: Delivery
    study_key: int | None
    binding_version: int


@dataclass(frozen=True, slots=True)
class NotYet:
    """It is too early: look again at *until*. Not an attempt."""

    until: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Hold:
    """It must not leave until somebody releases it. kind: what it waits for."""

    why: str
    kind: HoldKind = HoldKind.IDENTITY


@dataclass(frozen=True, slots=True)
class Nothing:
    """There is nothing to send (any more): the delivery is done."""

    why: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """
    What the other side said; each publisher adds fields.

    detail: one sentence for the console, without patient data. fault: only a part was taken; what was is recorded and
    the rest is retried, or dead, as the fault says. held: the rest must wait, for this reason.
    """

    detail: str
    fault: BridgeError | None = field(default=None, kw_only=True)
    held: Hold | None = field(default=None, kw_only=True)


P = TypeVar("P", bound=Parcel)
R = TypeVar("R", bound=Receipt)


class StillWanted(Protocol):
    """What a publisher asks and tells while it sends."""

    def __call__(self) -> None:
        """Raises: Unavailable, if the binding has changed since `prepare`, or the lease is lost."""

    def note(self, write: Callable[[WriteTx, datetime], None], detail: str) -> None:
        """
        Record what already stands outside, in a transaction of its own: what a crash must not have sent again.

        detail: how far it is, in one sentence without patient data. Raises: Unavailable, if the lease is lost.
        """


class Publisher(Protocol[P, R]):
    """
    One kind of thing that leaves, and the places it leaves for.

    Errors: the classes of `bridge.errors`; `outbox.retry` decides what each means. Every method may be called again
    with the same delivery after a crash: what is done twice must come out as once.
    """

    @property
    def topic(self) -> str: ...

    @property
    def destinations(self) -> tuple[str, ...]: ...

    def prepare(self, tx: ReadTx, delivery: Delivery, now: datetime) -> P | NotYet | Hold | Nothing:
        """Collect what is to be sent, as things are now."""

    def send(self, parcel: P, still_wanted: StillWanted) -> R:
        """
        Send it; no transaction is open.

        still_wanted: to be called just before each request that changes something outside.
        """

    def settled(self, tx: WriteTx, parcel: P, receipt: R, at: datetime) -> None:
        """Record what now stands outside, in the transaction that marks the delivery."""

    def failed(self, tx: WriteTx, delivery: Delivery, detail: str, is_dead: bool, at: datetime) -> None:
        """Record a failure where people look for it, in the transaction that marks the delivery."""
