"""The misbehaving FHIR server of the shared bench, as a process of its own, steered as our own stand-in is."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_START_SECS = 15.0


class SharedEhr:
    """It keeps its books, and answers as `misbehave` says. books: itself, as the scenes of our own stand-in use them."""

    version = "R4"

    def __init__(self, program: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._root = f"http://127.0.0.1:{port}"
        self.base_url = f"{self._root}/fhir"
        self.books = self
        command = [sys.executable, str(program), "--port", str(port), "--max-seconds", "600"]
        self._process = subprocess.Popen(command)
        self._wait()

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait(10)

    def misbehave(self, mode: str, count: int | None = None) -> None:
        """Answer the next *count* requests in *mode*, every one without a count."""
        self._call("POST", "/_mode", {"mode": mode, "count": count})

    def clear(self) -> None:
        """Forget everything, as a restore from an old backup would."""
        self._call("POST", "/_reset", {})

    def create(self, resource: Json) -> tuple[int, Json]:
        """Store a resource under an id of the server's."""
        return 201, self._call("POST", f"/fhir/{resource['resourceType']}", resource)

    def state(self) -> Json:
        """Return its books: counts, duplicates, resources."""
        return self._call("GET", "/_state")

    def _wait(self) -> None:
        ends_at = time.monotonic() + _START_SECS
        while True:
            try:
                self.state()
                return
            except (urllib.error.URLError, OSError):
                assert self._process.poll() is None, "the server ended"
                assert time.monotonic() < ends_at, "the server did not come up"
                time.sleep(0.02)

    def _call(self, method: str, path: str, body: Json | None = None) -> Json:
        raw = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(
            urllib.request.Request(self._root + path, raw, method=method), timeout=10
        ) as answer:
            said: Json = json.loads(answer.read())
            return said
