"""News of an authorization in every order come to the same, and the payer's clocks are right on every day of the year."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.authorization import (
    DECISIONS,
    Authorization,
    AuthorizationLine,
    AuthorizationStatus,
    Urgency,
    status_of,
)
from bridge.domain.authorization_clock import (
    ClockRules,
    days_left,
    decision_clock,
    due_at,
    expiry_mark,
    next_change,
    status_at,
)
from bridge.domain.authorization_news import AuthorizationNews, NewsKind, fold

ZONES = [
    ZoneInfo(name) for name in ("America/New_York", "America/Phoenix", "Australia/Lord_Howe", "Pacific/Apia", "UTC")
]
START = datetime(2026, 1, 1, tzinfo=UTC)
instants = st.integers(0, 2 * 365 * 24 * 60).map(lambda minutes: START + timedelta(minutes=minutes))
lines = st.builds(
    AuthorizationLine,
    code=st.sampled_from(["72148", "70551"]),
    sequence=st.integers(0, 2),
    decision=st.sampled_from(["", *DECISIONS]),
    number=st.sampled_from(["", "PA1", "PA2"]),
    approved_units=st.sampled_from(["", "1", "2"]),
)
news = st.builds(
    AuthorizationNews,
    source=st.sampled_from(["a", "b"]),
    said_at=st.integers(0, 5).map(lambda hours: START + timedelta(hours=hours)),
    kind=st.sampled_from(NewsKind),
    number=st.sampled_from(["", "PA1", "PA2"]),
    decision=st.sampled_from(["", *DECISIONS]),
    policy_level=st.booleans(),
    expires_on=st.sampled_from(["", "20260301", "20260401"]),
    wanted=st.sampled_from([(), ("RR",)]),
    error_codes=st.sampled_from([(), ("42",)]),
    lines=st.lists(lines, max_size=2).map(tuple),
)


@given(
    st.lists(st.tuples(news, st.uuids().map(str)), max_size=5).flatmap(
        lambda said: st.tuples(st.just(said), st.permutations(said))
    )
)
def test_news_come_to_the_same_in_whatever_order_they_are_heard(
    both: tuple[list[tuple[AuthorizationNews, str]], list[tuple[AuthorizationNews, str]]],
) -> None:
    said, heard = both
    assert fold(heard) == fold(said)
    assert fold([*heard, *said]).standing.decision == fold(said).standing.decision


@given(st.lists(st.tuples(news, st.uuids().map(str)), max_size=5))
def test_trap_7_only_a_decision_of_the_payer_approves(said: list[tuple[AuthorizationNews, str]]) -> None:
    answers = [one for one, _ in said if one.kind == NewsKind.ANSWERED]
    decided = {one.decision for one in answers} | {line.decision for one in answers for line in one.lines}
    status = status_of(fold(said).standing)
    if status in (AuthorizationStatus.APPROVED, AuthorizationStatus.PARTIAL, AuthorizationStatus.MODIFIED):
        assert decided & {"A1", "A2", "A6", "A3"}


def test_trap_7_a_pended_answer_with_a_tracking_number_is_pended() -> None:
    answer = AuthorizationNews("payer", START, NewsKind.ANSWERED, number="TRACK1", decision="A4")
    named = AuthorizationNews("RIVEHR", START + timedelta(hours=1), number="TRACK1")
    account = fold([(answer, "1"), (named, "2")])
    assert (status_of(account.standing), account.number) == (AuthorizationStatus.PENDED, "TRACK1")


def test_the_newest_word_counts_and_silence_takes_nothing_back() -> None:
    first = AuthorizationNews("a", START, NewsKind.ANSWERED, number="PA1", decision="A1", expires_on="20260301")
    later = AuthorizationNews("b", START + timedelta(days=1), expires_on="20260401", member_id="W1")
    account = fold([(later, "2"), (first, "1")])
    assert (account.number, account.decision, account.expires_on, account.member_id) == ("PA1", "A1", "20260401", "W1")


def test_a_decision_on_one_line_leaves_the_others_as_the_whole_was_decided() -> None:
    two = (AuthorizationLine("72148", sequence=1), AuthorizationLine("70551", sequence=2))
    first = AuthorizationNews("p", START, NewsKind.ANSWERED, decision="A1", lines=two)
    refused = AuthorizationLine("70551", sequence=2, decision="A3", reason_codes=("0V",))
    later = AuthorizationNews("p", START + timedelta(days=1), NewsKind.ANSWERED, lines=(refused,))
    account = fold([(first, "1"), (later, "2")])
    assert [one.decision for one in account.lines] == ["A1", "A3"]
    assert status_of(account.standing) == AuthorizationStatus.PARTIAL


@given(instants, st.sampled_from(ZONES))
def test_trap_17_seven_days_end_at_the_same_time_of_day_at_the_payer_s(at: datetime, zone: ZoneInfo) -> None:
    due = due_at(at, Urgency.STANDARD, ClockRules(zone=zone))
    assert due is not None
    wanted = at.astimezone(zone).replace(tzinfo=None) + timedelta(days=7)
    reached = due.astimezone(zone).replace(tzinfo=None)
    # A time that the clocks skip is reached behind the gap.
    assert timedelta(0) <= reached - wanted <= timedelta(hours=1)
    assert abs((due - at) - timedelta(days=7)) <= timedelta(hours=1)


@given(instants, st.sampled_from(ZONES))
def test_seventy_two_hours_are_hours_whatever_the_clocks_do(at: datetime, zone: ZoneInfo) -> None:
    assert due_at(at, Urgency.EXPEDITED, ClockRules(zone=zone)) == at + timedelta(hours=72)


def test_seven_days_over_the_change_of_clocks_are_an_hour_more_or_less() -> None:
    rules = ClockRules(zone=ZoneInfo("America/New_York"))
    spring = datetime(2026, 3, 5, 15, 0, tzinfo=UTC)
    autumn = datetime(2026, 10, 29, 14, 0, tzinfo=UTC)
    assert due_at(spring, Urgency.STANDARD, rules) == spring + timedelta(days=7, hours=-1)
    assert due_at(autumn, Urgency.STANDARD, rules) == autumn + timedelta(days=7, hours=1)


def waiting(received_at: datetime, **said: object) -> Authorization:
    status = AuthorizationStatus.SUBMITTED
    return Authorization(1, "", "60054", "ACME", 7, received_at=received_at, status=status, **said)  # type: ignore[arg-type]


@given(instants, st.sampled_from(Urgency), st.sampled_from(ZONES))
def test_the_marks_lie_between_the_request_and_its_due_time(at: datetime, urgency: Urgency, zone: ZoneInfo) -> None:
    clock = decision_clock(waiting(at, urgency=urgency), ClockRules(zone=zone))
    assert clock is not None
    (half, first), (close, second) = clock.marks
    assert (half, close) == (50, 80)
    assert at < first < second < clock.due_at
    second_before = timedelta(seconds=1)
    passed = [clock.passed(one - second_before) for one in (first, second, clock.due_at)]
    assert passed == [0, 50, 80]
    assert [clock.passed(one) for one in (first, second, clock.due_at)] == [50, 80, 100]


@given(instants, st.sampled_from(ZONES))
def test_looking_again_whenever_time_changes_something_comes_to_an_end(at: datetime, zone: ZoneInfo) -> None:
    rules = ClockRules(zone=zone)
    granted = Authorization(1, "", "", "", 7, expires_on="20260630", status=AuthorizationStatus.APPROVED)
    for one in (waiting(at), granted):
        looked = at
        for _ in range(5):
            following = next_change(one, looked, rules)
            if following is None:
                break
            assert following > looked
            looked = following
        assert next_change(one, looked, rules) is None


def test_papers_that_the_payer_asks_for_pause_the_display_and_not_the_legal_time() -> None:
    asked = Authorization(1, "", "", "", 7, received_at=START, status=AuthorizationStatus.PENDED, wanted=("RR",))
    clock = decision_clock(asked, ClockRules())
    assert clock is not None
    assert (clock.is_paused, clock.due_at) == (True, START + timedelta(days=7))


@given(st.integers(-3, 20), st.sampled_from(ZONES))
def test_the_end_of_a_grant_is_warned_of_14_7_and_1_days_before(left: int, zone: ZoneInfo) -> None:
    noon = datetime(2026, 3, 8, 12, 0, tzinfo=zone)
    end = (noon.date() + timedelta(days=left)).strftime("%Y%m%d")
    granted = Authorization(1, "", "", "", 7, expires_on=end, status=AuthorizationStatus.APPROVED)
    rules = ClockRules(zone=zone)
    assert days_left(granted, noon, rules) == left
    expected = None if left < 0 or left > 14 else (1 if left <= 1 else 7 if left <= 7 else 14)
    assert expiry_mark(left, rules.expiry_days) == expected
    is_over = status_at(granted, noon, rules) == AuthorizationStatus.EXPIRED
    assert is_over is (left < 0)
