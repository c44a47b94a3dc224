"""Whose study is this? Vetoes first, then the bind rules; scores rank candidates and never bind.

The same evidence, registry and rules give the same verdict. A wrong pick on the worklist makes all evidence agree: only
signals (MPPS 110514, rejection notes) and people find that out, which is why every binding can be held again.
"""

from __future__ import annotations

from bridge.domain.bind_rules import bind_rule_of
from bridge.domain.case import Case, open_case
from bridge.domain.concerns import concerns_of
from bridge.domain.corrections import corrections, corrects, published_identifier, published_identity
from bridge.domain.evidence import OrderRecord, PatientRecord, Registry, StudyEvidence
from bridge.domain.leads import Via, institution_authority
from bridge.domain.order_rule import OrderChoice, choose_order
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.verdict import Candidate, EvidenceRow, Outcome, Verdict
from bridge.domain.vetoes import Held, first_veto, target_of
from bridge.domain.wording import compared, fit_of, label, named_by, release_of, why

_ALWAYS_QUARANTINE = frozenset({"V01", "V04"})
_NEVER_PRESELECTED = frozenset({"V04", "V06", "V08", "V09"})


def decide(evidence: StudyEvidence, registry: Registry, rules: ReconcileRules) -> Verdict:
    """Decide whose study *evidence* is, or who must be asked."""
    case = open_case(evidence, registry, rules)
    held, tried = first_veto(case)
    if held is None:
        target = target_of(case)
        if target is not None:
            choice = choose_order(case, target, registry)
            return bound_verdict(case, target, choice, bind_rule_of(case, target), tried)
        # No veto and nobody to bind to cannot both hold; ask rather than guess if they ever do.
        held = Held("V10", "its keys single nobody out.")
    return held_verdict(case, held, tried)


def held_verdict(case: Case, held: Held, tried: tuple[str, ...]) -> Verdict:
    """Return the verdict that asks a person, or sets the study aside where there is nobody to choose from."""
    quarantined = held.rule in _ALWAYS_QUARANTINE or not case.ranked
    target = target_of(case)
    return Verdict(
        outcome=Outcome.QUARANTINE if quarantined else Outcome.REVIEW,
        rule=held.rule,
        sentence=f"Held ({held.rule}): {held.reason}",
        evidence=_evidence_rows(case, target),
        candidates=_candidates(case, case.nearest if held.rule == "V04" else case.ranked),
        vetoes_tried=tried,
        preselect=held.rule not in _NEVER_PRESELECTED,
        two_person=held.rule in case.rules.two_person,
        release=release_of(held.rule),
        notes=case.notes,
        rules_version=case.rules.version,
        snapshot=_snapshot(case, case.graded[target].patient if target is not None else None, None),
    )


def bound_verdict(case: Case, target: int, choice: OrderChoice, rule: str, tried: tuple[str, ...]) -> Verdict:
    """Return the verdict that binds the study to *target*, by a rule or by "person"."""
    one = case.graded[target]
    differences = corrections(case.evidence.header, one.patient, choice.order, case.rules)
    corrected = any(corrects(difference, case.rules) for difference in differences)
    return Verdict(
        outcome=Outcome.BIND_WITH_CORRECTION if corrected else Outcome.BIND,
        rule=rule,
        sentence=f"Bound ({rule}): {named_by(case, target)}; {fit_of(one)}.",
        patient_key=target,
        order_key=choice.order.key if choice.order else None,
        linked_order_keys=tuple(order.key for order in choice.linked),
        evidence=_evidence_rows(case, target),
        differences=differences,
        candidates=_candidates(case, case.ranked),
        vetoes_tried=tried,
        concerns=concerns_of(case, target),
        notes=(*case.notes, choice.note) if choice.note else case.notes,
        rules_version=case.rules.version,
        snapshot={
            **_snapshot(case, one.patient, choice.order),
            "published": published_identity(one.patient, choice.order, case.rules),
        },
    )


def _candidates(case: Case, shown: tuple[int, ...]) -> tuple[Candidate, ...]:
    rows = []
    for key in shown:
        order = case.order_named_for(key)
        order_key = order.key if order else None
        rows.append(Candidate(key, order_key, case.score(key), why(case, key), compared(case, key)))
    return tuple(rows)


def _evidence_rows(case: Case, target: int | None) -> tuple[EvidenceRow, ...]:
    """Return the keys, whoever they name, and how the target's demographics compare."""
    rules, scores = case.rules, case.rules.scores
    rows = [
        EvidenceRow(
            lead.via,
            scores.order_key,
            f"order {lead.order.order.accession_number or lead.order.order.requested_procedure_id} of "
            f"{label(lead.patient, rules)}",
        )
        for lead in (*case.orders, *case.imports)
    ]
    weights = {Via.NORMALISED_ID: scores.normalised_id, Via.CROSS_REFERENCE: scores.cross_reference}
    rows += [
        EvidenceRow(lead.via, weights.get(lead.via, scores.exact_id), label(lead.patient, rules))
        for lead in case.identities
    ]
    if case.foreign:
        place = institution_authority(case.evidence.header, rules) or case.evidence.header.issuer_of_patient_id
        rows.append(EvidenceRow("another hospital's study", 0, place or "its source is not ours"))
    rows += [
        EvidenceRow(
            "device rule",
            0,
            f"{one.keyword} came as {one.received or 'nothing'}, read as {one.read} by rule {one.rule}",
        )
        for one in case.evidence.header.repairs
    ]
    key = target if target is not None else next(iter(case.ranked), None)
    if key is not None:
        one, header = case.graded[key], case.evidence.header
        rows += [
            EvidenceRow("name", scores.name[one.name.grade], f"{one.name.grade}: {header.patient_name}"),
            EvidenceRow(
                "birth date", scores.birth_date[one.birth_date], f"{one.birth_date}: {header.patient_birth_date}"
            ),
            EvidenceRow("sex", scores.sex[one.sex], f"{one.sex}: {header.patient_sex}"),
        ]
    return tuple(rows)


def _snapshot(case: Case, patient: PatientRecord | None, order: OrderRecord | None) -> dict[str, dict[str, str]]:
    header = case.evidence.header
    snapshot = {
        "header": {
            "StudyInstanceUID": header.study_instance_uid,
            "PatientID": header.patient_id,
            "IssuerOfPatientID": header.issuer_of_patient_id,
            "PatientName": header.patient_name,
            "PatientBirthDate": header.patient_birth_date,
            "PatientSex": header.patient_sex,
            "AccessionNumber": header.accession_number,
            "StudyDate": header.study_date,
            "Modality": header.modality,
            "InstitutionName": header.institution_name,
            "SourceAETitle": case.evidence.source_ae_title,
            "foreign": "yes" if case.foreign else "no",
        }
    }
    if patient is not None:
        identifier = published_identifier(patient, case.rules)
        snapshot["patient"] = {
            "PatientID": identifier.patient_id,
            "IssuerOfPatientID": identifier.issuer_of_patient_id,
            "PatientName": patient.patient.patient_name,
            "PatientBirthDate": patient.patient.patient_birth_date,
            "PatientSex": patient.patient.patient_sex,
            "version": str(patient.patient.version),
        }
    if order is not None:
        snapshot["order"] = {
            "AccessionNumber": order.order.accession_number,
            "StudyInstanceUID": order.order.study_instance_uid,
            "status": str(order.order.status),
            "version": str(order.order.version),
        }
    return snapshot
