"""What every comparison shares, and the storage of images beside dcmtk and Orthanc, in interleaved rounds."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from bench import load, servers
from bench.servers import HOST, Missing, Product, Server


@dataclass
class Rates:
    """What one server did: a rate for each round, and processor milliseconds for each thing done."""

    unit: str
    per_sec: list[float] = field(default_factory=list)
    processor_ms: list[float] = field(default_factory=list)
    slowest_ms: list[float] = field(default_factory=list)


Table = dict[str, Rates]


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    rounds: int
    images: int
    lists: tuple[int, ...]
    queries: int
    orders: int
    parsed: int
    longest: int


FULL = Size(rounds=5, images=100, lists=(100, 1000, 10_000), queries=200, orders=1000, parsed=500, longest=1_000_000)
QUICK = Size(rounds=2, images=20, lists=(100, 1000), queries=20, orders=200, parsed=50, longest=5000)


class Bench:
    """One run. folder: where every server writes; tell: called with a line for each thing done."""

    def __init__(self, folder: Path, size: Size, tell: Callable[[str], None]) -> None:
        self._folder, self._size, self._tell = folder, size, tell
        self._day = datetime.now()
        self.left_out: list[str] = []

    def storage(self) -> Table:
        """C-STORE of 0.5 MB CT objects over one association by dcmtk's storescu."""
        table: Table = {}
        running = self._start({"storescp": servers.storescp, "Orthanc": servers.orthanc, "imaging-bridge": Product})
        item = load.Item(0, self._day)
        images, source = load.Images(item), self._folder / "images"
        try:
            self._register(running, [item])
            for number in range(self._size.rounds):
                images.write(source, self._size.images, number)
                for server in running:
                    used, secs = self._store(server, source)
                    note(table, server.name, "objects/s", (self._size.images, secs, used))
                shutil.rmtree(source)
                self._tell(f"storage, round {number + 1} of {self._size.rounds}")
        finally:
            _stop(running)
        return table

    def _start(self, makers: dict[str, Callable[[Path], Server]]) -> list[Server]:
        running: list[Server] = []
        for name, make in makers.items():
            folder = self._folder / f"{name}-{len(list(self._folder.iterdir()))}"
            folder.mkdir()
            try:
                running.append(make(folder))
            except Missing as fault:
                self.left_out.append(str(fault))
        return running

    def _register(self, running: list[Server], items: list[load.Item]) -> None:
        for server in running:
            if isinstance(server, Product):
                lots = [iter([load.order(item, "R") for item in items[at::8]]) for at in range(min(8, len(items)))]
                load.send_orders(server.hl7_port, lots)

    def _store(self, server: Server, source: Path) -> tuple[float, float]:
        before, start = server.processor_secs, time.perf_counter()
        command = [servers.program("storescu"), "-aet", "SENDER", "-aec", server.ae_title, "+sd", "+r", HOST]
        done = subprocess.run(
            [*command, str(server.port), str(source)],
            env=servers.ENVIRONMENT,
            check=False,
            capture_output=True,
            text=True,
        )
        secs = time.perf_counter() - start
        if done.returncode:
            raise RuntimeError(f"storescu to {server.name}: {done.stderr.strip()[-300:]}")
        return server.processor_secs - before, secs


def note(table: Table, name: str, unit: str, result: tuple[int, float, float]) -> None:
    """Add a round to what one server did. result: how many things it did, seconds, processor seconds."""
    count, secs, used = result
    rates = table.setdefault(name, Rates(unit))
    rates.per_sec.append(count / secs)
    rates.processor_ms.append(used / count * 1000)


def ratio(table: Table, name: str, against: str) -> tuple[float, float, float] | None:
    """Return the median, least and greatest of the round-by-round ratios, None if either was not measured."""
    if name not in table or against not in table:
        return None
    rounds = [a / b for a, b in zip(table[name].per_sec, table[against].per_sec, strict=True)]
    return statistics.median(rounds), min(rounds), max(rounds)


def _stop(running: list[Server]) -> None:
    for server in running:
        server.stop()
