"""What every house rule looks at: the code, the project file, the lock."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.house.tree import ROOT, Source, sources


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def product() -> list[Source]:
    """Every file of the product, rooms and shells alike."""
    return sources("bridge")


@pytest.fixture(scope="session")
def own_code() -> list[Source]:
    """The product and what we ship beside it."""
    return sources("bridge", "samples", "bench")


@pytest.fixture(scope="session")
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


@pytest.fixture(scope="session")
def locked() -> dict[str, str]:
    """What requirements.lock pins: normal name to version."""
    pins = re.findall(r"^([a-zA-Z0-9._-]+)==(\S+)", (ROOT / "requirements.lock").read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pins}
