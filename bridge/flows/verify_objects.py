"""Every kept object is read again at a set pace and compared with its digest; what is damaged is set aside and told.

A damaged object is served to nobody: its bytes lie apart until the same object comes again, or they turn out sound.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from bridge.clock import Clock
from bridge.errors import Unavailable
from bridge.flows.lookout import Lookout
from bridge.store import audit, events, leases, objects
from bridge.store.blobs import Blobs, Place
from bridge.store.db import Store, WriteTx
from bridge.store.events import Event, Station
from bridge.store.objects import Pass

_log = structlog.get_logger(__name__)

_LEASE = timedelta(minutes=10)
_NAME = "object-verifier"
_BATCH = 50
_LONGEST_BATCH_SECS = 30.0
_LONGEST_PAUSE_SECS = 10.0


@dataclass(frozen=True, slots=True)
class Pace:
    """days: how long one reading of all objects takes, 0 for none at all; bytes_per_sec: never faster than this."""

    days: int
    bytes_per_sec: int


@dataclass(slots=True)
class _Found:
    """What became of one batch. sound: as received; damaged: blob and what is wrong."""

    sound: list[str]
    damaged: list[tuple[str, str]]
    read_bytes: int = 0
    reached: str = ""


class ObjectVerifier(Lookout):
    """Reads objects again, in one process at a time. owner: this process, unlike any other."""

    name = _NAME
    look_secs = 30.0

    def __init__(self, store: Store, blobs: Blobs, clock: Clock, pace: Pace, *, owner: str) -> None:
        super().__init__()
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._pace = pace
        self._owner = owner

    def work(self) -> bool:
        """Read some objects; False if none is due, or another process reads. Raises: Unavailable, if the store is away."""
        current = self._take() if self._pace.days else None
        return current is not None and self._read_on(current, self._pause_of(current))

    def read_all(self) -> Pass:
        """
        Read every object now, as fast as it goes, and return what that came to; who reads by and by stops for it.

        Raises: Unavailable, if the store is away.
        """
        with self._store.write() as tx:
            leases.seize(tx, _NAME, self._owner, self._clock.now(), _LEASE)
            current = objects.begin_pass(tx, self._clock.now())
        while self._read_on(current, 0.0):
            current = self._last()
        return self._last()

    def _last(self) -> Pass:
        with self._store.read() as tx:
            found = objects.last_pass(tx)
        assert found is not None
        return found

    def _take(self) -> Pass | None:
        """Return the reading under way, a new one if the last is old; None if there is nothing to do, or others do it."""
        now = self._clock.now()
        with self._store.read() as tx:
            last = objects.last_pass(tx)
        if last is not None and last.finished_at is not None and now < last.started_at + self._length:
            return None
        with self._store.write() as tx:
            if not leases.take(tx, _NAME, self._owner, now, _LEASE):
                return None
            last = objects.last_pass(tx)
            return objects.begin_pass(tx, now) if last is None or last.finished_at is not None else last

    @property
    def _length(self) -> timedelta:
        return timedelta(days=self._pace.days)

    def _pause_of(self, current: Pass) -> float:
        """Return the seconds between two objects that let the reading end in nine tenths of its time."""
        left = max(1, current.objects - current.read_objects)
        until = current.started_at + self._length * 0.9 - self._clock.now()
        return min(_LONGEST_PAUSE_SECS, max(0.0, until.total_seconds()) / left)

    def _read_on(self, current: Pass, pause_secs: float) -> bool:
        """Read the next objects of *current*, and what was damaged when it began; False once all are read."""
        with self._store.read() as tx:
            names = objects.after(tx, current.reached, _BATCH)
            again = objects.damaged_names(tx) if not current.reached else []
        found = _Found([], [], reached=current.reached)
        for blob in [name for name in again if self._look(name)[0] == ""]:
            found.sound.append(blob)
        spent_secs = 0.0
        for blob in names:
            if self._stopping.is_set() or spent_secs > _LONGEST_BATCH_SECS:
                break
            spent_secs += self._read_one(blob, found, pause_secs)
        self._save(current, found, is_last=not names)
        return bool(names) and not self._stopping.is_set()

    def _read_one(self, blob: str, found: _Found, pause_secs: float) -> float:
        """Read one object, then rest; return how long that rest was."""
        damage, size_bytes = self._look(blob)
        found.reached = blob
        found.read_bytes += size_bytes
        if damage:
            found.damaged.append((blob, damage))
        else:
            found.sound.append(blob)
        rest_secs = max(pause_secs, size_bytes / self._pace.bytes_per_sec if self._pace.bytes_per_sec else 0.0)
        self._stopping.wait(rest_secs)
        return rest_secs

    def _look(self, blob: str) -> tuple[str, int]:
        """
        Return what is wrong with *blob*, "" if nothing is, and its size; what is damaged lies apart from then on.

        Raises: Unavailable, if the store as a whole does not answer: an object is not missing then.
        """
        damage, size_bytes = self._read_twice(blob, Place.KEPT)
        if not damage:
            return damage, size_bytes
        self._blobs.probe()
        if damage == "missing":
            for place in (Place.SWEPT, Place.DAMAGED):
                elsewhere, size_bytes = self._read_twice(blob, place)
                if not elsewhere:
                    self._blobs.move(blob, place, Place.KEPT)
                    return "", size_bytes
                damage = elsewhere if elsewhere != "missing" else damage
            return damage, size_bytes
        with suppress(FileNotFoundError, Unavailable):
            self._blobs.move(blob, Place.KEPT, Place.DAMAGED)
        return damage, size_bytes

    def _read_twice(self, blob: str, place: Place) -> tuple[str, int]:
        """Return what is wrong at *place*: a disk or a wire may fail once."""
        damage, size_bytes = self._read(blob, place)
        return (damage, size_bytes) if not damage else self._read(blob, place)

    def _read(self, blob: str, place: Place) -> tuple[str, int]:
        digest, size_bytes = hashlib.sha256(), 0
        try:
            for chunk in self._blobs.read(blob, place):
                digest.update(chunk)
                size_bytes += len(chunk)
        except FileNotFoundError:
            return "missing", 0
        except OSError:
            return "unreadable", size_bytes
        return "" if digest.hexdigest() == blob else "changed", size_bytes

    def _save(self, current: Pass, found: _Found, *, is_last: bool) -> None:
        now = self._clock.now()
        with self._store.write() as tx:
            if is_last:
                leases.give_back(tx, _NAME, self._owner, now)
            else:
                leases.take(tx, _NAME, self._owner, now, _LEASE)
            here = objects.named(tx, [blob for blob, _ in found.damaged])
            new = [(blob, damage) for blob, damage in found.damaged if blob in here]
            objects.put_sound(tx, found.sound, now)
            told = [one for one in new if objects.put_damaged(tx, *one, now)]
            objects.save_pass(
                tx,
                replace(
                    current,
                    reached=found.reached,
                    read_objects=current.read_objects + len(found.sound) + len(found.damaged),
                    read_bytes=current.read_bytes + found.read_bytes,
                    damaged=current.damaged + len(new),
                    finished_at=now if is_last else None,
                ),
            )
            _tell(tx, told, now)
        for _, damage in told:
            _log.error("object_damaged", damage=damage)


def _tell(tx: WriteTx, damaged: list[tuple[str, str]], now: datetime) -> None:
    """Say in the trail, and on the timeline of the study it is of, that an object is damaged."""
    for blob, damage in damaged:
        study_key = objects.study_of(tx, blob)
        if study_key is not None:
            what = f"An image is damaged ({damage}): it is served to nobody until it comes again"
            events.add(tx, Event(now, Station.IMAGES, what, "system", study_key=study_key))
        detail = {"damage": damage, "object": blob[:16]}
        audit.add(tx, at=now, action="object_damaged", actor="system", study_key=study_key, detail=detail)
