"""Receiving images beside dcmtk and Orthanc: small and large, alone and together, in memory, on disk and under TLS."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from bench import load, machine, servers
from bench.load import CINE, CR, CT, Kind
from bench.measure import Size, Table, note
from bench.scu import Association
from bench.servers import HOST, Missing, Product, Server

Makers = dict[str, Callable[[Path], Server]]

_STORESCP = "storescp"
_ORTHANC = "Orthanc"
_PEERS: Makers = {
    _STORESCP: servers.storescp,
    "best storescp": servers.best_storescp,
    _ORTHANC: servers.orthanc,
    "imaging-bridge": Product,
}
_MEMORY = Path("/dev/shm")  # A tmpfs on every Linux.
_TOGETHER = 4
_IDLE = 50
# What a server does once, it has done before it is timed.
_WARM = 10
_WATCH_SECS = 0.02
_PLAIN, _TLS = "plain", "TLS"
_OBJECTS = "objects/s"


class StorageBench:
    """One run. folder: on the disk; tell: called with a line for each thing done; notes: what is no rate."""

    def __init__(self, folder: Path, size: Size, tell: Callable[[str], None], left_out: list[str]) -> None:
        self._folder = folder
        self._size = size
        self._tell = tell
        self._left_out = left_out
        self._items = [load.Item(number, datetime.now()) for number in range(_TOGETHER)]
        self._round = 0
        self.notes: list[str] = []

    def tables(self) -> dict[str, tuple[Table, str]]:
        """Measure everything; each table with the name that its ratios are against."""
        size, what = self._size, "Storage: C-STORE of"
        with ExitStack() as stack:
            memory = stack.enter_context(self._memory())
            tables = {
                f"{what} 0.5 MB CT objects, one association, in memory": (
                    self._alone(memory, CT, size.images),
                    _STORESCP,
                ),
                f"{what} 0.5 MB CT objects, one association, on disk": (self._on_disk(), _ORTHANC),
                f"{what} 0.5 MB CT objects, four associations, in memory": (self._together(memory), _ORTHANC),
                f"{what} 0.5 MB CT objects, four associations, on disk": (self._together(self._folder), _ORTHANC),
                f"{what} 8 MB CR objects, one association, in memory": (self._alone(memory, CR, size.large), _STORESCP),
                f"{what} 60 MB cines, one association, in memory": (self._alone(memory, CINE, size.cines), _STORESCP),
                f"{what} 0.5 MB CT objects under TLS, one association, in memory": (self._under_tls(memory), _PLAIN),
            }
            self._rest(memory)
        return tables

    @contextmanager
    def _memory(self) -> Iterator[Path]:
        """Yield a folder in memory, on the disk where there is none."""
        if not _MEMORY.is_dir():
            self._left_out.append("no tmpfs: what is said to be in memory was on disk")
            yield self._folder
            return
        folder = Path(tempfile.mkdtemp(prefix="imaging-bridge-bench-", dir=_MEMORY))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _alone(self, place: Path, kind: Kind, count: int) -> Table:
        return self._table(place, kind, [count])

    def _together(self, place: Path) -> Table:
        return self._table(place, CT, [self._size.images // _TOGETHER] * _TOGETHER)

    def _on_disk(self) -> Table:
        table: Table = {}
        for _ in range(self._size.rounds):
            rate = machine.durable_files(self._folder, self._size.images, CT.pixel_bytes)
            note(table, "write + fsync", _OBJECTS, (self._size.images, self._size.images / rate, 0.0))
        table["write + fsync"].processor_ms.clear()
        return table | self._alone(self._folder, CT, self._size.images)

    def _table(self, place: Path, kind: Kind, counts: list[int]) -> Table:
        """Send to every server in turn, round by round. counts: objects of each association."""
        table: Table = {}
        with self._running(place, _PEERS) as running:
            for number in range(self._size.rounds):
                with self._sources(kind, counts) as sources:
                    for server in running:
                        used, secs = self._store(server, sources)
                        note(table, server.name, _OBJECTS, (sum(counts), secs, used))
                self._tell(f"{kind.modality}, {len(counts)} at once, round {number + 1} of {self._size.rounds}")
        return table

    def _under_tls(self, place: Path) -> Table:
        table: Table = {}
        identity = _identity(self._folder)
        with self._running(place, {"imaging-bridge": lambda folder: Product(folder, identity=identity)}) as running:
            for number in range(self._size.rounds):
                for name in (_PLAIN, _TLS):
                    with self._sources(CT, [self._size.images]) as sources:
                        used, secs = self._store(running[0], sources, tls=name == _TLS)
                    note(table, name, _OBJECTS, (self._size.images, secs, used))
                self._tell(f"TLS, round {number + 1} of {self._size.rounds}")
        return table

    def _rest(self, place: Path) -> None:
        """Note the memory that four large objects take at once, and what associations cost that say nothing."""
        with self._running(place, {"imaging-bridge": Product}) as running:
            server = running[0]
            base = server.memory_bytes
            with self._sources(CINE, [self._size.cines] * _TOGETHER) as sources:
                peak = _peak(server, lambda: self._store(server, sources))
            self.notes.append(
                f"the bridge, all processes: {base >> 20} MB, with {_TOGETHER} x 60 MB in flight {peak >> 20} MB"
            )
            with ExitStack() as stack:
                for _ in range(_IDLE):
                    stack.enter_context(Association(server, "SENDER", CT.sop_class_uid))
                time.sleep(1)
                before, start = server.processor_secs, time.monotonic()
                time.sleep(self._size.idle_secs)
                used = (server.processor_secs - before) / (time.monotonic() - start)
            self.notes.append(f"the bridge with {_IDLE} idle associations: {used:.1%} of a processor")

    @contextmanager
    def _running(self, place: Path, makers: Makers) -> Iterator[list[Server]]:
        running: list[Server] = []
        home = Path(tempfile.mkdtemp(prefix="storage-", dir=place))
        try:
            for name, make in makers.items():
                folder = home / name.replace(" ", "-")
                folder.mkdir()
                try:
                    running.append(make(folder))
                except Missing as fault:
                    self._left_out.append(str(fault))
            for server in running:
                if isinstance(server, Product):
                    load.send_orders(server.hl7_port, [iter([load.order(one, "R") for one in self._items])])
            with self._sources(CT, [_WARM]) as sources:
                for server in running:
                    self._store(server, sources)
            yield running
        finally:
            for server in running:
                server.stop()
            shutil.rmtree(home, ignore_errors=True)

    @contextmanager
    def _sources(self, kind: Kind, counts: list[int]) -> Iterator[list[Path]]:
        """Yield a folder of new objects for each association."""
        self._round += 1
        home = Path(tempfile.mkdtemp(prefix="sources-", dir=_MEMORY if _MEMORY.is_dir() else self._folder))
        try:
            folders = [home / str(number) for number in range(len(counts))]
            for item, folder, count in zip(self._items, folders, counts, strict=False):
                load.Images(item, kind).write(folder, count, self._round)
            yield folders
        finally:
            shutil.rmtree(home, ignore_errors=True)

    def _store(self, server: Server, sources: list[Path], *, tls: bool = False) -> tuple[float, float]:
        """Return the server's processor seconds, and the seconds until every sender had ended."""
        port = server.tls_port if tls and isinstance(server, Product) else server.port
        command = [servers.program("storescu"), *(["+tla", "-ic"] if tls else []), "-aet", "SENDER"]
        command += ["-aec", server.ae_title, "+sd", "+r", HOST, str(port)]
        before, start = server.processor_secs, time.perf_counter()
        senders = [
            subprocess.Popen(
                [*command, str(source)],
                env=servers.ENVIRONMENT,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for source in sources
        ]
        said = [sender.communicate()[1] for sender in senders]
        secs = time.perf_counter() - start
        for sender, words in zip(senders, said, strict=True):
            if sender.returncode:
                raise RuntimeError(f"storescu to {server.name}: {words.strip()[-300:]}")
        return server.processor_secs - before, secs


def _identity(folder: Path) -> tuple[Path, Path]:
    """Return certificate and key of a server that nobody checks."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = [servers.program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def _peak(server: Server, work: Callable[[], object]) -> int:
    """Return the most memory that *server* had while *work* ran."""
    seen, done = [server.memory_bytes], threading.Event()

    def watch() -> None:
        while not done.wait(_WATCH_SECS):
            seen.append(server.memory_bytes)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        done.set()
        watcher.join()
    return max(seen)
