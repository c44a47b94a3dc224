"""One sites/<facility>/site.toml, or a preset.toml beside it: what it may say, checked against the rules it stands on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from bridge.codecs.hl7.charset import codec_of
from bridge.domain.order_control import OrderControl
from bridge.mapping.order_controls import read_order_controls
from bridge.mapping.rules_file import Faults, check_lengths, check_schema, read_rules, read_table
from bridge.mapping.site import POLICY_CHOICES, Match, Policy, Receiving, Rule, SiteMapping
from bridge.mapping.targets import TARGETS

_PRESET_KEYS = ("schema", "extends", "about", "time_zone", "charset", "policy", "order_control", "tables")
_KEYS = (*_PRESET_KEYS, "match", "authority", "processing_ids", "receiving")
_BASE = ("base", "base/order", "base/adt", "base/patient", "base/report")
_MATCH_KEYS = ("sending_application", "sending_facility")
_RECEIVING_KEYS = ("application", "facility")
_SECTIONS = frozenset(target.split(".")[0] for target in TARGETS)


def read_site(
    name: str, content: Mapping[str, Any], base: SiteMapping, faults: Faults, presets: Sequence[SiteMapping] = ()
) -> SiteMapping:
    """Return the site that a file describes; what is wrong with it goes to *faults*."""
    source = f"sites/{name}"
    _check_keys(content, _KEYS, source, faults)
    standing_on = base
    chosen = content.get("extends", "base")
    if chosen not in _BASE:
        standing_on = next((preset for preset in presets if f"sites/{preset.name}" == chosen), base)
        if standing_on is base:
            faults.unknown(source, "extends", str(chosen), [*_BASE, *(f"sites/{preset.name}" for preset in presets)])
    return replace(
        _lay_over(name, content, standing_on, faults),
        authority=_text(content, "authority", source, faults),
        processing_ids=_processing_ids(content, source, faults),
        receiving=_receiving(content.get("receiving", {}), source, faults),
        matches=_matches(content.get("match"), source, faults),
    )


def read_preset(name: str, content: Mapping[str, Any], base: SiteMapping, faults: Faults) -> SiteMapping:
    """Return the dialect that a preset.toml describes: it has no `match`, so that no sender is ever taken for it."""
    source = f"sites/{name}"
    if "match" in content:
        faults.add(source, "match", "a preset names no sender; the site that extends it does, in its own site.toml")
    _check_keys({key: value for key, value in content.items() if key != "match"}, _PRESET_KEYS, source, faults)
    if content.get("extends", "base") not in _BASE:
        faults.unknown(source, "extends", str(content["extends"]), _BASE)
    if not _text(content, "about", source, faults):
        faults.add(source, "about", "missing; say in one sentence which senders speak like this")
    return _lay_over(name, content, base, faults)


def _check_keys(content: Mapping[str, Any], keys: tuple[str, ...], source: str, faults: Faults) -> None:
    for key in content:
        if key not in keys and key not in _SECTIONS:
            faults.unknown(source, key, key, [*keys, *_SECTIONS])
    check_schema(content, source, faults)


def _lay_over(name: str, content: Mapping[str, Any], below: SiteMapping, faults: Faults) -> SiteMapping:
    """Return *below* with what a file says over it: whole rules, tables code by code, choices one by one."""
    source = f"sites/{name}"
    tables = _merge_tables(content.get("tables", {}), below, source, faults)
    sections = {key: value for key, value in content.items() if key in _SECTIONS}
    rules = {**below.rules, **read_rules(sections, source, tables, faults)}
    _check_because(sections, below, source, faults)
    _check_codes(content.get("tables", {}), below, rules, source, faults)
    return replace(
        below,
        name=name,
        time_zone=_time_zone(content, source, faults) or below.time_zone,
        charset=_charset(content, source, faults) or below.charset,
        policy=_policy(content.get("policy", {}), below.policy, source, faults),
        rules=rules,
        order_control={**below.order_control, **_order_controls(content.get("order_control", {}), source, faults)},
        tables=tables,
        about=_text(content, "about", source, faults),
    )


def _merge_tables(content: Any, base: SiteMapping, source: str, faults: Faults) -> dict[str, Mapping[str, str]]:
    """Return the tables below with the file's codes over them, code by code; a table of its own is added."""
    tables = dict(base.tables)
    if not isinstance(content, dict):
        faults.add(source, "tables", "must be tables")
        return tables
    for name, codes in content.items():
        if not isinstance(codes, dict):
            faults.add(source, f"tables.{name}", "must be a table")
            continue
        tables[name] = {**tables.get(name, {}), **read_table(name, codes, source, faults)}
    return tables


def _check_codes(content: Any, below: SiteMapping, rules: Mapping[str, Rule], source: str, faults: Faults) -> None:
    """Report codes that stand for what their targets cannot hold: a modality that is none, a longer text than fits."""
    tables = {name: codes for name, codes in content.items() if isinstance(codes, dict)} if content else {}
    said = {name: [v for v in codes.values() if isinstance(v, str)] for name, codes in tables.items()}
    modalities = sorted(set(below.tables.get("modality", {}).values()))
    for name in ("modality", "procedure_modality"):
        for value in said.get(name, ()):
            if value not in modalities:
                faults.unknown(source, f"tables.{name}", value, modalities)
    for rule in rules.values():
        if rule.source != source:
            check_lengths(rule.target, said.get(rule.table, ()), f"table {rule.table}", source, faults)


def _check_because(sections: Mapping[str, Any], base: SiteMapping, source: str, faults: Faults) -> None:
    """Report every override that gives no reason: the next person must be able to tell a need from a habit."""
    for section, entries in sections.items():
        for name, entry in entries.items() if isinstance(entries, dict) else ():
            target = f"{section}.{name}"
            reason = entry.get("because", "") if isinstance(entry, dict) else ""
            if target in base.rules and not (isinstance(reason, str) and reason.strip()):
                faults.add(source, target, 'takes the place of another rule and needs a "because"')


def _order_controls(content: Any, source: str, faults: Faults) -> dict[str, OrderControl]:
    for control, entry in content.items() if isinstance(content, dict) else ():
        reason = entry.get("because", "") if isinstance(entry, dict) else ""
        if not (isinstance(reason, str) and reason.strip()):
            faults.add(source, f"order_control.{control}", 'needs a "because"')
    return read_order_controls(content, source, faults)


def _text(content: Mapping[str, Any], key: str, source: str, faults: Faults) -> str:
    value = content.get(key, "")
    if not isinstance(value, str):
        faults.add(source, key, "must be a text")
        return ""
    return value.strip()


def _time_zone(content: Mapping[str, Any], source: str, faults: Faults) -> str:
    name = _text(content, "time_zone", source, faults)
    if name:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            faults.add(source, "time_zone", f"{name!r} is no time zone; write it like America/Chicago")
    return name


def _charset(content: Mapping[str, Any], source: str, faults: Faults) -> str | None:
    name = _text(content, "charset", source, faults)
    if name and codec_of(name) is None:
        faults.add(
            source, "charset", f"{name!r} is no character set of HL7 table 0211; write it like 8859/1 or UNICODE UTF-8"
        )
    return name or None


def _processing_ids(content: Mapping[str, Any], source: str, faults: Faults) -> tuple[str, ...]:
    values = content.get("processing_ids", ["P"])
    if not isinstance(values, list) or not values or not all(isinstance(value, str) and value for value in values):
        faults.add(source, "processing_ids", 'must be a list like ["P", "T"]')
        return ("P",)
    return tuple(values)


def _receiving(content: Any, source: str, faults: Faults) -> Receiving:
    return Receiving(**_texts(content, _RECEIVING_KEYS, "receiving", source, faults))


def _policy(content: Any, below: Policy, source: str, faults: Faults) -> Policy:
    chosen = _texts(content, tuple(POLICY_CHOICES), "policy", source, faults)
    for key, value in list(chosen.items()):
        if value not in POLICY_CHOICES[key]:
            faults.unknown(source, f"policy.{key}", value, POLICY_CHOICES[key])
            del chosen[key]
    return replace(below, **chosen)


def _matches(content: Any, source: str, faults: Faults) -> tuple[Match, ...]:
    entries = [content] if isinstance(content, dict) else content
    if not isinstance(entries, list) or not entries:
        faults.add(source, "match", 'names no sender; write it like { sending_facility = "MERCYW" }')
        return ()
    matches = []
    for entry in entries:
        match = Match(**_texts(entry, _MATCH_KEYS, "match", source, faults))
        if match == Match():
            faults.add(source, "match", "an entry names neither sending_application nor sending_facility")
        else:
            matches.append(match)
    return tuple(dict.fromkeys(matches))


def _texts(content: Any, known: tuple[str, ...], key: str, source: str, faults: Faults) -> dict[str, str]:
    """Return the texts of a small table with known keys."""
    if not isinstance(content, dict):
        faults.add(source, key, "must be a table")
        return {}
    found = {}
    for name, value in content.items():
        if name not in known:
            faults.unknown(source, f"{key}.{name}", name, known)
        elif not isinstance(value, str):
            faults.add(source, f"{key}.{name}", "must be a text")
        else:
            found[name] = value
    return found
