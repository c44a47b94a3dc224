"""Small enough to read: files, functions, parameters, depth."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.house.tree import Source

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 40
# By place; what must be named at the call explains itself there, but is counted against the larger number.
MAX_PARAMETERS = 5
MAX_WITH_KEYWORDS = 8
MAX_DEPTH = 3
# A name here is a debt: "path" for a file, "path::function" for a function, each with its reason beside it.
ALLOWED = frozenset(
    {
        "bridge/store/tables.py",  # the schema is one list, and is read as one
    }
)

Function = ast.FunctionDef | ast.AsyncFunctionDef
# What branches or repeats; a `with` only says how long something is held.
_NESTS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.Match)


def written_once(source: Source) -> bool:
    """Say whether a file is a migration: generated, never edited again, and no one's reading."""
    return "/migrations/versions/" in source.name


def functions(source: Source) -> Iterator[tuple[str, Function]]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{source.name}::{node.name}", node


def lines_of(function: Function) -> int:
    """Count from def to end; what explains the function (its docstring) is not held against it."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is not None:
        docstring = function.body[0]
        lines -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
    return lines


def parameters_of(function: Function) -> tuple[int, int]:
    """Return how many parameters go by place, and how many there are. The transaction is the room's air, not counted."""
    # A command's parameters are its options, and what a user may say is not ours to shorten.
    if any("click." in ast.unparse(mark) or ".option(" in ast.unparse(mark) for mark in function.decorator_list):
        return 0, 0
    free = {"self", "cls", "tx"}
    placed = [a.arg for a in (*function.args.posonlyargs, *function.args.args) if a.arg not in free]
    every = len(placed) + len(function.args.kwonlyargs)
    # An object is built once, in wiring, where each port is named.
    return (0 if function.name == "__init__" else len(placed)), every


def depth_of(node: ast.AST, depth: int = 0) -> int:
    deepest = depth
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            continue
        elif_of = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
        step = 0 if elif_of or not isinstance(child, _NESTS) else 1
        deepest = max(deepest, depth_of(child, depth + step))
    return deepest


def test_no_file_is_long(own_code: list[Source]) -> None:
    long = [
        f"{s.name}: {s.lines}"
        for s in own_code
        if s.lines > MAX_FILE_LINES and s.name not in ALLOWED and not written_once(s)
    ]
    assert not long, "is there more than one reason to change inside?\n" + "\n".join(long)


def test_no_function_is_long_wide_or_deep(own_code: list[Source]) -> None:
    faults = []
    for source in own_code:
        for name, function in functions(source):
            if name in ALLOWED or written_once(source):
                continue
            placed, every = parameters_of(function)
            for what, found, limit in (
                ("lines", lines_of(function), MAX_FUNCTION_LINES),
                ("parameters by place", placed, MAX_PARAMETERS),
                ("parameters", every, MAX_WITH_KEYWORDS),
                ("levels", depth_of(function), MAX_DEPTH),
            ):
                if found > limit:
                    faults.append(f"{name} (line {function.lineno}): {found} {what}, at most {limit}")
    assert not faults, "\n".join(faults)


def test_the_allow_list_names_only_what_is_still_there(own_code: list[Source]) -> None:
    known = {s.name for s in own_code} | {name for s in own_code for name, _ in functions(s)}
    assert sorted(ALLOWED - known) == []
