"""What somebody asks the journal for, as a filter: the same words in an address, a form, a JSON body and a command."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta, tzinfo

from bridge.domain.message import MessageFilter, MessageState
from bridge.errors import Malformed

# Parameter, and the field of the filter it fills; the first ones may name a patient.
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


def read_filter(given: Mapping[str, str], zone: tzinfo) -> MessageFilter:
    """
    Return the filter that *given* parameters say; others are not looked at.

    since, until: ISO 8601, a date or a date and time, by *zone* where they name none; a date's until is its last moment.
    Raises: Malformed, with the parameter's name.
    """
    texts = {field: given.get(name, "").strip()[:_TEXT_MAX] for name, field in (NUMBERS | FACETS).items()}
    test = given.get("test", "").strip().lower()
    if test not in _TESTS:
        raise Malformed("true or false is wanted", code="not_in_table", where="test")
    return MessageFilter(
        **texts,
        state=_state(given.get("state", "").strip()),
        since=_moment(given, "since", zone),
        until=_moment(given, "until", zone, days=1),
        is_test=_TESTS[test],
    )


def _state(text: str) -> str:
    if text and text not in list(MessageState):
        raise Malformed(f"one of {', '.join(MessageState)} is wanted", code="not_in_table", where="state")
    return text


def _moment(given: Mapping[str, str], name: str, zone: tzinfo, *, days: int = 0) -> datetime | None:
    """Return a moment. days: what a date without a time is moved by."""
    text = given.get(name, "").strip()
    if not text:
        return None
    try:
        if len(text) == len("2026-01-01"):
            day = date.fromisoformat(text) + timedelta(days=days)
            return datetime(day.year, day.month, day.day, tzinfo=zone)
        # A "+" of an offset that nobody escaped arrives as a blank.
        at = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except (ValueError, OverflowError):
        raise Malformed("a date, or a date and time, as ISO 8601 writes it", code="not_a_date", where=name) from None
    return at if at.tzinfo is not None else at.replace(tzinfo=zone)
