"""Names and words: no drawers, no unfinished work, no leftovers of where it was written."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from tests.house.tree import Source

DRAWERS = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers", "tools", "stuff"}
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK|NotImplementedError)\b")
# Notes that are not part of the repository: a reader could not follow the reference.
ELSEWHERE = re.compile(
    r"contract\.md|style\.md|product\.md|ecosystem\.md|console\.md|\breference/[a-z0-9-]+\.md|\b(hl7v2|prior-auth|reconciliation|"
    r"worklist|reliability|performance|mpps-and-storage|security-and-audit|fhir)\.md\b|/(?:work|opt)/"
)
DOCUMENTED_HERE = re.compile(r"docs/[a-z-]+\.md")


def test_no_module_is_a_drawer(own_code: list[Source]) -> None:
    found = [s.name for s in own_code if DRAWERS & {part.removesuffix(".py") for part in s.name.split("/")}]
    assert not found, "a function without a home is a concept without a name: " + ", ".join(found)


def test_nothing_is_unfinished(own_code: list[Source]) -> None:
    found = [f"{s.name}: {m.group()}" for s in own_code for m in UNFINISHED.finditer(s.text)]
    assert not found, "\n".join(found)


def test_no_source_points_at_notes_outside_the_repository(own_code: list[Source]) -> None:
    found = []
    for source in own_code:
        text = DOCUMENTED_HERE.sub("", source.text)
        found += [f"{source.name}: {m.group()}" for m in ELSEWHERE.finditer(text)]
    assert not found, "\n".join(found)


def test_a_document_named_in_the_code_exists(root: Path, own_code: list[Source]) -> None:
    named = {(s.name, m.group()) for s in own_code for m in DOCUMENTED_HERE.finditer(s.text)}
    missing = sorted(f"{source}: {doc}" for source, doc in named if not (root / doc).exists())
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize("folder", ["work", "root", "home"])
def test_no_tracked_text_names_a_path_of_one_machine(root: Path, folder: str) -> None:
    named = ["git", "grep", "-lIF", "--", f"/{folder}/"]
    done = subprocess.run(named, cwd=root, capture_output=True, check=False, text=True)
    assert done.stdout.split() == []


def test_every_public_function_says_what_it_does(product: list[Source]) -> None:
    bare = []
    for source in product:
        if "/migrations/" in source.name:
            continue
        if ast.get_docstring(source.tree) is None:
            bare.append(source.name)
        for node in source.tree.body:
            public = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_")
            if public and ast.get_docstring(node) is None and (node.end_lineno or 0) - node.lineno > 3:
                bare.append(f"{source.name}::{node.name}")
    assert not bare, "\n".join(bare)


def test_no_exception_is_swallowed(product: list[Source]) -> None:
    found = []
    for source in product:
        for node in ast.walk(source.tree):
            if not isinstance(node, ast.ExceptHandler):
                continue
            only_pass = len(node.body) == 1 and isinstance(node.body[0], ast.Pass)
            broad = node.type is None or (
                isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}
            )
            if node.type is None or (broad and only_pass):
                found.append(f"{source.name}:{node.lineno}")
    assert not found, "\n".join(found)
