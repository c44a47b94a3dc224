"""Which authorization and which exam a payer's word on a claim is about: by numbers alone, each exact, or a person says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class MatchRule(StrEnum):
    """
    Why a claim is known. authorization: it names the authorization (REF*G1). accession: its own number is an accession
    number. both: the two agree. control-number: it names what was attached (PWK06), and nothing in it says otherwise.
    by-hand: a person said. none: nobody knows, and it waits.
    """

    AUTHORIZATION = "authorization"
    ACCESSION = "accession"
    BOTH = "both"
    BY_HAND = "by-hand"
    CONTROL_NUMBER = "control-number"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Found:
    """A row that a number leads to, and the live record whose it is."""

    key: int
    owner: int


@dataclass(frozen=True, slots=True)
class ClaimMatch:
    """Whom a claim is about, as rows. why: what speaks against it, "" where nothing does."""

    rule: MatchRule
    authorization_key: int | None = None
    order_key: int | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class AttachedThere:
    """
    What a control number of ours leads to, as rows. owner: the live record of the authorization.

    in_question: it is not certain that the study is this patient's.
    """

    authorization_key: int
    order_key: int | None
    owner: int
    in_question: bool = False


def match_claim(
    by_authorization: list[Found], by_accession: list[Found], by_control: Sequence[AttachedThere] = ()
) -> ClaimMatch:
    """Return what the numbers of a claim make certain: one row each at most, and of the same patient."""
    if len(by_authorization) > 1 or len(by_accession) > 1 or len(by_control) > 1:
        return ClaimMatch(MatchRule.NONE, why="its numbers lead to more than one")
    if by_control:
        return _by_control(by_control[0], by_authorization, by_accession)
    authorization = by_authorization[0] if by_authorization else None
    order = by_accession[0] if by_accession else None
    if authorization is not None and order is not None:
        if authorization.owner != order.owner:
            return ClaimMatch(MatchRule.NONE, why="its numbers name two patients")
        return ClaimMatch(MatchRule.BOTH, authorization.key, order.key)
    if authorization is not None:
        return ClaimMatch(MatchRule.AUTHORIZATION, authorization.key)
    if order is not None:
        return ClaimMatch(MatchRule.ACCESSION, None, order.key)
    return ClaimMatch(MatchRule.NONE, why="none of its numbers is known here")


def _by_control(named: AttachedThere, by_authorization: list[Found], by_accession: list[Found]) -> ClaimMatch:
    """Return what a control number makes certain, where the other numbers lead nowhere else."""
    if any(one.owner != named.owner for one in (*by_authorization, *by_accession)):
        return ClaimMatch(MatchRule.NONE, why="its numbers name two patients")
    keys = {named.authorization_key, *(one.key for one in by_authorization)}
    ordered = {one for one in (named.order_key, *(found.key for found in by_accession)) if one is not None}
    if len(keys) > 1 or len(ordered) > 1:
        return ClaimMatch(MatchRule.NONE, why="its numbers lead to more than one")
    if named.in_question:
        return ClaimMatch(MatchRule.NONE, why="it names images of which it is in question whose they are")
    return ClaimMatch(MatchRule.CONTROL_NUMBER, named.authorization_key, ordered.pop() if ordered else None)
