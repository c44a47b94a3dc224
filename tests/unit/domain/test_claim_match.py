"""Whom a claim is about: numbers that are exact and agree, or nobody."""

from __future__ import annotations

import pytest

from bridge.domain.claim_match import AttachedThere, ClaimMatch, Found, MatchRule, match_claim

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


SENT = AttachedThere(1, 1, 10)


@pytest.mark.parametrize(
    ("by_authorization", "by_accession", "attached", "expected"),
    [
        ([], [], [SENT], ClaimMatch(MatchRule.CONTROL_NUMBER, 1, 1)),
        ([A], [A], [SENT], ClaimMatch(MatchRule.CONTROL_NUMBER, 1, 1)),
        ([], [A], [AttachedThere(1, None, 10)], ClaimMatch(MatchRule.CONTROL_NUMBER, 1, 1)),
        ([A_TOO], [], [SENT], ClaimMatch(MatchRule.NONE, why="its numbers lead to more than one")),
        ([], [A_TOO], [SENT], ClaimMatch(MatchRule.NONE, why="its numbers lead to more than one")),
        ([B], [], [SENT], ClaimMatch(MatchRule.NONE, why="its numbers name two patients")),
        ([], [B], [SENT], ClaimMatch(MatchRule.NONE, why="its numbers name two patients")),
        ([], [], [SENT, AttachedThere(2, 1, 10)], ClaimMatch(MatchRule.NONE, why="its numbers lead to more than one")),
    ],
)
def test_a_control_number_of_ours_is_enough_where_nothing_speaks_against_it(
    by_authorization: list[Found], by_accession: list[Found], attached: list[AttachedThere], expected: ClaimMatch
) -> None:
    assert match_claim(by_authorization, by_accession, attached) == expected


def test_what_was_attached_and_came_in_question_is_nobody_s() -> None:
    found = match_claim([], [], [AttachedThere(1, None, 10, in_question=True)])
    assert (found.rule, found.authorization_key) == (MatchRule.NONE, None)
