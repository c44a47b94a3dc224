"""Which authorization and which exam a payer's word on a claim is about: by numbers alone, each exact, or a person says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class MatchRule(StrEnum):
    """
    Why a claim is known. authorization: it names the authorization (REF*G1). accession: its own number is an accession
    number. both: the two agree. by-hand: a person said. none: nobody knows, and it waits.
    """

    AUTHORIZATION = "authorization"
    ACCESSION = "accession"
    BOTH = "both"
    BY_HAND = "by-hand"
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


def match_claim(by_authorization: list[Found], by_accession: list[Found]) -> ClaimMatch:
    """Return what the numbers of a claim make certain: one row each at most, and of the same patient."""
    if len(by_authorization) > 1 or len(by_accession) > 1:
        return ClaimMatch(MatchRule.NONE, why="its numbers lead to more than one")
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
