"""What an authorization is compared with: an exam as it is ordered and scheduled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.domain.authorization import Authorization, AuthorizationLine, number_key
from bridge.domain.authorization_rules import AuthorizationRules
from bridge.domain.body_parts import Sides
from bridge.domain.identifiers import is_npi
from bridge.domain.member_id import Coverage
from bridge.domain.order import Order, Step, StepStatus

_SIDE_MODIFIERS: Mapping[str, str] = {"LT": "L", "RT": "R", "50": "B"}
_DONE = frozenset({StepStatus.COMPLETED, StepStatus.DISCONTINUED})


@dataclass(frozen=True, slots=True)
class Exam:
    """
    One ordered exam. patient_key: the live record. codes: what is billed for it, () where that is not known.

    modifiers: those of the order; side: L, R, B or "". days: "YYYYMMDD" of its steps. site_names, site_npis, places:
    where it is done; performers: NPIs. coverages: of its patient.
    """

    order_key: int
    patient_key: int
    accession_number: str = ""
    codes: tuple[str, ...] = ()
    modifiers: tuple[str, ...] = ()
    side: str = ""
    days: tuple[str, ...] = ()
    is_cancelled: bool = False
    is_done: bool = False
    site_names: tuple[str, ...] = ()
    site_npis: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    performers: tuple[str, ...] = ()
    coverages: tuple[Coverage, ...] = field(default=())


def exam_of(
    order: Order, steps: Sequence[Step], coverages: tuple[Coverage, ...], rules: AuthorizationRules, sides: Sides
) -> Exam:
    """Return an order and its steps as an exam. order.patient_key: the live record's."""
    waiting = [step for step in steps if step.status != StepStatus.CANCELED] or list(steps)
    codes = [order.requested_procedure_code.code_value, *(step.scheduled_protocol_code.code_value for step in waiting)]
    names = (order.institution_name, order.details.get("institutional_department_name", ""))
    sites = [site for name in names if (site := rules.site_of(name)) is not None]
    modifiers = order.details.get("procedure_modifiers", ())
    texts = (
        order.requested_procedure_description,
        order.requested_procedure_code.code_meaning,
        *(step.scheduled_procedure_step_description for step in waiting),
    )
    return Exam(
        order.key,
        order.patient_key,
        order.accession_number,
        codes=_distinct(rules.billed_code(code) for code in codes),
        modifiers=tuple(one.upper() for one in modifiers),
        side=side_of_modifiers(modifiers) or _side_in(texts, sides),
        days=_distinct(step.scheduled_start_local[:8] for step in waiting),
        is_cancelled=order.status == StepStatus.CANCELED,
        is_done=order.status in _DONE,
        site_names=_distinct(names),
        site_npis=_distinct(site.npi for site in sites),
        places=_distinct(site.place_of_service for site in sites),
        performers=_distinct(_npi(step) for step in waiting),
        coverages=coverages,
    )


def side_of_modifiers(modifiers: Iterable[str]) -> str:
    """Return L, R or B as modifiers say, "" where none says a side. Source: HL7 table 0340 (CPT modifiers)."""
    found = {side for one in modifiers if (side := _SIDE_MODIFIERS.get(one.upper(), ""))}
    if len(found) > 1:
        return "B"
    return found.pop() if found else ""


def _side_in(texts: Sequence[str], sides: Sides) -> str:
    """Return the side that descriptions name in words, or behind a comma at their end, where a modifier was written out."""
    named = {side for text in texts if (side := text.rpartition(", ")[2]) in ("L", "R", "B")}
    named |= sides.named_in(texts)
    if len(named) > 1:
        return "B"
    return named.pop() if named else ""


def line_of(authorization: Authorization, exam: Exam, named: str = "") -> AuthorizationLine | None:
    """
    Return the line that an exam stands under: the one that was named for it, else the one of its code that fits best.

    None where no line has its code, or the code is not known. What is cancelled covers nothing.
    """
    lines = [line for line in authorization.lines if line.decision != "C"]
    if named:
        return next((line for line in authorization.lines if named in names_of(line)), None)
    fitting = [line for line in lines if number_key(line.code) in exam.codes]
    return max(fitting, key=lambda line: _fit(authorization, line, exam), default=None)


def names_of(line: AuthorizationLine) -> tuple[str, ...]:
    """Return what a line may be named by: the requester's number, its place in the request, its code."""
    return tuple(filter(None, (line.trace, f"#{line.sequence}" if line.sequence else "", line.code)))


def period_of(authorization: Authorization, line: AuthorizationLine | None) -> tuple[str, str]:
    """Return the first and last day an exam may be done, each "" for none: the line's own, else the authorization's."""
    if line is not None and (line.service_from or line.service_to):
        return line.service_from, line.service_to or line.service_from
    return authorization.effective_on, authorization.expires_on


def is_inside(day: str, period: tuple[str, str]) -> bool:
    """Say whether *day* lies in a period whose ends count."""
    first, last = period
    return (not first or day >= first) and (not last or day <= last)


def _fit(authorization: Authorization, line: AuthorizationLine, exam: Exam) -> tuple[int, int, int]:
    side = side_of_modifiers(line.modifiers)
    inside = all(is_inside(day, period_of(authorization, line)) for day in exam.days)
    return (side == exam.side, not side, inside)


def _npi(step: Step) -> str:
    codes = step.details.get("scheduled_performing_physician_code", ())
    return next((code.code_value for code in codes if is_npi(code.code_value)), "")


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))
