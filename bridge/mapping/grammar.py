"""Paths into a message: `PID-3[5=MR].1`, `IPC-1.1`, `ZDS-1`, `OBX[3=113014]-5`, `OBX[3.2=SR Instance UID]-5`, `PID-3[2]`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.codecs.hl7.er7 import Message, Segment

Scope = Mapping[str, Sequence[Segment]]
"""The segments a path may look at, by name: the whole message, one order group, or one step of it."""

_SELECTOR = r"\[(?:(\d{1,3})|(\d{1,2})(?:\.(\d{1,2}))?=([^\]\[]{1,64}))\]"
_PATH = re.compile(
    rf"([A-Z][A-Z0-9]{{2}})(?:{_SELECTOR})?-(\d{{1,3}})(?:{_SELECTOR})?(?:\.(\d{{1,2}}))?(?:\.(\d{{1,2}}))?"
)


@dataclass(frozen=True, slots=True)
class Selector:
    """
    Which one: by its number (from 1), or by a component (for a segment: a field) that has a value.

    part: the subcomponent (for a segment: the field's component) that must have it, the first unless a path says so.
    """

    number: int = 0
    key: int = 0
    value: str = ""
    part: int = 1


@dataclass(frozen=True, slots=True)
class Path:
    """
    One place in a message. component, subcomponent: 0 where the path does not go so deep.

    where: the same place for an error, without selectors.
    """

    text: str
    segment: str
    field: int
    of_segments: Selector | None = None
    of_repetitions: Selector | None = None
    component: int = 0
    subcomponent: int = 0
    where: str = ""

    def segments(self, message: Message, scope: Scope) -> Sequence[Segment]:
        """Return the segments it means, in order."""
        found = scope.get(self.segment, ())
        chosen = self.of_segments
        if chosen is None or not found:
            return found
        if chosen.number:
            return found[chosen.number - 1 : chosen.number]
        wanted, part = chosen.value, chosen.part
        return [s for s in found if any(message.part(r, part, 1) == wanted for r in s.repetitions(chosen.key))]

    def repetitions(self, message: Message, segment: Segment) -> list[str]:
        """Return the raw repetitions it means in one segment, [] where there is nothing."""
        found = segment.repetitions(self.field)
        chosen = self.of_repetitions
        if chosen is None or not found:
            return found
        if chosen.number:
            return found[chosen.number - 1 : chosen.number]
        return [r for r in found if message.part(r, chosen.key, chosen.part) == chosen.value]


def parse_path(text: str) -> Path:
    """
    Return the path that *text* writes.

    Raises: ValueError with a sentence for the person who wrote it.
    """
    found = _PATH.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no path; write it like PID-3[5=MR].1")
    segment, *of_segments, field, number, key, part, value, component, subcomponent = found.groups()
    seg_number, seg_key, seg_part, seg_value = of_segments
    every = (seg_number, seg_key, seg_part, field, number, key, part, component, subcomponent)
    numbers = [int(n) for n in every if n is not None]
    if 0 in numbers:
        raise ValueError(f"{text!r} counts from 0; fields, repetitions and components begin at 1")
    deeper = "".join(f".{number}" for number in (component, subcomponent) if number)
    return Path(
        text,
        segment,
        int(field),
        _selector(seg_number, seg_key, seg_part, seg_value),
        _selector(number, key, part, value),
        int(component or 0),
        int(subcomponent or 0),
        where=f"{segment}-{field}{deeper}",
    )


def _selector(number: str | None, key: str | None, part: str | None, value: str | None) -> Selector | None:
    if number:
        return Selector(number=int(number))
    return Selector(key=int(key), value=value or "", part=int(part or 1)) if key else None
