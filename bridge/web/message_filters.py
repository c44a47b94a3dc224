"""What a caller or a page asks the journal for; only what names no patient goes into an address that we build."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.domain.message import MessageFilter
from bridge.flows.read_filter import NUMBERS, PARAMETERS, read_filter
from bridge.web.access import services


def of_query(given: Mapping[str, str]) -> MessageFilter:
    """Return the filter that *given* parameters say, by the house's clock. Raises: Malformed, with the parameter's name."""
    return read_filter(given, services().settings.time_zone)


def in_address(given: Mapping[str, str]) -> dict[str, str]:
    """Return what of *given* parameters may stand in an address that we build: nothing that could be a patient's."""
    return {name: given[name] for name in PARAMETERS if name not in NUMBERS and given.get(name, "").strip()}
