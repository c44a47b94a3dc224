"""Worklist queries beside wlmscpfs and Orthanc's plug-in: long lists, associations, and while images stream in."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bench import load, scu, servers
from bench.fill import fill
from bench.measure import Rates, Size, Table
from bench.scu import Association
from bench.servers import HOST, Missing, Product, Server

_BRIDGE = "imaging-bridge"
# More orders than this are not sent but copied: a list of a million would take the better part of an hour.
_SENT = 2_000
_TEMPLATES = load.MATCHES + load.MANY_MATCHES + 3
# A server that takes half a second a query is not asked a hundred times.
_SHAPE_SECS = 2.0
_LEAST_QUERIES = 3
_STREAMS = 4
_STREAMED = 20
_WARM_SECS = 1.0


@dataclass(frozen=True)
class Shape:
    """A question, and how many items answer it."""

    name: str
    identifier: bytes
    matches: int


Tables = dict[str, tuple[Table, str]]


class WorklistBench:
    """The comparisons of one run. folder: where every server writes."""

    def __init__(self, folder: Path, size: Size, tell: Callable[[str], None], left_out: list[str]) -> None:
        self._folder, self._size, self._tell, self._left_out = folder, size, tell, left_out
        self._today = datetime.now()

    def tables(self) -> Tables:
        """Measure everything; return heading to table and what its ratios are against."""
        tables: Tables = {}
        for length in self._size.lists:
            tables |= self._beside_peers(length)
        return tables | self._growth() | self._streaming()

    def shapes(self, length: int) -> list[Shape]:
        """Return what is asked of a list of *length*."""
        day = f"{self._today:%Y%m%d}"
        station = {"ScheduledStationAETitle": servers.STATIONS[0], "ScheduledProcedureStepStartDate": day}
        accession = load.Item(length // 2, self._today).accession
        shapes = [
            Shape("20 matches", scu.identifier(station), load.MATCHES),
            Shape("1 match, by accession number", scu.identifier({"AccessionNumber": accession}), 1),
        ]
        if length >= load.MATCHES + load.MANY_MATCHES:
            many = {"ScheduledStationAETitle": servers.STATIONS[1], "ScheduledProcedureStepStartDate": day}
            shapes.append(Shape("500 matches", scu.identifier(many), load.MANY_MATCHES))
        return shapes

    def _beside_peers(self, length: int) -> Tables:
        items = [load.Item(number, self._today) for number in range(length)]
        files = self._folder / f"lists{length}" / "WLM"
        load.write_worklist(files, items)
        makers: dict[str, Callable[[Path], Server]] = {
            "wlmscpfs": lambda folder: servers.wlmscpfs(folder, files),
            "Orthanc": lambda folder: servers.orthanc(folder, files),
            _BRIDGE: self._product(length),
        }
        shapes = self.shapes(length)
        found: dict[str, Table] = {shape.name: {} for shape in shapes}
        opened: Table = {}
        with self._running(makers) as running:
            for number in range(self._size.rounds):
                for server in running:
                    with Association(server, servers.STATIONS[0]) as association:
                        for shape in shapes:
                            self._ask(found[shape.name], server, association, shape)
                    if length == self._size.lists[0]:
                        self._open_and_release(opened, server)
                self._tell(f"worklist of {length:,}, round {number + 1} of {self._size.rounds}")
        tables = {f"Worklist: {name} in a list of {length:,}": (table, "wlmscpfs") for name, table in found.items()}
        return tables | ({"Association for the worklist: open and release": (opened, "wlmscpfs")} if opened else {})

    def _growth(self) -> Tables:
        """The bridge alone, on the shortest list and on a very long one."""
        lengths = (self._size.lists[0], self._size.longest)
        names = {length: f"{_BRIDGE}, {length:,} steps" for length in lengths}
        makers: dict[str, Callable[[Path], Server]] = {names[length]: self._product(length) for length in lengths}
        found: dict[str, Table] = {}
        with self._running(makers) as running:
            for number in range(self._size.rounds):
                for length, server in zip(lengths, running, strict=True):
                    with Association(server, servers.STATIONS[0]) as association:
                        for shape in self.shapes(length)[:2]:
                            self._ask(found.setdefault(shape.name, {}), server, association, shape, names[length])
                self._tell(f"worklist of {lengths[1]:,}, round {number + 1} of {self._size.rounds}")
        return {f"Worklist as it grows: {name}": (table, names[lengths[0]]) for name, table in found.items()}

    def _streaming(self) -> Tables:
        """The bridge's worklist while four devices stream images, and while they do not."""
        table: Table = {}
        length = self._size.lists[-1]
        shape = self.shapes(length)[0]
        idle, busy = "no images", "four devices stream images"
        with self._running({_BRIDGE: self._product(length)}) as (server,):
            for number in range(self._size.rounds):
                for name in (idle, busy):
                    with self._streams(server, number, _STREAMS if name == busy else 0):
                        with Association(server, servers.STATIONS[0]) as association:
                            self._ask(table, server, association, shape, name)
                self._tell(f"worklist under load, round {number + 1} of {self._size.rounds}")
        for rates in table.values():
            # The server's time goes to the images.
            rates.processor_ms.clear()
        return {"Worklist while images come in: 20 matches": (table, idle)}

    def _ask(self, table: Table, server: Server, association: Association, shape: Shape, name: str = "") -> None:
        found = association.find(shape.identifier)
        if found != shape.matches:
            raise RuntimeError(f"{server.name} gave {found} answers instead of {shape.matches} ({shape.name})")
        waits: list[float] = []
        before, end = server.processor_secs, time.perf_counter() + _SHAPE_SECS
        while len(waits) < _LEAST_QUERIES or (len(waits) < self._size.queries and time.perf_counter() < end):
            began = time.perf_counter()
            association.find(shape.identifier)
            waits.append(time.perf_counter() - began)
        _note(table, name or server.name, "queries/s", waits, server.processor_secs - before)

    def _open_and_release(self, table: Table, server: Server) -> None:
        waits = []
        before = server.processor_secs
        for _ in range(self._size.queries // 2):
            began = time.perf_counter()
            with Association(server, servers.STATIONS[0]):
                pass
            waits.append(time.perf_counter() - began)
        _note(table, server.name, "associations/s", waits, server.processor_secs - before)

    def _product(self, length: int) -> Callable[[Path], Server]:
        def make(folder: Path) -> Server:
            server = Product(folder)
            sent = length if length <= _SENT else _TEMPLATES
            items = [load.Item(number, self._today) for number in range(sent)]
            lots = [iter([load.order(item, "R") for item in items[at::8]]) for at in range(min(8, sent))]
            load.send_orders(server.hl7_port, lots)
            if sent < length:
                rest = (load.Item(number, self._today) for number in range(sent, length))
                fill(folder / "data" / "bridge.db", items, rest)
            return server

        return make

    @contextmanager
    def _running(self, makers: dict[str, Callable[[Path], Server]]) -> Iterator[list[Server]]:
        running: list[Server] = []
        try:
            for number, (name, make) in enumerate(makers.items()):
                folder = self._folder / f"worklist-{len(list(self._folder.iterdir()))}-{number}"
                folder.mkdir()
                try:
                    running.append(make(folder))
                except Missing as fault:
                    self._left_out.append(f"{name}: {fault}")
            yield running
        finally:
            for server in running:
                server.stop()

    @contextmanager
    def _streams(self, server: Server, round_number: int, count: int) -> Iterator[None]:
        """Let *count* devices store images of half a megabyte, each a new one, until the block ends."""
        devices = []
        for number in range(count):
            source = self._folder / f"stream{round_number}-{number}"
            load.Images(load.Item(number, self._today)).write(source, _STREAMED, round_number)
            command = [servers.program("storescu"), "-aet", "SENDER", "-aec", server.ae_title, "+sd", "+II"]
            command += ["--repeat", "1000000", HOST, str(server.port), str(source)]
            devices.append(
                subprocess.Popen(command, env=servers.ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            )
        try:
            if devices:
                time.sleep(_WARM_SECS)
            yield
            if any(device.poll() is not None for device in devices):
                raise RuntimeError("a device ended before the queries did")
        finally:
            for device in devices:
                device.kill()
                device.wait()


def _note(table: Table, name: str, unit: str, waits: list[float], used: float) -> None:
    """Add a round: the median wait as a rate, the slowest hundredth, processor time each."""
    waits = sorted(waits)
    rates = table.setdefault(name, Rates(unit))
    rates.per_sec.append(1 / waits[len(waits) // 2])
    rates.processor_ms.append(used / len(waits) * 1000)
    rates.slowest_ms.append(waits[min(len(waits) - 1, int(len(waits) * 0.99))] * 1000)
