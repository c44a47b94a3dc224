"""No pattern that meets a stranger's bytes takes more than its share of time, however they are arranged."""

from __future__ import annotations

import importlib
import pkgutil
import re
import time
from collections.abc import Iterator

import pytest

import bridge.codecs.hl7
import bridge.mapping
from bridge.web.api import messages as web_messages

# What makes nested or neighbouring repetitions try every way of sharing a run between them, and what ends it badly.
RUNS = [
    "a",
    "A",
    "0",
    " ",
    "\r",
    "\n",
    "\\",
    "|",
    "^",
    "-",
    ".",
    "/",
    "=",
    "a child ",
    "MSH|",
    "\rMSH",
    "\rERR",
    "207|",
]
RUNS += ["X41", "\x1b$B", "1.2", "20260301", "A-1.", "[1]", "é", "\x80", "ORC[1]", "\\C41", "AAA ", "Error: A"]
ENDS = ["", "!", "\x00", "|", "\\"]
SHORT = 20_000
QUICK_SECS = 0.02


def patterns() -> Iterator[tuple[str, re.Pattern[str] | re.Pattern[bytes]]]:
    modules = [web_messages]
    for package in (bridge.codecs.hl7, bridge.mapping):
        names = [info.name for info in pkgutil.iter_modules(package.__path__)]
        modules += [importlib.import_module(f"{package.__name__}.{name}") for name in names]
    for module in modules:
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern):
                yield f"{module.__name__}.{name}", value


def spent(pattern: re.Pattern[str] | re.Pattern[bytes], text: str) -> float:
    subject: str | bytes = text.encode("latin-1", "replace") if isinstance(pattern.pattern, bytes) else text
    began = time.thread_time()
    for look in (pattern.search, pattern.match, pattern.fullmatch):
        look(subject)  # type: ignore[arg-type]
    return time.thread_time() - began


@pytest.mark.parametrize(("name", "pattern"), [pytest.param(*found, id=found[0]) for found in patterns()])
def test_a_pattern_takes_time_in_proportion(name: str, pattern: re.Pattern[str] | re.Pattern[bytes]) -> None:
    slow = []
    for run in RUNS:
        for end in ENDS:
            # Four times as long in proportion, sixteen by squares; what is quick at the longer one is quick enough.
            whole = spent(pattern, run * (4 * SHORT // len(run)) + end)
            if whole > QUICK_SECS and whole > 10 * spent(pattern, run * (SHORT // len(run)) + end):
                slow.append((run, end, round(whole, 3)))
    assert slow == []


def test_a_pattern_that_looks_at_a_run_again_from_each_of_its_places_would_be_seen() -> None:
    pattern = re.compile("a*!")

    assert spent(pattern, "a" * 8000) > 10 * spent(pattern, "a" * 2000)
