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

from bench import machine, measure, report
from bench.servers import ROOT, Missing, program

BASELINE = "append + fdatasync"


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


def run(folder: Path, size: measure.Size) -> str:
    """Measure everything and return the page."""
    bench = measure.Bench(folder, size, lambda line: print(f"  {line}", flush=True))
    before = machine.noise()
    tables = {"Storage: C-STORE of 0.5 MB CT objects, one association": (bench.storage(), "storescp")}
    for length in size.lists:
        for what, table in bench.worklist(length).items():
            tables[f"Worklist: C-FIND with {what} in a list of {length:,}"] = (table, "wlmscpfs")
    tables["Orders: ORM^O01 over MLLP, answered after the commit"] = (bench.orders(), BASELINE)
    after = machine.noise()
    notes = [
        *machine.describe(folder),
        machine.version([program("storescp"), "--version"]),
        machine.version([program("Orthanc"), "--version"]),
        f"noise probe: {before[0]:.1f} ms, spread {before[1]:.0f} % before; {after[0]:.1f} ms, {after[1]:.0f} % after",
        f"{size.rounds} rounds of {size.images} objects, {size.queries} queries, {size.orders_alone} orders on one "
        f"connection and {size.orders_each} on each of 50",
        *(f"left out: {reason}" for reason in bench.left_out),
    ]
    return report.document(f"{date.today():%d %B %Y}", tables, notes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
