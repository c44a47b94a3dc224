"""Every transition of a scheduled step, row by row: the listing of these tests is the table. Source: PS3.3 C.4.10, IHE RAD TF-2 4."""

from __future__ import annotations

import pytest

from bridge.domain.order import FINAL, StepStatus, may_follow
from bridge.domain.order_control import code_of
from bridge.domain.performed import (
    PerformedStatus,
    PerformedStep,
    Proposal,
    next_status,
    proposal_of,
    step_status_after,
)

# Of each state: what may follow it. Whatever a row does not name may not.
TRANSITIONS = {
    "SCHEDULED": "ARRIVED READY STARTED COMPLETED DISCONTINUED CANCELED HELD",
    "ARRIVED": "READY STARTED COMPLETED DISCONTINUED CANCELED HELD",
    "READY": "STARTED COMPLETED DISCONTINUED CANCELED HELD",
    "STARTED": "COMPLETED DISCONTINUED SCHEDULED",
    "HELD": "SCHEDULED ARRIVED READY STARTED COMPLETED DISCONTINUED CANCELED",
    "DISCONTINUED": "STARTED COMPLETED",
    "COMPLETED": "",
    "CANCELED": "",
}
PAIRS = [(now.value, then.value) for now in StepStatus for then in StepStatus if now != then]


def test_the_table_names_every_state() -> None:
    assert set(TRANSITIONS) == {status.value for status in StepStatus}


@pytest.mark.parametrize(
    ("now", "then"),
    [pytest.param(now, then, id=f"{now} to {then}") for now, then in PAIRS if then in TRANSITIONS[now].split()],
)
def test_a_step_may_go_from(now: str, then: str) -> None:
    assert may_follow(StepStatus(now), StepStatus(then))


@pytest.mark.parametrize(
    ("now", "then"),
    [pytest.param(now, then, id=f"{now} to {then}") for now, then in PAIRS if then not in TRANSITIONS[now].split()],
)
def test_a_step_may_not_go_from(now: str, then: str) -> None:
    assert not may_follow(StepStatus(now), StepStatus(then))


@pytest.mark.parametrize("now", [status.value for status in StepStatus])
def test_a_step_may_stay(now: str) -> None:
    assert may_follow(StepStatus(now), StepStatus(now))


def test_completed_discontinued_and_canceled_are_ends() -> None:
    assert {StepStatus.COMPLETED, StepStatus.DISCONTINUED, StepStatus.CANCELED} == FINAL


@pytest.mark.parametrize(
    ("status", "code"),
    [
        pytest.param(status, code, id=f"{status} is {code}")
        for status, code in {
            "SCHEDULED": "SC",
            "ARRIVED": "SC",
            "READY": "SC",
            "STARTED": "IP",
            "COMPLETED": "CM",
            "DISCONTINUED": "DC",
            "CANCELED": "CA",
            "HELD": "HD",
        }.items()
    ],
)
def test_a_state_as_orc_5(status: str, code: str) -> None:
    assert code_of(StepStatus(status)) == code


OPEN, DONE, STOPPED = PerformedStatus.IN_PROGRESS, PerformedStatus.COMPLETED, PerformedStatus.DISCONTINUED


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        pytest.param(OPEN, "", "STARTED", id="IN PROGRESS starts it"),
        pytest.param(DONE, "", "COMPLETED", id="COMPLETED completes it"),
        pytest.param(STOPPED, "", "DISCONTINUED", id="DISCONTINUED discontinues it"),
        pytest.param(STOPPED, "110501", "DISCONTINUED", id="DISCONTINUED 110501 equipment failure discontinues it"),
        pytest.param(STOPPED, "110514", "SCHEDULED", id="DISCONTINUED 110514 wrong entry puts it back"),
        pytest.param(STOPPED, "110528", "SCHEDULED", id="DISCONTINUED 110528 rescheduled puts it back"),
        pytest.param(STOPPED, "110529", "SCHEDULED", id="DISCONTINUED 110529 rescheduling recommended puts it back"),
        pytest.param(STOPPED, "110510", "DISCONTINUED", id="DISCONTINUED 110510 duplicate order discontinues it"),
        pytest.param(STOPPED, "110507", "DISCONTINUED", id="DISCONTINUED 110507 did not arrive discontinues it"),
        pytest.param(STOPPED, "110500", "DISCONTINUED", id="DISCONTINUED 110500 doctor canceled discontinues it"),
    ],
)
def test_a_performed_step_and_its_scheduled_one(status: PerformedStatus, reason: str, expected: str) -> None:
    assert step_status_after(status, reason) == expected


@pytest.mark.parametrize(
    ("code", "proposes"),
    [
        pytest.param("110500", True, id="110500 doctor canceled proposes to cancel"),
        pytest.param("110507", True, id="110507 did not arrive proposes to cancel"),
        pytest.param("110510", True, id="110510 duplicate order proposes to cancel"),
        pytest.param("110501", False, id="110501 equipment failure proposes nothing"),
        pytest.param("110514", False, id="110514 wrong entry proposes nothing"),
        pytest.param("", False, id="no reason proposes nothing"),
    ],
)
def test_a_reason_and_the_order(code: str, proposes: bool) -> None:
    assert proposal_of(STOPPED, code) == (Proposal.OPEN if proposes else Proposal.NONE)


def attempt(key: int, status: PerformedStatus) -> PerformedStep:
    return PerformedStep(key, f"2.25.{key}", status, "2.25.1")


@pytest.mark.parametrize(
    ("now", "attempts", "expected"),
    [
        pytest.param("SCHEDULED", [OPEN], "STARTED", id="the first IN PROGRESS starts a SCHEDULED step"),
        pytest.param("ARRIVED", [OPEN], "STARTED", id="the first IN PROGRESS starts an ARRIVED step"),
        pytest.param("READY", [OPEN], "STARTED", id="the first IN PROGRESS starts a READY step"),
        pytest.param("HELD", [OPEN], "STARTED", id="what is on hold and was done all the same is STARTED"),
        pytest.param("CANCELED", [OPEN], "CANCELED", id="what was cancelled stays CANCELED"),
        pytest.param("COMPLETED", [DONE, OPEN], "COMPLETED", id="append: a second IN PROGRESS leaves it COMPLETED"),
        pytest.param("DISCONTINUED", [STOPPED, OPEN], "STARTED", id="a second attempt starts a DISCONTINUED one"),
        pytest.param("STARTED", [OPEN, DONE], "STARTED", id="COMPLETED waits for another IN PROGRESS"),
        pytest.param("STARTED", [DONE, DONE], "COMPLETED", id="both COMPLETED complete it"),
        pytest.param("STARTED", [DONE, STOPPED], "COMPLETED", id="one COMPLETED outweighs one DISCONTINUED"),
        pytest.param("STARTED", [STOPPED, STOPPED], "DISCONTINUED", id="all DISCONTINUED discontinue it"),
        pytest.param("STARTED", [STOPPED, OPEN, STOPPED], "STARTED", id="DISCONTINUED waits for another IN PROGRESS"),
    ],
)
def test_several_performed_steps_of_one_scheduled_step(
    now: str, attempts: list[PerformedStatus], expected: str
) -> None:
    found = [attempt(key, status) for key, status in enumerate(attempts)]
    wanted = step_status_after(attempts[-1], "")
    assert next_status(StepStatus(now), wanted, found) == expected


def test_a_wrong_entry_beside_a_completed_performed_step_leaves_the_step_completed() -> None:
    found = [attempt(1, DONE), attempt(2, STOPPED)]
    assert next_status(StepStatus.STARTED, step_status_after(STOPPED, "110514"), found) == StepStatus.COMPLETED
