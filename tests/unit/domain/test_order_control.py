"""The shipped order control table does what HL7 and IHE say, row by row. Source: HL7 2.5.1 4.5.1.1; IHE RAD TF-2 4.3, 4.13."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest

from bridge.domain.order import FINAL, OrderAction, Step, StepStatus
from bridge.domain.order_control import OrderControl, after, code_of, look_up
from bridge.errors import Conflict, Incomplete
from tests.unit.mapping.senders import shipped

TABLE = shipped().base.order_control
WAITS = ("SCHEDULED", "ARRIVED", "READY")


def steps(*statuses: str, held_from: str = "") -> list[Step]:
    before = StepStatus(held_from) if held_from else None
    return [Step(n, 1, f"S{n}", StepStatus(one), held_from=before) for n, one in enumerate(statuses, 1)]


def states(found: Sequence[Step]) -> list[str]:
    return [step.status.value for step in found]


def told(control: str, status: str, *now: str, by_filler: bool = False, held_from: str = "") -> list[str]:
    """Return the steps' states after an order control of the table."""
    row, reported = look_up(TABLE, control, status)
    before = steps(*now, held_from=held_from)
    return states(after(before, row.action, reported, by_filler=by_filler or row.by_filler))


# ORC-1, ORC-5, and what they are.
ROWS = [
    ("NW", "", "create", None),
    ("NW", "SC", "create", None),
    ("NW", "IP", "create", None),
    ("XO", "SC", "change", None),
    ("XO", "IP", "change", "STARTED"),
    ("XO", "CM", "change", "COMPLETED"),
    ("XX", "CM", "change", "COMPLETED"),
    ("CA", "", "cancel", None),
    ("CA", "CA", "cancel", None),
    ("OC", "CA", "cancel", None),
    ("DC", "CA", "discontinue", None),
    ("DC", "DC", "discontinue", None),
    ("OD", "DC", "discontinue", None),
    ("HD", "HD", "hold", None),
    ("OH", "HD", "hold", None),
    ("RL", "SC", "release", None),
    ("OE", "SC", "release", None),
    ("RP", "RP", "replace", None),
    ("RU", "RP", "replace", None),
    ("RO", "", "replacement", None),
    ("PA", "", "parent", None),
    ("CH", "", "child", None),
    ("SC", "SC", "report", "SCHEDULED"),
    ("SC", "IP", "report", "STARTED"),
    ("SC", "A", "report", "COMPLETED"),
    ("SC", "CM", "report", "COMPLETED"),
    ("SC", "DC", "report", "DISCONTINUED"),
    ("SC", "CA", "report", "CANCELED"),
    ("SC", "HD", "report", "HELD"),
    ("SC", "ER", "report", None),
    ("SN", "", "number_or_create", None),
    ("NA", "", "number", None),
    ("SS", "IP", "status", None),
    *(
        (control, "", "note", None)
        for control in [
            "OK",
            "UA",
            "CR",
            "UC",
            "DR",
            "UD",
            "XR",
            "UX",
            "HR",
            "UH",
            "OR",
            "UR",
            "RQ",
            "UM",
            "SR",
            "RE",
            "PR",
            "LI",
            "UN",
            "MC",
            "CN",
        ]
    ),
]


@pytest.mark.parametrize(("control", "status", "action", "reported"), ROWS)
def test_a_row_of_the_table(control: str, status: str, action: str, reported: str | None) -> None:
    row, state = look_up(TABLE, control, status)
    assert (row.action, state) == (OrderAction(action), reported)


def test_every_row_is_tested() -> None:
    pharmacy_and_errors = {"AF", "DF", "FU", "OF", "OP", "PY", "RF", "DE", "RR"}
    assert set(TABLE) - {control for control, *_ in ROWS} == pharmacy_and_errors


@pytest.mark.parametrize("control", ["OC", "OD", "OH", "OE", "RU", "SC"])
def test_what_only_the_filler_says_is_the_fillers_word(control: str) -> None:
    assert TABLE[control].by_filler


@pytest.mark.parametrize("control", sorted(set(TABLE)))
def test_an_empty_status_goes_with_every_control(control: str) -> None:
    assert look_up(TABLE, control, "")[1] is None


@pytest.mark.parametrize(("control", "status"), [("NW", "RP"), ("XO", "ER"), ("CA", "CM"), ("HD", "CM"), ("SC", "QQ")])
def test_a_pair_that_is_not_in_the_table_is_refused_at_the_control(control: str, status: str) -> None:
    with pytest.raises(Incomplete) as refused:
        look_up(TABLE, control, status)
    assert (refused.value.code, refused.value.where) == ("missing", "ORC-1")


@pytest.mark.parametrize(("control", "code"), [("", "missing"), ("ZZ", "not_in_table")])
def test_a_control_that_is_not_in_the_table_is_refused(control: str, code: str) -> None:
    with pytest.raises(Incomplete) as refused:
        look_up(TABLE, control, "")
    assert (refused.value.code, refused.value.where) == (code, "ORC-1")


def test_where_nothing_follows_the_status_does_not_matter() -> None:
    row, state = look_up({"RE": OrderControl(OrderAction.NOTE)}, "RE", "QQ")
    assert (row.action, state) == (OrderAction.NOTE, None)


@pytest.mark.parametrize("now", [*WAITS, "HELD"])
@pytest.mark.parametrize(
    ("control", "end"), [("CA", "CANCELED"), ("OC", "CANCELED"), ("RP", "CANCELED"), ("DC", "DISCONTINUED")]
)
def test_what_only_waits_is_ended(control: str, end: str, now: str) -> None:
    assert told(control, "", now) == [end]


@pytest.mark.parametrize("control", ["CA", "RP", "HD"])
def test_what_has_started_is_neither_cancelled_replaced_nor_held_on_request(control: str) -> None:
    with pytest.raises(Conflict) as refused:
        told(control, "", "STARTED")
    assert refused.value.code == "record_locked"


def test_what_has_started_is_cancelled_when_the_filler_says_so() -> None:
    assert told("CA", "", "STARTED", by_filler=True) == ["CANCELED"]
    assert told("OC", "", "STARTED") == ["CANCELED"]
    assert told("SC", "CA", "STARTED") == ["CANCELED"]


def test_what_has_started_may_be_discontinued() -> None:
    assert told("DC", "", "STARTED") == ["DISCONTINUED"]


@pytest.mark.parametrize("control", ["CA", "DC", "HD"])
def test_what_is_completed_takes_no_request(control: str) -> None:
    with pytest.raises(Conflict) as refused:
        told(control, "", "COMPLETED")
    assert refused.value.code == "record_locked"


@pytest.mark.parametrize("control", ["OC", "OD", "OH", "OE", "SC"])
@pytest.mark.parametrize("now", ["COMPLETED", "CANCELED"])
def test_not_even_the_filler_unmakes_an_end(control: str, now: str) -> None:
    status = {"SC": "HD"}.get(control, "")
    assert told(control, status, now) == [now]


def test_an_end_may_be_said_twice() -> None:
    assert told("CA", "", "CANCELED") == ["CANCELED"]
    assert told("DC", "", "DISCONTINUED") == ["DISCONTINUED"]


def test_of_several_steps_those_that_wait_are_cancelled() -> None:
    assert told("CA", "", "COMPLETED", "SCHEDULED") == ["COMPLETED", "CANCELED"]


@pytest.mark.parametrize("before", WAITS)
def test_a_release_returns_to_the_state_before_the_hold(before: str) -> None:
    (held,) = after(steps(before), OrderAction.HOLD, by_filler=False)
    assert (held.status, held.held_from) == (StepStatus.HELD, before)
    (released,) = after([held], OrderAction.RELEASE, by_filler=False)
    assert (released.status, released.held_from) == (before, None)


def test_a_hold_said_twice_remembers_the_first() -> None:
    assert told("HD", "HD", "HELD", held_from="ARRIVED") == ["HELD"]
    assert told("RL", "", "HELD", held_from="ARRIVED") == ["ARRIVED"]


def test_scheduled_is_no_step_back_but_for_what_is_on_hold() -> None:
    assert told("SC", "SC", "STARTED", "ARRIVED", "HELD", held_from="READY") == ["STARTED", "ARRIVED", "READY"]


@pytest.mark.parametrize("status", sorted(StepStatus))
def test_a_status_request_changes_nothing(status: StepStatus) -> None:
    assert told("SS", "", status.value) == [status.value]


@pytest.mark.parametrize("end", sorted(FINAL))
def test_no_control_and_no_status_moves_an_ended_step_back(end: StepStatus) -> None:
    for control, row in TABLE.items():
        for status in ("", *row.status):
            try:
                (now,) = told(control, status, end.value, by_filler=True)
            except Conflict:
                continue
            allowed = {end.value, "COMPLETED", "STARTED"} if end == StepStatus.DISCONTINUED else {end.value}
            assert now in allowed, (control, status)


def test_every_state_has_its_code() -> None:
    assert {code_of(status) for status in StepStatus} == {"SC", "IP", "CM", "DC", "CA", "HD"}


def test_a_row_is_data() -> None:
    assert cast(OrderControl, TABLE["XO"]).status["CM"] == StepStatus.COMPLETED
