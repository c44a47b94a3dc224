"""The measures of the proof: what each is of, when a number is too small for a share, and what may be chance."""

from __future__ import annotations

import pytest

from bridge.domain.proof import (
    Compared,
    Figures,
    Measure,
    Share,
    Spread,
    Tally,
    by_name,
    change,
    is_better,
    may_be_chance,
    spread_of,
    together,
)

ONE = Figures(
    Tally(decided=80, open=5, returned=6, returned_only=4, asked=7, documents=8, otherwise=12, clean=58, void=2),
    days={20: 3, 30: 1},
    tenths={5: 2},
)


@pytest.mark.parametrize(
    ("measure", "share"),
    [
        (Measure.DOCUMENTS, Share(8, 80)),
        (Measure.OTHER, Share(12, 80)),
        (Measure.CLEAN, Share(58, 84)),
        (Measure.WARNED, Share(9, 11)),
    ],
)
def test_each_share_has_its_own_whole(measure: Measure, share: Share) -> None:
    exams = Figures(Tally(exams=100, warned=11, in_time=9))
    assert together([ONE, exams]).share(measure) == share


def test_claims_are_all_but_those_that_are_void() -> None:
    assert ONE.tally.claims == 89


def test_groups_together_keep_every_case() -> None:
    both = together([ONE, ONE])
    assert (both.tally.decided, both.days, both.spread(Measure.EVIDENCE)) == (160, {20: 6, 30: 2}, Spread(4, 0.5, 0.5))


def test_half_and_nine_in_ten_are_ranks_that_were_measured() -> None:
    assert spread_of(dict.fromkeys(range(1, 11), 1)) == Spread(10, 5, 9)
    assert spread_of({7: 1}) == Spread(1, 7, 7)


def test_of_few_no_change_is_told() -> None:
    assert change(Share(2, 19), Share(0, 400)) is None
    assert change(Share(20, 100), Share(10, 100)) == pytest.approx(-0.1)
    assert change(Share(0, 0), Share(0, 0)) is None
    assert Share(0, 0).value is None


def test_a_difference_is_chance_until_it_is_too_great_for_it() -> None:
    assert may_be_chance(Share(5, 100), Share(4, 100))
    assert not may_be_chance(Share(120, 2000), Share(40, 2000))
    assert may_be_chance(Share(0, 0), Share(1, 10))
    # Newcombe's own example (1998, table II, a): 56/70 against 48/80 differ by 0.0524 to 0.3339.
    assert not may_be_chance(Share(48, 80), Share(56, 70))
    low, high = Share(81, 263).interval
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


def test_fewer_denials_and_more_first_passes_are_better() -> None:
    assert is_better(Measure.DOCUMENTS, -0.01)
    assert is_better(Measure.CLEAN, 0.01)
    assert not is_better(Measure.CLEAN, -0.01)


def test_a_payer_that_goes_by_two_ids_and_one_name_is_one() -> None:
    names = {"60054": "Acme Health Plan", "ACME1": "ACME HEALTH PLAN", "9": "Small"}
    groups = {key: Compared(key, ONE, Figures()) for key in ("60054", "ACME1")}
    groups["9"] = Compared("9", Figures(), Figures(Tally(decided=1)))
    found = by_name(groups, lambda key: names[key])
    assert [(one.name, one.whole.tally.decided) for one in found] == [("Acme Health Plan", 160), ("Small", 1)]
