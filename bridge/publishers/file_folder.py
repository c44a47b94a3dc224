"""A folder that files are handed over in: each whole or not there at all, on disk before anybody is told, never overwritten."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Protocol

from bridge.errors import Conflict, Unavailable
from bridge.outbox.retry import DESTINATION_DOWN

# What other programs leave alone, as they do what is still uploaded.
UNFINISHED = ".part"
_MODE = 0o640


class FileDoor(Protocol):
    """Where files are handed over."""

    def put(self, name: str, content: bytes) -> bool:
        """
        Hand a file over under *name*; False if the same one lies there already.

        Raises: Conflict, "name_taken", if another one does; Refused, Unavailable.
        """

    def probe(self) -> str:
        """Say whether files can be handed over now, and leave nothing. Raises: Refused, Unavailable."""


class FolderDoor:
    """A folder on this machine, or one that is mounted here."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, name: str, content: bytes) -> bool:
        """Write, sync, and only then give it its name. Raises: Conflict, Unavailable."""
        target, unfinished = self._folder / name, self._folder / f".{name}{UNFINISHED}"
        try:
            if _is_there(target, content):
                return False
            _write(unfinished, content)
            try:
                _name(unfinished, target)
            except FileExistsError:
                _is_there(target, content)
                return False
            finally:
                with contextlib.suppress(FileNotFoundError):
                    unfinished.unlink()
            _sync_folder(self._folder)
        except OSError as fault:
            raise _unavailable(fault) from fault
        return True

    def probe(self) -> str:
        """Write a file that nobody looks at, and remove it."""
        path = self._folder / f".imaging-bridge{UNFINISHED}"
        try:
            _write(path, b"")
            path.unlink()
        except OSError as fault:
            raise _unavailable(fault) from fault
        return "can be written"


def name_taken() -> Conflict:
    """Return what is said where another file has the name."""
    return Conflict("another file lies there under this name, and is left as it is", code="name_taken", where="outbox")


def _is_there(target: Path, content: bytes) -> bool:
    """Say whether *target* is this file. Raises: Conflict, if it is another one."""
    try:
        if target.read_bytes() == content:
            return True
    except FileNotFoundError:
        return False
    raise name_taken()


def _write(path: Path, content: bytes) -> None:
    """Write a file to disk; a leftover of ours under this name is replaced, a link is not followed."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, _MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _name(unfinished: Path, target: Path) -> None:
    """Give a file its name in one step, which never takes it from another. Raises: FileExistsError."""
    try:
        os.link(unfinished, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:
        # File systems without links; whoever else writes there under our names is not ours to stop.
        if target.exists():
            raise FileExistsError from None
        unfinished.rename(target)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unavailable(fault: OSError) -> Unavailable:
    what = fault.strerror or type(fault).__name__
    return Unavailable(f"the folder cannot be written to ({what})", code=DESTINATION_DOWN)
