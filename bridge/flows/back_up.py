"""A copy of everything a node with an embedded database holds, made while it runs, and the way back from it.

The database first, as it is at one moment, then the objects it names, wherever they lie: all are kept already, since bytes
come before rows. What was acknowledged after the copy is not in it, so a restored node sends nothing by itself until a person
has looked: the other sides may be ahead of it.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from bridge.clock import Clock
from bridge.errors import Conflict, Malformed, Unavailable
from bridge.store import embedded, objects
from bridge.store.blobs import Blobs, FolderBlobs
from bridge.store.db import Store

_DATABASE = "bridge.db"
_OBJECTS = "objects"


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What a backup holds. lacking: objects that were damaged or missing; the database in it says so of each."""

    objects: int
    bytes: int
    lacking: int = 0


def back_up(database_url: str, blobs: Blobs, folder: Path, clock: Clock) -> BackedUp:
    """
    Copy the embedded database and its objects into *folder*, which must be new or empty.

    Raises: Unsupported for PostgreSQL, which has its own tools; Conflict, if *folder* holds something.
    """
    source = embedded.database_file(database_url)
    _make_empty(folder)
    copied = folder / _DATABASE
    embedded.copy_database(source, copied)
    target = FolderBlobs(folder / _OBJECTS)
    count, size, lacking = 0, 0, list[str]()
    for blob in embedded.blobs_named_by(copied):
        try:
            with blobs.at_hand(blob) as path:
                size += _link_or_copy(path, target.path_of(blob))
            count += 1
        except Unavailable as fault:
            if fault.code != "object_damaged":
                raise
            lacking.append(blob)
    if lacking:
        _note_lacking(copied, lacking, clock)
    return BackedUp(count, size, len(lacking))


def restore(folder: Path, database_url: str, blobs: Blobs, clock: Clock) -> BackedUp:
    """
    Lay the backup in *folder* out as an empty node's data; every delivery then waits for a person.

    Raises: Malformed, if *folder* is no whole backup; Conflict, if the node has a database already; Unsupported for
    PostgreSQL.
    """
    target = embedded.database_file(database_url)
    copied = folder / _DATABASE
    if not copied.is_file():
        raise Malformed("no backup there", where="folder")
    if target.exists():
        raise Conflict("this node has a database already; restore into an empty data folder", where="bridge.data")
    stored = FolderBlobs(folder / _OBJECTS)
    count = size = 0
    lacking = embedded.damaged_in(copied)
    for blob in embedded.blobs_named_by(copied):
        if blob in lacking and not stored.path_of(blob).is_file():
            continue
        if not stored.path_of(blob).is_file():
            raise Malformed("the backup lacks an object that its database names", where="folder")
        size += _bring_back(stored.path_of(blob), blobs, blob)
        count += 1
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    arriving = target.with_suffix(".arriving")
    embedded.copy_database(copied, arriving)
    # Held before it takes its place: a node that starts after a crash here must not send by itself.
    store = Store(f"sqlite:///{arriving}")
    with store.write() as tx:
        embedded.hold_every_delivery(tx, clock)
    store.dispose()
    arriving.rename(target)
    return BackedUp(count, size)


def _note_lacking(copied: Path, blobs: list[str], clock: Clock) -> None:
    """Say in the backup's database that these objects are not with it."""
    store = Store(f"sqlite:///{copied}")
    with store.write() as tx:
        for blob in blobs:
            objects.put_damaged(tx, blob, "missing", clock.now())
    store.dispose()


def _make_empty(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if any(folder.iterdir()):
        raise Conflict("the folder holds something already", where="folder")


def _bring_back(source: Path, blobs: Blobs, blob: str) -> int:
    """Keep the object of a backup like one that arrives, under the name it had."""
    spooled = blobs.spool / f"{blob}.restored"
    spooled.unlink(missing_ok=True)
    size_bytes = _link_or_copy(source, spooled)
    blobs.keep(spooled, blob)
    return size_bytes


def _link_or_copy(source: Path, target: Path) -> int:
    """Link where both lie on one file system, else copy and sync; an object never changes, so a link is as good."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        _sync(target)
    return target.stat().st_size


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
