"""Which orders an authorization is for: named rules, each of them exact; what none of them leads to, a person links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bridge.domain.authorization import Authorization, number_key
from bridge.domain.authorization_exam import Exam, is_inside, line_of, names_of, period_of
from bridge.domain.member_id import MemberFit, MemberId, compare_members


class LinkRule(StrEnum):
    """
    Why an order stands under an authorization.

    number: the order has its number (AUT, or insurance of a FHIR order). named: the payer or the requester names the
    order. member-code-date: payer, member, code and day fit one order and one line alone. insurance: the number stands on
    the order's insurance (IN1-14), which says nothing of what it is for. by-hand: a person linked them.
    """

    NUMBER = "number"
    NAMED = "named"
    MEMBER_CODE_DATE = "member-code-date"
    INSURANCE = "insurance"
    BY_HAND = "by-hand"


# What says more of an order comes first: a link is made anew only by a stronger rule.
STRONGEST_FIRST = (LinkRule.BY_HAND, LinkRule.NUMBER, LinkRule.NAMED, LinkRule.MEMBER_CODE_DATE, LinkRule.INSURANCE)


@dataclass(frozen=True, slots=True)
class Link:
    """An order under an authorization. line: what its line is named by, "" where the code tells."""

    key: int
    authorization_key: int
    order_key: int
    rule: LinkRule
    line: str = ""
    linked_by: str = ""
    linked_at: datetime | None = None
    ended_at: datetime | None = None
    ended_by: str = ""
    end_reason: str = ""


def is_stronger(one: LinkRule, other: LinkRule) -> bool:
    """Say whether rule *one* says more than *other*."""
    return STRONGEST_FIRST.index(one) < STRONGEST_FIRST.index(other)


def the_exam_that_fits(
    authorization: Authorization, exams: Sequence[Exam], taken: frozenset[int]
) -> list[tuple[int, str]]:
    """
    Return (order, line) pairs that payer, member, code and day make certain.

    exams: those of the authorization's own patient. taken: orders that stand under an authorization already. A line fits
    one order alone and the order that line alone, or nothing is said.
    """
    pairs = []
    for line in authorization.lines:
        if line.decision == "C" or not number_key(line.code):
            continue
        period = period_of(authorization, line)
        fitting = [
            exam
            for exam in exams
            if exam.order_key not in taken
            and not exam.is_cancelled
            and number_key(line.code) in exam.codes
            and any(period)
            and exam.days
            and all(is_inside(day, period) for day in exam.days)
            and is_member(authorization, exam)
        ]
        same = [one for one in authorization.lines if number_key(one.code) == number_key(line.code)]
        if len(fitting) == 1 and len(same) == 1 and line_of(authorization, fitting[0]) == line:
            pairs.append((fitting[0].order_key, names_of(line)[0]))
    return pairs


def is_member(authorization: Authorization, exam: Exam) -> bool:
    """Say whether the exam's patient is known to be the member that the authorization names, at the same payer."""
    named = member_of(authorization)
    fits = {
        compare_members(named, one.member)
        for one in exam.coverages
        if authorization.payer_id and one.payer_id == authorization.payer_id
    }
    return MemberFit.SAME in fits


def member_of(authorization: Authorization) -> MemberId:
    """Return whom an authorization names at its payer."""
    return MemberId(authorization.member_id, authorization.member_suffix, authorization.subscriber_id)
