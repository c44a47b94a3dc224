"""Whom a claim is about: numbers that are exact and agree, or nobody."""

from __future__ import annotations

import pytest

from bridge.domain.claim_match import ClaimMatch, Found, MatchRule, match_claim

A, A_TOO, B = Found(1, 10), Found(2, 10), Found(3, 20)


@pytest.mark.parametrize(
    ("by_authorization", "by_accession", "expected"),
    [
        ([A], [], ClaimMatch(MatchRule.AUTHORIZATION, 1)),
        ([], [A], ClaimMatch(MatchRule.ACCESSION, None, 1)),
        ([A], [A_TOO], ClaimMatch(MatchRule.BOTH, 1, 2)),
        ([A], [B], ClaimMatch(MatchRule.NONE, why="its numbers name two patients")),
        ([A, A_TOO], [], ClaimMatch(MatchRule.NONE, why="its numbers lead to more than one")),
        ([A], [A_TOO, B], ClaimMatch(MatchRule.NONE, why="its numbers lead to more than one")),
        ([], [], ClaimMatch(MatchRule.NONE, why="none of its numbers is known here")),
    ],
)
def test_a_claim_is_known_by_exact_numbers_of_one_patient_alone(
    by_authorization: list[Found], by_accession: list[Found], expected: ClaimMatch
) -> None:
    assert match_claim(by_authorization, by_accession) == expected
