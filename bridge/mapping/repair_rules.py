"""Reads mappings/repairs: what a site's devices write wrongly, a file for each kind of device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bridge.codecs.dicom import charset
from bridge.domain import repair_kinds
from bridge.domain.repair_kinds import GluedIssuer
from bridge.domain.repairs import MATCHED, CharsetRule, DeviceRepairs, Repair, Rule
from bridge.mapping.rules_file import Faults, check_head, read_title, read_toml

FOLDER = "repairs"
_KEYS = ("schema", "title", "match", "repairs")
_MATCH_KEYS = ("ae_title", *MATCHED)
_NAMES = ("PatientName", "ReferringPhysicianName")
_CODES = ("PatientSex", "Modality")
_DATES = ("PatientBirthDate", "StudyDate", "SeriesDate")
_TIMES = ("StudyTime", "SeriesTime")
_NUMBERS = ("SeriesNumber", "InstanceNumber", "NumberOfFrames")
_IDS = ("PatientID", "AccessionNumber")
_SOURCES = ("StudyID", "RequestedProcedureID")
_SEXES = ("M", "F", "O")
# A clock whose battery was dead begins again decades ago.
_MOST_MINUTES = 60 * 366 * 24 * 60
# What was seen and where is not ours to read otherwise.
_NEVER = {
    "BodyPartExamined",
    "Laterality",
    "ImageLaterality",
    "ViewPosition",
    "PatientOrientation",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "PatientPosition",
    "StudyDescription",
    "SeriesDescription",
    "PixelData",
    "PhotometricInterpretation",
    "BurnedInAnnotation",
}

Entry = Mapping[str, Any]
_Build = Callable[[tuple[str, ...], Entry], Repair]

# Each repair: the values it may be about, the further keys of its entry, and how it is made of them.
_KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...], _Build]] = {
    "comma_name": (_NAMES, (), lambda of, _: repair_kinds.CommaName(of)),
    "five_components": (_NAMES, (), lambda of, _: repair_kinds.FiveComponents(of)),
    "words": (
        _CODES,
        ("table",),
        lambda of, e: repair_kinds.Words(of, {word.strip().casefold(): code for word, code in e["table"].items()}),
    ),
    "upper_case": (_CODES, (), lambda of, _: repair_kinds.UpperCase(of)),
    "age": (("PatientAge",), (), lambda of, _: repair_kinds.AgeForm(of)),
    "date": (_DATES, ("form",), lambda of, e: repair_kinds.DateForm(of, e["form"])),
    "time": (_TIMES, ("form",), lambda of, e: repair_kinds.TimeForm(of, e["form"])),
    "number": (_NUMBERS, (), lambda of, _: repair_kinds.NumberForm(of)),
    "strip": (
        _IDS,
        ("prefix", "suffix"),
        lambda of, e: repair_kinds.Without(of, e.get("prefix", ""), e.get("suffix", "")),
    ),
    "glued_issuer": (("PatientID",), (), lambda _, __: GluedIssuer({})),
    "take": (("AccessionNumber",), ("from", "shape"), lambda _, e: repair_kinds.TakenFrom(e["from"], e["shape"])),
}
_WHOLE = {"charset": ("is", "always"), "clock": ("ahead_minutes",)}


def read_repairs(layers: Sequence[Path], faults: Faults) -> tuple[DeviceRepairs, ...]:
    """Return what every file of *layers* says; one in a later layer takes the place of an earlier one of its name."""
    files = {file.stem: file for layer in layers for file in sorted((layer / FOLDER).glob("*.toml"))}
    return tuple(
        _read_device(name, content, faults)
        for name, file in sorted(files.items())
        if (content := read_toml(file, faults)) is not None
    )


def read_repair(name: str, entry: Entry, faults: Faults) -> DeviceRepairs:
    """Return what one entry says that stands in no file; *name* is the rule's in every decision."""
    device = _with_entry(DeviceRepairs(name, name), "repair", {"because": name, **entry}, faults)
    if not (device.rules or device.charset or device.clock_ahead_secs or faults.found):
        faults.add(f"{FOLDER}/{name}", "repair", "must say what to do")
    return device


def with_authorities(device: DeviceRepairs, authorities: Mapping[str, str]) -> DeviceRepairs:
    """Return *device* with what issuers may be taken out of a number. authorities: folded spelling to name."""
    rules = tuple(
        replace(rule, repair=GluedIssuer(authorities)) if isinstance(rule.repair, GluedIssuer) else rule
        for rule in device.rules
    )
    return replace(device, rules=rules)


def _read_device(name: str, content: Entry, faults: Faults) -> DeviceRepairs:
    source = f"{FOLDER}/{name}"
    check_head(content, _KEYS, source, faults)
    title = read_title(content, "the device", source, faults)
    fitting = _read_match(content.get("match"), source, faults)
    entries = content.get("repairs")
    if not isinstance(entries, dict) or not entries:
        faults.add(source, "repairs", "must hold at least one [repairs.<name>]")
        entries = {}
    device = DeviceRepairs(
        name,
        title,
        frozenset(fitting.pop("ae_title", ())),
        {MATCHED[key]: frozenset(one.casefold() for one in values) for key, values in fitting.items()},
    )
    for key, entry in entries.items():
        device = _with_entry(device, key, entry, faults)
    return device


def _read_match(match: Any, source: str, faults: Faults) -> dict[str, list[str]]:
    """Return the values that fit, by the key of the match."""
    if not isinstance(match, dict) or not match:
        faults.add(source, "match", f"must say which device: at least one of {', '.join(_MATCH_KEYS)}")
        return {}
    found: dict[str, list[str]] = {}
    for key, value in match.items():
        values = [value] if isinstance(value, str) else value
        if key not in _MATCH_KEYS:
            faults.unknown(source, f"match.{key}", key, _MATCH_KEYS)
        elif not isinstance(values, list) or not values or not all(isinstance(v, str) and v.strip() for v in values):
            faults.add(source, f"match.{key}", "must be a text or a list of texts")
        else:
            found[key] = [one.strip() for one in values]
    return found


def _with_entry(device: DeviceRepairs, key: str, entry: Any, faults: Faults) -> DeviceRepairs:
    source, where = f"{FOLDER}/{device.name}", f"repairs.{key}"
    if not isinstance(entry, dict):
        faults.add(source, where, 'must be a table with "do" and "because"')
        return device
    because, kind = entry.get("because"), str(entry.get("do", ""))
    if not isinstance(because, str) or not because.strip():
        faults.add(source, where, "must say because of what")
    if kind not in (*_KINDS, *_WHOLE):
        faults.unknown(source, f"{where}.do", kind, (*_KINDS, *_WHOLE))
        return device
    further = _WHOLE[kind] if kind in _WHOLE else (*(("of",) if _takes_of(kind) else ()), *_KINDS[kind][1])
    for one in entry:
        if one not in ("do", "because", *further):
            faults.unknown(source, f"{where}.{one}", one, ("do", "because", *further))
    name = f"{device.name}.{key}"
    if kind == "charset":
        return replace(device, charset=_read_charset(name, entry, (source, where), faults) or device.charset)
    if kind == "clock":
        return replace(device, clock_ahead_secs=_read_clock(entry, (source, where), faults))
    before = len(faults.found)
    of = _read_of(kind, entry, (source, where), faults)
    _check_parameters(kind, entry, (source, where), faults)
    if len(faults.found) > before:
        return device
    return replace(device, rules=(*device.rules, Rule(name, str(because), _KINDS[kind][2](of, entry))))


def _takes_of(kind: str) -> bool:
    return kind not in ("glued_issuer", "take")


def _read_of(kind: str, entry: Entry, place: tuple[str, str], faults: Faults) -> tuple[str, ...]:
    source, where = place
    allowed = _KINDS[kind][0]
    if not _takes_of(kind):
        return allowed
    named = entry.get("of", list(allowed) if len(allowed) == 1 else None)
    if not isinstance(named, list) or not named:
        faults.add(source, f"{where}.of", f"must list what it is about: {', '.join(allowed)}")
        return ()
    for one in named:
        if one in _NEVER or str(one).endswith("UID"):
            faults.add(
                source,
                f"{where}.of",
                f"{one} is what was seen, or which object it is: that is never read otherwise than it was written",
            )
        elif one not in allowed:
            faults.unknown(source, f"{where}.of", str(one), allowed)
    return tuple(str(one) for one in named)


def _check_parameters(kind: str, entry: Entry, place: tuple[str, str], faults: Faults) -> None:
    source, where = place
    if kind in ("date", "time"):
        form = entry.get("form")
        if not isinstance(form, str) or not repair_kinds.is_form(form, is_date=kind == "date"):
            example = "MM/DD/YYYY" if kind == "date" else "HH.MM.SS"
            faults.add(source, f"{where}.form", f"must be a form like {example}, each part once")
    elif kind == "words":
        _check_table(entry, place, faults)
    elif kind == "strip":
        parts = [entry.get("prefix", ""), entry.get("suffix", "")]
        if not all(isinstance(part, str) for part in parts) or not any(parts):
            faults.add(source, where, "must have a prefix or a suffix, each a text")
    elif kind == "take":
        if entry.get("from") not in _SOURCES:
            faults.unknown(source, f"{where}.from", str(entry.get("from", "")), _SOURCES)
        shape = entry.get("shape")
        if not isinstance(shape, str) or not 3 <= len(shape) <= 16:
            faults.add(
                source, f"{where}.shape", "must show what the numbers look like: 9 a digit, @ a letter (RA999999)"
            )


def _check_table(entry: Entry, place: tuple[str, str], faults: Faults) -> None:
    source, where = place
    table = entry.get("table")
    if not isinstance(table, dict) or not table or not all(isinstance(code, str) for code in table.values()):
        faults.add(source, f"{where}.table", 'must be a table of words and codes: { MALE = "M" }')
        return
    is_sex = "PatientSex" in (entry.get("of") or ())
    for word, code in table.items():
        if is_sex and word.strip().upper() in _SEXES:
            faults.add(source, f"{where}.table.{word}", f"{word} is a code already: it says what it says")
        elif is_sex and code not in _SEXES:
            faults.unknown(source, f"{where}.table.{word}", code, _SEXES)
        elif not code or len(code) > 16 or code != code.upper():
            faults.add(source, f"{where}.table.{word}", "a code has at most 16 characters, in capitals")


def _read_charset(name: str, entry: Entry, place: tuple[str, str], faults: Faults) -> CharsetRule | None:
    source, where = place
    term, always = entry.get("is"), entry.get("always", False)
    if not isinstance(term, str) or charset.parse_setting(term) is None:
        faults.add(source, f"{where}.is", f"{term!r} is no Specific Character Set")
        return None
    if not isinstance(always, bool):
        faults.add(source, f"{where}.always", "must be true or false")
    return CharsetRule(name, str(entry.get("because", "")), term, always is True)


def _read_clock(entry: Entry, place: tuple[str, str], faults: Faults) -> int:
    source, where = place
    minutes = entry.get("ahead_minutes")
    if isinstance(minutes, bool) or not isinstance(minutes, int) or not 0 < abs(minutes) <= _MOST_MINUTES:
        faults.add(
            source, f"{where}.ahead_minutes", "must be how many minutes its clock is ahead, below zero if behind"
        )
        return 0
    return minutes * 60
