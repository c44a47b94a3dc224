"""Orders over MLLP beside a reference server and python-hl7's, and reading an order beside python-hl7 and hl7apy."""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import hl7
from hl7apy.parser import parse_message

from bench import load, machine, servers
from bench.measure import Rates, Size, Table, note
from bench.servers import ROOT, Missing, Postgres, Product, Server
from bridge.codecs.hl7 import er7
from bridge.mapping.apply import apply
from bridge.mapping.load import load_mappings
from bridge.mapping.site import Defaults

BASELINE = "append + fdatasync"
_ON_SQLITE, _ON_POSTGRES = "imaging-bridge, SQLite", "imaging-bridge, PostgreSQL"
_PARSED_BY_PYTHON_HL7 = "python-hl7, parse"
# How many connections, and which server the ratios of that table are against.
_LOADS = ((1, "reference server"), (10, "python-hl7's server"), (50, "reference server"))
_ALONE_PART = 5
_SLOW_PART = 100


def order_tables(
    folder: Path, size: Size, tell: Callable[[str], None], left_out: list[str]
) -> dict[str, tuple[Table, str]]:
    """Measure every server with 1, 10 and 50 connections in turns; return heading to table and what it is against."""
    running: dict[str, Server] = {}
    database: Postgres | None = None
    tables: dict[str, tuple[Table, str]] = {}
    try:
        database = Postgres(folder)
        running = _start(folder, database, left_out)
        for connections, against in _LOADS:
            heading = f"Orders: ORM^O01 over MLLP, {connections} connection{'s' if connections > 1 else ''}"
            tables[heading] = _rounds(folder, size, tell, running, connections), against
    finally:
        for server in running.values():
            server.stop()
        if database is not None:
            database.stop()
    return tables


def _rounds(
    folder: Path, size: Size, tell: Callable[[str], None], running: dict[str, Server], connections: int
) -> Table:
    table: Table = {}
    # No number of an earlier table comes again.
    serial = itertools.count(connections * 1_000_000)
    for number in range(size.rounds):
        table.setdefault(BASELINE, Rates("orders/s")).per_sec.append(machine.durable_appends(folder, 200))
        for name, server in running.items():
            _send(table, name, server, (connections, size.orders), serial)
        tell(f"orders on {connections} connections, round {number + 1} of {size.rounds}")
    return table


def parsing_table(size: Size) -> tuple[Table, str]:
    """Read the same orders with each library, in turns."""
    day = datetime.now()
    raw = [load.whole_order(load.Item(number, day), "B") for number in range(size.parsed)]
    text = [message.decode("latin-1") for message in raw]
    site = load_mappings(ROOT / "mappings", ROOT / "samples" / "mappings").resolve("RIVEHR", "RIVERSIDE")
    assert site is not None
    defaults = Defaults("RIVERSIDE", "UTC")
    few = text[:: max(1, len(text) // _SLOW_PART)]
    readers: dict[str, tuple[Callable[[Any], object], Sequence[Any]]] = {
        _PARSED_BY_PYTHON_HL7: (hl7.parse, few),
        "hl7apy, parse without groups": (lambda one: parse_message(one, find_groups=False), few),
        "imaging-bridge, parse": (er7.parse, raw),
        "imaging-bridge, parse and map": (lambda one: apply(er7.parse(one), site, defaults), raw),
    }
    for read, orders in readers.values():
        read(orders[0])
    # The structure tables that hl7apy loads are no part of what the others have to look through for garbage.
    gc.collect()
    gc.freeze()
    table: Table = {}
    for _ in range(size.rounds):
        for name, (read, orders) in readers.items():
            wall, used = time.perf_counter(), time.process_time()
            for order in orders:
                read(order)
            note(table, name, "orders/s", (len(orders), time.perf_counter() - wall, time.process_time() - used))
    return table, _PARSED_BY_PYTHON_HL7


def _start(folder: Path, database: Postgres, left_out: list[str]) -> dict[str, Server]:
    makers: dict[str, Callable[[Path], Server]] = {
        "reference server": servers.reference,
        "python-hl7's server": servers.python_hl7,
        _ON_SQLITE: Product,
        _ON_POSTGRES: lambda own: Product(own, database.url),
    }
    running: dict[str, Server] = {}
    for number, (name, make) in enumerate(makers.items()):
        own = folder / f"orders-{number}"
        own.mkdir()
        try:
            running[name] = make(own)
        except Missing as fault:
            left_out.append(str(fault))
    return running


def _send(table: Table, name: str, server: Server, lot: tuple[int, int], serial: Iterator[int]) -> None:
    connections, count = lot
    each = max(1, count // connections // (_ALONE_PART if connections == 1 else 1))
    day, run = datetime.now(), f"S{next(serial)}-"
    messages = [
        [load.whole_order(load.Item(1000 + next(serial), day), run) for _ in range(each + 1)]
        for _ in range(connections)
    ]
    port = server.hl7_port if isinstance(server, Product) else server.port
    before = server.processor_secs
    waits, secs = load.send_orders(port, [iter(lot) for lot in messages])
    note(table, name, "orders/s", (connections * each, secs, server.processor_secs - before))
    waits.sort()
    table[name].slowest_ms.append(waits[int(len(waits) * 0.99) - 1] * 1000)
