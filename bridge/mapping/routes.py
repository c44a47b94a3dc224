"""Reads routes.toml, the shipped one or the one a site lays over it, into Routes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from bridge.domain.day_hours import WEEKDAYS, DayHours, read_hours
from bridge.domain.object_kinds import KINDS
from bridge.domain.routing import TEXT_CONDITIONS, Conditions, Objects, Route, Routes, Urgency
from bridge.errors import Misconfigured
from bridge.mapping.rules_file import Faults, check_head, read_toml

FILE_NAME = "routes.toml"

_TOP = ("schema", "look_back_hours", "routes")
_KEYS = ("name", "to", "when", "unless", "objects", "delay_minutes", "send_between", "send_on", "priority", "last")
_CONDITIONS = (*TEXT_CONDITIONS, "hours", "weekdays")
_OBJECTS = ("kind", "sop_class", "modality", "body_part")
_PRIORITIES: dict[str, Urgency] = {"low": "low", "normal": "normal", "high": "high"}
_LONGEST_DELAY = 7 * 24 * 60
_LONGEST_LOOK_BACK = 366 * 24


def load_routes(shipped: Path, overlay: Path | None, known: Collection[str]) -> Routes:
    """
    Return the routes of *overlay*'s file if it has one, else the shipped ones.

    known: where anything can be sent, by AE title or server name.
    Raises: Misconfigured, with every fault, each with file, entry and the nearest right word.
    """
    files = [folder / FILE_NAME for folder in (overlay, shipped) if folder is not None]
    file = next((one for one in files if one.is_file()), None)
    faults = Faults()
    content = read_toml(file, faults) if file is not None else {}
    routes = _read(content or {}, FILE_NAME, known, faults)
    if faults.found:
        raise Misconfigured(faults.found)
    return routes


def _read(content: Mapping[str, Any], source: str, known: Collection[str], faults: Faults) -> Routes:
    check_head(content, _TOP, source, faults)
    hours = _number(content.get("look_back_hours", 72), source, "look_back_hours", _LONGEST_LOOK_BACK, faults)
    entries = content.get("routes", [])
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        faults.add(source, "routes", "each route stands under [[routes]]")
        entries = []
    routes = [_read_route(place, entry, source, known, faults) for place, entry in enumerate(entries, 1)]
    names = [route.name for route in routes]
    for name in sorted({name for name in names if names.count(name) > 1}):
        faults.add(source, name, "is the name of two routes")
    return Routes(tuple(routes), timedelta(hours=hours))


def _read_route(place: int, entry: Mapping[str, Any], source: str, known: Collection[str], faults: Faults) -> Route:
    name = entry.get("name")
    where = f"routes.{name}" if isinstance(name, str) and name.strip() else f"routes[{place}]"
    if not isinstance(name, str) or not name.strip():
        faults.add(source, f"{where}.name", "every route has a name")
    for key in entry:
        if key not in _KEYS:
            faults.unknown(source, f"{where}.{key}", key, _KEYS)
    to = _texts(entry.get("to", []), source, f"{where}.to", faults)
    if not to:
        faults.add(source, f"{where}.to", "must say where to")
    for title in to:
        if title not in known:
            faults.unknown(source, f"{where}.to", title, known)
    minutes = _number(entry.get("delay_minutes", 0), source, f"{where}.delay_minutes", _LONGEST_DELAY, faults)
    if not isinstance(entry.get("last", False), bool):
        faults.add(source, f"{where}.last", "must be true or false")
    return Route(
        str(name or where),
        to,
        _read_conditions(entry.get("when", {}), source, f"{where}.when", faults),
        _read_conditions(entry.get("unless", {}), source, f"{where}.unless", faults),
        _read_objects(entry.get("objects", {}), source, f"{where}.objects", faults),
        timedelta(minutes=minutes),
        _read_hours(entry, ("send_between", "send_on"), source, where, faults) or DayHours(),
        _PRIORITIES.get(_word(entry.get("priority", ""), _PRIORITIES, source, f"{where}.priority", faults), ""),
        entry.get("last") is True,
    )


def _read_conditions(content: Any, source: str, where: str, faults: Faults) -> Conditions:
    table = _table(content, _CONDITIONS, source, where, faults)
    texts = {name: _texts(table[name], source, f"{where}.{name}", faults) for name in TEXT_CONDITIONS if name in table}
    return Conditions(**texts, hours=_read_hours(table, ("hours", "weekdays"), source, where, faults))


def _read_objects(content: Any, source: str, where: str, faults: Faults) -> Objects:
    table = _table(content, _OBJECTS, source, where, faults)
    texts = {name: _texts(values, source, f"{where}.{name}", faults) for name, values in table.items()}
    for kind in texts.get("kind", ()):
        _word(kind, KINDS, source, f"{where}.kind", faults)
    return Objects(**texts)


def _read_hours(
    table: Mapping[str, Any], keys: tuple[str, str], source: str, where: str, faults: Faults
) -> DayHours | None:
    if not any(key in table for key in keys):
        return None
    days = _texts(table.get(keys[1], []), source, f"{where}.{keys[1]}", faults)
    for day in days:
        _word(day, WEEKDAYS, source, f"{where}.{keys[1]}", faults)
    try:
        return read_hours(str(table.get(keys[0], "")), days)
    except ValueError as fault:
        faults.add(source, f"{where}.{keys[0]}", str(fault))
        return None


def _table(content: Any, known: Collection[str], source: str, where: str, faults: Faults) -> dict[str, Any]:
    if not isinstance(content, dict):
        faults.add(source, where, "must be a table")
        return {}
    for key in content:
        if key not in known:
            faults.unknown(source, f"{where}.{key}", key, known)
    return {key: value for key, value in content.items() if key in known}


def _texts(value: Any, source: str, where: str, faults: Faults) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(one, str) and one.strip() for one in texts):
        faults.add(source, where, "must be a text or a list of texts, none of them empty")
        return ()
    return tuple(texts)


def _word(value: Any, known: Collection[str], source: str, where: str, faults: Faults) -> str:
    if value and value not in known:
        faults.unknown(source, where, str(value), known)
    return str(value)


def _number(value: Any, source: str, where: str, most: int, faults: Faults) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        faults.add(source, where, f"must be a number from 0 to {most}")
        return 0
    return float(value)
