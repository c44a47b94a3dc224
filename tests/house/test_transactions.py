"""Transactions open in a flow, in the outbox, or in the command line's migrate; nowhere else."""

from __future__ import annotations

import ast
import re

from tests.house.tree import Source

MAY_WRITE = ("bridge/flows/", "bridge/outbox/", "bridge/store/db.py")
MIGRATES = re.compile(r"bridge/(cli|commands/).*")


def writes(source: Source) -> list[int]:
    """Return the lines that open a write transaction: a call of .write() on something called store."""
    found = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "write":
            owner = ast.unparse(node.func.value)
            if owner.split(".")[-1].strip("_").endswith("store"):
                found.append(node.lineno)
    return found


def test_a_write_transaction_opens_only_where_it_may(product: list[Source]) -> None:
    faults = [
        f"{source.name}:{line}"
        for source in product
        if not source.name.startswith(MAY_WRITE)
        for line in writes(source)
        if not (MIGRATES.fullmatch(source.name) and "migrate" in source.text)
    ]
    assert not faults, "\n".join(faults)


def test_flows_do_open_them(product: list[Source]) -> None:
    assert any(writes(source) for source in product if source.name.startswith("bridge/flows/"))


def test_a_store_function_never_commits(product: list[Source]) -> None:
    faults = [
        f"{source.name}:{node.lineno}"
        for source in product
        if source.name.startswith("bridge/store/")
        and source.name not in {"bridge/store/db.py", "bridge/store/schema.py"}
        if "/migrations/" not in source.name
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"commit", "begin"}
    ]
    assert not faults, "\n".join(faults)
