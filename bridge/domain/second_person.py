"""When one person's decision about a study waits for another's: which decisions do, and who may confirm one."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class ProposalEnd(StrEnum):
    """What became of a proposed decision. LAPSED: the case was decided otherwise before anybody confirmed it."""

    CONFIRMED = "confirmed"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


def asks_two(two_person: frozenset[str], grounds: Iterable[tuple[str, bool, bool]]) -> bool:
    """
    Say whether the next decision about a study needs two people: it was held by a veto that asks for them.

    two_person: the site's vetoes. grounds: of each decision so far, newest first, its rule, whether its verdict asked
    for two people, and whether a person took it. What people decided is undone by as many as it took.

    >>> asks_two(frozenset({"V06"}), [("person", False, True), ("V06", True, False), ("B01", False, False)])
    True
    >>> asks_two(frozenset({"V06"}), [("B01", False, False), ("V06", True, False)])
    False
    >>> asks_two(frozenset(), [("V06", True, False)])
    False
    """
    found = next(((rule, asked) for rule, asked, by_person in grounds if asked or not by_person), ("", False))
    return bool(two_person) and (found[1] or found[0] in two_person)


def is_same_person(one: str, other: str) -> bool:
    """
    Say whether two actors are the same somebody: names are one whatever their case, and at a terminal, too.

    >>> is_same_person("user:Maria", "user:maria"), is_same_person("user:terminal:maria", "user:maria")
    (True, True)
    >>> is_same_person("user:maria", "user:luis")
    False
    """
    return name_of(one).casefold() == name_of(other).casefold()


def name_of(actor: str) -> str:
    """
    Return the user's name behind an actor.

    >>> name_of("user:maria"), name_of("user:terminal:maria")
    ('maria', 'maria')
    """
    return actor.rpartition(":")[2]
