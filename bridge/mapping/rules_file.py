"""The parts of a mapping file that base and sites share: rules and tables, and the list of what is wrong with them."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path as FilePath
from typing import Any

from bridge.mapping.grammar import Path, parse_path
from bridge.mapping.site import Rule
from bridge.mapping.targets import TARGETS

_SCHEMA = 1
# What a converter must give so that a table can say what it stands for.
_TRANSLATED = ("text", "each_text", "location", "side")
_RULE_KEYS = ("from", "as", "table", "required", "default", "because")


class Faults:
    """Collects what is wrong, each with its file and key."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, file: str, key: str, what: str) -> None:
        self.found.append(f"{file}: {key}: {what}" if key else f"{file}: {what}")

    def unknown(self, file: str, key: str, word: str, known: Iterable[str]) -> None:
        """Report a word that is none of *known*, with the nearest one that is."""
        near = get_close_matches(word, list(known), n=1, cutoff=0.5)
        self.add(file, key, f"{word!r} is not known" + (f"; did you mean {near[0]!r}?" if near else ""))


def whole_number(value: Any, file: str, where: str, most: int, faults: Faults) -> int:
    """Return a whole number from 0 to *most*; 0 with a fault for anything else."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        faults.add(file, where, f"must be a whole number from 0 to {most}")
        return 0
    return value


def read_toml(file: FilePath, faults: Faults) -> dict[str, Any] | None:
    """Return a file's content, None with a fault if it is no TOML."""
    try:
        return tomllib.loads(file.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        faults.add(str(file), "", str(error))
        return None


def read_rules(
    content: Mapping[str, Any], source: str, tables: Mapping[str, Mapping[str, str]], faults: Faults
) -> dict[str, Rule]:
    """Return the rules that stand in a file's sections, by target."""
    sections = {target.split(".")[0] for target in TARGETS}
    rules: dict[str, Rule] = {}
    for section, entries in content.items():
        if section not in sections:
            faults.unknown(source, section, section, sections)
            continue
        if not isinstance(entries, dict):
            faults.add(source, section, "must be a table")
            continue
        for name, entry in entries.items():
            rule = _read_rule(f"{section}.{name}", entry, source, tables, faults)
            if rule:
                rules[rule.target] = rule
    return rules


def _read_rule(
    target: str, entry: Any, source: str, tables: Mapping[str, Mapping[str, str]], faults: Faults
) -> Rule | None:
    known = TARGETS.get(target)
    if known is None:
        faults.unknown(source, target, target, TARGETS)
        return None
    if not isinstance(entry, dict):
        faults.add(source, target, 'must be a table with "from"')
        return None
    for key in entry:
        if key not in _RULE_KEYS:
            faults.unknown(source, f"{target}.{key}", key, _RULE_KEYS)
    paths = _read_paths(target, entry.get("from"), source, faults)
    converter, table, default = entry.get("as", known.converters[0]), entry.get("table", ""), entry.get("default", "")
    if converter not in known.converters:
        faults.unknown(source, f"{target}.as", str(converter), known.converters)
        return None
    if table and table not in tables:
        faults.unknown(source, f"{target}.table", str(table), tables)
    elif table and converter not in _TRANSLATED:
        faults.add(source, f"{target}.table", f"a table translates texts, and {converter!r} gives none")
    elif table:
        check_lengths(target, list(tables[table].values()), f"table {table}", source, faults)
    if not isinstance(default, str) or not isinstance(entry.get("required", False), bool):
        faults.add(source, target, "default must be a text, required true or false")
    elif default:
        if known.converters[0] != "text":
            faults.add(source, f"{target}.default", "only a text can have a default")
        check_lengths(target, [default], "default", source, faults)
    if not paths:
        return None
    return Rule(target, paths, converter, table, bool(entry.get("required", False)), str(default), source)


def _read_paths(target: str, value: Any, source: str, faults: Faults) -> tuple[Path, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        faults.add(source, f"{target}.from", "must be a path or a list of paths")
        return ()
    paths = []
    for text in texts:
        try:
            paths.append(parse_path(text))
        except ValueError as error:
            faults.add(source, f"{target}.from", str(error))
    return tuple(paths)


def check_lengths(target: str, values: Iterable[str], what: str, source: str, faults: Faults) -> None:
    """Report each value that is longer than its target takes."""
    limit = TARGETS[target].limit
    for value in values:
        if limit and len(value) > limit:
            faults.add(source, target, f"{what}: {value!r} is longer than the {limit} characters that fit there")


def read_table(name: str, content: Mapping[str, Any], source: str, faults: Faults) -> dict[str, str]:
    """Return a table of codes, every value a text."""
    for code, value in content.items():
        if not isinstance(value, str):
            faults.add(source, f"tables.{name}.{code}", "must be a text")
    return {code: value for code, value in content.items() if isinstance(value, str)}


def check_schema(content: Mapping[str, Any], source: str, faults: Faults) -> None:
    """Report a file that was written for another version of this format."""
    if content.get("schema", _SCHEMA) != _SCHEMA:
        faults.add(source, "schema", f"must be {_SCHEMA}")


def check_head(content: Mapping[str, Any], known: Iterable[str], source: str, faults: Faults) -> None:
    """Report another version of this format, and each key at the top of the file that is none of *known*."""
    check_schema(content, source, faults)
    for key in content:
        if key not in known:
            faults.unknown(source, key, key, known)


def read_title(content: Mapping[str, Any], thing: str, source: str, faults: Faults) -> str:
    """Return what people call the *thing* that the file is about, "" with a fault if it does not say."""
    title = content.get("title")
    if isinstance(title, str) and title.strip():
        return title
    faults.add(source, "title", f"must say what people call {thing}")
    return ""


def lay_over(
    said: dict[str, dict[str, Any]], file: FilePath, known: Mapping[str, Collection[str] | None], faults: Faults
) -> None:
    """
    Lay a file's sections over what was *said* before it, entry by entry.

    known: the keys of each section; None where a section may hold any.
    """
    content, source = read_toml(file, faults) or {}, str(file)
    check_head(content, (*known, "schema"), source, faults)
    for section in (one for one in content if one in known):
        entries, allowed = content[section], known[section]
        if not isinstance(entries, dict):
            faults.add(source, section, "must be a table")
            continue
        for key in entries.keys() - (entries.keys() if allowed is None else allowed):
            faults.unknown(source, f"{section}.{key}", key, allowed or ())
        said.setdefault(section, {}).update(entries)
