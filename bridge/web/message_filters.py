"""What a caller or a page asks the journal for, as a filter; only what names no patient goes into an address."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from bridge.domain.message import MessageFilter, MessageState
from bridge.errors import Malformed
from bridge.web.access import services

# Parameter or key, and the field of the filter it fills; the first ones may name a patient.
NUMBERS = {
    "q": "text",
    "control_id": "control_id",
    "patient_id": "patient_id",
    "accession_number": "accession_number",
    "order_number": "order_number",
}
FACETS = {"type": "message_type", "site": "site", "error": "error_code"}
PARAMETERS = (*NUMBERS, "state", *FACETS, "test", "since", "until")
_TESTS = {"": None, "true": True, "false": False}
_TEXT_MAX = 200


def of_query(given: Mapping[str, str]) -> MessageFilter:
    """
    Return the filter that *given* parameters say.

    since, until: ISO 8601, a date or a date and time, by the house's zone where they name none; a date's until is its
    last moment. Raises: Malformed, with the parameter's name.
    """
    texts = {field: given.get(name, "").strip()[:_TEXT_MAX] for name, field in (NUMBERS | FACETS).items()}
    test = given.get("test", "").strip().lower()
    if test not in _TESTS:
        raise Malformed("true or false is wanted", code="not_in_table", where="test")
    return MessageFilter(
        **texts,
        state=_state(given.get("state", "").strip()),
        since=_moment(given.get("since", ""), "since"),
        until=_moment(given.get("until", ""), "until", is_end=True),
        is_test=_TESTS[test],
    )


def in_address(given: Mapping[str, str]) -> dict[str, str]:
    """Return what of *given* parameters may stand in an address that we build: nothing that could be a patient's."""
    return {name: given[name] for name in PARAMETERS if name not in NUMBERS and given.get(name, "").strip()}


def _state(text: str) -> str:
    if text and text not in list(MessageState):
        raise Malformed(f"one of {', '.join(MessageState)} is wanted", code="not_in_table", where="state")
    return text


def _moment(text: str, where: str, *, is_end: bool = False) -> datetime | None:
    text = text.strip()
    if not text:
        return None
    zone = services().settings.time_zone
    try:
        if len(text) == len("2026-01-01"):
            day = date.fromisoformat(text) + timedelta(days=1 if is_end else 0)
            return datetime(day.year, day.month, day.day, tzinfo=zone)
        # A "+" of an offset that nobody escaped arrives as a blank.
        at = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except (ValueError, OverflowError):
        raise Malformed("a date, or a date and time, as ISO 8601 writes it", code="not_a_date", where=where) from None
    return at if at.tzinfo is not None else at.replace(tzinfo=zone)
