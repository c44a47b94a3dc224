"""How a person's decisions about a step are written into its row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bridge.domain.order import ByHand, StepStatus

_INSTANTS = frozenset({"scheduled_start_at", "booked_at"})
_STATES = frozenset({"status", "held_from"})


def to_json(changes: Sequence[ByHand]) -> list[dict[str, Any]] | None:
    """Return *changes* as the column holds them, None for none."""
    if not changes:
        return None
    return [{"at": one.at.isoformat(), "was": _plain(one.was), "now": _plain(one.now)} for one in changes]


def from_json(kept: Sequence[Mapping[str, Any]] | None) -> tuple[ByHand, ...]:
    """Return what the column holds."""
    return tuple(
        ByHand(datetime.fromisoformat(one["at"]), _typed(one["was"]), _typed(one["now"])) for one in kept or ()
    )


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def _typed(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(name, value) for name, value in values.items()}


def _value(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _INSTANTS:
        return datetime.fromisoformat(value)
    if name in _STATES:
        return StepStatus(value)
    return tuple(value) if isinstance(value, list) else value
