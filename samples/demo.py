"""Play one clinic day against a freshly started bridge and say of each station whether it held.

    python -m samples.demo [--exit] [--keep]

--exit: end after the story, status 0 only if every station held; else the bridge stays up for a look around.
Nothing leaves loopback, and nothing is written but in a new folder under the temporary directory.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import textwrap
import threading
import time
from datetime import datetime
from pathlib import Path

from samples.afternoon import write_list
from samples.chart import Chart
from samples.devices import DeviceError
from samples.exams import draw_all
from samples.remittances import write_all
from samples.stage import Stage, StageError
from samples.story import STATIONS, Day, NotHeld

_INDENT = 36
_COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def paint(text: str, code: str) -> str:
    """Return *text* in a colour, where there is a terminal to show it."""
    return f"\033[{code}m{text}\033[0m" if _COLOUR else text


def fitted(text: str, code: str) -> str:
    """Return *text* in a colour, folded under its beginning where the terminal is narrower; a file gets one line."""
    if not sys.stdout.isatty():
        return text
    room = shutil.get_terminal_size().columns - _INDENT - 1
    return ("\n" + " " * _INDENT).join(paint(line, code) for line in textwrap.wrap(text, max(30, room)))


def say(text: str = "") -> None:
    print(text, flush=True)


def play(stage: Stage) -> bool:
    """Start everything, play the stations in order and print a line for each; say whether all held."""
    started = time.monotonic()
    stage.write_settings()
    archive = stage.start_peers()
    drawing = threading.Thread(target=draw_all, daemon=True)
    drawing.start()
    write_all(stage.clearinghouse, datetime.now().date())
    stage.start_bridge()
    say(f"  the bridge, an EHR (FHIR R4) and an archive ({archive}) are up after {time.monotonic() - started:.1f} s")
    say(f"  HL7 127.0.0.1:{stage.ports['hl7']}   DICOM BRIDGE@127.0.0.1:{stage.ports['dicom']}   {stage.console}/")
    say()
    drawing.join()
    at = datetime.now()
    chart = Chart(stage.ehr)
    chart.open_the_day(at)
    token = stage.command("token", "create", "demo", "--role", "admin")
    today = Day(stage, chart, token, at)
    for number, (name, station) in enumerate(STATIONS, 1):
        before = time.monotonic()
        try:
            what, held = station(today), True
        except (NotHeld, StageError, DeviceError, OSError, KeyError) as fault:
            what, held = f"{type(fault).__name__}: {fault}" if isinstance(fault, KeyError) else str(fault), False
        verdict = paint("HELD  ", "1;32") if held else paint("FAILED", "1;31")
        say(f"  {number} {name:<14}{verdict} {time.monotonic() - before:6.2f} s   {fitted(what, '2' if held else '0')}")
        if not held:
            for later, (left, _) in enumerate(STATIONS[number:], number + 1):
                say(f"  {later} {left:<14}{paint('not played', '33')}")
            return False
    return True


def show_around(stage: Stage) -> None:
    """Bring what is still to come, say where to look, and stay up until interrupted."""
    stage.command("orders", "import", str(write_list(stage.folder, datetime.now())))
    say()
    say(f"  console   {stage.console}/")
    line = stage.sign_in_line()
    say(f"  {line or 'sign in: imaging-bridge user add NAME --role admin'}")
    say(f"  commands  .venv/bin/imaging-bridge worklist --as CT1 -c {stage.settings}")
    say(f"  folder    {stage.folder}")
    say()
    say("  Ctrl-C ends it and removes the folder.")
    signal.pause()


def main(arguments: list[str]) -> int:
    unknown = set(arguments) - {"--exit", "--keep"}
    if unknown:
        print(f"unknown: {' '.join(sorted(unknown))}; usage: python -m samples.demo [--exit] [--keep]", file=sys.stderr)
        return 2
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="imaging-bridge-demo-"))
    say()
    say(paint("  Imaging Bridge: one day at Riverside Imaging", "1") + " (everyone and everything in it is invented)")
    held = False
    try:
        with Stage(folder) as stage:
            try:
                held = play(stage)
            except StageError as fault:
                say(f"  {paint('FAILED', '1;31')} {fault}")
            say()
            say(f"  {paint('every station held', '1;32')}" if held else f"  logs of this run: {folder}")
            if "--exit" not in arguments and held:
                show_around(stage)
    except KeyboardInterrupt:
        say("\n  ended")
    finally:
        if held and "--keep" not in arguments:
            shutil.rmtree(folder, ignore_errors=True)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
