"""Decoder processes: started when wanted, one picture or frame at a time each, replaced when one hangs, dies or has done enough."""

from __future__ import annotations

import json
import os
import queue
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import structlog

from bridge.codecs.dicom.frames import PixelForm
from bridge.codecs.dicom.unpacked import UnpackedFrame
from bridge.errors import Incomplete, Unavailable, Unsupported
from bridge.pictures import reasons
from bridge.pictures.limits import Limits
from bridge.pictures.wish import Picture, Wish

_log = structlog.get_logger(__name__)

_START_SECS = 30.0
_HEAD = struct.Struct("<LL")
_MAX_HEAD_BYTES = 1 << 16
# What leaks in a library leaks for so many pictures only.
_PICTURES_EACH = 500
_PACKAGE = Path(__file__).parent.parent.parent
_FAULTS: dict[str, type[Unsupported] | type[Incomplete]] = {"Unsupported": Unsupported, "Incomplete": Incomplete}


class DecoderPool:
    """
    At most *size* decoder processes.

    wait_secs: how long a picture waits for one that is free. A decoder inherits no environment and no open file.
    """

    def __init__(self, size: int = 2, limits: Limits | None = None, *, wait_secs: float = 20.0) -> None:
        self._limits = limits or Limits()
        self._wait_secs = wait_secs
        # A place for each decoder that may run; what lies in it is an idle one, or None before it is started.
        self._places: queue.LifoQueue[_Decoder | None] = queue.LifoQueue()
        self._is_closed = threading.Event()
        for _ in range(size):
            self._places.put(None)

    def draw(self, path: Path, wish: Wish) -> Picture:
        """
        Return the picture that *wish* asks for of the Part 10 file at *path*.

        Raises: Unsupported, code and sentence saying why there is none; Incomplete, code "no_such_frame"; Unavailable, code
        "decoders_busy", "no_decoder" or "no_object".
        """
        try:
            file = path.open("rb")
        except OSError as fault:
            raise Unavailable("the object cannot be read now", code="no_object") from fault
        with file:
            head, content = self._ask(wish.plain(), file.fileno())
        return Picture.of_plain(head["picture"], content)

    def unpack(self, codestream: bytes, form: PixelForm) -> UnpackedFrame:
        """
        Return the pixels of one compressed frame; those of a lossless one are exact.

        Raises: Unsupported, code and sentence saying why it cannot be; Unavailable, code "decoders_busy" or "no_decoder".
        """
        with _nameless_file() as file:
            file.write(codestream)
            file.flush()
            head, content = self._ask({"unpack": asdict(form)}, file.fileno())
        return UnpackedFrame(content, str(head["photometric"]))

    def _ask(self, wish: dict[str, Any], file: int) -> tuple[dict[str, Any], bytes]:
        """Let a decoder answer, and return what it said; one that is not fit afterwards is ended."""
        try:
            decoder = self._places.get(timeout=self._wait_secs)
        except queue.Empty:
            raise Unavailable("every decoder of pictures is busy", code="decoders_busy") from None
        try:
            if decoder is not None and not decoder.is_alive:
                decoder.end()
                decoder = None
            decoder = decoder or self._started()
            head, content = decoder.ask(wish, file)
        finally:
            usable = decoder if decoder is not None and decoder.is_fit else None
            if decoder is not None and usable is None:
                decoder.end()
            self._places.put(usable)
            if self._is_closed.is_set():
                self.close()
        if "error" in head:
            kind = _FAULTS.get(head["error"], Unsupported)
            raise kind(str(head["detail"]), code=str(head["code"]), source=str(head["source"]))
        return head, content

    def close(self) -> None:
        """End every idle decoder; one at work ends after its picture."""
        self._is_closed.set()
        for _ in range(self._places.qsize()):
            try:
                decoder = self._places.get_nowait()
            except queue.Empty:
                return
            if decoder is not None:
                decoder.end()
            self._places.put(None)

    def _started(self) -> _Decoder:
        if self._is_closed.is_set():
            raise Unavailable("the decoders of pictures are stopped", code="no_decoder")
        return _Decoder(self._limits)


class _Decoder:
    """One decoder process. is_fit: it can take another picture."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._drawn = 0
        self.is_fit = True
        self._line, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _LAUNCH, str(theirs.fileno()), json.dumps(asdict(limits))],
                env={"PYTHONPATH": str(_PACKAGE), "OPENBLAS_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                cwd="/",
            )
        finally:
            theirs.close()
        self._line.settimeout(_START_SECS)
        try:
            self._read(_HEAD.size)
        except (OSError, EOFError) as fault:
            self.end()
            _log.error("decoder_not_started", exit_code=self._process.returncode)
            raise Unavailable("no decoder of pictures can be started", code="no_decoder") from fault

    @property
    def is_alive(self) -> bool:
        """Whether it runs: somebody short of memory may have ended it while it had nothing to do."""
        return self._process.poll() is None

    def ask(self, wish: dict[str, Any], file: int) -> tuple[dict[str, Any], bytes]:
        """Return what the process says of the open *file*, and the bytes that belong to it."""
        self.is_fit = False
        self._line.settimeout(self._limits.wall_secs)
        try:
            socket.send_fds(self._line, [json.dumps(wish).encode()], [file])
            head_bytes, content_bytes = _HEAD.unpack(self._read(_HEAD.size))
            if head_bytes > _MAX_HEAD_BYTES or content_bytes > self._limits.memory_bytes:
                raise EOFError
            head: dict[str, Any] = json.loads(self._read(head_bytes))
            content = self._read(content_bytes)
        except (OSError, EOFError, ValueError) as fault:
            self.end()
            _log.warning("decoder_ended", exit_code=self._process.returncode)
            raise reasons.ended_decoder() from fault
        self._drawn += 1
        self.is_fit = self._drawn < _PICTURES_EACH and head.get("code") != "too_large"
        return head, content

    def end(self) -> None:
        self._line.close()
        self._process.kill()
        self._process.wait()

    def _read(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            part = self._line.recv(min(count - len(parts), 1 << 20))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)


def _nameless_file() -> IO[bytes]:
    """Return a file that no path leads to, in memory where the system has such."""
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("frame"), "w+b")
    return tempfile.TemporaryFile()


# The socket has to have a known number before the process gives up having others.
_LAUNCH = (
    "import os, sys; given = int(sys.argv[1]); "
    "given == 3 or (os.dup2(given, 3), os.close(given)); "
    "sys.argv[1:] = sys.argv[2:]; "
    "from bridge.pictures.decoder import main; main()"
)
