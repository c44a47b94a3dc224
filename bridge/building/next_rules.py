"""The site's changed reconcile.toml: where it lies while it is tried, and how it is taken into use."""

from __future__ import annotations

import os
from pathlib import Path

from bridge.errors import Conflict, Misconfigured
from bridge.flows.try_rules import Trial, try_rules
from bridge.mapping.reconcile_rules import FILE_NAME, NEXT_FILE_NAME
from bridge.wiring import House


def next_file(house: House) -> Path | None:
    """Return the file that is to be tried, None where the site has none."""
    folder = house.settings.bridge.mappings
    file = Path(folder) / NEXT_FILE_NAME if folder else None
    return file if file is not None and file.is_file() else None


def try_next(house: House, days: int, file: Path | None = None) -> Trial | None:
    """
    Return what *file*, else the site's changed one, would decide of the last *days*; None if there is none.

    Raises: Misconfigured, with every fault of the file.
    """
    candidate = file or next_file(house)
    if candidate is None:
        return None
    return try_rules(house.store, house.clock, house.rules, house.rules_of(candidate), days)


def use_next(house: House) -> tuple[str, Path | None]:
    """
    Put the changed file in the place of the one in use; return its version, and where the one before lies.

    A node reads it when it starts. Raises: Conflict, if there is none or it changes nothing; Misconfigured, for its faults.
    """
    file = next_file(house)
    if file is None:
        raise Conflict(f"there is no {NEXT_FILE_NAME} beside the site's mappings", code="unknown", where="rules")
    rules = house.rules_of(file)
    if rules.version == house.rules.version:
        raise Conflict("it says what is in use already", code="unchanged", where="rules")
    used = file.with_name(FILE_NAME)
    before = used.with_name(f"reconcile.{house.rules.version}.toml") if used.is_file() else None
    try:
        if before is not None:
            os.link(used, before) if not before.exists() else None
        file.replace(used)
    except OSError as fault:
        raise Misconfigured([f"{used}: cannot be written: {fault.strerror}"]) from None
    return rules.version, before
