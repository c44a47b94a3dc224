"""What is wanted of the decisions, and what they are: scored by the benchmark's own scorer, printed as a table."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.reconcile.hospital import SCORER

_ALWAYS_COUNTED = frozenset({"auto_resolve_rate", "auto_at_arrival", "explained"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    A figure and its limit. least: the figure must reach it, else it must not pass it.

    may_be_absent: a small hospital may have nothing to count for it; any other figure has to be there.
    """

    figure: str
    limit: float
    least: bool = False
    may_be_absent: bool = False

    def holds(self, got: float | None) -> bool:
        """Say whether *got* is within the limit."""
        if got is None:
            return self.may_be_absent
        return got >= self.limit if self.least else got <= self.limit


def wanted(profile: str) -> tuple[Wanted, ...]:
    """Return what must hold on *profile*, in the scorer's words; "asked_per_1000" is review and quarantine together."""
    stress = profile == "stress"
    none = ("undecided", "unknown_studies", "wrong_binds", "wrong_order_binds", "stale_patient", "unsupported_binds")
    rates = {
        "auto_resolve_rate": 0.99 if stress else 0.998,
        "auto_at_arrival": 0.95 if stress else 0.99,
        "order_bound_rate": 0.995,
        "review_top1": 0.97,
        "review_top3": 0.99,
        "correction_precision": 0.999,
        "correction_recall": 0.99,
        "explained": 1.0,
    }
    limits = [Wanted(figure, 0) for figure in none]
    limits += [
        Wanted(figure, limit, least=True, may_be_absent=figure not in _ALWAYS_COUNTED)
        for figure, limit in rates.items()
    ]
    return (*limits, *(() if stress else (Wanted("asked_per_1000", 20),)))


def judge(folder: Path, profile: str, *, modes: bool = False, show: str = "") -> list[str]:
    """
    Score the decisions in *folder*, print the table, and return the figures that miss what is wanted.

    Raises: RuntimeError, if the scorer fails, or has not scored every study that came.
    """
    (folder / "score.json").unlink(missing_ok=True)
    command = [sys.executable, str(SCORER), "--data", str(folder), "--decisions", str(folder / "decisions.jsonl")]
    command += ["--json", str(folder / "score.json")]
    command += ["--modes"] if modes else []
    command += ["--show", show] if show else []
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    if not (folder / "score.json").is_file():
        raise RuntimeError(f"the scorer failed: {done.stderr[-2000:]}")
    if modes or show:
        print(done.stdout)
    result = json.loads((folder / "score.json").read_text("utf-8"))["result"]
    with (folder / "studies.jsonl").open(encoding="utf-8") as studies:
        came = sum(1 for line in studies if line.strip())
    if not came or result["studies"] != came:
        raise RuntimeError(f"{came} studies came, and {result['studies']} were scored")
    result["asked_per_1000"] = round(result["review_per_1000"] + result["quarantine_per_1000"], 1)
    print(table(result, profile))
    return [one.figure for one in wanted(profile) if not one.holds(result[one.figure])]


def table(result: Mapping[str, Any], profile: str) -> str:
    """Return the figures as lines: name, what is wanted, what it is, whether it holds; then those without a limit."""
    limits = wanted(profile)
    lines = [f"{'figure':24}{'wanted':>10}{'got':>10}  ok"]
    for one in limits:
        got = result[one.figure]
        limit = f"{'>=' if one.least else '<='} {one.limit:g}"
        lines.append(f"{one.figure:24}{limit:>10}{_written(got):>10}  {'yes' if one.holds(got) else 'NO'}")
    told = {one.figure for one in limits}
    lines += [f"{name:24}{'':>10}{_written(got):>10}" for name, got in result.items() if name not in told]
    return "\n".join(lines)


def _written(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
