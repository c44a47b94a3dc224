"""`python -m tests.fuzz [--runs N] [--target NAME] [--into FOLDER]`: every target N times, one after the other."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.fuzz.campaign import Outcome, fuzz
from tests.fuzz.targets import TARGETS


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m tests.fuzz")
    arguments.add_argument("--runs", type=int, default=1_000_000)
    arguments.add_argument("--target", action="append", choices=list(TARGETS))
    arguments.add_argument("--into", type=Path, default=Path("var/fuzz"))
    chosen = arguments.parse_args()
    outcomes = [fuzz(name, chosen.runs, chosen.into) for name in chosen.target or TARGETS]
    for outcome in outcomes:
        sys.stdout.write(_sentence(outcome) + "\n")
    return 0 if all(outcome.is_clean for outcome in outcomes) else 1


def _sentence(outcome: Outcome) -> str:
    found = "no crash, no hang" if outcome.is_clean else f"FOUND: see {outcome.log}"
    return f"{outcome.target}: {outcome.runs} inputs in {outcome.secs} s, {outcome.coverage} places reached, {found}"


if __name__ == "__main__":
    sys.exit(main())
