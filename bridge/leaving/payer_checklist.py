"""What an authorization asks for, which checklist is for that, and the results that one wants to see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bridge.domain.attachment import ClaimAttachment
from bridge.domain.authorization import Authorization, number_key
from bridge.domain.clinical_note import ClinicalNote, NoteStatus, Relation
from bridge.domain.evidence_needs import (
    Dated,
    Need,
    NeedRule,
    Service,
    notes_of_kinds,
    rule_for,
    still_fresh,
    with_asked,
)
from bridge.domain.evidence_request import asks_labs, notes_asked
from bridge.domain.lab_result import FINAL, LabResult
from bridge.domain.order import Order
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.study import Study
from bridge.leaving.evidence_asked import codes_asked
from bridge.leaving.packet_priors import asked_regions, regions
from bridge.store import authorizations, clinical_notes, lab_results, orders, patients, studies
from bridge.store.db import ReadTx


@dataclass(frozen=True, slots=True)
class Asked:
    """
    An authorization with what is examined under it. owner: its live patient.

    attachments: of studies that are the owner's; attached: these studies; exams: its own order and theirs.
    """

    authorization: Authorization
    owner: int
    attachments: tuple[ClaimAttachment, ...]
    attached: tuple[Study, ...]
    exams: tuple[Order, ...]


def asked_of(tx: ReadTx, authorization: Authorization) -> Asked:
    """Return what an authorization is about, as far as it is known now."""
    owner = patients.survivor(tx, authorization.patient_key).key
    every = authorizations.attachments_of(tx, authorization.key)
    found = {key: studies.get(tx, key) for key in dict.fromkeys(one.study_key for one in every)}
    attached = {key: one for key, one in found.items() if one.is_bound and one.patient_key == owner}
    keys = dict.fromkeys([authorization.order_key, *(one.order_key for one in attached.values())])
    return Asked(
        authorization,
        owner,
        tuple(one for one in every if one.study_key in attached),
        tuple(attached.values()),
        tuple(orders.get(tx, key) for key in keys if key is not None),
    )


def rule_of(tx: ReadTx, asked: Asked, rules: ReconcileRules) -> NeedRule | None:
    """Return the checklist of an authorization's payer and services, with what the payer asks for; None for neither."""
    codes = codes_asked(tx, asked.authorization)
    own = _own_rule(tx, asked, rules) if rules.authorizations.evidence else None
    return with_asked(own, notes_asked(codes), asks_labs(codes))


def _own_rule(tx: ReadTx, asked: Asked, rules: ReconcileRules) -> NeedRule | None:
    lines, parts = asked.authorization.lines, rules.checklist.body_parts
    steps = [step for order in asked.exams for step in orders.steps_of(tx, order.key)]
    series = studies.series_of(tx, [one.key for one in asked.attached]) if asked.attached else []
    examined = [regions(one, None, parts) for one in asked.attached]
    wanted = [asked_regions(one, parts) for one in asked.exams]
    named = parts.named_in([one.description for one in lines], [one.code for one in lines])
    modalities = {one.modality for one in steps} | {one.modality for one in series}
    service = Service(
        asked.authorization.payer_id,
        tuple(_codes(asked, rules)),
        frozenset(modalities - {""}),
        named.union(*examined, *wanted),
    )
    return rule_for(rules.authorizations.evidence, service, parts)


def _codes(asked: Asked, rules: ReconcileRules) -> list[str]:
    """Return the codes of what is asked for; where no line names one, what the exam is billed as."""
    named = [line.code for line in asked.authorization.lines]
    own = [one for one in asked.exams if one.key == asked.authorization.order_key]
    codes = [one.requested_procedure_code.code_value for one in own]
    return named or [rules.authorizations.codes.get(number_key(code), code) for code in codes]


def labs_of(tx: ReadTx, owner: int, rules: ReconcileRules) -> tuple[Dated, ...]:
    """Return the final results of a live patient that a checklist may want."""
    found = lab_results.of_patient(tx, owner, rules)
    return tuple(_dated(one, rules) for one in found if one.content.status in FINAL and not one.is_test)


def labs_for_packet(tx: ReadTx, asked: Asked, rules: ReconcileRules, now: datetime) -> tuple[Dated, ...]:
    """Return the results that the payer's checklist asks for, () where it asks for none."""
    rule = rule_of(tx, asked, rules)
    if rule is None or Need.LABS not in rule.needs:
        return ()
    return still_fresh(labs_of(tx, asked.owner, rules), rule.labs_days, now, rule.labs)


def notes_of(tx: ReadTx, owner: int, rules: ReconcileRules) -> tuple[Dated, ...]:
    """Return the signed notes about a live patient; an addendum alone is none."""
    found = clinical_notes.of_patient(tx, owner, rules)
    return tuple(_dated_note(one, rules) for one in found if _counts(one) and one.relation != Relation.ADDENDUM)


def note_for_packet(tx: ReadTx, asked: Asked, rules: ReconcileRules, now: datetime) -> tuple[ClinicalNote, ...]:
    """Return the newest note of each kind that is wanted, with its addenda, () if none is wanted, or none is fresh."""
    rule = rule_of(tx, asked, rules)
    if rule is None or Need.OFFICE_NOTE not in rule.needs:
        return ()
    found = notes_of_kinds(notes_of(tx, asked.owner, rules), rule, now).values()
    fresh = {one.key for one in found if one is not None}
    every = [one for one in clinical_notes.of_patient(tx, asked.owner, rules) if _counts(one)]
    chosen = [one for one in every if one.key in fresh]
    named = {one.identity for one in chosen}
    return (*chosen, *(one for one in every if one.relation == Relation.ADDENDUM and one.parent in named))


def _counts(one: ClinicalNote) -> bool:
    says_something = bool(one.content.sections or one.content.documents)
    return one.content.status == NoteStatus.FINAL and says_something and not one.is_test


def _dated_note(one: ClinicalNote, rules: ReconcileRules) -> Dated:
    kind = one.content.kind
    return Dated(kind, one.content.written_at or one.said_at, plain_day(note_day(one, rules)), kind, one.key)


def note_day(one: ClinicalNote, rules: ReconcileRules) -> str:
    """Return the day of a note, "YYYYMMDD"."""
    return one.content.written_local[:8] or one.said_at.astimezone(rules.authorizations.clock.zone).strftime("%Y%m%d")


def _dated(one: LabResult, rules: ReconcileRules) -> Dated:
    content = one.content
    at = content.observed_at or one.said.issued_at
    day = content.observed_local[:8] or at.astimezone(rules.authorizations.clock.zone).strftime("%Y%m%d")
    return Dated(_words(content.kind, content.value, content.units), at, plain_day(day), content.kind, one.key)


def _words(*parts: str) -> str:
    return " ".join(filter(None, parts))


def plain_day(day: str) -> str:
    """
    Return "YYYYMMDD" as people write it.

    >>> plain_day("20260302")
    '2026-03-02'
    """
    return f"{day[:4]}-{day[4:6]}-{day[6:8]}"
