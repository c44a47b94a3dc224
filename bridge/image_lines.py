"""Where the processes that carry what moves images take associations over from the one at the door: a UNIX socket each."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

# An interpreter runs one thread at a time, and several devices send at once.
PROCESSES = ("images", "images_2")
# Of its 108 bytes in Linux and 104 elsewhere.
_LONGEST_SOCKET_NAME = 100


def lines_in(data: Path) -> Mapping[str, Path]:
    """Return each process's socket in the folder *data*, {} where no UNIX socket can have the name."""
    lines = {name: data.absolute() / f"{name}.sock" for name in PROCESSES}
    return lines if all(len(os.fsencode(path)) <= _LONGEST_SOCKET_NAME for path in lines.values()) else {}
