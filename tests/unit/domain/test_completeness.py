"""A study is complete once its modality's word is kept, or once it has been quiet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bridge.domain.completeness import complete_at, is_all_here
from bridge.domain.performed import PerformedStatus, PerformedStep

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
DONE, RUNNING, STOPPED = PerformedStatus.COMPLETED, PerformedStatus.IN_PROGRESS, PerformedStatus.DISCONTINUED


def step(status: PerformedStatus, *named: str) -> PerformedStep:
    return PerformedStep(1, "2.25.1", status, "2.25.9", referenced_instances=named)


@pytest.mark.parametrize(
    ("steps", "complete"),
    [
        ([], False),
        ([step(DONE, "1", "2")], True),
        ([step(DONE, "1"), step(DONE, "2")], True),
        ([step(DONE, "1"), step(STOPPED, "2")], True),
        ([step(DONE, "1"), step(STOPPED, "3")], False),
        ([step(DONE, "1", "2", "3")], False),
        ([step(DONE, "1", "2"), step(RUNNING)], False),
        ([step(STOPPED, "1", "2")], False),
        ([step(DONE)], False),
    ],
)
def test_the_modality_s_word(steps: list[PerformedStep], complete: bool) -> None:
    assert is_all_here(steps, {"1", "2"}) is complete


def test_the_quiet_time() -> None:
    quiet, last = timedelta(seconds=20), NOW - timedelta(seconds=5)
    assert complete_at(last, quiet, NOW, all_here=True) == NOW
    assert complete_at(last, quiet, NOW, all_here=False) == last + quiet
    assert complete_at(None, quiet, NOW, all_here=False) == NOW + quiet
