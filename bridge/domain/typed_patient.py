"""Whether a person who is typed is the patient with that number: a slip of one digit is another patient's number."""

from __future__ import annotations

from bridge.domain.birth_dates import BirthDateGrade, grade_birth_date
from bridge.domain.evidence import PatientRecord
from bridge.domain.name_grades import NameGrade, grade_texts
from bridge.domain.names import names_words
from bridge.domain.patient import PatientDraft
from bridge.domain.reconcile_rules import ReconcileRules

_OTHER_NAME = frozenset({NameGrade.NONE, NameGrade.FAMILY})


def is_contradicted(record: PatientRecord, typed: PatientDraft, rules: ReconcileRules) -> bool:
    """
    Say whether what was typed is not the person on record: another birth date, or another given name.

    What is not known on either side, and placeholders, contradict nothing. A changed surname does not either: the record
    stays as it is, and the order is the record's patient's. The same birth date excuses no other given name: twins share
    it, and their numbers follow each other.
    """
    dates = [date for date in record.known_birth_dates if date not in rules.placeholder_birth_dates]
    born = grade_birth_date(typed.patient_birth_date or "", dates, rules.placeholder_birth_dates)
    if born == BirthDateGrade.DIFF:
        return True
    names = [name for name in record.known_names if name and not names_words(name) & rules.placeholder_words]
    if not names or not typed.patient_name or names_words(typed.patient_name) & rules.placeholder_words:
        return False
    return all(grade_texts(typed.patient_name, name, rules).grade in _OTHER_NAME for name in names)
