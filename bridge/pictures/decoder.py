"""
A decoder process: takes an object and a wish through one socket, gives a picture or a named error back; or takes one
compressed frame and its form, and gives its pixels.

What it reads comes from strangers, so it gives up all it can before it reads anything: files, sockets, processes, a user
with rights, memory and time without a ceiling. It sees the one file that it is handed, and no name of it.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import resource
import socket
import struct
import sys
from typing import Any

import numpy as np
from PIL import Image

from bridge.codecs.dicom.frames import PixelForm
from bridge.errors import BridgeError, Incomplete, Unsupported
from bridge.pictures import reasons
from bridge.pictures.drawing import draw
from bridge.pictures.limits import Limits
from bridge.pictures.unpacking import unpack
from bridge.pictures.wish import Wish

_SOCKET = 3
# The object as it arrives, and the same as it is mapped; with both in use, nothing more can be opened.
_OBJECT_FILES = 2
_NOBODY = 65_534
_NO_NEW_PRIVILEGES = 38
_HEAD = struct.Struct("<LL")
_MAX_WISH_BYTES = 4096
_UNPACK = "unpack"


def main() -> None:
    """Serve until the other end of the socket is closed."""
    limits = Limits(**json.loads(sys.argv[1]))
    line = socket.socket(fileno=_SOCKET)
    _warm_up()
    _give_up_rights(limits)
    line.sendall(_HEAD.pack(0, 0))
    while _serve_one(line, limits):
        pass


def _serve_one(line: socket.socket, limits: Limits) -> bool:
    said, files, _flags, _address = socket.recv_fds(line, _MAX_WISH_BYTES, 1)
    if not said or not files:
        return False
    _allow_time(limits.cpu_secs)
    try:
        answer, content = _answer(files[0], json.loads(said), limits)
    finally:
        os.close(files[0])
    head = json.dumps(answer).encode()
    line.sendall(_HEAD.pack(len(head), len(content)) + head)
    line.sendall(content)
    # After a want of memory nothing in this process is to be trusted with the next object.
    return answer.get("code") != "too_large"


def _answer(file: int, wish: dict[str, Any], limits: Limits) -> tuple[dict[str, Any], bytes]:
    try:
        with mmap.mmap(file, 0, access=mmap.ACCESS_READ) as data:
            if _UNPACK in wish:
                frame = unpack(bytes(data), PixelForm(**wish[_UNPACK]), limits.pixels)
                return {"photometric": frame.photometric}, frame.content
            picture = draw(data, Wish.of_plain(wish), limits.pixels)
    except (Unsupported, Incomplete) as fault:
        return _plain_fault(fault), b""
    except MemoryError:
        return _plain_fault(reasons.too_large()), b""
    except Exception:  # noqa: BLE001 - a hostile object may make any of the libraries raise anything
        return _plain_fault(reasons.damaged()), b""
    return {"picture": picture.plain()}, picture.content


def _plain_fault(fault: BridgeError) -> dict[str, Any]:
    return {"error": type(fault).__name__, "detail": fault.detail, "code": fault.code, "source": fault.source}


def _warm_up() -> None:
    """Load what the libraries load late, while files can still be opened."""
    Image.init()
    np.percentile(np.arange(4), (1, 99))
    Image.new("L", (8, 8)).resize((4, 4), Image.Resampling.LANCZOS)


def _give_up_rights(limits: Limits) -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    for what, most in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_NOFILE, _SOCKET + 1 + _OBJECT_FILES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def _allow_time(cpu_secs: int) -> None:
    """Let this process compute for *cpu_secs* from now; the kernel ends it after that, wherever it is."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = int(used.ru_utime + used.ru_stime) + cpu_secs + 1
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.getrlimit(resource.RLIMIT_CPU)[1]))


if __name__ == "__main__":
    main()
