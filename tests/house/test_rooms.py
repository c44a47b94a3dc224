"""The rooms and their floors: who may import whom, what a room's front page holds."""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.house.tree import Source

MAX_ROOM_LINES = 15
# What only one place may touch, and where that is. Everything else asks that place.
ONLY_HERE = {
    "hl7apy": ("bridge/codecs/hl7/lint.py",),
    "pynetdicom": ("bridge/listeners/dicom/", "bridge/publishers/"),
    "flask": ("bridge/web/",),
    "sqlalchemy": (
        "bridge/store/",
        "bridge/outbox/",
    ),
    "apscheduler": ("bridge/housekeeping.py",),
    "fhir": ("bridge/codecs/fhir/",),
    "httpx2": ("bridge/publishers/",),
    "numpy": ("bridge/pictures/",),
    "PIL": ("bridge/pictures/",),
    "gdcm": ("bridge/pictures/",),
    "openjpeg": ("bridge/pictures/",),
}
WIRES = ("socket", "ssl", "threading", "asyncio", "sqlalchemy", "flask", "httpx2", "pynetdicom", "subprocess")


def imports_of(source: Source) -> list[str]:
    found = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.append(node.module)
    return found


def test_a_room_imports_only_from_floors_below(root: Path) -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    done = subprocess.run(
        [*command, "--no-cache"],
        cwd=root,
        capture_output=True,
        check=False,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_room_stands_on_a_floor(root: Path, pyproject: dict[str, Any]) -> None:
    layers = pyproject["tool"]["importlinter"]["contracts"][0]["layers"]
    named = {room.strip(" ()") for layer in layers for room in layer.replace(":", "|").split("|")}
    modules = {
        path.stem for path in (root / "bridge").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    missing = {f"bridge.{name}" for name in modules - {"__init__", "__main__"}} - named
    assert not missing, f"in no layer of [tool.importlinter]: {sorted(missing)}"


def test_a_room_opens_with_a_short_docstring_and_nothing_else(product: list[Source]) -> None:
    faults = []
    for source in product:
        if not source.name.endswith("/__init__.py"):
            continue
        docstring = ast.get_docstring(source.tree)
        rest = source.tree.body[1:] if docstring else source.tree.body
        allowed = source.name == "bridge/__init__.py" and all(isinstance(node, ast.Assign) for node in rest)
        if not docstring:
            faults.append(f"{source.name}: no docstring")
        elif len(docstring.splitlines()) > MAX_ROOM_LINES:
            faults.append(f"{source.name}: docstring over {MAX_ROOM_LINES} lines")
        if rest and not allowed:
            faults.append(f"{source.name}: holds more than its docstring")
    assert not faults, "\n".join(faults)


def test_every_folder_of_code_is_a_room(root: Path) -> None:
    folders = {file.parent for file in (root / "bridge").rglob("*.py")}
    bare = [folder.relative_to(root).as_posix() for folder in folders if not (folder / "__init__.py").exists()]
    migrations = [name for name in bare if "migrations" in name]
    assert sorted(set(bare) - set(migrations)) == []


def test_what_samples_and_benchmarks_import_is_there(own_code: list[Source]) -> None:
    imported = {
        (source.name, node.module, alias.name)
        for source in own_code
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ImportFrom) and node.module and source.name.startswith(("samples/", "bench/"))
        for alias in node.names
        if node.module.startswith(("bridge.", "tests.", "samples.", "bench."))
    }
    faults = [
        f"{name}: {module} has no {what}"
        for name, module, what in sorted(imported)
        if not _has(importlib.import_module(module), what)
    ]
    assert not faults, "\n".join(faults)


def _has(module: ModuleType, what: str) -> bool:
    return hasattr(module, what) or (hasattr(module, "__path__") and find_spec(f"{module.__name__}.{what}") is not None)


def test_a_fenced_library_stays_inside_its_fence(product: list[Source]) -> None:
    faults = []
    for source in product:
        for module in imports_of(source):
            allowed = ONLY_HERE.get(module.split(".")[0])
            if allowed is not None and not source.name.startswith(allowed):
                faults.append(f"{source.name} imports {module}; only {', '.join(allowed)} may")
    assert not faults, "\n".join(faults)


def test_codecs_mapping_and_domain_touch_no_wire_thread_or_database(product: list[Source]) -> None:
    pure = ("bridge/domain/", "bridge/codecs/", "bridge/mapping/")
    faults = [
        f"{source.name} imports {module}"
        for source in product
        if source.name.startswith(pure)
        for module in imports_of(source)
        if module.split(".")[0] in WIRES
    ]
    assert not faults, "\n".join(faults)


def test_only_the_clock_knows_the_time_and_makes_ids(product: list[Source]) -> None:
    forbidden = {
        ("datetime", "now"),
        ("datetime", "utcnow"),
        ("datetime", "today"),
        ("date", "today"),
        ("uuid", "uuid4"),
    }
    faults = []
    for source in product:
        if source.name in {"bridge/clock.py"}:
            continue
        for node in ast.walk(source.tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and (node.func.value.id, node.func.attr) in forbidden
            ):
                faults.append(f"{source.name}:{node.lineno}")
    assert not faults, "ask the clock that is handed in: " + ", ".join(faults)
