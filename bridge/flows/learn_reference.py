"""What a person teaches who binds a foreign study: its number is that patient's, for as long as the binding stands."""

from __future__ import annotations

from datetime import datetime

from bridge.domain.evidence import IdentityKey, StudyEvidence
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.leads import number_to_learn
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.study import Study
from bridge.domain.waking import PATIENT_ID
from bridge.store import audit, cross_references, patients, studies
from bridge.store.cross_references import CrossReference
from bridge.store.db import ReadTx, WriteTx
from bridge.store.registry import StoredRegistry


def follow_binding(tx: WriteTx, study: Study, rules: ReconcileRules, at: datetime) -> list[Study]:
    """
    Learn what *study*'s binding teaches, and take back what it no longer does; return the studies that it may concern.

    A number that names anybody else by now is not learned: two who have it are a question, not knowledge.
    """
    taught = cross_references.taught_by(tx, study.key)
    number = _taught(study, rules)
    owner = patients.survivor(tx, study.patient_key).key if study.patient_key is not None else None
    ended = [one for one in taught if one.identifier != number or patients.survivor(tx, one.patient_key).key != owner]
    if ended:
        cross_references.take_back(tx, [one.key for one in ended], at)
        _audit(tx, "reference_taken_back", study, at)
    numbers = [one.identifier for one in ended]
    if number is not None and owner is not None and len(ended) == len(taught):
        reference = CrossReference(owner, number, study.decided_by, at, study.key)
        if learn_reference(tx, reference):
            _audit(tx, "reference_learned", study, at)
            numbers.append(number)
    return studies.answering(tx, [IdentityKey(PATIENT_ID, one.patient_id) for one in numbers]) if numbers else []


def learn_reference(tx: WriteTx, reference: CrossReference) -> bool:
    """Keep *reference* unless its number names anybody else; the caller decides the studies that it may concern."""
    owner = patients.survivor(tx, reference.patient_key).key
    return not _holders(tx, reference.identifier) - {owner} and cross_references.learn(tx, reference)


def _holders(tx: ReadTx, number: PatientIdentifier) -> set[int]:
    found = StoredRegistry(tx).patients_by_identifier(number.patient_id, number.issuer_of_patient_id)
    return {record.key for record in found}


def _taught(study: Study, rules: ReconcileRules) -> PatientIdentifier | None:
    """Return whose number a binding says it is; None unless a person made it of a foreign study."""
    if not study.is_bound or not study.is_decided_by_person:
        return None
    evidence = StudyEvidence(study.received, source_ae_title=study.source_ae_title, from_foreign_source=study.foreign)
    return number_to_learn(evidence, rules)


def _audit(tx: WriteTx, action: str, study: Study, at: datetime) -> None:
    actor = study.decided_by or "system"
    audit.add(tx, at=at, action=action, actor=actor, patient_key=study.patient_key, study_key=study.key)
