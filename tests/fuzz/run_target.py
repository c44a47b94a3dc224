"""One target under atheris, in a process of its own: `python -m tests.fuzz.run_target NAME [libFuzzer options]`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import atheris

HANG_SECS = 0.1

with atheris.instrument_imports(include=["bridge"]):
    from tests.fuzz.targets import TARGETS


class Hang(Exception):
    """One input took longer than any may."""


def timed(target: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Return *target* with its limit of processor time: what a busy machine does to the clock is not its fault."""

    def run(data: bytes) -> None:
        for last_try in (False, True):
            began = time.thread_time()
            target(data)
            spent = time.thread_time() - began
            # The first input of a kind pays for what is loaded once.
            if spent <= HANG_SECS:
                return
            if last_try:
                raise Hang(f"{spent * 1000:.0f} ms for {len(data)} bytes")

    return run


def main() -> None:
    name, *options = sys.argv[1:]
    atheris.Setup([name, *options], timed(TARGETS[name]))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
