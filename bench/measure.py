"""The comparisons with DICOM servers, each in interleaved rounds: storage and worklist."""

from __future__ import annotations

import itertools
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

_FIND_KEYS = (
    "SpecificCharacterSet",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "ReferringPhysicianName",
    "RequestingPhysician",
    "StudyInstanceUID",
    "RequestedProcedureID",
    "RequestedProcedureDescription",
    "RequestedProcedurePriority",
)
_STEP_KEYS = (
    "ScheduledProcedureStepStartTime",
    "ScheduledPerformingPhysicianName",
    "ScheduledProcedureStepDescription",
    "ScheduledProcedureStepID",
    "ScheduledStationName",
)


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


FULL = Size(rounds=5, images=100, lists=(100, 1000), queries=100, orders=1000, parsed=500)
QUICK = Size(rounds=2, images=20, lists=(100,), queries=20, orders=200, parsed=50)


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

    def worklist(self, length: int) -> dict[str, Table]:
        """C-FIND with 20 matches and with one, over one association by dcmtk's findscu, on a list of *length*."""
        items = [load.Item(number, self._day) for number in range(length)]
        files = self._folder / f"lists{length}" / "WLM"
        load.write_worklist(files, items)
        running = self._start(
            {
                "wlmscpfs": lambda folder: servers.wlmscpfs(folder, files),
                "Orthanc": lambda folder: servers.orthanc(folder, files),
                "imaging-bridge": Product,
            }
        )
        asked = {
            f"{load.MATCHES} matches": (("ScheduledStationAETitle", servers.STATIONS[0]), load.MATCHES),
            "1 match": (("AccessionNumber", items[length // 2].accession), 1),
        }
        tables: dict[str, Table] = {what: {} for what in asked}
        try:
            self._register(running, items)
            for number in range(self._size.rounds):
                for (what, (key, matches)), server in itertools.product(asked.items(), running):
                    result = self._find(server, key, matches)
                    note(tables[what], server.name, "queries/s", result)
                self._tell(f"worklist of {length}, round {number + 1} of {self._size.rounds}")
        finally:
            _stop(running)
        return tables

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

    def _find(self, server: Server, key: tuple[str, str], matches: int) -> tuple[int, float, float]:
        keys = []
        for name in _FIND_KEYS:
            keys += ["-k", name]
        step = "ScheduledProcedureStepSequence[0]."
        for name in _STEP_KEYS:
            keys += ["-k", step + name]
        keys += ["-k", f"{step}ScheduledProcedureStepStartDate={self._day:%Y%m%d}", "-k", f"{step}Modality"]
        own_step = key[0].startswith("Scheduled")
        keys += ["-k", f"{step if own_step else ''}{key[0]}={key[1]}"]
        keys += ["-k", "AccessionNumber"] if own_step else ["-k", f"{step}ScheduledStationAETitle"]
        command = [servers.program("findscu"), "-W", "-aet", servers.STATIONS[0], "-aec", server.ae_title, *keys]
        once = subprocess.run(
            [*command, HOST, str(server.port)], env=servers.ENVIRONMENT, check=False, capture_output=True, text=True
        )
        found = (once.stdout + once.stderr).count("Find Response: ")
        if once.returncode or found not in (matches, matches + 1):
            raise RuntimeError(f"findscu to {server.name}: {found} answers instead of {matches}")
        before, start = server.processor_secs, time.perf_counter()
        subprocess.run(
            [*command, "-q", "--repeat", str(self._size.queries), HOST, str(server.port)],
            env=servers.ENVIRONMENT,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return self._size.queries, time.perf_counter() - start, server.processor_secs - before


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
