"""Loops: the segments of a transaction to a tree, by a table of what stands where (`tables/*.toml`).

Lenient when reading: a segment that its loop does not have stays where it was sent, and is a notice. Strict when
writing: `check` wants every segment in its place and number, every element of its type and length.
Source: ASC X12.6 3.8 (hierarchical levels, loops); the tables name theirs.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from bridge.codecs.x12.elements import faults_of
from bridge.codecs.x12.segments import Segment
from bridge.domain.message import Notice
from bridge.errors import Incomplete

MAX_NOTICES = 100
# Levels inside levels; no guide has more than six.
MAX_DEPTH = 16


@dataclass(frozen=True, slots=True)
class LoopKind:
    """
    One loop of a table. parents: in which loops it stands, "" for the transaction itself.

    starts: the segment that begins it, with one of `values` in `element` (any, where there are none).
    segments: its segments in order, with how often each must and may stand. repeats: how often it may.
    """

    id: str
    parents: tuple[str, ...]
    starts: str
    element: int
    values: frozenset[str]
    segments: dict[str, tuple[int, int]]
    repeats: int
    required: bool

    def begins_with(self, segment: Segment) -> bool:
        """Say whether *segment* begins such a loop."""
        return segment.name == self.starts and (not self.values or segment.element(self.element) in self.values)


@dataclass(slots=True)
class Loop:
    """One loop of a transaction: its segments, the first of which began it, and the loops inside it."""

    kind: LoopKind
    segments: list[Segment] = field(default_factory=list)
    loops: list[Loop] = field(default_factory=list)

    def all(self, name: str, *codes: str) -> list[Segment]:
        """Return its own segments of that name, in order; codes: only those with one of them as first element."""
        return [one for one in self.segments if one.name == name and (not codes or one.element(1) in codes)]

    def first(self, name: str, *codes: str) -> Segment | None:
        """Return the first of `all`, None where there is none."""
        return next(iter(self.all(name, *codes)), None)

    def value(self, name: str, element: int, *codes: str) -> str:
        """Return one element of the first of `all`, "" where there is none."""
        found = self.first(name, *codes)
        return found.element(element) if found is not None else ""

    def within(self, *ids: str) -> list[Loop]:
        """Return the loops directly inside it with one of those ids, in order."""
        return [one for one in self.loops if one.kind.id in ids]

    def everywhere(self, *ids: str) -> Iterator[Loop]:
        """Yield it and every loop inside it with one of those ids, in order."""
        if self.kind.id in ids:
            yield self
        for inner in self.loops:
            yield from inner.everywhere(*ids)


@dataclass(slots=True)
class Tree:
    """A transaction as loops. notices: what was let through; where: "segment 14 (HL), loop 2000E"."""

    root: Loop
    notices: list[Notice] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Table:
    """What stands where in one kind of transaction; kinds[0] is the transaction itself."""

    kinds: tuple[LoopKind, ...]
    by_parent: Mapping[str, tuple[LoopKind, ...]]

    def inside(self, parent: str) -> tuple[LoopKind, ...]:
        """Return the kinds of loop that may stand inside *parent*."""
        return self.by_parent.get(parent, ())


UNKNOWN = LoopKind("", (), "HL", 3, frozenset(), {}, 1, False)


@cache
def table(name: str) -> Table:
    """Return the table of that name, as shipped: "278", "275", "277", "835"."""
    content = tomllib.loads(resources.files("bridge.codecs.x12").joinpath("tables", f"{name}.toml").read_text("utf-8"))
    kinds = tuple(_kind(row) for row in content["loop"])
    parents = {parent for kind in kinds for parent in kind.parents}
    return Table(kinds, {parent: tuple(kind for kind in kinds if parent in kind.parents) for parent in parents})


def _kind(row: dict[str, Any]) -> LoopKind:
    segments = {name: (int(least), int(most)) for name, (least, most) in row["segments"].items()}
    return LoopKind(
        id=row["id"],
        parents=tuple(row.get("in", ())),
        starts=row.get("starts", ""),
        element=row.get("element", 1),
        values=frozenset(row.get("values", ())),
        segments=segments,
        repeats=row.get("repeats", 1),
        required=row.get("required", False),
    )


def read_loops(segments: Sequence[Segment], by: Table) -> Tree:
    """Return *segments* as loops; what has no place in the table stays where it was sent."""
    reading = _Reading(by, Tree(Loop(by.kinds[0])))
    for segment in segments:
        reading.take(segment)
    return reading.tree


class _Reading:
    """The path of open loops while a transaction is read, innermost last."""

    def __init__(self, by: Table, tree: Tree) -> None:
        self._table = by
        self.tree = tree
        self._path = [tree.root]
        self._levels: dict[str, list[Loop]] = {}

    def take(self, segment: Segment) -> None:
        if segment.name == "HL":
            self._level(segment)
            return
        for depth in range(len(self._path) - 1, -1, -1):
            if self._placed(segment, depth):
                return
            if self._path[depth].kind.starts == "HL":
                break
        self._path[-1].segments.append(segment)
        self._notice(segment, "has no place in its loop, and was kept as it stands")

    def _placed(self, segment: Segment, depth: int) -> bool:
        """Put it into the open loop at *depth*, as its own or as the beginning of a loop inside; say whether it fits."""
        here = self._path[depth]
        kind = next((one for one in self._table.inside(here.kind.id) if one.begins_with(segment)), None)
        if kind is not None and kind.starts != "HL":
            del self._path[depth + 1 :]
            self._open(kind, segment, here)
            return True
        if segment.name in here.kind.segments and (segment.name != here.kind.starts or here is self.tree.root):
            del self._path[depth + 1 :]
            here.segments.append(segment)
            return True
        return False

    def _level(self, segment: Segment) -> None:
        """Open a hierarchical level inside the one that it names."""
        path = self._levels.get(segment.element(2), self._path[:1])[:MAX_DEPTH]
        inside = self._table.inside(path[-1].kind.id)
        kind = next((one for one in inside if one.begins_with(segment)), None)
        if kind is None:
            self._notice(segment, "is a level that does not stand here, and was kept as it stands")
        self._path = list(path)
        self._open(kind or UNKNOWN, segment, path[-1])
        number = segment.element(1)
        if number in self._levels:
            self._notice(segment, "has a number that another level has")
        self._levels[number] = list(self._path)

    def _open(self, kind: LoopKind, segment: Segment, parent: Loop) -> None:
        loop = Loop(kind, [segment])
        parent.loops.append(loop)
        self._path.append(loop)

    def _notice(self, segment: Segment, sentence: str) -> None:
        if len(self.tree.notices) < MAX_NOTICES:
            self.tree.notices.append(Notice("W", sentence, _place(segment, self._path[-1])))


def check(segments: Sequence[Segment], by: Table) -> None:
    """
    Refuse a transaction of ours that its table would not have.

    Raises: Incomplete with every fault: a segment too many, missing or out of order, an element of another length.
    """
    tree = read_loops(segments, by)
    faults = [(notice.where, notice.detail) for notice in tree.notices]
    faults += list(_faults_of(tree.root, by))
    if faults:
        where, detail = faults[0]
        raise Incomplete(detail, code="x12_rule", where=where, faults=faults)


def _faults_of(loop: Loop, by: Table) -> Iterator[tuple[str, str]]:
    kind, place = loop.kind, f"loop {loop.kind.id}" if loop.kind.id else "transaction"
    order = list(kind.segments)
    names = [segment.name for segment in loop.segments]
    for name, (least, most) in kind.segments.items():
        if not least <= names.count(name) <= most:
            yield f"{place}, {name}", f"stands fewer than {least} or more than {most} times"
    places = [order.index(name) for name in names if name in order]
    # A loop's summary segments come after the loops inside it, and keep their own order.
    if places != sorted(places):
        yield place, "has segments out of order"
    for segment in loop.segments:
        yield from ((f"{place}, {at}", sentence) for at, sentence in faults_of(segment))
    for inner in by.inside(kind.id):
        count = sum(one.kind is inner for one in loop.loops)
        if count > inner.repeats or (inner.required and not count):
            yield f"loop {inner.id}", f"is missing, or stands more than {inner.repeats} times"
    for one in loop.loops:
        yield from _faults_of(one, by)


def _place(segment: Segment, loop: Loop) -> str:
    return f"{segment.where}, loop {loop.kind.id}" if loop.kind.id else segment.where
