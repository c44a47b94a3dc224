"""The demo is what a newcomer runs first: every station must hold, and nothing may be left behind."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STATIONS = ("order", "scheduled", "performed", "images", "reconciled", "chart", "authorization", "proof")


def last_words(folder: Path) -> str:
    """Return how the logs below *folder* end."""
    found = sorted(folder.glob("imaging-bridge-demo-*/**/*.log"))
    return "".join(f"\n{one.name}:\n" + "\n".join(one.read_text("utf-8").splitlines()[-40:]) for one in found)


@pytest.mark.timeout(280)
def test_every_station_of_the_demo_holds_and_its_folder_goes(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "samples.demo", "--exit"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin:/usr/sbin", "TMPDIR": str(tmp_path), "HOME": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
        timeout=270,
    )

    held = re.findall(r"^ +\d (\w+) +HELD +[\d.]+ s", done.stdout, re.MULTILINE)
    assert tuple(held) == STATIONS, done.stdout + done.stderr + last_words(tmp_path)
    assert done.returncode == 0
    assert list(tmp_path.glob("imaging-bridge-demo-*")) == []


def test_the_demo_refuses_an_option_it_does_not_know() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "samples.demo", "--forever"], cwd=ROOT, check=False, capture_output=True, text=True
    )

    assert done.returncode == 2
    assert "--forever" in done.stderr
