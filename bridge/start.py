"""What must hold before any port opens: data folder, schema, mappings, and nothing unsafe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bridge import safety
from bridge.errors import Misconfigured
from bridge.shelf import removal_rule
from bridge.store import schema, users
from bridge.wiring import House


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
