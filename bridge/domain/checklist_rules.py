"""What a site compares images with their order by. It decides nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, timedelta, tzinfo

from bridge.domain.body_parts import BodyParts, Sides


@dataclass(frozen=True, slots=True)
class ChecklistRules:
    """
    The words and limits of the import checklist.

    alike: modalities that stand for one another; beside: those that say nothing of the exam. days: how far an exam may lie
    from its schedule. clock_ahead: how far a device's clock may go ahead of the time in *zone*, the hospital's.
    """

    body_parts: BodyParts = field(default_factory=BodyParts)
    sides: Sides = field(default_factory=Sides)
    alike: tuple[frozenset[str], ...] = ()
    beside: frozenset[str] = frozenset()
    days: int = 1
    clock_ahead: timedelta = timedelta(minutes=10)
    zone: tzinfo = UTC
