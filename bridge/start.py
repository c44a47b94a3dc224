"""What must hold before any port opens: data folder, schema, mappings, and nothing unsafe."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bridge import safety
from bridge.building.shelf import removal_rule
from bridge.errors import Misconfigured
from bridge.store import schema, users
from bridge.wiring import House

_LEFT_SECS = 24 * 3600.0


def prepare(house: House) -> None:
    """
    Make data folder and schema fit, and refuse what would be unsafe, before any port opens.

    Raises: Misconfigured, with every fault found.
    """
    _collect_faults(house)
    prepare_store(house)
    schema.check_durable(house.store)
    with house.store.read() as tx:
        has_administrator = users.has_admin(tx) or users.awaits_admin(tx, house.clock.now())
    safety.check_start(house.settings, has_administrator=has_administrator)
    if house.is_demo:
        safety.check_demonstration(house.settings)


def prepare_store(house: House) -> None:
    """
    Make the data folder, and migrate SQLite; PostgreSQL is migrated by `imaging-bridge migrate` alone, and checked here.

    Raises: Misconfigured.
    """
    make_data_folder(house)
    if house.store.is_sqlite:
        schema.migrate(house.store)
    else:
        schema.check(house.store)


def make_data_folder(house: House) -> None:
    """Make the data folder, for its owner alone. Raises: Misconfigured, if it cannot be written."""
    data = house.settings.bridge.data
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = data / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as fault:
        raise Misconfigured([f"bridge.data: {data}: {fault.strerror or 'cannot be written'}"]) from fault


def work_in_data_folder(house: House) -> None:
    """
    Let this process and those that it starts lay what is passing beside the data, not into the machine's own folder.

    That one may be small, or memory, or others'. What a crash left there is removed after a day.
    Raises: Misconfigured, if it cannot be made.
    """
    folder = house.settings.bridge.data / "temp"
    try:
        folder.mkdir(exist_ok=True, mode=0o700)
        for left in folder.iterdir():
            if time.time() - left.lstat().st_mtime > _LEFT_SECS:
                _remove(left)
    except OSError as fault:
        raise Misconfigured([f"bridge.data: {folder}: {fault.strerror or 'cannot be written'}"]) from fault
    os.environ["TMPDIR"] = str(folder)
    tempfile.tempdir = None


def _remove(left: Path) -> None:
    if left.is_dir() and not left.is_symlink():
        shutil.rmtree(left, ignore_errors=True)
    else:
        left.unlink(missing_ok=True)


def _collect_faults(house: House) -> None:
    """Load what is read from files together, so that a start names the faults of all; then what the settings say of it."""
    faults: list[str] = []
    loads: tuple[Callable[[], Any], ...] = (
        lambda: house.mappings,
        lambda: house.rules,
        lambda: house.devices,
        lambda: house.routes,
        lambda: removal_rule(house),
    )
    for load in loads:
        try:
            load()
        except Misconfigured as fault:
            faults += fault.faults
    if faults:
        raise Misconfigured(faults)
    _ = house.destinations
