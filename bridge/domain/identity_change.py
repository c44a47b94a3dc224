"""Whether news about a record makes another person of it: a number typed over the wrong patient looks like an update."""

from __future__ import annotations

from bridge.domain.birth_dates import BirthDateGrade, grade_birth_date
from bridge.domain.evidence import PatientRecord
from bridge.domain.name_grades import NameGrade, grade_texts
from bridge.domain.names import names_words
from bridge.domain.patient import Patient
from bridge.domain.reconcile_rules import ReconcileRules

_OTHER_NAME = frozenset({NameGrade.NONE, NameGrade.FAMILY})


def becomes_another_person(before: PatientRecord, after: Patient, rules: ReconcileRules) -> bool:
    """
    Say whether *after* contradicts everything known of the record: no name fits but perhaps the family's, and no birth date.

    Placeholders contradict nothing: an unidentified patient who gets a name stays the same person.
    """
    names = [name for name in before.known_names if not names_words(name) & rules.placeholder_words]
    dates = [date for date in before.known_birth_dates if date not in rules.placeholder_birth_dates]
    if not (names and dates and after.patient_name and after.patient_birth_date):
        return False
    if any(grade_texts(after.patient_name, name, rules).grade not in _OTHER_NAME for name in names):
        return False
    grade = grade_birth_date(after.patient_birth_date, dates, rules.placeholder_birth_dates)
    return grade == BirthDateGrade.DIFF
