"""Costly counts rest: /metrics never keeps a database busy, however many scrape."""

from __future__ import annotations

import pytest

from bridge.web.rested import CHEAP_SECS, REST, Rested


class Tables:
    """Tables that take *secs* to count, on a clock of their own."""

    def __init__(self, secs: float) -> None:
        self.at, self.secs, self.counted = 0.0, secs, 0

    def count(self) -> int:
        self.at += self.secs
        self.counted += 1
        return self.counted

    def read_secs(self) -> float:
        return self.at


def test_what_is_cheap_is_counted_for_everybody_who_asks() -> None:
    tables = Tables(CHEAP_SECS / 2)
    rested = Rested(tables.count, tables.read_secs)
    assert [rested.get() for _ in range(3)] == [1, 2, 3]


def test_what_is_costly_rests_for_a_multiple_of_what_it_took() -> None:
    tables = Tables(2.0)
    rested = Rested(tables.count, tables.read_secs)
    assert rested.get() == 1
    tables.at += 2.0 * REST - 0.5
    assert rested.get() == 1
    tables.at += 0.5
    assert rested.get() == 2


def test_a_count_that_failed_is_counted_again_by_the_next_who_asks() -> None:
    tables = Tables(2.0)

    def count() -> int:
        if tables.count() == 1:
            raise RuntimeError
        return tables.counted

    rested = Rested(count, tables.read_secs)
    with pytest.raises(RuntimeError):
        rested.get()
    assert rested.get() == 2
