"""Run every comparison and write docs/benchmarks.md.

    python -m bench [--quick]

--quick: a small round of each, printed and not written; it shows that everything runs and says nothing of speed.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from datetime import date
from pathlib import Path

from bench import machine, measure, orders, report
from bench.servers import ROOT, Missing, program
from bench.worklists import WorklistBench


def main(arguments: list[str]) -> int:
    quick = "--quick" in arguments
    if set(arguments) - {"--quick"}:
        print("usage: python -m bench [--quick]", file=sys.stderr)
        return 2
    folder = Path(tempfile.mkdtemp(prefix="imaging-bridge-bench-"))
    try:
        text = run(folder, measure.QUICK if quick else measure.FULL)
    except (Missing, RuntimeError) as fault:
        print(f"bench: {fault}; what the servers said is in {folder}", file=sys.stderr)
        return 1
    print(text)
    if not quick:
        (ROOT / "docs" / "benchmarks.md").write_text(text, "utf-8")
        print("written to docs/benchmarks.md")
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def tell(line: str) -> None:
    """Say what is done so far."""
    print(f"  {line}", flush=True)


def run(folder: Path, size: measure.Size) -> str:
    """Measure everything and return the page."""
    bench = measure.Bench(folder, size, tell)
    before = machine.noise()
    tables = {"Storage: C-STORE of 0.5 MB CT objects, one association": (bench.storage(), "storescp")}
    tables |= WorklistBench(folder, size, tell, bench.left_out).tables()
    tables |= orders.order_tables(folder, size, tell, bench.left_out)
    tables["Reading an order: ORM^O01 of 1.7 KB"] = orders.parsing_table(size)
    after = machine.noise()
    notes = [
        *machine.describe(folder),
        machine.version([program("storescp"), "--version"]),
        machine.version([program("Orthanc"), "--version"]),
        f"noise probe: {before[0]:.1f} ms, spread {before[1]:.0f} % before; {after[0]:.1f} ms, {after[1]:.0f} % after",
        f"{size.rounds} rounds of {size.images} objects, {size.queries} queries, {size.orders} orders (a fifth of them on "
        f"one connection), {size.parsed} orders read",
        *(f"left out: {reason}" for reason in bench.left_out),
    ]
    return report.document(f"{date.today():%d %B %Y}", tables, notes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
