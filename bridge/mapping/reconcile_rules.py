"""Reads reconcile.toml and nicknames.csv, the shipped ones and those a site lays over them, into ReconcileRules."""

from __future__ import annotations

import codecs
import csv
import difflib
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import tzinfo
from pathlib import Path
from typing import Any

from bridge.domain.identifiers import digest_of
from bridge.domain.names import fold
from bridge.domain.oncology import OncologyRules
from bridge.domain.reconcile_rules import BIND_RULES, VETOES, ReconcileRules, Scores
from bridge.errors import Misconfigured
from bridge.mapping.authorization_rules import read_authorization_rules
from bridge.mapping.checklist import load_checklist
from bridge.mapping.resolve import MappingSet
from bridge.mapping.rules_file import Faults

FILE_NAME = "reconcile.toml"
# A changed one, tried beside the one in use before it takes its place.
NEXT_FILE_NAME = "reconcile.next.toml"
_SCHEMA = 1
_VERSION_LENGTH = 12
_DATE = re.compile(r"\d{8}")

Check = Callable[[Any], str]


def load_rules(
    shipped: Path,
    overlay: Path | str | None = None,
    *,
    authority: str,
    own_authorities: Iterable[str] = (),
    authority_aliases: Mapping[str, str] | None = None,
    zone: tzinfo | None = None,
    candidate: Path | None = None,
) -> ReconcileRules:
    """
    Return the rules of the folder *shipped* with those of *overlay* laid over it; what neither says has its default.

    candidate: a file that stands in for the overlay's own, to be tried. authority: what an identifier without an issuer means. own_authorities: further issuers that are ours: those of every
    site that sends us patients. authority_aliases: an OID or another spelling → the authority's name.
    zone: the hospital's; what is compared by other files of the folders is read only with it.
    Raises: Misconfigured, naming every fault with file, entry and the nearest right word.
    """
    faults: list[str] = []
    folders = [shipped, Path(overlay)] if overlay else [shipped]
    entries: dict[tuple[str, str], Any] = {}
    files = [shipped / FILE_NAME]
    if candidate is not None or overlay:
        files.append(candidate or Path(overlay or "") / FILE_NAME)
    for file in files:
        entries.update(_read_file(file, faults))
    nicknames = _read_nicknames(str(entries.get(("names", "nicknames"), "")), folders, faults)
    if faults:
        raise Misconfigured(faults)
    ours = {
        "authority": authority,
        "own_authorities": frozenset(own_authorities),
        "authority_aliases": dict(authority_aliases or {}),
    }
    rules = _build(entries, nicknames, ours)
    return rules if zone is None else _with_other_files(rules, shipped, Path(overlay) if overlay else None, zone)


def _with_other_files(rules: ReconcileRules, shipped: Path, overlay: Path | None, zone: tzinfo) -> ReconcileRules:
    faults = Faults()
    authorizations = read_authorization_rules(shipped, overlay, zone, faults)
    if faults.found:
        raise Misconfigured(faults.found)
    return replace(rules, checklist=load_checklist(shipped, overlay, zone), authorizations=authorizations)


def authorities_of_sites(mappings: MappingSet, overlay: Path | None) -> set[str]:
    """Return the authorities of the senders that a clinic set up itself, in *overlay*: their numbers are ours, too."""
    if overlay is None:
        return set()
    own = {path.parent.name for path in overlay.glob("sites/*/site.toml")}
    return {site.authority for site in mappings.sites if site.name in own and site.authority}


def _read_file(path: Path, faults: list[str]) -> dict[tuple[str, str], Any]:
    """Return the sound entries of one file by (section, key), and add what is wrong with the others to *faults*."""
    if not path.is_file():
        return {}
    try:
        content = tomllib.loads(path.read_text("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        faults.append(f"{path}: not TOML: {error}")
        return {}
    entries: dict[tuple[str, str], Any] = {}
    for section, values in content.items():
        if section == "schema":
            if values != _SCHEMA:
                faults.append(f"{path}: schema is {values!r}; this version reads {_SCHEMA}")
        elif section not in _ENTRIES:
            faults.append(f"{path}: [{section}] is not known{_nearest(section, _ENTRIES)}")
        elif not isinstance(values, dict):
            faults.append(f"{path}: [{section}] must be a table")
        else:
            entries |= _check_section(path, section, values, faults)
    return entries


def _check_section(
    path: Path, section: str, values: Mapping[str, Any], faults: list[str]
) -> dict[tuple[str, str], Any]:
    known = _ENTRIES[section]
    entries: dict[tuple[str, str], Any] = {}
    for key, value in values.items():
        if key not in known:
            faults.append(f"{path}: [{section}] {key} is not known{_nearest(key, known)}")
            continue
        fault = known[key](value)
        if fault:
            faults.append(f"{path}: [{section}] {key} {fault}")
        else:
            entries[section, key] = value
    return entries


def _nearest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"


def _text(value: Any) -> str:
    return "" if isinstance(value, str) else "must be a text"


def _texts(value: Any) -> str:
    fits = isinstance(value, list) and all(isinstance(one, str) and one.strip() for one in value)
    return "" if fits else "must be a list of texts, none of them empty"


def _text_table(value: Any) -> str:
    fits = isinstance(value, dict) and all(isinstance(one, str) and one.strip() for one in value.values())
    return "" if fits else "must be a table of texts"


def _whole_number(value: Any) -> str:
    return "" if isinstance(value, int) and not isinstance(value, bool) else "must be a whole number"


def _positive(value: Any) -> str:
    return _whole_number(value) or ("" if value > 0 else "must be more than 0")


def _pattern(value: Any) -> str:
    if not isinstance(value, str):
        return "must be a regular expression"
    try:
        re.compile(value)
    except re.error as error:
        return f"is no regular expression: {error}"
    return ""


def _dates(value: Any) -> str:
    return _texts(value) or ("" if all(_DATE.fullmatch(one) for one in value) else "must be dates as YYYYMMDD")


def _charsets(value: Any) -> str:
    fault = _texts(value)
    if fault:
        return fault
    for name in value:
        try:
            codecs.lookup(name)
        except LookupError:
            return f"names {name!r}, which is no character set{_nearest(name, _COMMON_CHARSETS)}"
    return ""


def _one_of(known: Sequence[str]) -> Check:
    def check(value: Any) -> str:
        fault = _texts(value)
        if fault:
            return fault
        for code in value:
            if code in VETOES and code not in known:
                return f"names {code}: a veto cannot be switched off"
            if code not in known:
                return f"names {code!r}{_nearest(code, known)}"
        return ""

    return check


def _grades(known: Iterable[str]) -> Check:
    grades = tuple(known)

    def check(value: Any) -> str:
        if not isinstance(value, dict) or any(_whole_number(one) for one in value.values()):
            return "must be a table of whole numbers"
        for grade in value:
            if grade not in grades:
                return f"has {grade}, which is no grade{_nearest(grade, grades)}"
        missing = [grade for grade in grades if grade not in value]
        return f"lacks {', '.join(missing)}" if missing else ""

    return check


_COMMON_CHARSETS = ("gb18030", "gbk", "big5", "iso2022_jp", "shift_jis", "euc_kr", "iso8859_5", "cp1251", "utf_8")
_DEFAULT_SCORES = Scores()
_ENTRIES: dict[str, dict[str, Check]] = {
    "ids": {"mrn_pattern": _pattern, "prefixes": _texts, "suffixes": _texts, "placeholders": _texts},
    "names": {
        "placeholder_words": _texts,
        "test_words": _texts,
        "nicknames": _text,
        "charsets": _charsets,
        "placeholder_dobs": _dates,
    },
    "sources": {"import_aes": _texts, "institutions": _text_table, "import_procedures": _texts},
    "rules": {
        "accession_stale_days": _positive,
        "order_window_hours": _positive,
        "disable": _one_of(BIND_RULES),
        "two_person": _one_of(VETOES),
    },
    "oncology": {"codes": _texts, "words": _texts},
    "scores": {
        "name": _grades(_DEFAULT_SCORES.name),
        "birth_date": _grades(_DEFAULT_SCORES.birth_date),
        "sex": _grades(_DEFAULT_SCORES.sex),
        "exact_id": _whole_number,
        "exact_id_with_equal_name": _whole_number,
        "cross_reference": _whole_number,
        "normalised_id": _whole_number,
        "order_key": _whole_number,
    },
}


def _read_nicknames(name: str, folders: Sequence[Path], faults: list[str]) -> dict[str, frozenset[int]]:
    """Return folded name → the rows it stands in; the last folder that has the file decides."""
    path = next((folder / name for folder in reversed(folders) if name and (folder / name).is_file()), None)
    if path is None:
        if name:
            faults.append(f"{FILE_NAME}: [names] nicknames names {name}, which is in none of the mapping folders")
        return {}
    rows: dict[str, set[int]] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        for number, row in enumerate(csv.reader(file), 1):
            names = ["".join(fold(cell).split()) for cell in row if cell.strip()]
            if not names or row[0].lstrip().startswith("#"):
                continue
            if len(names) < 2:
                faults.append(f"{path}: line {number} has one name; a row holds names that stand for one another")
            for one in names:
                rows.setdefault(one, set()).add(number)
    return {one: frozenset(numbers) for one, numbers in rows.items()}


def _build(
    entries: Mapping[tuple[str, str], Any], nicknames: Mapping[str, frozenset[int]], ours: Mapping[str, Any]
) -> ReconcileRules:
    values = dict(ours)
    for place, (attribute, convert) in _TARGETS.items():
        if place in entries:
            values[attribute] = convert(entries[place])
    scores = {key: value for (section, key), value in entries.items() if section == "scores"}
    tumours = {key: tuple(value) for (section, key), value in entries.items() if section == "oncology"}
    values |= {"scores": Scores(**scores), "oncology": OncologyRules(**tumours)}
    return ReconcileRules(nicknames=nicknames, version=_version(entries, nicknames, ours), **values)


def _upper_set(values: list[str]) -> frozenset[str]:
    return frozenset(" ".join(value.upper().split()) for value in values)


def _folded_set(values: list[str]) -> frozenset[str]:
    return frozenset("".join(fold(value).split()) for value in values)


_TARGETS: dict[tuple[str, str], tuple[str, Callable[[Any], Any]]] = {
    ("ids", "mrn_pattern"): ("mrn_pattern", str),
    ("ids", "prefixes"): ("id_prefixes", tuple),
    ("ids", "suffixes"): ("id_suffixes", tuple),
    ("ids", "placeholders"): ("placeholder_ids", _upper_set),
    ("names", "placeholder_words"): ("placeholder_words", _folded_set),
    ("names", "test_words"): ("test_words", _folded_set),
    ("names", "charsets"): ("charsets", tuple),
    ("names", "placeholder_dobs"): ("placeholder_birth_dates", frozenset),
    ("sources", "import_aes"): ("import_ae_titles", lambda titles: frozenset(title.strip() for title in titles)),
    ("sources", "institutions"): ("institutions", dict),
    ("sources", "import_procedures"): ("import_procedures", _upper_set),
    ("rules", "accession_stale_days"): ("accession_stale_days", int),
    ("rules", "order_window_hours"): ("order_window_hours", int),
    ("rules", "disable"): ("disable", frozenset),
    ("rules", "two_person"): ("two_person", frozenset),
}


def _version(
    entries: Mapping[tuple[str, str], Any], nicknames: Mapping[str, frozenset[int]], ours: Mapping[str, Any]
) -> str:
    content = [
        sorted((section, key, value) for (section, key), value in entries.items()),
        sorted((name, sorted(rows)) for name, rows in nicknames.items()),
        [ours["authority"], sorted(ours["own_authorities"]), sorted(ours["authority_aliases"].items())],
    ]
    return digest_of(json.dumps(content, sort_keys=True, ensure_ascii=False).encode())[:_VERSION_LENGTH]
