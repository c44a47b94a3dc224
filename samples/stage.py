"""Everything the day needs, started on free loopback ports in a folder of its own: the EHR, the RIS, the archive, the bridge."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from samples.devices import Device

ROOT = Path(__file__).resolve().parents[1]
HOST = "127.0.0.1"
# AE title and modality of the clinic's devices, as samples/demo.toml lists them.
DEVICES = {"CT1": "CT", "DX1": "DX", "US1": "US", "ENDO1": "ES", "MR1": "MR"}
_START_SECS = 60.0
_STOP_SECS = 15.0

T = TypeVar("T")


class StageError(Exception):
    """A part of the stage did not come up."""


def wait_for(look: Callable[[], T | None], what: str, limit_secs: float = 30.0) -> T:
    """Return what *look* finds as soon as it finds something. Raises: StageError after the limit."""
    end = time.monotonic() + limit_secs
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise StageError(f"waited {limit_secs:.0f} s for {what}")
        time.sleep(0.05)


def local_time_zone() -> str:
    """Return this machine's time zone by name, UTC if it has none: the demo's clinic lives where it is played."""
    import tzlocal

    try:
        return tzlocal.get_localzone_name() or "UTC"
    except Exception:  # noqa: BLE001 - a machine whose zone is set up oddly is no reason not to play
        return "UTC"


class Stage:
    """The parts, their ports and their folder. Use as a context manager: everything it started ends with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = folder / "demo.toml"
        self.archive_folder = folder / "archive"
        self.ris_folder = folder / "ris"
        self.clearinghouse = folder / "eastlink"
        names = ("hl7", "dicom", "http", "archive", "ehr", "ris")
        self.ports = dict(zip(names, _free_ports(len(names)), strict=True))
        self.bridge_lines: list[str] = []
        self._running: list[subprocess.Popen[bytes]] = []
        self._said: queue.Queue[str] = queue.Queue()

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._running):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in reversed(self._running):
            try:
                process.wait(_STOP_SECS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def console(self) -> str:
        return f"http://{HOST}:{self.ports['http']}"

    @property
    def ehr(self) -> str:
        return f"http://{HOST}:{self.ports['ehr']}/fhir"

    def devices(self) -> dict[str, Device]:
        """Return the clinic's devices, pointed at this bridge."""
        bridge = (HOST, self.ports["dicom"], "BRIDGE")
        return {title: Device(title, modality, bridge) for title, modality in DEVICES.items()}

    def write_settings(self) -> None:
        """Copy samples/demo.toml with this stage's folder, ports and time zone in it."""
        text = (ROOT / "samples" / "demo.toml").read_text("utf-8")
        changes = {
            '"../var/riverside"': f'"{self.folder / "data"}"',
            'mappings     = "mappings"': f'mappings     = "{ROOT / "samples" / "mappings"}"',
            '"UTC"': f'"{local_time_zone()}"',
            "= 2575\n": f"= {self.ports['hl7']}\n",
            "= 2576\n": f"= {self.ports['ris']}\n",
            "= 11112\n": f"= {self.ports['dicom']}\n",
            "= 4242\n": f"= {self.ports['archive']}\n",
            "= 8080\n": f"= {self.ports['http']}\n",
            "http://127.0.0.1:9080/fhir": self.ehr,
            '"../var/eastlink"': f'"{self.clearinghouse}"',
        }
        for old, new in changes.items():
            if text.count(old) != 1:
                raise StageError(f"samples/demo.toml should hold {old.strip()!r} once")
            text = text.replace(old, new)
        self.settings.write_text(text, "utf-8")

    def start_peers(self) -> str:
        """Start the EHR, the RIS and the archive; return what the archive is."""
        self._start("ehr", [sys.executable, "-m", "samples.strict_ehr", "--port", str(self.ports["ehr"])])
        self.ris_folder.mkdir()
        ris = [sys.executable, "-m", "samples.ris", str(self.ports["ris"]), str(self.ris_folder)]
        self._start("ris", ris)
        self.archive_folder.mkdir()
        port, storescp = str(self.ports["archive"]), _storescp()
        if storescp:
            command = [storescp, "--aetitle", "PACS", "--output-directory", str(self.archive_folder), port]
        else:
            command = [sys.executable, "-m", "samples.archive", port, str(self.archive_folder)]
        self._start("archive", command)
        for name in ("ehr", "ris", "archive"):
            wait_for(lambda port=self.ports[name]: _answers(port), f"the {name} to listen")  # type: ignore[misc]
        return "dcmtk's storescp" if storescp else "a small one of ours"

    def start_bridge(self) -> None:
        """Run `imaging-bridge serve` and wait for the line that says it is ready."""
        command = [sys.executable, "-m", "bridge", "serve", "--demo", "-c", str(self.settings)]
        process = self._start("bridge", command, read=True)
        end = time.monotonic() + _START_SECS
        while not any(line.startswith("ready") for line in self.bridge_lines):
            if process.poll() is not None:
                raise StageError(f"the bridge ended with status {process.returncode}: {self._last_words()}")
            if time.monotonic() > end:
                raise StageError(f"the bridge was not ready in {_START_SECS:.0f} s; see {self.folder / 'bridge.log'}")
            with contextlib.suppress(queue.Empty):
                self.bridge_lines.append(self._said.get(timeout=0.1))

    def sign_in_line(self) -> str:
        """Return the line with the one-time sign-in link, "" if the bridge printed none."""
        with contextlib.suppress(queue.Empty):
            while True:
                self.bridge_lines.append(self._said.get_nowait())
        return next((line for line in self.bridge_lines if line.startswith("sign in")), "")

    def command(self, *arguments: str) -> str:
        """Run `imaging-bridge` with the stage's settings and return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "bridge", *arguments, "-c", str(self.settings)],
            cwd=ROOT,
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode != 0:
            raise StageError(f"imaging-bridge {arguments[0]}: {done.stderr.strip() or done.returncode}")
        return done.stdout.strip()

    def _start(self, name: str, command: list[str], *, read: bool = False) -> subprocess.Popen[bytes]:
        # Without it dcmtk waits for delayed acknowledgements, some 40 ms a message.
        environment = {**os.environ, "TCP_NODELAY": "1", "PYTHONUNBUFFERED": "1"}
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if read else log,
                stderr=log,
                start_new_session=True,
            )
        self._running.append(process)
        if read:
            threading.Thread(target=self._listen, args=(process,), daemon=True).start()
        return process

    def _last_words(self) -> str:
        lines = (self.folder / "bridge.log").read_text("utf-8", "replace").splitlines()
        return lines[-1] if lines else "it said nothing"

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        for line in process.stdout or ():
            self._said.put(line.decode("utf-8", "replace").rstrip())


def _storescp() -> str:
    """Return where dcmtk's storescp is, "" if nowhere; pynetdicom puts a script of that name into the environment."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        found = Path(folder) / "storescp"
        if found.is_file() and os.access(found, os.X_OK) and found.read_bytes()[:2] != b"#!":
            return str(found)
    return ""


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _answers(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), 0.5).close()
    except OSError:
        return False
    return True
