"""Whose insurance a member number is: the subscriber's number, and the suffix that tells the family apart."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bridge.domain.authorization import number_key

_SUFFIX_DIGITS = (2, 3)


class MemberFit(StrEnum):
    """
    How two member numbers agree.

    subscriber: the same subscriber, and only one of them says which of the family; nothing: one of them is not known.
    """

    SAME = "same"
    SUBSCRIBER = "subscriber"
    OTHER_DEPENDANT = "other_dependant"
    DIFFERENT = "different"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class MemberId:
    """A member number as written. suffix: where it is written apart; subscriber_id: where it is said beside."""

    value: str
    suffix: str = ""
    subscriber_id: str = ""


@dataclass(frozen=True, slots=True)
class Coverage:
    """An insurance that a record was said to have."""

    payer_id: str
    payer_name: str
    member: MemberId


def compare_members(one: MemberId, other: MemberId) -> MemberFit:
    """Compare two member numbers, suffixes written on, apart or behind a hyphen."""
    ours, theirs = _split(one), _split(other)
    if not ours[0] or not theirs[0]:
        return MemberFit.NOTHING
    if "".join(ours) == "".join(theirs):
        return MemberFit.SAME
    if ours[0] == theirs[0]:
        if ours[1] and theirs[1]:
            return MemberFit.OTHER_DEPENDANT
        return MemberFit.SUBSCRIBER
    if _is_with_suffix(ours, theirs) or _is_with_suffix(theirs, ours):
        return MemberFit.SUBSCRIBER
    return MemberFit.DIFFERENT


def _split(member: MemberId) -> tuple[str, str]:
    """Return subscriber and suffix; the suffix "" where nothing marks one."""
    value, subscriber = number_key(member.value), number_key(member.subscriber_id)
    if not value:
        return subscriber, number_key(member.suffix)
    if subscriber and value != subscriber and value.startswith(subscriber):
        return subscriber, value.removeprefix(subscriber)
    if member.suffix:
        suffix = number_key(member.suffix)
        written_on = len(value) > len(suffix) + 3 and value.endswith(suffix) and subscriber == value[: -len(suffix)]
        return (value[: -len(suffix)] if written_on else value), suffix
    head, mark, tail = member.value.strip().rpartition("-")
    if mark and head and tail.isdigit() and len(tail) in _SUFFIX_DIGITS:
        return number_key(head), tail
    return value, ""


def _is_with_suffix(long: tuple[str, str], short: tuple[str, str]) -> bool:
    """Say whether *long* may be *short* with a suffix written on; one that says a suffix already is whole."""
    rest = long[0].removeprefix(short[0])
    return (
        not long[1] and not short[1] and long[0].startswith(short[0]) and rest.isdigit() and len(rest) in _SUFFIX_DIGITS
    )
