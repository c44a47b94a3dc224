"""One target fuzzed for a number of inputs, and what came of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT
from tests.fuzz import seeds

_INPUT_MAX = 8192
_DONE = re.compile(r"^Done (\d+) runs in (\d+) second", re.MULTILINE)
_COVERAGE = re.compile(r"\bcov: (\d+)")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one campaign came to. coverage: places in our code that some input reached. log: all that was said."""

    target: str
    runs: int
    secs: int
    coverage: int
    is_clean: bool
    log: Path


def fuzz(target: str, runs: int, into: Path, seed: int = 0) -> Outcome:
    """
    Run *target* on *runs* inputs; whatever broke it lies in *into* afterwards.

    seed: 0 for another walk every time.
    """
    folder = (into / target).absolute()
    seeds.write_seeds(folder, target)
    grown, log = folder / "corpus", folder / "log.txt"
    grown.mkdir(exist_ok=True)
    options = [
        f"-runs={runs}",
        f"-max_len={_INPUT_MAX}",
        f"-seed={seed}",
        f"-dict={folder / 'words.dict'}",
        "-timeout=10",
    ]
    options += [f"-artifact_prefix={folder}/", "-print_final_stats=1", "-rss_limit_mb=2048"]
    with log.open("w") as said:
        done = subprocess.run(
            [sys.executable, "-m", "tests.fuzz.run_target", target, *options, str(grown), str(folder / "seeds")],
            cwd=ROOT,
            stdout=said,
            stderr=subprocess.STDOUT,
            check=False,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )
    text = log.read_text("utf-8", "replace")
    ended = _DONE.search(text)
    coverage = [int(found) for found in _COVERAGE.findall(text)]
    counts = (int(ended[1]), int(ended[2])) if ended else (0, 0)
    return Outcome(target, *counts, max(coverage, default=0), done.returncode == 0 and ended is not None, log)
