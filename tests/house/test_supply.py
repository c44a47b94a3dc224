"""What we depend on: pinned with hashes, from no named place, under licences that let a clinic run it."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path
from typing import Any

import pytest

LOCKS = ("requirements.lock", "requirements-dev.lock")
# The LGPL is weaker: fine for a library that is imported as it comes and named in NOTICE.
COPYLEFT = re.compile(r"(?<!L)(?<!Lesser )\b(AGPL|GPL|GNU (Affero )?General Public)", re.IGNORECASE)


def licence_of(name: str) -> str:
    metadata = importlib.metadata.metadata(name)
    classifiers = [c for c in metadata.get_all("Classifier", []) if c.startswith("License")]
    return " / ".join([metadata.get("License-Expression") or "", (metadata.get("License") or "")[:200], *classifiers])


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_address(root: Path, lock: str) -> None:
    text = (root / lock).read_text("utf-8")
    assert not re.search(r"https?://|file:|--(extra-)?index-url|--find-links|@ ", text)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(root: Path, lock: str) -> None:
    entries = re.split(r"\n(?=[a-zA-Z0-9])", (root / lock).read_text("utf-8").strip())
    bare = [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry and not entry.startswith("#")]
    assert not bare


def test_both_locks_agree(root: Path, locked: dict[str, str]) -> None:
    development = (root / "requirements-dev.lock").read_text("utf-8")
    differing = [
        name
        for name, version in locked.items()
        if not re.search(rf"^{name}=={re.escape(version)}\b", development, re.M)
    ]
    assert not differing


def test_every_dependency_is_locked(pyproject: dict[str, Any], locked: dict[str, str]) -> None:
    named = [re.match(r"[A-Za-z0-9._-]+", line) for line in pyproject["project"]["dependencies"]]
    missing = [m.group() for m in named if m and re.sub(r"[-_.]+", "-", m.group()).lower() not in locked]
    assert not missing


def test_no_product_dependency_is_under_the_gpl(locked: dict[str, str]) -> None:
    found = {name: licence_of(name) for name in locked if COPYLEFT.search(licence_of(name))}
    assert not found


def test_the_notice_names_every_product_dependency(root: Path, locked: dict[str, str]) -> None:
    lines = (root / "NOTICE").read_text("utf-8").splitlines()
    named = {re.sub(r"[-_.]+", "-", line.split()[0]).lower() for line in lines if re.match(r"\S+ {2,}\S", line)}
    assert named == set(locked)


def test_the_licence_is_whole(root: Path, pyproject: dict[str, Any]) -> None:
    text = (root / "LICENSE").read_text("utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert pyproject["project"]["license"] == "Apache-2.0"
