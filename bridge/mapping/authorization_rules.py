"""Reads authorizations.toml, the shipped one and what a site lays over it, into AuthorizationRules."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bridge.domain.authorization import number_key
from bridge.domain.authorization_clock import ClockRules
from bridge.domain.authorization_links import LinkRule
from bridge.domain.authorization_rules import AuthorizationRules, PayerRules, SiteFacts
from bridge.domain.authorization_warnings import WarningKind
from bridge.domain.evidence_needs import DAYS, LABS, Need, NeedRule
from bridge.domain.identifiers import is_npi
from bridge.mapping.authorization_columns import COLUMNS, column_key
from bridge.mapping.rules_file import Faults, lay_over, whole_number

FILE_NAME = "authorizations.toml"

_SECTIONS: Mapping[str, tuple[str, ...]] = {
    "clock": ("expedited_hours", "standard_days", "marks", "expiry_days"),
    "links": ("rules",),
    "warnings": ("off",),
    "modifiers": ("ignored",),
}
_KNOWN = {**_SECTIONS, **dict.fromkeys(("codes", "payers", "sites", "columns", "evidence"))}
_PAYER = ("time_zone", "expedited_hours", "standard_days")
_SITE = ("names", "npi", "place_of_service")
_EVIDENCE = ("codes", "payers", "modalities", "regions", "needs", "office_note_days", "labs", "labs_days")
_MOST_HOURS, _MOST_DAYS = 720, 90
_MOST_NOTE_DAYS = 366
_RULES = tuple(rule.value for rule in LinkRule if rule != LinkRule.BY_HAND)


def read_authorization_rules(shipped: Path, overlay: Path | None, zone: tzinfo, faults: Faults) -> AuthorizationRules:
    """Return what authorizations are timed, linked and compared by. zone: the hospital's, where a payer's is not known."""
    said: dict[str, dict[str, Any]] = {}
    for folder in (shipped, overlay):
        file = folder / FILE_NAME if folder is not None else None
        if file is not None and file.is_file():
            lay_over(said, file, _KNOWN, faults)
    clock, links, warnings, modifiers = (said.get(name, {}) for name in _SECTIONS)
    return AuthorizationRules(
        ClockRules(
            whole_number(clock.get("expedited_hours", 72), FILE_NAME, "clock.expedited_hours", _MOST_HOURS, faults),
            whole_number(clock.get("standard_days", 7), FILE_NAME, "clock.standard_days", _MOST_DAYS, faults),
            _numbers(clock.get("marks", [50, 80]), "clock.marks", 99, faults),
            _numbers(clock.get("expiry_days", [14, 7, 1]), "clock.expiry_days", 365, faults),
            zone,
        ),
        frozenset(_known(links.get("rules", list(_RULES)), "links.rules", _RULES, faults)),
        frozenset(_known(warnings.get("off", []), "warnings.off", tuple(WarningKind), faults)),
        {number_key(code): value for code, value in _texts_of(said.get("codes", {}), "codes", faults).items()},
        frozenset(one.upper() for one in _list(modifiers.get("ignored", []), "modifiers.ignored", faults)),
        tuple(_site(name, entry, faults) for name, entry in said.get("sites", {}).items()),
        {payer: _payer(payer, entry, faults) for payer, entry in said.get("payers", {}).items()},
        _columns(said.get("columns", {}), faults),
        {name: _evidence(name, entry, faults) for name, entry in said.get("evidence", {}).items()},
    )


def _payer(payer: str, entry: Any, faults: Faults) -> PayerRules:
    where = f"payers.{payer}"
    if not _is_table(entry, where, _PAYER, faults):
        return PayerRules()
    zone = entry.get("time_zone")
    limits = {
        name: whole_number(entry[name], FILE_NAME, f"{where}.{name}", most, faults)
        for name, most in (("expedited_hours", _MOST_HOURS), ("standard_days", _MOST_DAYS))
        if name in entry
    }
    try:
        return PayerRules(ZoneInfo(zone) if zone is not None else None, **limits)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        faults.add(FILE_NAME, f"{where}.time_zone", f"{zone!r} is no time zone")
        return PayerRules()


def _site(name: str, entry: Any, faults: Faults) -> SiteFacts:
    where = f"sites.{name}"
    if not _is_table(entry, where, _SITE, faults):
        return SiteFacts()
    npi, place = entry.get("npi", ""), entry.get("place_of_service", "")
    if npi and not (isinstance(npi, str) and is_npi(npi)):
        faults.add(FILE_NAME, f"{where}.npi", "is no National Provider Identifier")
    if not isinstance(place, str) or (place and not (len(place) == 2 and place.isdecimal())):
        faults.add(FILE_NAME, f"{where}.place_of_service", "must be a text of two digits")
    return SiteFacts(str(npi), str(place), _list(entry.get("names", []), f"{where}.names", faults))


def _columns(said: Mapping[str, Any], faults: Faults) -> dict[str, str]:
    """Return what a column is, by what it may be called; two meanings of one word are a fault."""
    found: dict[str, str] = {}
    for column, names in said.items():
        if column not in COLUMNS:
            faults.unknown(FILE_NAME, f"columns.{column}", column, COLUMNS)
        for name in _list(names, f"columns.{column}", faults):
            if found.setdefault(column_key(name), column) != column:
                faults.add(FILE_NAME, f"columns.{column}", f"{name!r} means {found[column_key(name)]} already")
    return found


def _evidence(name: str, entry: Any, faults: Faults) -> NeedRule:
    where = f"evidence.{name}"
    if not _is_table(entry, where, _EVIDENCE, faults):
        return NeedRule(())
    ranges = []
    for one in _list(entry.get("codes", []), f"{where}.codes", faults):
        first, _, last = one.partition("-")
        ranges.append((first.strip(), last.strip() or first.strip()))
        if len(ranges[-1][0]) != len(ranges[-1][1]) or ranges[-1][0] > ranges[-1][1]:
            faults.add(FILE_NAME, f"{where}.codes", f"{one!r} is no range of codes")
    needs = _known(entry.get("needs", []), f"{where}.needs", tuple(Need), faults)
    return NeedRule(
        tuple(Need(one) for one in needs if one in tuple(Need)),
        tuple(ranges),
        frozenset(_list(entry.get("payers", []), f"{where}.payers", faults)),
        whole_number(
            entry.get("office_note_days", DAYS), FILE_NAME, f"{where}.office_note_days", _MOST_NOTE_DAYS, faults
        ),
        frozenset(_list(entry.get("modalities", []), f"{where}.modalities", faults)),
        frozenset(_list(entry.get("regions", []), f"{where}.regions", faults)),
        _list(entry.get("labs", list(LABS)), f"{where}.labs", faults),
        whole_number(entry.get("labs_days", DAYS), FILE_NAME, f"{where}.labs_days", _MOST_NOTE_DAYS, faults),
    )


def _is_table(entry: Any, where: str, known: Collection[str], faults: Faults) -> bool:
    if not isinstance(entry, dict):
        faults.add(FILE_NAME, where, "must be a table")
        return False
    for key in entry:
        if key not in known:
            faults.unknown(FILE_NAME, f"{where}.{key}", key, known)
    return True


def _known(value: Any, where: str, known: Collection[str], faults: Faults) -> tuple[str, ...]:
    found = _list(value, where, faults)
    for one in found:
        if one not in known:
            faults.unknown(FILE_NAME, where, one, known)
    return found


def _texts_of(said: Mapping[str, Any], where: str, faults: Faults) -> dict[str, str]:
    for code, value in said.items():
        if not isinstance(value, str) or not value:
            faults.add(FILE_NAME, f"{where}.{code}", "must be a text")
    return {code: value for code, value in said.items() if isinstance(value, str)}


def _list(value: Any, where: str, faults: Faults) -> tuple[str, ...]:
    if isinstance(value, list) and all(isinstance(one, str) and one.strip() for one in value):
        return tuple(value)
    faults.add(FILE_NAME, where, "must be a list of texts, none of them empty")
    return ()


def _numbers(value: Any, where: str, most: int, faults: Faults) -> tuple[int, ...]:
    if not isinstance(value, list):
        faults.add(FILE_NAME, where, "must be a list of whole numbers")
        return ()
    return tuple(whole_number(one, FILE_NAME, where, most, faults) for one in value)
