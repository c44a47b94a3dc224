"""What an exam is warned of before it is done: a test for each trap that authorizations set."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.domain.authorization import Authorization, AuthorizationLine, AuthorizationStatus
from bridge.domain.authorization_exam import Exam, exam_of
from bridge.domain.authorization_links import Link, LinkRule, the_exam_that_fits
from bridge.domain.authorization_rules import AuthorizationRules, SiteFacts
from bridge.domain.authorization_warnings import Scene, WarningKind, warnings_of
from bridge.domain.body_parts import Sides
from bridge.domain.code import Code
from bridge.domain.identifiers import EntityIdentifier, is_npi
from bridge.domain.member_id import Coverage, MemberId
from bridge.domain.order import Order, Step, StepStatus

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
RULES = AuthorizationRules()
MEMBER = Coverage("60054", "ACME", MemberId("W123456789", "01"))
LINE = AuthorizationLine("72148", sequence=1, decision="A1")
GRANTED = Authorization(
    1,
    "PA1",
    "60054",
    "ACME",
    7,
    member_id="W12345678901",
    lines=(LINE,),
    effective_on="20260301",
    expires_on="20260530",
    status=AuthorizationStatus.APPROVED,
)
EXAM = Exam(5, 7, "A1", codes=("72148",), days=("20260310",), coverages=(MEMBER,))


def line(**changes: Any) -> Authorization:
    """Return the authorization with its one line changed."""
    return replace(GRANTED, lines=(replace(LINE, **changes),))


def found(
    authorization: Authorization = GRANTED, *exams: Exam, rule: LinkRule = LinkRule.NUMBER, **scene: Any
) -> list[str]:
    """Return the kinds of what is warned of."""
    shown = exams or (EXAM,)
    links = tuple(Link(place, 1, exam.order_key, rule) for place, exam in enumerate(shown))
    one = Scene(authorization, scene.pop("owner", 7), links, {exam.order_key: exam for exam in shown}, **scene)
    return [each.kind.value for each in warnings_of(one, NOW, RULES)]


def test_an_exam_that_is_as_authorized_is_warned_of_nothing() -> None:
    assert found() == []


def test_trap_1_an_exam_changed_to_another_code_is_not_covered() -> None:
    changed = replace(EXAM, codes=("72158",))
    assert found(GRANTED, changed) == ["code_not_covered"]
    scene = Scene(GRANTED, 7, (Link(1, 1, 5, LinkRule.NUMBER),), {5: changed})
    assert warnings_of(scene, NOW, RULES)[0].sentence == "The exam is 72158; authorized is 72148."


def test_a_code_nobody_can_compare_is_not_said_to_be_uncovered() -> None:
    assert found(GRANTED, replace(EXAM, codes=())) == []
    assert found(replace(GRANTED, lines=())) == []


def test_trap_2_a_decision_on_one_line_is_not_that_on_the_next() -> None:
    two = (LINE, AuthorizationLine("70551", sequence=2, decision="A3", number="PA1-2"))
    partial = replace(GRANTED, lines=two, status=AuthorizationStatus.PARTIAL)
    assert found(partial) == []
    assert found(partial, replace(EXAM, codes=("70551",))) == ["denied"]


def test_a_cancelled_line_covers_nothing() -> None:
    assert found(line(decision="C")) == ["line_cancelled"]


def test_trap_3_a_rescheduled_exam_lies_behind_the_end() -> None:
    assert found(GRANTED, replace(EXAM, days=("20260530",))) == []
    assert found(GRANTED, replace(EXAM, days=("20260531",))) == ["date_outside"]
    assert found(GRANTED, replace(EXAM, days=("20260228",))) == ["date_outside"]


def test_a_line_s_own_days_count_before_the_authorization_s() -> None:
    assert found(line(service_from="20260310")) == []
    assert found(line(service_from="20260311", service_to="20260312")) == ["date_outside"]


def test_trap_4_another_site_place_or_provider_than_authorized() -> None:
    here = replace(
        EXAM, site_npis=("1234567893",), places=("22",), performers=("1245319599",), site_names=("Riverside",)
    )
    assert found(line(site_npi="1234567893", place_of_service="22", rendering_npi="1245319599"), here) == []
    assert found(line(site_npi="1245319599"), here) == ["site_differs"]
    assert found(line(place_of_service="11"), here) == ["place_differs"]
    assert found(line(rendering_npi="1234567893"), here) == ["provider_differs"]
    assert found(line(site_name="Lakeshore Imaging"), here) == ["site_differs"]
    assert found(line(site_name="RIVERSIDE IMAGING"), here) == []
    assert found(line(site_npi="1245319599", place_of_service="11", rendering_npi="1245319599")) == []


def test_trap_5_the_other_side_than_authorized() -> None:
    assert found(line(modifiers=("LT",)), replace(EXAM, side="R")) == ["side_differs"]
    assert found(line(modifiers=("LT",)), replace(EXAM, side="L")) == []
    assert found(line(modifiers=("50",)), replace(EXAM, side="L")) == []
    assert found(line(modifiers=("LT",)), EXAM) == []


def test_other_modifiers_differ_only_where_both_sides_name_some() -> None:
    both = replace(EXAM, modifiers=("52",))
    assert found(line(modifiers=("53",)), both) == ["modifier_differs"]
    assert found(line(modifiers=("52", "26")), both) == []
    assert found(line(), both) == []


def test_trap_6_another_member_of_the_family_is_authorized() -> None:
    assert found(replace(GRANTED, member_id="W123456789")) == []
    assert found(replace(GRANTED, member_id="W123456789-02")) == ["member_differs"]
    assert found(replace(GRANTED, member_id="X999999999")) == ["member_differs"]
    assert found(replace(GRANTED, member_id="X999999999", payer_id="87726")) == []


@pytest.mark.parametrize(
    ("status", "kinds"),
    [
        (AuthorizationStatus.PENDED, ["pended"]),
        (AuthorizationStatus.SUBMITTED, ["pended"]),
        (AuthorizationStatus.DENIED, ["denied"]),
        (AuthorizationStatus.CONTACT_PAYER, ["contact_payer"]),
        (AuthorizationStatus.CANCELLED, ["ended"]),
        (AuthorizationStatus.SUPERSEDED, ["ended"]),
        (AuthorizationStatus.UNCONFIRMED, []),
        (AuthorizationStatus.NOT_REQUIRED, []),
    ],
)
def test_what_is_not_granted_is_said_beside_the_exam(status: AuthorizationStatus, kinds: list[str]) -> None:
    assert found(replace(GRANTED, status=status)) == kinds


def test_trap_8_fewer_units_than_asked_for_and_more_exams_than_units() -> None:
    reduced = line(requested_units="2", approved_units="1", decision="A6")
    second = replace(EXAM, order_key=6)
    assert found(reduced) == ["units_reduced"]
    assert found(reduced, EXAM, second) == ["units_reduced", "units_used_up"] * 2
    assert found(line(approved_units="2"), EXAM, second) == []
    assert found(line(approved_units="1"), EXAM, replace(second, is_cancelled=True)) == []
    assert found(line(approved_units="many"), EXAM, second) == []


def test_what_expired_is_warned_of_until_the_exam_is_done() -> None:
    over = replace(GRANTED, expires_on="20260301")
    assert found(over, replace(EXAM, days=("20260301",))) == ["expired"]
    assert found(over, replace(EXAM, days=("20260301",), is_done=True)) == []
    assert found(over) == ["expired", "date_outside"]


def test_a_merge_after_the_payer_s_answer_asks_for_a_look() -> None:
    assert found(answered_for=7) == []
    assert found(answered_for=8) == ["merged_patient"]


def test_another_patient_s_exam_is_warned_of_that_alone() -> None:
    assert found(GRANTED, replace(EXAM, codes=("72158",)), owner=8) == ["other_patient"]


def test_trap_18_a_cancelled_order_has_a_live_authorization() -> None:
    cancelled = replace(EXAM, is_cancelled=True)
    assert found(GRANTED, cancelled) == ["order_cancelled"]
    assert found(GRANTED, cancelled, replace(EXAM, order_key=6)) == []
    assert found(replace(GRANTED, status=AuthorizationStatus.CANCELLED), cancelled) == []


def test_trap_19_a_number_of_the_insurance_says_nothing_of_what_is_done() -> None:
    other = replace(EXAM, codes=("70551",))
    assert found(line(site_npi="1245319599"), other, rule=LinkRule.INSURANCE) == []
    late = replace(other, days=("20260531",))
    assert found(GRANTED, late, rule=LinkRule.INSURANCE) == ["date_outside"]
    one = line(approved_units="1")
    assert found(one, EXAM, replace(EXAM, order_key=6), rule=LinkRule.INSURANCE) == []


def test_a_site_s_choice_keeps_a_warning_off() -> None:
    scene = Scene(GRANTED, 7, (Link(1, 1, 5, LinkRule.NUMBER),), {5: replace(EXAM, codes=("72158",))})
    rules = replace(RULES, off=frozenset({WarningKind.CODE_NOT_COVERED.value}))
    assert warnings_of(scene, NOW, rules) == ()


# ── the exam, and the rule that links ────────────────────────────────────────────────────────────────────────────────


def order(**said: Any) -> Order:
    blank = EntityIdentifier()
    return Order(5, 7, "A1", "", blank, blank, "", "1.2", StepStatus.SCHEDULED, **said)


def step(**said: Any) -> Step:
    return Step(1, 5, "S1", StepStatus.SCHEDULED, scheduled_start_local="20260310081500", **said)


def test_an_order_is_an_exam_with_what_is_billed_where_and_on_which_side() -> None:
    rules = replace(RULES, codes={"CTLSP": "72148"}, sites=(SiteFacts("1234567893", "22", ("Riverside",)),))
    details: Any = {"scheduled_performing_physician_code": (Code("1245319599", "NPI"),)}
    sides = Sides(left=frozenset({"left"}), right=frozenset({"right"}))
    one = order(
        requested_procedure_code=Code("CTLSP", "L"),
        requested_procedure_description="CT KNEE LEFT",
        institution_name="riverside",
    )
    exam = exam_of(one, [step(details=details)], (MEMBER,), rules, sides)
    assert (exam.codes, exam.side, exam.days) == (("72148",), "L", ("20260310",))
    assert (exam.site_npis, exam.places, exam.performers) == (("1234567893",), ("22",), ("1245319599",))
    behind = order(requested_procedure_description="CT KNEE, R", requested_procedure_code=Code("CT1", "L"))
    assert (exam_of(behind, [], (), rules, sides).side, exam_of(behind, [], (), rules, sides).codes) == ("R", ())


@pytest.mark.parametrize(
    ("text", "is_one"), [("1234567893", True), ("1234567890", False), ("123456789", False), ("12345678９3", False)]
)
def test_a_provider_s_number_is_known_by_its_check_digit(text: str, is_one: bool) -> None:
    assert is_npi(text) is is_one


def test_payer_member_code_and_day_link_one_order_alone() -> None:
    assert the_exam_that_fits(GRANTED, [EXAM], frozenset()) == [(5, "#1")]
    second = replace(EXAM, order_key=6)
    assert the_exam_that_fits(GRANTED, [EXAM, second], frozenset()) == []
    assert the_exam_that_fits(GRANTED, [EXAM, second], frozenset({6})) == [(5, "#1")]


@pytest.mark.parametrize(
    "exam",
    [
        replace(EXAM, codes=("72158",)),
        replace(EXAM, days=("20260531",)),
        replace(EXAM, days=()),
        replace(EXAM, is_cancelled=True),
        replace(EXAM, coverages=()),
        replace(EXAM, coverages=(Coverage("60054", "ACME", MemberId("W123456789")),)),
        replace(EXAM, coverages=(Coverage("87726", "OTHER", MemberId("W12345678901")),)),
    ],
)
def test_what_does_not_fit_exactly_is_left_to_a_person(exam: Exam) -> None:
    assert the_exam_that_fits(GRANTED, [exam], frozenset()) == []


def test_two_lines_of_one_code_are_left_to_a_person() -> None:
    twice = replace(GRANTED, lines=(LINE, replace(LINE, sequence=2)))
    assert the_exam_that_fits(twice, [EXAM], frozenset()) == []
