"""Whatever is said of an order, in whatever order, its steps only go where the table of states lets them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.order import FINAL, WAITING, OrderAction, Step, StepStatus
from bridge.domain.order_control import after
from bridge.errors import Conflict

ABOUT_STATE = (
    OrderAction.CANCEL,
    OrderAction.DISCONTINUE,
    OrderAction.HOLD,
    OrderAction.RELEASE,
    OrderAction.REPORT,
    OrderAction.REPLACE,
    OrderAction.STATUS,
)

said = st.lists(
    st.tuples(st.sampled_from(ABOUT_STATE), st.none() | st.sampled_from(list(StepStatus)), st.booleans()), max_size=12
)
statuses = st.lists(st.sampled_from([*sorted(WAITING), StepStatus.STARTED]), min_size=1, max_size=4)


@given(statuses, said)
def test_what_was_completed_or_cancelled_stays_so_whoever_says_what(
    start: list[StepStatus], words: list[tuple[OrderAction, StepStatus | None, bool]]
) -> None:
    steps = [Step(n, 1, f"S{n}", status) for n, status in enumerate(start)]
    for action, reported, by_filler in words:
        before = steps
        try:
            steps = after(steps, action, reported, by_filler=by_filler)
        except Conflict:
            is_request = not by_filler
            assert is_request
            continue
        for was, now in zip(before, steps, strict=True):
            if was.status in (StepStatus.COMPLETED, StepStatus.CANCELED):
                assert now == was
            if was.status == StepStatus.STARTED and not by_filler:
                assert now.status not in WAITING | {StepStatus.HELD, StepStatus.CANCELED}
            assert (now.held_from is not None) == (now.status == StepStatus.HELD)


@given(st.sampled_from(sorted(WAITING)), st.lists(st.sampled_from([OrderAction.HOLD, OrderAction.STATUS]), max_size=5))
def test_a_release_always_returns_to_the_state_before_the_first_hold(
    before: StepStatus, words: list[OrderAction]
) -> None:
    steps = [Step(1, 1, "S1", before)]
    for action in [OrderAction.HOLD, *words, OrderAction.RELEASE]:
        steps = after(steps, action, by_filler=False)
    assert [step.status for step in steps] == [before]


@given(statuses, st.sampled_from([OrderAction.CANCEL, OrderAction.DISCONTINUE, OrderAction.REPLACE]))
def test_what_the_filler_ends_has_ended(start: list[StepStatus], action: OrderAction) -> None:
    steps = [Step(n, 1, f"S{n}", status) for n, status in enumerate(start)]
    assert all(step.status in FINAL for step in after(steps, action, by_filler=True))
