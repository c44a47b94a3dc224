"""Reads checklist.toml, the shipped one and what a site lays over it, into ChecklistRules."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta, tzinfo
from pathlib import Path
from typing import Any

from bridge.domain.body_parts import BodyPart, BodyParts, Sides, tokens
from bridge.domain.checklist_rules import ChecklistRules
from bridge.errors import Misconfigured
from bridge.mapping.rules_file import Faults, lay_over, whole_number

FILE_NAME = "checklist.toml"

_SECTIONS: Mapping[str, tuple[str, ...]] = {
    "date": ("days", "clock_minutes"),
    "modalities": ("alike", "beside"),
    "sides": ("left", "right", "both"),
}
_KNOWN = {**_SECTIONS, "together": None, "body_parts": None}
_PART = ("words", "codes", "within", "paired")
_MOST_DAYS, _MOST_MINUTES = 366, 1440


def load_checklist(shipped: Path, overlay: Path | None, zone: tzinfo) -> ChecklistRules:
    """
    Return what the import checklist compares by. zone: the hospital's.

    Raises: Misconfigured, with every fault, each with file, entry and the nearest right word.
    """
    faults = Faults()
    said: dict[str, dict[str, Any]] = {}
    for folder in (shipped, overlay):
        file = folder / FILE_NAME if folder is not None else None
        if file is not None and file.is_file():
            lay_over(said, file, _KNOWN, faults)
    rules = _build(said, zone, faults)
    if faults.found:
        raise Misconfigured(faults.found)
    return rules


def _build(said: Mapping[str, dict[str, Any]], zone: tzinfo, faults: Faults) -> ChecklistRules:
    date, modalities, sides = (said.get(name, {}) for name in _SECTIONS)
    parts = {name: _part(name, entry, faults) for name, entry in said.get("body_parts", {}).items()}
    for part in parts.values():
        if part.within and part.within not in parts:
            faults.unknown(FILE_NAME, f"body_parts.{part.name}.within", part.within, parts)
    together = {word: _texts(names, f"together.{word}", faults) for word, names in said.get("together", {}).items()}
    for word, names in together.items():
        for name in names:
            if name not in parts:
                faults.unknown(FILE_NAME, f"together.{word}", name, parts)
    alike = modalities.get("alike", [])
    if not isinstance(alike, list):
        faults.add(FILE_NAME, "modalities.alike", "must be a list of lists")
        alike = []
    return ChecklistRules(
        BodyParts(parts, together),
        Sides(**{side: _folded(sides.get(side, []), f"sides.{side}", faults) for side in _SECTIONS["sides"]}),
        tuple(frozenset(_texts(group, "modalities.alike", faults)) for group in alike),
        frozenset(_texts(modalities.get("beside", []), "modalities.beside", faults)),
        whole_number(date.get("days", 1), FILE_NAME, "date.days", _MOST_DAYS, faults),
        timedelta(
            minutes=whole_number(date.get("clock_minutes", 10), FILE_NAME, "date.clock_minutes", _MOST_MINUTES, faults)
        ),
        zone,
    )


def _part(name: str, entry: Any, faults: Faults) -> BodyPart:
    where = f"body_parts.{name}"
    if not isinstance(entry, dict):
        faults.add(FILE_NAME, where, "must be a table")
        return BodyPart(name)
    for key in entry:
        if key not in _PART:
            faults.unknown(FILE_NAME, f"{where}.{key}", key, _PART)
    within, paired = entry.get("within", ""), entry.get("paired", False)
    if not isinstance(within, str) or not isinstance(paired, bool):
        faults.add(FILE_NAME, where, "within must be a text, paired true or false")
        within, paired = "", False
    words = _texts(entry.get("words", []), f"{where}.words", faults)
    codes = frozenset(_texts(entry.get("codes", []), f"{where}.codes", faults))
    return BodyPart(name, words, codes, within, paired)


def _texts(value: Any, where: str, faults: Faults) -> tuple[str, ...]:
    if isinstance(value, list) and all(isinstance(one, str) and tokens(one) for one in value):
        return tuple(value)
    faults.add(FILE_NAME, where, "must be a list of texts, none of them empty")
    return ()


def _folded(value: Any, where: str, faults: Faults) -> frozenset[str]:
    words = [tokens(one) for one in _texts(value, where, faults)]
    if any(len(word) != 1 for word in words):
        faults.add(FILE_NAME, where, "each must be one word")
    return frozenset(word[0] for word in words)
