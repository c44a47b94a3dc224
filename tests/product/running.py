"""The product as its users run it: `imaging-bridge serve` in processes of its own, spoken to through its doors."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from bridge.domain.study import OutgoingObject
from bridge.publishers.dicom_client import StoreResult, Target, store_files
from bridge.publishers.mllp_client import send_frames
from tests.conftest import ROOT

T = TypeVar("T")

EHR_SYSTEM = "urn:oid:2.25.5"


def wait_for(look: Callable[[], T | None], what: str, limit_secs: float = 30) -> T:
    """Return what *look* finds as soon as it finds something; fail after the limit."""
    end = time.monotonic() + limit_secs
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {limit_secs:.0f} s for {what}")


def free_port() -> int:
    """Return a loopback port that nobody listens on, and that no connection and no other server is given by chance.

    The system hands out ports from 32768 on. A server that is stopped and started again must find its port free, so it gets one below.
    """
    while True:
        port = random.SystemRandom().randrange(20_000, 32_768)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Product:
    """A node. stdout, stderr: what it has said so far."""

    def __init__(self, folder: Path, sections: Mapping[str, str]) -> None:
        self.folder = folder
        self.config = folder / "bridge.toml"
        self.config.write_text(settings_text(folder, sections), "utf-8")
        self.log = folder / "serve.log"
        self.stdout: list[str] = []
        self.addresses: dict[str, str] = {}
        self._process: subprocess.Popen[str] | None = None

    def start(self, *arguments: str) -> Product:
        """Serve, and return once it is ready."""
        lines: queue.Queue[str | None] = queue.Queue()
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bridge", "serve", "-c", str(self.config), *arguments],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        threading.Thread(target=_drain, args=(self._process, lines), daemon=True).start()
        end = time.monotonic() + 90
        while time.monotonic() < end:
            line = lines.get(timeout=90)
            if line is None:
                raise AssertionError(f"serve ended: {self.log.read_text()[-2000:]}")
            self.stdout.append(line)
            if line.startswith("ready"):
                self.addresses = dict(part.split("=", 1) for part in line.split()[1:])
                return self
        raise AssertionError("serve was not ready in 90 s")

    def stop(self) -> int:
        """End it as an operator does and return its exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(40)

    def wait(self, limit_secs: float = 40) -> int:
        """Return the exit status of a node that ends by itself."""
        assert self._process is not None
        return self._process.wait(limit_secs)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def processes(self) -> list[int]:
        """Return the node's processes: the supervisor, what it started, and what that started. Reads /proc."""
        parents = {}
        for place in Path("/proc").glob("[0-9]*/stat"):
            try:
                pid, _, rest = place.read_text().partition(" (")
            except OSError:
                continue
            parents[int(pid)] = int(rest.rpartition(") ")[2].split()[1])
        found = [self.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another command of the product on the same settings."""
        return run_command(*arguments, "-c", str(self.config))

    def token(self, role: str = "admin", *more: str) -> str:
        return self.command("token", "create", f"test-{role}", "--role", role, *more).stdout.strip()

    def api(self, token: str) -> httpx2.Client:
        return httpx2.Client(
            base_url=self.addresses["http"], headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=30
        )

    def say(self, *raw: bytes) -> list[bytes]:
        host, _, port = self.addresses["hl7"].rpartition(":")
        return send_frames(host, int(port), list(raw))

    @property
    def dicom(self) -> Target:
        title, _, place = self.addresses["dicom"].partition("@")
        host, _, port = place.rpartition(":")
        return Target(title, host, int(port))

    def store(self, objects: list[OutgoingObject], calling: str = "CT1") -> list[StoreResult]:
        return store_files(self.dicom, calling, objects)


def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `imaging-bridge` and return what came of it."""
    return subprocess.run(
        [sys.executable, "-m", "bridge", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def settings_text(folder: Path, sections: Mapping[str, str]) -> str:
    """Return a settings file: free loopback ports, the samples' mappings, and *sections* (TOML) over the defaults."""
    defaults = {
        "bridge": f'data = "{folder / "data"}"\nmappings = "{ROOT / "samples" / "mappings"}"\ntime_zone = "UTC"',
        "store": "",
        "hl7": "port = 0",
        "dicom": "port = 0",
        "peers": '[[dicom.peers]]\nae_title = "CT1"\nhost = "127.0.0.1"\nport = 1\nroles = ["modality"]\nmodality = "CT"',
        "http": "port = 0",
        "fhir": "",
        "publish": "study_quiet_secs = 1",
        "identity": f'authority = "RIVERSIDE"\n[[identity.authorities]]\nname = "RIVERSIDE"\nsystem = "{EHR_SYSTEM}"',
    } | dict(sections)
    headed = ("bridge", "store", "hl7", "dicom", "http", "publish", "identity")
    return "\n".join(f"[{name}]\n{text}\n" if name in headed else f"{text}\n" for name, text in defaults.items())


def log_lines(product: Product) -> list[dict[str, Any]]:
    """Return what was logged; every line must be one JSON object."""
    return [json.loads(line) for line in product.log.read_text("utf-8").splitlines()]


def _drain(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line.rstrip("\n"))
    lines.put(None)
