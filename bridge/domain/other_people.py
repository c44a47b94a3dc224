"""Whom the other instances of a study name, where that is somebody else than its header's patient."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.domain.birth_dates import BirthDateGrade, grade_birth_date
from bridge.domain.evidence import NamedIdentity, PatientRecord, Registry, StudyEvidence
from bridge.domain.identity_keys import is_placeholder_id, same_number
from bridge.domain.leads import PatientLead, Via
from bridge.domain.name_grades import NameGrade, grade_texts
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.study import Header

_UNLIKE = frozenset({NameGrade.NONE, NameGrade.FAMILY})


def find_other_people(evidence: StudyEvidence, registry: Registry, rules: ReconcileRules) -> tuple[NamedIdentity, ...]:
    """
    Return whom other instances name, but for the header's patient in another spelling.

    A number that was merged while the images came is the same patient's, if the record knows both names.
    """
    return tuple(
        other
        for other in dict.fromkeys(evidence.other_identities)
        if not _is_same_person(evidence.header, other, rules)
        and not _is_same_record(evidence.header, other, registry, rules)
    )


def other_patient_leads(
    people: Iterable[NamedIdentity], registry: Registry, rules: ReconcileRules
) -> tuple[PatientLead, ...]:
    """Return the patients whose numbers other instances name: one of them may be whose the study is."""
    holders = (_holder(one.patient_id, one.issuer_of_patient_id, registry, rules) for one in people)
    found = {holder.key: holder for holder in holders if holder is not None}
    return tuple(PatientLead(Via.OTHER_IMAGES, holder) for holder in found.values())


def _is_same_person(header: Header, other: NamedIdentity, rules: ReconcileRules) -> bool:
    name = grade_texts(header.patient_name, other.patient_name, rules).grade
    placeholders = rules.placeholder_birth_dates
    birth_date = grade_birth_date(header.patient_birth_date, [other.patient_birth_date], placeholders)
    ids = (header.patient_id, other.patient_id)
    if is_placeholder_id(ids[0], rules) or is_placeholder_id(ids[1], rules):
        fits = name in (NameGrade.EQUAL, NameGrade.CLOSE, NameGrade.NA)
        return fits and birth_date != BirthDateGrade.DIFF
    if not same_number(*ids, rules) or _issuers_differ(header, other, rules):
        return False
    return name not in _UNLIKE and (birth_date != BirthDateGrade.DIFF or name == NameGrade.EQUAL)


def _issuers_differ(header: Header, other: NamedIdentity, rules: ReconcileRules) -> bool:
    issuers = {rules.authority_of(header.issuer_of_patient_id), rules.authority_of(other.issuer_of_patient_id)}
    return len(issuers - {""}) > 1


def _is_same_record(header: Header, other: NamedIdentity, registry: Registry, rules: ReconcileRules) -> bool:
    ours = _holder(header.patient_id, header.issuer_of_patient_id, registry, rules)
    theirs = _holder(other.patient_id, other.issuer_of_patient_id, registry, rules)
    if ours is None or theirs is None or ours.key != theirs.key:
        return False
    return all(
        any(grade_texts(name, known, rules).grade not in _UNLIKE for known in ours.known_names)
        for name in (header.patient_name, other.patient_name)
    )


def _holder(patient_id: str, issuer: str, registry: Registry, rules: ReconcileRules) -> PatientRecord | None:
    if is_placeholder_id(patient_id, rules):
        return None
    authority = rules.authority_of(issuer) or rules.authority
    holders = registry.patients_by_identifier(patient_id.strip(" \0"), authority)
    return holders[0] if len(holders) == 1 else None
