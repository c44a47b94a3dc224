"""The source tree as the house rules read it."""

from __future__ import annotations

import ast
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Source:
    """One Python file. name: its path from the root, with slashes."""

    name: str
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        return self.text.count("\n")


def _sources(*folders: str) -> list[Source]:
    found = []
    for folder in folders:
        for file in sorted((ROOT / folder).rglob("*.py")):
            text = file.read_text("utf-8")
            found.append(Source(file.relative_to(ROOT).as_posix(), text, ast.parse(text, str(file))))
    return found


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def product() -> list[Source]:
    """Every file of the product, rooms and shells alike."""
    return _sources("bridge")


@pytest.fixture(scope="session")
def own_code() -> list[Source]:
    """The product and what we ship beside it."""
    return _sources("bridge", "samples", "bench")


@pytest.fixture(scope="session")
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


@pytest.fixture(scope="session")
def locked() -> dict[str, str]:
    """What requirements.lock pins: normal name to version."""
    pins = re.findall(r"^([a-zA-Z0-9._-]+)==(\S+)", (ROOT / "requirements.lock").read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pins}
