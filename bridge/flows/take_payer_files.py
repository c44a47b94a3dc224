"""X12 files that a clearinghouse puts into a folder: each taken once, kept as it came, set aside with the reason if it cannot be.

A file stays where it is until all that it says is written down: broken off in between, it is read again, and what was said
twice counts once. Then it goes to "taken", or to "refused" beside a text that says why. Nothing is deleted or overwritten.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import structlog

from bridge.clock import Clock
from bridge.codecs.x12.cutting import MAX_BYTES
from bridge.domain.payer_file import plain_name
from bridge.errors import BridgeError, Malformed, Unavailable
from bridge.flows.lookout import Lookout
from bridge.flows.take_payer_file import Brought, PayerFileTaker, sentence_of
from bridge.store import leases
from bridge.store.db import Store

_log = structlog.get_logger(__name__)

TAKEN, REFUSED = "taken", "refused"
# A file that was written to so lately may be incomplete.
SETTLED_AFTER = timedelta(seconds=5)
_LEASE = timedelta(seconds=120)
# What programs call a file that they are still writing.
_UNFINISHED = (".tmp", ".part", ".filepart", ".crdownload")


@dataclass(frozen=True, slots=True)
class PayerFolder:
    """A clearinghouse's folder. name: of the clearinghouse; zone: in which its files tell the time."""

    name: str
    inbox: Path
    zone: tzinfo


class PayerFiles(Lookout):
    """Looks into each folder in its turn. owner: this process, unlike any other."""

    name = "payer-files"
    look_secs = 2.0

    def __init__(
        self, store: Store, clock: Clock, taker: PayerFileTaker, folders: Sequence[PayerFolder], *, owner: str
    ) -> None:
        super().__init__()
        self._store = store
        self._clock = clock
        self._taker = taker
        self._folders = folders
        self._owner = owner
        self._closed: set[str] = set()

    def work(self) -> int:
        """Take every file that is whole; return how many were set in their places. Raises: Unavailable, without a database."""
        return sum(self._look_into(folder) for folder in self._folders)

    def _look_into(self, folder: PayerFolder) -> int:
        found = list(self._ready(folder))
        if not found or not self._hold(folder):
            return 0
        done = 0
        for path in found:
            if self._stopping.is_set() or not self._hold(folder):
                break
            done += self._take(folder, path)
        return done

    def _hold(self, folder: PayerFolder) -> bool:
        with self._store.write() as tx:
            return leases.take(tx, f"payer-files:{folder.name}", self._owner, self._clock.now(), _LEASE)

    def _ready(self, folder: PayerFolder) -> Iterator[Path]:
        """Return the files that nobody writes to any more, by name. A link is no file: it could lead anywhere."""
        try:
            names = sorted(os.listdir(folder.inbox))
        except OSError as fault:
            if folder.name not in self._closed:
                _log.warning("payer_folder_unreadable", clearinghouse=folder.name, fault=type(fault).__name__)
            self._closed.add(folder.name)
            return
        self._closed.discard(folder.name)
        latest = self._clock.now() - SETTLED_AFTER
        for name in names:
            path = folder.inbox / name
            if name.startswith(".") or name.lower().endswith(_UNFINISHED):
                continue
            try:
                found = path.lstat()
            except OSError:
                continue
            if stat.S_ISREG(found.st_mode) and datetime.fromtimestamp(found.st_mtime, UTC) <= latest:
                yield path

    def _take(self, folder: PayerFolder, path: Path) -> int:
        reasons: tuple[str, ...]
        try:
            reasons = self._said_by(folder, path.name, _bytes_of(path))
        except Unavailable:
            raise
        except OSError as fault:
            _log.warning("payer_file_unreadable", clearinghouse=folder.name, fault=type(fault).__name__)
            return 0
        except BridgeError as fault:
            reasons = (sentence_of(fault),)
        return self._set_aside(folder, path, reasons)

    def _said_by(self, folder: PayerFolder, name: str, content: bytes) -> tuple[str, ...]:
        """Take in what a file says; return why something of it was not taken. Raises: Unavailable."""
        brought = Brought(f"x12:{folder.name}", folder.zone, plain_name(name), folder.name)
        try:
            return self._taker.take(content, brought).refused
        except Malformed as fault:
            self._taker.refuse(content, brought, (sentence_of(fault),))
            raise

    def _set_aside(self, folder: PayerFolder, path: Path, reasons: tuple[str, ...]) -> int:
        place = folder.inbox / (REFUSED if reasons else TAKEN)
        try:
            place.mkdir(exist_ok=True)
            target = _unused(place, f"{self._clock.now():%Y%m%dT%H%M%S}-{path.name}")
            if reasons:
                target.with_name(f"{target.name}.why.txt").write_text("\n".join((*reasons, "")), "utf-8")
            path.rename(target)
        except OSError as fault:
            _log.warning("payer_file_stays", clearinghouse=folder.name, fault=type(fault).__name__)
            return 0
        _log.info("payer_file_set_aside", clearinghouse=folder.name, where=place.name, reasons=len(reasons))
        return 1


def _bytes_of(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise Malformed(f"it has more than {MAX_BYTES >> 20} MiB", code="too_large")
    return content


def _unused(place: Path, name: str) -> Path:
    """Return a path in *place* at which nothing lies; whoever calls holds the folder's lease."""
    target, number = place / name, 1
    while target.exists() or target.with_name(f"{target.name}.why.txt").exists():
        number += 1
        target = place / f"{name}.{number}"
    return target
