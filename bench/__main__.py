"""Run every comparison and write docs/benchmarks.md.

    python -m bench [--quick] [--only storage|worklists|orders|chart]

--quick: a small round of each, printed and not written; it shows that everything runs and says nothing of speed.
--only: a part of it, printed and not written.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from bench import chart, imaging_studies, machine, measure, orders, report
from bench.servers import ROOT, Missing, program
from bench.storage import StorageBench
from bench.worklists import WorklistBench

_PARTS = ("storage", "worklists", "orders", "chart")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m bench")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=_PARTS)
    asked = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="imaging-bridge-bench-"))
    try:
        text = run(folder, measure.QUICK if asked.quick else measure.FULL, [asked.only] if asked.only else _PARTS)
    except (Missing, RuntimeError) as fault:
        print(f"bench: {fault}; what the servers said is in {folder}", file=sys.stderr)
        return 1
    print(text)
    if not (asked.quick or asked.only):
        page = ROOT / "docs" / "benchmarks.md"
        page.write_text(report.with_decisions_of(page.read_text("utf-8"), text), "utf-8")
        print("written to docs/benchmarks.md")
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def tell(line: str) -> None:
    """Say what is done so far."""
    print(f"  {line}", flush=True)


def run(folder: Path, size: measure.Size, parts: Sequence[str] = _PARTS) -> str:
    """Measure *parts* and return the page."""
    left_out: list[str] = []
    storage = StorageBench(folder, size, tell, left_out)
    before = machine.noise()
    tables: dict[str, tuple[measure.Table, str]] = {}
    if "storage" in parts:
        tables |= storage.tables()
    if "worklists" in parts:
        tables |= WorklistBench(folder, size, tell, left_out).tables()
    if "orders" in parts:
        tables |= orders.order_tables(folder, size, tell, left_out)
        tables["Reading an order: ORM^O01 of 1.7 KB"] = orders.parsing_table(size)
    if "chart" in parts:
        tables[chart.HEADING] = chart.chart_table(folder, size, tell)
        tables[imaging_studies.HEADING] = imaging_studies.writing_table(size)
    after = machine.noise()
    notes = [
        *machine.describe(folder),
        machine.version([program("storescp"), "--version"]),
        machine.version([program("Orthanc"), "--version"]),
        f"noise probe: {before[0]:.1f} ms, spread {before[1]:.0f} % before; {after[0]:.1f} ms, {after[1]:.0f} % after",
        f"{size.rounds} rounds of {size.images} CT objects ({size.large} of 8 MB, {size.cines} of 60 MB), {size.queries} "
        f"queries, {size.orders} orders (a fifth of them on one connection), {size.parsed} orders read",
        *storage.notes,
        *(f"left out: {reason}" for reason in left_out),
    ]
    return report.document(f"{date.today():%d %B %Y}", tables, notes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
