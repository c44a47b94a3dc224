"""The states of a step only move forward, by the table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.order import Step, StepStatus, may_follow, status_of

statuses = st.sampled_from(list(StepStatus))


def step(status: StepStatus) -> Step:
    return Step(1, 1, "S1", status)


@given(statuses)
def test_nothing_follows_a_finished_or_cancelled_step(then: StepStatus) -> None:
    assert not may_follow(StepStatus.COMPLETED, then) or then == StepStatus.COMPLETED
    assert not may_follow(StepStatus.CANCELED, then) or then == StepStatus.CANCELED


@given(st.lists(statuses, max_size=12))
def test_whatever_is_reported_a_completed_step_stays_completed(reports: list[StepStatus]) -> None:
    now, was_completed = StepStatus.SCHEDULED, False
    for report in reports:
        now = report if may_follow(now, report) else now
        was_completed = was_completed or now == StepStatus.COMPLETED
        assert not was_completed or now == StepStatus.COMPLETED


@pytest.mark.parametrize(
    ("steps", "order"),
    [
        ([], StepStatus.HELD),
        (["SCHEDULED", "STARTED"], StepStatus.STARTED),
        (["SCHEDULED", "COMPLETED"], StepStatus.SCHEDULED),
        (["COMPLETED", "CANCELED"], StepStatus.COMPLETED),
        (["DISCONTINUED", "CANCELED"], StepStatus.DISCONTINUED),
        (["CANCELED", "CANCELED"], StepStatus.CANCELED),
    ],
)
def test_an_order_is_as_far_as_its_steps(steps: list[str], order: StepStatus) -> None:
    assert status_of([step(StepStatus(one)) for one in steps], StepStatus.HELD) == order
