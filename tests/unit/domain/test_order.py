"""The states of a step only move forward, by the table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.order import (
    FINAL,
    OrderAction,
    OrderDraft,
    Step,
    StepStatus,
    action_of,
    check_cancel,
    may_follow,
    reported_status,
    status_of,
)
from bridge.errors import Conflict, Incomplete

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


@pytest.mark.parametrize("status", [StepStatus.SCHEDULED, StepStatus.ARRIVED, StepStatus.READY, StepStatus.HELD])
def test_what_only_waits_can_be_cancelled(status: StepStatus) -> None:
    assert check_cancel(step(status)) == StepStatus.CANCELED


def test_what_has_started_cannot_be_cancelled_by_an_order() -> None:
    with pytest.raises(Conflict) as refused:
        check_cancel(step(StepStatus.STARTED))
    assert refused.value.code == "record_locked"


@pytest.mark.parametrize("status", sorted(FINAL))
def test_cancelling_what_is_finished_changes_nothing(status: StepStatus) -> None:
    assert check_cancel(step(status)) == status


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


@pytest.mark.parametrize(("code", "action"), [("NW", "create"), ("XO", "change"), ("XX", "change"), ("CA", "cancel")])
def test_an_order_control_means_one_thing(code: str, action: str) -> None:
    assert action_of(OrderDraft(code)) == OrderAction(action)


@pytest.mark.parametrize("code", ["", "ZZ"])
def test_an_order_control_outside_the_table_is_refused(code: str) -> None:
    with pytest.raises(Incomplete) as refused:
        action_of(OrderDraft(code))
    assert refused.value.where == "ORC-1"


def test_an_empty_status_reports_nothing_and_an_unknown_one_is_refused() -> None:
    assert reported_status(OrderDraft("NW")) is None
    with pytest.raises(Incomplete):
        reported_status(OrderDraft("NW", order_status="QQ"))
