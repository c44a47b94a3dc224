from __future__ import annotations

import pytest

from bridge.errors import BridgeError, Conflict, Incomplete, Malformed, Refused, Unavailable, Unsupported
from bridge.outbox.retry import DESTINATION_DOWN, THROTTLED, Dead, RetryAt, decide

WEEK_SECS = 7 * 24 * 3600


def delays(fault: Exception, jitter: float) -> list[float]:
    found = []
    for attempts in range(1, 5000):
        decision = decide(attempts, fault, jitter)
        if isinstance(decision, Dead):
            return found
        found.append(decision.delay_secs)
    return found


@pytest.mark.parametrize("kind", [Malformed, Unsupported, Incomplete, Conflict])
def test_what_will_fail_again_is_dead_at_once(kind: type[BridgeError]) -> None:
    assert decide(1, kind("no"), 0.5) == Dead()


def test_an_outage_is_waited_out_for_a_week_and_no_longer_than_two() -> None:
    for jitter in (0.0, 0.5, 1.0):
        waited = sum(delays(Unavailable("away"), jitter))
        assert 0.6 * WEEK_SECS < waited < 2 * WEEK_SECS
    assert sum(delays(Unavailable("away"), 0.5)) >= 0.99 * WEEK_SECS


def test_the_first_retries_are_quick_and_none_is_later_than_a_quarter_of_an_hour() -> None:
    found = delays(Unavailable("away"), 1.0)
    assert found[:4] == [1, 2, 4, 8]
    assert max(found) == 15 * 60


def test_jitter_spreads_each_step_over_its_upper_half() -> None:
    low, high = decide(5, Unavailable("away"), 0.0), decide(5, Unavailable("away"), 1.0)
    assert (low, high) == (RetryAt(8.0), RetryAt(16.0))


def test_what_the_other_side_asks_is_waited_and_the_destination_with_it() -> None:
    decision = decide(1, Unavailable("slow down", code=THROTTLED, retry_after_secs=120), 0.0)
    assert decision == RetryAt(120.0, whole_destination=True)


def test_where_nobody_can_be_reached_everything_waits() -> None:
    assert decide(1, Unavailable("no connection", code=DESTINATION_DOWN), 1.0) == RetryAt(1.0, whole_destination=True)


def test_nobody_makes_us_wait_longer_than_an_hour() -> None:
    decision = decide(1, Unavailable("slow down", code=THROTTLED, retry_after_secs=1e9), 0.0)
    assert isinstance(decision, RetryAt)
    assert decision.delay_secs == 3600


def test_a_refused_caller_rests_the_destination_and_never_dies() -> None:
    decision = decide(3000, Refused("no"), 1.0)
    assert decision == RetryAt(15 * 60, whole_destination=True)


def test_our_own_bug_is_tried_a_few_times() -> None:
    assert len(delays(ZeroDivisionError(), 0.5)) == 4
