"""How an authorization stands by what the payer decided, and by what number it is found."""

from __future__ import annotations

import pytest

from bridge.domain.authorization import (
    DECISIONS,
    AuthorizationLine,
    AuthorizationStatus,
    Standing,
    combined,
    date_of,
    number_key,
    status_of,
)
from bridge.domain.member_id import MemberFit, MemberId, compare_members


@pytest.mark.parametrize(
    ("decisions", "whole"),
    [
        (["A1", "A1"], "A1"),
        (["A1", "A3"], "A2"),
        (["A3", "A3"], "A3"),
        (["A1", "A4"], "A4"),
        (["A3", "A4"], "A4"),
        (["A1", "A6"], "A6"),
        (["A6", "A3"], "A2"),
        (["A1", "CT"], "CT"),
        (["NA"], "NA"),
        (["A1", "NA"], "A1"),
        (["C", "A1"], "A1"),
        (["C", "C"], "C"),
        (["A1", ""], ""),
        (["A9"], ""),
        ([], ""),
    ],
)
def test_the_decision_on_a_request_follows_from_those_on_its_lines(decisions: list[str], whole: str) -> None:
    assert combined(decisions) == whole


@pytest.mark.parametrize(("code", "status"), DECISIONS.items())
def test_the_decision_on_the_whole_request_is_its_status(code: str, status: AuthorizationStatus) -> None:
    line = AuthorizationLine("72148", decision="A1")
    assert status_of(Standing(code, (line,))) == status


@pytest.mark.parametrize(
    ("standing", "status"),
    [
        (Standing(), AuthorizationStatus.UNCONFIRMED),
        (Standing(is_draft=True), AuthorizationStatus.DRAFT),
        (Standing(is_request=True, is_draft=True), AuthorizationStatus.SUBMITTED),
        (Standing(is_request=True, has_error=True), AuthorizationStatus.ERROR),
        (Standing("XX", is_request=True), AuthorizationStatus.SUBMITTED),
        (Standing("A1", has_error=True), AuthorizationStatus.APPROVED),
        (Standing(lines=(AuthorizationLine("72148", number="PA1"),)), AuthorizationStatus.UNCONFIRMED),
    ],
)
def test_without_a_decision_only_the_request_is_known(standing: Standing, status: AuthorizationStatus) -> None:
    assert status_of(standing) == status


@pytest.mark.parametrize("typed", ["pa-12 34", "PA1234", " PA 1 2 3 4", "Pa\u20111234", "PA\u00a012-34"])
def test_trap_20_a_number_is_found_however_it_is_spaced(typed: str) -> None:
    assert number_key(typed) == "PA1234"


@pytest.mark.parametrize(
    ("text", "day"), [("2026-03-02", "20260302"), ("20260302", "20260302"), ("20260230", ""), ("2026", ""), ("", "")]
)
def test_a_date_is_a_day_of_the_calendar_or_nothing(text: str, day: str) -> None:
    assert date_of(text) == day


@pytest.mark.parametrize(
    ("one", "other", "fit"),
    [
        (MemberId("W123456789"), MemberId("w1234-56789"), MemberFit.SAME),
        (MemberId("W12345678901"), MemberId("W123456789", "01"), MemberFit.SAME),
        (MemberId("W123456789-01"), MemberId("W123456789", "01"), MemberFit.SAME),
        (MemberId("W123456789-01"), MemberId("W12345678901", subscriber_id="W123456789"), MemberFit.SAME),
        (MemberId("W123456789"), MemberId("W123456789-01"), MemberFit.SUBSCRIBER),
        (MemberId("W123456789"), MemberId("W12345678902"), MemberFit.SUBSCRIBER),
        (MemberId("W123456789-01"), MemberId("W123456789-02"), MemberFit.OTHER_DEPENDANT),
        (MemberId("W123456789", "01"), MemberId("W123456789", "02"), MemberFit.OTHER_DEPENDANT),
        (MemberId("W123456789"), MemberId("W123456780"), MemberFit.DIFFERENT),
        (MemberId("W123456789"), MemberId("W1234567891234"), MemberFit.DIFFERENT),
        (MemberId(""), MemberId("W123456789"), MemberFit.NOTHING),
    ],
)
def test_trap_6_a_member_is_the_subscriber_with_a_suffix(one: MemberId, other: MemberId, fit: MemberFit) -> None:
    assert compare_members(one, other) == fit
    assert compare_members(other, one) == fit
