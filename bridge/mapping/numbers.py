"""The numbers that an order must have and its sender did not give. Source: PS3.4 K.6-1 (return type 1), PS3.5 6.2 (SH)."""

from __future__ import annotations

from bridge.domain.identifiers import SHORT_STRING_MAX, EntityIdentifier, derive_uid
from bridge.domain.order import OrderDraft, StepDraft
from bridge.domain.records import replace
from bridge.errors import Incomplete
from bridge.mapping.evaluate import Evaluator
from bridge.mapping.grammar import Scope

_ACCESSION = "requested_procedure.accession"
_STUDY = "requested_procedure.study_instance_uid"
_PROCEDURE_ID = "requested_procedure.id"
_STEP_ID = "scheduled_step.id"


def fill_numbers(evaluator: Evaluator, draft: OrderDraft, scope: Scope) -> OrderDraft:
    """
    Return *draft* with accession number, study UID, procedure and step ids, each made from what is there.

    What was made is named in `derived`. Raises: Incomplete, where the site's policy wants it sent.
    """
    draft = _fill_accession(evaluator, draft, scope)
    draft = _fill_study(evaluator, draft, scope)
    draft = _fill_procedure_id(evaluator, draft, scope)
    return _fill_step_ids(evaluator, draft)


def _fill_accession(evaluator: Evaluator, draft: OrderDraft, scope: Scope) -> OrderDraft:
    policy = evaluator.context.site.policy.missing_accession
    if draft.accession_number or policy == "accept":
        return draft
    number = draft.placer_order_number if policy == "placer_order_number" else draft.filler_order_number
    if policy == "reject" or not number or len(number.value) > SHORT_STRING_MAX or "\\" in number.value:
        raise Incomplete(
            "no accession number", code="missing", where=_where(evaluator, _ACCESSION, scope), source="PS3.4 K.6-1"
        )
    evaluator.derived(_ACCESSION, policy, number.value)
    derived = draft.derived | {"accession_number"}
    return replace(draft, accession_number=number.value, issuer_of_accession_number=number.issuer, derived=derived)


def _fill_study(evaluator: Evaluator, draft: OrderDraft, scope: Scope) -> OrderDraft:
    policy = evaluator.context.site.policy.missing_study_uid
    if draft.study_instance_uid:
        return draft
    derived = draft.derived | {"study_instance_uid"}
    if policy == "mint":
        return replace(draft, derived=derived)
    number = EntityIdentifier(draft.accession_number, draft.issuer_of_accession_number)
    number = number or draft.filler_order_number or draft.placer_order_number
    if policy == "reject" or not number:
        raise Incomplete(
            "no Study Instance UID", code="missing", where=_where(evaluator, _STUDY, scope), source="PS3.4 K.6-1"
        )
    uid = derive_uid(number.issuer, number.value)
    evaluator.derived(_STUDY, policy, uid)
    return replace(draft, study_instance_uid=uid, derived=derived)


def _fill_procedure_id(evaluator: Evaluator, draft: OrderDraft, scope: Scope) -> OrderDraft:
    if draft.requested_procedure_id:
        return draft
    numbers = (draft.accession_number, draft.filler_order_number.value, draft.placer_order_number.value)
    found = next((number for number in numbers if number and len(number) <= SHORT_STRING_MAX), "")
    if not found:
        raise Incomplete("no requested procedure id", code="missing", where=_where(evaluator, _PROCEDURE_ID, scope))
    evaluator.derived(_PROCEDURE_ID, "order number", found)
    return replace(draft, requested_procedure_id=found, derived=draft.derived | {"requested_procedure_id"})


def _fill_step_ids(evaluator: Evaluator, draft: OrderDraft) -> OrderDraft:
    """Steps without an id take the procedure's, and a number where there are several: unique within the study."""
    if all(step.scheduled_procedure_step_id for step in draft.steps):
        return draft
    taken = {step.scheduled_procedure_step_id for step in draft.steps}
    steps: list[StepDraft] = []
    for step in draft.steps:
        if not step.scheduled_procedure_step_id:
            step = replace(step, scheduled_procedure_step_id=_free_id(draft.requested_procedure_id, taken))
            evaluator.derived(_STEP_ID, "requested procedure id", step.scheduled_procedure_step_id)
            taken.add(step.scheduled_procedure_step_id)
        steps.append(step)
    return replace(draft, steps=tuple(steps), derived=draft.derived | {"scheduled_procedure_step_id"})


def _free_id(base: str, taken: set[str]) -> str:
    if base not in taken:
        return base
    number = 2
    while (candidate := f"{base[: SHORT_STRING_MAX - 1 - len(str(number))]}-{number}") in taken:
        number += 1
    return candidate


def _where(evaluator: Evaluator, target: str, scope: Scope) -> str:
    """Name the place where this kind of message would have it: IPC only where there is one."""
    rule = evaluator.context.site.rules[target]
    chosen = next((path for path in rule.paths if path.segment in scope), None)
    chosen = chosen or next((path for path in rule.paths if path.segment != "IPC"), rule.paths[0])
    return chosen.where
