"""What stands between an exam and the authorization it rests on. It warns people; it keeps nothing off a worklist."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from bridge.domain.authorization import (
    GRANTED,
    LIVE,
    Authorization,
    AuthorizationLine,
    AuthorizationStatus,
    number_key,
)
from bridge.domain.authorization_clock import days_left, decision_clock, expiry_mark, status_at
from bridge.domain.authorization_exam import Exam, is_inside, line_of, names_of, period_of, side_of_modifiers
from bridge.domain.authorization_links import Link, LinkRule, member_of
from bridge.domain.authorization_rules import AuthorizationRules
from bridge.domain.member_id import MemberFit, compare_members


class WarningKind(StrEnum):
    """What a warning is of. The last four are of an authorization's time, and of no exam."""

    OTHER_PATIENT = "other_patient"
    MERGED_PATIENT = "merged_patient"
    ORDER_CANCELLED = "order_cancelled"
    CODE_NOT_COVERED = "code_not_covered"
    LINE_CANCELLED = "line_cancelled"
    SIDE_DIFFERS = "side_differs"
    MODIFIER_DIFFERS = "modifier_differs"
    SITE_DIFFERS = "site_differs"
    PLACE_DIFFERS = "place_differs"
    PROVIDER_DIFFERS = "provider_differs"
    DATE_OUTSIDE = "date_outside"
    UNITS_USED_UP = "units_used_up"
    UNITS_REDUCED = "units_reduced"
    MEMBER_DIFFERS = "member_differs"
    PENDED = "pended"
    DENIED = "denied"
    CONTACT_PAYER = "contact_payer"
    UNCONFIRMED = "unconfirmed"
    ENDED = "ended"
    EXPIRED = "expired"
    EXPIRES_SOON = "expires_soon"
    CLOCK_RUNS = "clock_runs"
    OVERDUE = "overdue"


@dataclass(frozen=True, slots=True)
class ExamWarning:
    """One warning. sentence: what differs, without the patient. line: what its line is named by; order_key: None for no exam."""

    kind: WarningKind
    sentence: str
    order_key: int | None = None
    line: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """
    An authorization with the exams under it. exams: by order. owner: the live record it belongs to now.

    answered_for: the record whose the payer's newest answer was when it came, None where no payer answered.
    """

    authorization: Authorization
    owner: int
    links: tuple[Link, ...] = ()
    exams: Mapping[int, Exam] = field(default_factory=dict)
    answered_for: int | None = None


def warnings_of(scene: Scene, now: datetime, rules: AuthorizationRules) -> tuple[ExamWarning, ...]:
    """Return everything that is to be warned of, exam by exam, then what is of the authorization alone."""
    found: list[ExamWarning] = []
    for link in scene.links:
        exam = scene.exams.get(link.order_key)
        if exam is not None:
            found += _of_exam(scene, exam, link, now, rules)
    found += _of_time(scene.authorization, now, rules)
    return tuple(one for one in found if one.kind.value not in rules.off)


def _of_exam(scene: Scene, exam: Exam, link: Link, now: datetime, rules: AuthorizationRules) -> Iterable[ExamWarning]:
    if exam.patient_key != scene.owner:
        return [_warning(exam, None, WarningKind.OTHER_PATIENT, "The authorization is another patient's.")]
    status = status_at(scene.authorization, now, rules.clock_of(scene.authorization.payer_id))
    if exam.is_cancelled:
        return _of_cancelled(scene, exam, status)
    line = line_of(scene.authorization, exam, link.line)
    at = _At(scene, exam, link, line, status, rules)
    checks: Sequence[_Check] = _ALWAYS if link.rule == LinkRule.INSURANCE else (*_ALWAYS, *_OF_LINES)
    return [_warning(exam, line, kind, sentence) for check in checks for kind, sentence in check(at)]


@dataclass(frozen=True, slots=True)
class _At:
    """One exam under one authorization, with its line and how all of it stands."""

    scene: Scene
    exam: Exam
    link: Link
    line: AuthorizationLine | None
    status: AuthorizationStatus
    rules: AuthorizationRules

    @property
    def authorization(self) -> Authorization:
        return self.scene.authorization


_Found = Iterable[tuple[WarningKind, str]]
_Check = Callable[[_At], _Found]


def _of_cancelled(scene: Scene, exam: Exam, status: AuthorizationStatus) -> Iterable[ExamWarning]:
    others = [one for key, one in scene.exams.items() if key != exam.order_key and not one.is_cancelled]
    if status not in LIVE or others:
        return []
    what = "The order is cancelled and its authorization lives on: release it, or have it cancelled."
    return [_warning(exam, None, WarningKind.ORDER_CANCELLED, what)]


def _merged(at: _At) -> _Found:
    answered_for = at.scene.answered_for
    if answered_for is not None and answered_for != at.scene.owner:
        yield (
            WarningKind.MERGED_PATIENT,
            "The payer answered for a record that was merged since: make sure that it is the member.",
        )


def _member(at: _At) -> _Found:
    named, payer_id = member_of(at.authorization), at.authorization.payer_id
    fits = [compare_members(named, one.member) for one in at.exam.coverages if payer_id and one.payer_id == payer_id]
    if not fits or any(fit in (MemberFit.SAME, MemberFit.SUBSCRIBER, MemberFit.NOTHING) for fit in fits):
        return
    if MemberFit.OTHER_DEPENDANT in fits:
        yield (
            WarningKind.MEMBER_DIFFERS,
            "It names another member of the subscriber's family than the patient's insurance.",
        )
    else:
        yield WarningKind.MEMBER_DIFFERS, "Its member number is not the one of the patient's insurance."


def _standing(at: _At) -> _Found:
    status = at.status
    decision = at.line.decision if at.line is not None else ""
    if status in GRANTED and decision in ("A3", "A4", "CT"):
        status = {
            "A3": AuthorizationStatus.DENIED,
            "A4": AuthorizationStatus.PENDED,
            "CT": AuthorizationStatus.CONTACT_PAYER,
        }[decision]
    if status == AuthorizationStatus.EXPIRED and at.exam.is_done:
        return
    if status in _STANDING:
        yield _STANDING[status]


_STANDING: Mapping[AuthorizationStatus, tuple[WarningKind, str]] = {
    AuthorizationStatus.PENDED: (WarningKind.PENDED, "The payer has not decided yet: pended is no approval."),
    AuthorizationStatus.SUBMITTED: (WarningKind.PENDED, "The payer has not answered yet."),
    AuthorizationStatus.DRAFT: (WarningKind.PENDED, "The request was not sent yet."),
    AuthorizationStatus.ERROR: (WarningKind.PENDED, "The payer could not read the request."),
    AuthorizationStatus.DENIED: (WarningKind.DENIED, "The payer refused it."),
    AuthorizationStatus.CONTACT_PAYER: (WarningKind.CONTACT_PAYER, "The payer wants to be called before it decides."),
    AuthorizationStatus.UNCONFIRMED: (
        WarningKind.UNCONFIRMED,
        "There is a number, and no answer of the payer is known.",
    ),
    AuthorizationStatus.CANCELLED: (WarningKind.ENDED, "The authorization was cancelled."),
    AuthorizationStatus.SUPERSEDED: (WarningKind.ENDED, "Another authorization took its place."),
    AuthorizationStatus.EXPIRED: (WarningKind.EXPIRED, "The authorization has expired."),
}


def _period(at: _At) -> _Found:
    period = period_of(at.authorization, at.line)
    outside = sorted(day for day in at.exam.days if not is_inside(day, period))
    if outside:
        good = " to ".join(_day(day) or "any day" for day in period)
        yield WarningKind.DATE_OUTSIDE, f"The exam is on {_day(outside[0])}; the authorization is good for {good}."


def _code(at: _At) -> _Found:
    exam, line, lines = at.exam, at.line, at.authorization.lines
    if line is None:
        same = [one for one in lines if number_key(one.code) in exam.codes]
        if same:
            yield WarningKind.LINE_CANCELLED, f"The line of {same[0].code} was cancelled."
        elif exam.codes and any(one.code for one in lines):
            named = ", ".join(dict.fromkeys(one.code for one in lines if one.code and one.decision != "C"))
            yield (
                WarningKind.CODE_NOT_COVERED,
                f"The exam is {' + '.join(exam.codes)}; authorized is {named or 'nothing'}.",
            )
    elif exam.codes and line.code and number_key(line.code) not in exam.codes:
        yield WarningKind.CODE_NOT_COVERED, f"The exam is {' + '.join(exam.codes)}; authorized is {line.code}."


def _side(at: _At) -> _Found:
    allowed = side_of_modifiers(at.line.modifiers) if at.line is not None else ""
    if allowed and at.exam.side and allowed not in ("B", at.exam.side):
        yield WarningKind.SIDE_DIFFERS, f"The exam is {_SIDES[at.exam.side]}; authorized is {_SIDES[allowed]}."


def _modifier(at: _At) -> _Found:
    ignored = at.rules.modifiers_ignored | {"LT", "RT", "50"}
    ours = {one.upper() for one in at.exam.modifiers} - ignored
    theirs = {one.upper() for one in at.line.modifiers} - ignored if at.line is not None else set()
    if ours != theirs and at.line is not None and at.exam.modifiers and at.line.modifiers:
        said = [", ".join(sorted(one)) or "none" for one in (ours, theirs)]
        yield WarningKind.MODIFIER_DIFFERS, f"The exam's modifiers are {said[0]}; authorized are {said[1]}."


def _place(at: _At) -> _Found:
    line, exam = at.line, at.exam
    if line is None:
        return
    if line.site_npi and exam.site_npis and line.site_npi not in exam.site_npis:
        yield WarningKind.SITE_DIFFERS, "The exam is done at another site than the authorized one."
    elif not (line.site_npi and exam.site_npis) and _other_name(line.site_name, exam.site_names):
        yield WarningKind.SITE_DIFFERS, f"The exam is at {exam.site_names[0]}; authorized is {line.site_name}."
    if line.place_of_service and exam.places and line.place_of_service not in exam.places:
        where = exam.places[0]
        yield WarningKind.PLACE_DIFFERS, f"The place of service is {where}; authorized is {line.place_of_service}."
    if line.rendering_npi and exam.performers and line.rendering_npi not in exam.performers:
        yield WarningKind.PROVIDER_DIFFERS, "Another provider is to do the exam than the authorized one."


def _units(at: _At) -> _Found:
    line = at.line
    approved = _number(line.approved_units) if line is not None else None
    if line is None or approved is None:
        return
    asked = _number(line.requested_units)
    if asked is not None and approved < asked:
        yield (
            WarningKind.UNITS_REDUCED,
            f"Authorized are {line.approved_units} of {line.requested_units} units asked for.",
        )
    used = sum(_uses(at, link, line) for link in at.scene.links)
    if used > approved:
        yield WarningKind.UNITS_USED_UP, f"{used} exams stand under a line of {line.approved_units}."


def _uses(at: _At, link: Link, line: AuthorizationLine) -> bool:
    exam = at.scene.exams.get(link.order_key)
    if exam is None or exam.is_cancelled or link.rule == LinkRule.INSURANCE:
        return False
    return line_of(at.authorization, exam, link.line) == line


# Insurance's own number says nothing of what is done: only what holds for all of it is compared.
_ALWAYS: tuple[_Check, ...] = (_merged, _member, _standing, _period)
_OF_LINES: tuple[_Check, ...] = (_code, _side, _modifier, _place, _units)
_SIDES = {"L": "left", "R": "right", "B": "both sides"}


def _of_time(authorization: Authorization, now: datetime, rules: AuthorizationRules) -> Iterable[ExamWarning]:
    clock_rules = rules.clock_of(authorization.payer_id)
    clock = decision_clock(authorization, clock_rules)
    passed = clock.passed(now) if clock is not None else 0
    if passed == 100:
        yield ExamWarning(WarningKind.OVERDUE, "The payer's time to answer is over.")
    elif passed:
        yield ExamWarning(WarningKind.CLOCK_RUNS, f"{passed} % of the payer's time to answer are over.")
    mark = expiry_mark(days_left(authorization, now, clock_rules), clock_rules.expiry_days)
    if mark is not None:
        days = "1 day" if mark == 1 else f"{mark} days"
        yield ExamWarning(WarningKind.EXPIRES_SOON, f"It ends within {days}.")


def _warning(exam: Exam, line: AuthorizationLine | None, kind: WarningKind, sentence: str) -> ExamWarning:
    return ExamWarning(kind, sentence, exam.order_key, names_of(line)[0] if line is not None and names_of(line) else "")


def _other_name(one: str, ours: Sequence[str]) -> bool:
    """Say whether a place goes by a name that fits none of ours: the words of the shorter are all in the longer."""
    words = frozenset(one.casefold().split())
    known = [frozenset(each.casefold().split()) for each in ours]
    return bool(words and known) and not any(words <= each or each <= words for each in known if each)


def _number(text: str) -> Decimal | None:
    try:
        value = Decimal(text) if text else None
    except InvalidOperation:
        return None
    return value if value is not None and value.is_finite() else None


def _day(text: str) -> str:
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}" if len(text) == 8 else text
