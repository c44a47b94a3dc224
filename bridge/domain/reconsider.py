"""Whether a bound study still stands when later facts come: merges, corrections, late orders, signals, contradictions.

Rules follow merges, refresh values, link orders and hold; they never give a bound study to somebody else. A binding is
never undone by corrected demographics, only by a key that newly speaks against it or by a signal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from bridge.domain.case import Case, grade, open_case
from bridge.domain.concerns import NOBODY_NAMES_THEM, concerns_of
from bridge.domain.evidence import OrderRecord, PatientRecord, Registry, StudyEvidence
from bridge.domain.order import StepStatus
from bridge.domain.order_rule import OrderChoice, choose_order
from bridge.domain.reconcile import bound_verdict, held_verdict
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.study import Difference
from bridge.domain.verdict import Verdict
from bridge.domain.vetoes import Held
from bridge.domain.wording import label, named_by, other_orders_words, owner, short_name, signal_words
from bridge.errors import Conflict

PERSON = "person"


class Step(StrEnum):
    """KEEP: nothing to do. REFRESH: other values or another survivor. LINK: an order came. HOLD: withdraw, ask."""

    KEEP = "keep"
    REFRESH = "refresh"
    LINK = "link"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Binding:
    """
    A binding as it stands.

    decided_at: when it was decided. accepted: the concerns that were true then (Verdict.concerns), None if they were
    not kept; then only signals since decided_at hold what a person bound. differences: what leaves corrected now,
    None if not known.
    """

    patient_key: int
    order_key: int | None = None
    linked_order_keys: tuple[int, ...] = ()
    rule: str = ""
    by_person: bool = False
    decided_at: datetime | None = None
    accepted: tuple[str, ...] | None = None
    differences: tuple[Difference, ...] | None = None


@dataclass(frozen=True, slots=True)
class Reconsidered:
    """verdict: the binding as it should stand from now on, or with HOLD what to ask. reason: a slug, "" with KEEP."""

    step: Step
    verdict: Verdict
    reason: str = ""


def reconsider(binding: Binding, evidence: StudyEvidence, registry: Registry, rules: ReconcileRules) -> Reconsidered:
    """Say what becomes of a bound study in the light of what the registry knows now."""
    case = open_case(evidence, registry, rules)
    patient = registry.survivor(binding.patient_key)
    if patient is None:
        gone = Held("V07", "the record it was bound to is no longer there.")
        return Reconsidered(Step.HOLD, held_verdict(case, gone, ()), "record_gone")
    case = with_patient(case, patient)
    order = registry.order_by_key(binding.order_key) if binding.order_key is not None else None
    held = _new_contradiction(case, binding, patient, order, registry)
    if held is not None:
        return Reconsidered(Step.HOLD, held_verdict(case, held, ()), held.rule)
    return _follow(case, binding, patient, order, registry)


def chosen_by_person(
    binding: Binding, evidence: StudyEvidence, registry: Registry, rules: ReconcileRules
) -> Verdict | None:
    """
    Return the verdict of a person who picked *binding*'s patient, and perhaps the order; None if the record is gone.

    Without an order the order rule looks for one. Its concerns are what the person knew and overruled.
    Raises: Conflict, if the order is another patient's.
    """
    patient = registry.survivor(binding.patient_key)
    if patient is None:
        return None
    case = with_patient(open_case(evidence, registry, rules), patient)
    order = registry.order_by_key(binding.order_key) if binding.order_key is not None else None
    if order is not None:
        _check_owner(order, patient, registry)
    choice = OrderChoice(order) if order else choose_order(case, patient.key, registry)
    verdict = bound_verdict(case, patient.key, choice, PERSON, ())
    return replace(verdict, sentence=f"Bound by a person to {label(patient, rules)}.")


def _check_owner(order: OrderRecord, patient: PatientRecord, registry: Registry) -> None:
    holder = registry.survivor(order.order.patient_key)
    if holder is None or holder.key != patient.key:
        raise Conflict("the order is another patient's", code="other_patient", where="accession_number")


def with_patient(case: Case, patient: PatientRecord) -> Case:
    """Return *case* with *patient* among those graded, found by a key or not."""
    if patient.key in case.graded:
        return case
    graded = {**case.graded, patient.key: grade(case.evidence, case.name, patient, case.rules)}
    return replace(case, graded=graded)


def _new_contradiction(
    case: Case, binding: Binding, patient: PatientRecord, order: OrderRecord | None, registry: Registry
) -> Held | None:
    marks = list(concerns_of(case, patient.key, binding.decided_at))
    holder = registry.survivor(order.order.patient_key) if order else None
    if holder is not None and holder.key != patient.key:
        marks.append(f"V06:{holder.key}")
    if binding.by_person and binding.accepted is None:
        marks = [mark for mark in marks if _is_later_signal(case, mark, binding.decided_at)]
    accepted = {_with_survivor(mark, registry) for mark in binding.accepted or ()}
    new = sorted(mark for mark in dict.fromkeys(marks) if mark not in accepted)
    if not new:
        return None
    code = new[0].partition(":")[0]
    return Held(code, _reason(case, code, patient, holder))


def _is_later_signal(case: Case, mark: str, decided_at: datetime | None) -> bool:
    if not mark.startswith("V03:") or decided_at is None:
        return False
    return any(signal.at is not None and signal.at > decided_at for signal in case.signals)


def _with_survivor(mark: str, registry: Registry) -> str:
    """Return a concern about a patient as it reads after later merges."""
    code, _, key = mark.partition(":")
    if code != "V06" or not key.isdigit():
        return mark
    survivor = registry.survivor(int(key))
    return f"V06:{survivor.key}" if survivor is not None else mark


def _reason(case: Case, code: str, patient: PatientRecord, holder: PatientRecord | None) -> str:
    bound = f"it was bound to {label(patient, case.rules)}"
    if code == "V02":
        names = " and ".join(short_name(other.patient_name) for other in case.other_people[:3])
        return f"{bound}, but images have come that name another patient: {names}."
    if code == "V03":
        words = dict.fromkeys(signal_words(signal.code) for signal in case.signals)
        return f"{bound}, but {' and '.join(words)}."
    if code == NOBODY_NAMES_THEM:
        return f"{bound}, but none of its numbers and orders names that patient any more."
    if holder is not None and holder.key != patient.key:
        return f"{bound}, but its order is {owner(holder, case.rules)} now."
    others = sorted(case.keyed - {patient.key})
    if not others:
        return f"{bound}, but {other_orders_words(case, patient.key)}"
    return f"{bound}, but {', '.join(named_by(case, key) for key in others)}."


def _follow(
    case: Case, binding: Binding, patient: PatientRecord, order: OrderRecord | None, registry: Registry
) -> Reconsidered:
    is_live = order is not None and order.order.status != StepStatus.CANCELED
    choice = OrderChoice(order) if is_live else choose_order(case, patient.key, registry)
    if choice.order is None and order is not None:
        # Cancelled, and nothing took its place: it stays the order that the study was made for.
        choice = OrderChoice(order)
    verdict = bound_verdict(case, patient.key, choice, PERSON if binding.by_person else binding.rule, ())
    linked = verdict.linked_order_keys or binding.linked_order_keys
    verdict = replace(verdict, linked_order_keys=linked, concerns=_kept(binding, verdict))
    if verdict.order_key != binding.order_key:
        return Reconsidered(Step.LINK, verdict, "order_linked")
    if patient.key != binding.patient_key:
        return Reconsidered(Step.REFRESH, verdict, "merged")
    if binding.differences is not None and binding.differences != verdict.differences:
        return Reconsidered(Step.REFRESH, verdict, "values_changed")
    return Reconsidered(Step.KEEP, verdict)


def _kept(binding: Binding, verdict: Verdict) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*(binding.accepted or ()), *verdict.concerns)))
