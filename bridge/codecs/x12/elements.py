"""Elements: what type and length each may have (`tables/elements.toml`), asked of what we write.

A rule is written "ID 2/3 ! A1 A2": type, least and greatest length, "!" for one that must stand there, and the codes it
may have where the list is closed. A list of rules is a composite; it begins with "!" where it must stand there.
Source: ASC X12.3.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from bridge.codecs.x12.segments import Segment

_DIGITS = frozenset("0123456789")
_DECIMAL = _DIGITS | {"-", "."}


@dataclass(frozen=True, slots=True)
class Rule:
    """What one element or component may be. type: AN, ID, R (decimal), N0 (whole), DT, TM or B (bytes)."""

    type: str
    least: int
    most: int
    required: bool
    codes: frozenset[str]

    def fault(self, value: str) -> str:
        """Say what is wrong with *value*, "" if nothing is; never the value itself."""
        if not value:
            return "is missing" if self.required else ""
        length = len(value.replace("-", "").replace(".", "")) if self.type in ("R", "N0") else len(value)
        if not self.least <= length <= self.most:
            return f"has fewer than {self.least} or more than {self.most} characters"
        if self.codes and value not in self.codes:
            return "is none of its codes"
        allowed = _DECIMAL if self.type == "R" else _DIGITS if self.type in ("N0", "DT", "TM") else None
        return "is no number" if allowed is not None and not allowed.issuperset(value) else ""


@dataclass(frozen=True, slots=True)
class Composite:
    """An element of several components."""

    rules: tuple[Rule, ...]
    required: bool


def faults_of(segment: Segment) -> Iterator[tuple[str, str]]:
    """Yield (place, sentence) of what is wrong with a segment's elements: ("PWK06", "is missing")."""
    rules = _rules().get(segment.name)
    if rules is None:
        yield segment.name, "is a segment without rules"
        return
    elements = segment.elements()
    if len(elements) - 1 > len(rules):
        yield segment.name, f"has more than {len(rules)} elements"
    for number, rule in enumerate(rules, 1):
        at = f"{segment.name}{number:02}"
        if isinstance(rule, Rule):
            mark, value = segment.delimiters.repetition, elements[number] if number < len(elements) else ""
            values = value.split(mark) if mark and rule.type != "B" else [value]
            yield from ((at, fault) for one in values if (fault := rule.fault(one)))
        else:
            yield from _faults_of_composite(segment, number, rule)


def _faults_of_composite(segment: Segment, number: int, composite: Composite) -> Iterator[tuple[str, str]]:
    at, components = f"{segment.name}{number:02}", segment.components(number)
    if len(components) > len(composite.rules):
        yield at, f"has more than {len(composite.rules)} components"
    if not components:
        yield from [(at, "is missing")] if composite.required else []
        return
    for place, rule in enumerate(composite.rules, 1):
        fault = rule.fault(components[place - 1] if place <= len(components) else "")
        if fault:
            yield f"{at}-{place}", fault


@cache
def _rules() -> dict[str, tuple[Rule | Composite, ...]]:
    text = resources.files("bridge.codecs.x12").joinpath("tables", "elements.toml").read_text("utf-8")
    return {name: tuple(_rule(one) for one in rows) for name, rows in tomllib.loads(text).items()}


def _rule(written: Any) -> Any:
    if isinstance(written, list):
        return Composite(tuple(_rule(one) for one in written if one != "!"), written[0] == "!")
    kind, length, *rest = written.split()
    least, _, most = length.partition("/")
    codes = frozenset(one for one in rest if one != "!")
    return Rule(kind, int(least), int(most), "!" in rest, codes)
