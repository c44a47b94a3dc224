"""What is to be asked of a payer: the lines with what the exams say, what changed since it was told, what is missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bridge.domain.authorization import Authorization, AuthorizationLine
from bridge.domain.authorization_exam import Exam
from bridge.domain.payer_request import (
    LineChange,
    PayerRequest,
    RequestKind,
    RequestState,
    asks_again_at,
    change_of,
    told_by,
)
from bridge.domain.request_lines import AskedLines, UnderExam, lacks_of, lines_to_ask

AT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
SPINE = AuthorizationLine("72148", sequence=1, diagnoses=("M54.16",), place_of_service="22", service_from="20260310")
EXAM = Exam(7, 1, codes=("72148",), days=("20260310",), places=("22",), performers=("1003000126",))


def authorization(*lines: AuthorizationLine, **said: str) -> Authorization:
    return Authorization(1, "", "60054", "Acme", 1, member_id="W1", lines=lines, **said)  # type: ignore[arg-type]


def under(exam: Exam = EXAM, line: str = "") -> UnderExam:
    return UnderExam(exam, line, ("M54.5",), "1234567893")


def test_an_exam_fills_in_what_the_authorization_does_not_say_and_overwrites_nothing() -> None:
    (line,) = lines_to_ask(authorization(AuthorizationLine("72148", diagnoses=("M54.16",))), [under()]).lines
    assert (line.sequence, line.diagnoses, line.ordering_npi) == (1, ("M54.16",), "1234567893")
    assert (line.rendering_npi, line.place_of_service, line.service_from) == ("1003000126", "22", "20260310")


def test_without_lines_the_exam_is_what_is_asked_for() -> None:
    (line,) = lines_to_ask(authorization(), [under(replace(EXAM, side="L"))]).lines
    assert (line.code, line.modifiers, line.diagnoses) == ("72148", ("LT",), ("M54.5",))


def test_an_exam_that_is_another_one_now_takes_the_place_of_its_line_under_a_new_number() -> None:
    exam = replace(EXAM, codes=("72158",))
    asked = lines_to_ask(authorization(SPINE), [under(exam)], (SPINE,))
    assert [(one.sequence, one.code) for one in asked.lines] == [(1, "72148"), (2, "72158")]
    assert asked.cancelled == {1}
    # What the payer never had is not told to it either.
    fresh = lines_to_ask(authorization(SPINE), [under(exam)])
    assert [(one.code, fresh.cancelled) for one in fresh.lines] == [("72158", frozenset())]


def test_of_two_lines_none_is_cancelled_by_a_guess() -> None:
    contrast = AuthorizationLine("A9585", sequence=2)
    asked = lines_to_ask(authorization(SPINE, contrast), [under(replace(EXAM, codes=("72158",)))], (SPINE, contrast))
    assert (len(asked.lines), asked.cancelled) == (3, frozenset())


def test_a_cancelled_exam_cancels_its_line_unless_another_exam_rests_on_it() -> None:
    gone = replace(EXAM, is_cancelled=True)
    assert lines_to_ask(authorization(SPINE), [under(gone)], (SPINE,)).cancelled == {1}
    other = under(replace(EXAM, order_key=8))
    assert lines_to_ask(authorization(SPINE), [under(gone), other], (SPINE,)).cancelled == frozenset()


def test_another_side_and_another_day_change_the_line() -> None:
    line = replace(SPINE, modifiers=("LT", "26"))
    exam = replace(EXAM, side="R", days=("20260320",))
    (moved,) = lines_to_ask(authorization(line), [under(exam)], (line,)).lines
    assert (moved.modifiers, moved.service_from, moved.service_to) == (("RT", "26"), "20260320", "20260320")
    assert change_of(moved, (line,), ()) == LineChange.CHANGED


def test_what_the_payer_changed_in_its_answer_is_no_change_of_ours() -> None:
    told = lines_to_ask(authorization(SPINE), [under()]).lines
    decided = replace(SPINE, code="72149", service_from="20260301", service_to="20260601", number="N1", decision="A6")
    asked = lines_to_ask(authorization(decided), [under()], told)
    assert (asked.lines, asked.cancelled) == (told, frozenset())


def test_the_payer_knows_what_it_answered_and_nothing_that_failed() -> None:
    first = PayerRequest(
        1, 1, "acme", RequestKind.SUBMIT, "T", RequestState.ANSWERED, (SPINE,), control_numbers=("C1",)
    )
    failed = replace(
        first, key=2, kind=RequestKind.UPDATE, state=RequestState.FAILED, lines=(), control_numbers=("C2",)
    )
    asked = replace(first, key=3, kind=RequestKind.INQUIRE, lines=())
    told = told_by([first, failed, asked])
    assert (told.lines, told.control_numbers, told.is_known) == ((SPINE,), {"C1"}, True)
    assert not told_by([failed]).is_known


def test_a_request_lacks_what_nobody_said_in_words() -> None:
    one = replace(authorization(AuthorizationLine("72148", sequence=1)), member_id="", payer_id="")
    found = lacks_of(one, AskedLines(one.lines), "1003000127")
    assert [each.where for each in found if each.is_needed] == [
        "payer_id",
        "member_id",
        "npi",
        "lines[1].diagnoses",
        "lines[1].place",
    ]
    assert all(each.sentence.endswith(".") for each in found)
    assert [each.where for each in lacks_of(authorization(), AskedLines(()), "1003000126")] == ["lines"]


@pytest.mark.parametrize(("pended_for", "wait"), [(0, 5), (10, 5), (29, 5), (30, 60), (600, 60)])
def test_a_payer_is_asked_again_every_five_minutes_at_first_and_then_every_hour(pended_for: int, wait: int) -> None:
    asked_at = AT + timedelta(minutes=pended_for)
    assert asks_again_at(AT, asked_at) == asked_at + timedelta(minutes=wait)
