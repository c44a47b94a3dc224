"""The rows of an order control table, as a mapping file writes them. Source: HL7 tables 0119 (ORC-1) and 0038 (ORC-5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.domain.order import OrderAction, StepStatus
from bridge.domain.order_control import OrderControl
from bridge.mapping.rules_file import Faults

_KEYS = ("does", "status", "said_by", "because")
_SAID_BY = ("", "filler")
_ACTIONS = tuple(action.value for action in OrderAction)
_STATES = tuple(state.value for state in StepStatus)


def read_order_controls(content: Any, source: str, faults: Faults) -> dict[str, OrderControl]:
    """Return the rows by their ORC-1; what is wrong with one goes to *faults*."""
    if not isinstance(content, dict):
        faults.add(source, "order_control", "must be a table")
        return {}
    return {
        control: row for control, entry in content.items() if (row := _row(control, entry, source, faults)) is not None
    }


def _row(control: str, entry: Any, source: str, faults: Faults) -> OrderControl | None:
    place = f"order_control.{control}"
    if not isinstance(entry, dict):
        faults.add(source, place, 'must be a table like { does = "cancel", status = ["CA"] }')
        return None
    for key in entry:
        if key not in _KEYS:
            faults.unknown(source, f"{place}.{key}", key, _KEYS)
    said_by = entry.get("said_by", "")
    if said_by not in _SAID_BY:
        faults.unknown(source, f"{place}.said_by", str(said_by), _SAID_BY)
    if entry.get("does") not in _ACTIONS:
        faults.unknown(source, f"{place}.does", str(entry.get("does", "")), _ACTIONS)
        return None
    status = _status(entry.get("status", ()), place, source, faults)
    return OrderControl(OrderAction(entry["does"]), status, by_filler=said_by == "filler")


def _status(content: Any, place: str, source: str, faults: Faults) -> Mapping[str, StepStatus | None]:
    """Return the ORC-5 values of a list, which report nothing, or of a table with the state that each one reports."""
    states = content if isinstance(content, dict) else dict.fromkeys(content, "") if _is_list(content) else None
    if states is None:
        faults.add(source, f"{place}.status", 'must be a list like ["CA"] or a table like { CM = "COMPLETED" }')
        return {}
    for state in states.values():
        if state and state not in _STATES:
            faults.unknown(source, f"{place}.status", str(state), _STATES)
    return {code: StepStatus(state) if state in _STATES else None for code, state in states.items()}


def _is_list(content: Any) -> bool:
    return isinstance(content, list | tuple) and all(isinstance(code, str) for code in content)
