"""The twenty traps of prior authorization stand in the documents, and each has tests that are named for it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.house.test_docs import section, tables, text_of

_NAMED = re.compile(r"^ *def test_trap_([0-9]+)_", re.MULTILINE)


def told(root: Path) -> list[int]:
    """Return the traps of docs/billing.md by number."""
    return [
        int(row[0]) for row in tables(section(text_of(root, "docs/billing.md"), "Twenty traps")) if row[0].isdigit()
    ]


def of_tests(root: Path) -> set[int]:
    """Return the traps that a test is named for."""
    files = (root / "tests").rglob("test_*.py")
    return {int(number) for file in files for number in _NAMED.findall(file.read_text("utf-8"))}


def test_every_trap_that_is_told_of_has_a_test_of_its_name(root: Path) -> None:
    assert told(root) == list(range(1, 21))
    assert of_tests(root) == set(range(1, 21))
