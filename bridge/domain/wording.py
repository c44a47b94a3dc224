"""The sentences that a coordinator reads. They hold patient data: for the console and the record, never for a log."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.domain.birth_dates import BirthDateGrade, SexGrade
from bridge.domain.case import Case, Graded
from bridge.domain.corrections import published_identifier
from bridge.domain.evidence import PATIENT_SAFETY_CODE, PatientRecord
from bridge.domain.name_grades import NameGrade
from bridge.domain.other_orders import of_other_patients
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.verdict import ComparedValue

_NAME_WORDS = {
    NameGrade.EQUAL: "the name agrees",
    NameGrade.CLOSE: "the name is nearly the same",
    NameGrade.GIVEN: "only the given name agrees",
    NameGrade.FAMILY: "only the family name agrees",
    NameGrade.NONE: "the name does not agree",
    NameGrade.NA: "the name cannot be compared",
}
_BIRTH_DATE_WORDS = {
    BirthDateGrade.EQUAL: "the birth date agrees",
    BirthDateGrade.SWAP: "day and month of the birth date are exchanged",
    BirthDateGrade.NEAR: "the birth date differs in one place",
    BirthDateGrade.PARTIAL: "of the birth date only the year agrees",
    BirthDateGrade.NA: "no birth date to compare",
    BirthDateGrade.DIFF: "the birth date does not agree",
}
_SIGNAL_WORDS = {
    "110514": "the scanner reported that the wrong worklist entry was picked",
    "113038": "a rejection note says that the wrong worklist entry was picked",
    PATIENT_SAFETY_CODE: "a rejection note says that the images endanger a patient's safety",
}
_RELEASES = {
    "V01": "Close it as a test, or pick the patient if it is one's after all.",
    "V02": "Split the study, or pick the patient whom all its images show.",
    "V03": "Ask the technologist who was imaged, then pick that patient.",
    "V04": "A registration or an order that fits releases it by itself; or pick the patient.",
    "V05": "Pick the patient, or have the wrong order cancelled.",
    "V06": "Ask the technologist who was imaged, then pick that patient. A merge of the two records releases it by itself.",
    "V07": "An order or a number that names the patient releases it by itself; or confirm the patient.",
    "V08": "Ask which of them was imaged, then pick that patient.",
    "V09": "Ask which of them was imaged, then pick that patient.",
    "V10": "A corrected registration or a merge may release it by itself; or confirm the patient.",
}


def label(patient: PatientRecord, rules: ReconcileRules) -> str:
    """Return "JONES Mary (00012345)"."""
    return f"{short_name(patient.patient.patient_name)} ({published_identifier(patient, rules).patient_id})"


def owner(patient: PatientRecord, rules: ReconcileRules) -> str:
    """Return "JONES Mary's (00012345)"."""
    return f"{short_name(patient.patient.patient_name)}'s ({published_identifier(patient, rules).patient_id})"


def short_name(patient_name: str) -> str:
    """Return family and given name of the first group that has any."""
    group = next((group for group in patient_name.split("=") if group.strip("^ ")), "")
    parts = [part.strip() for part in group.split("^")[:2]]
    if not any(parts):
        return "a patient without a name"
    return " ".join([parts[0].upper(), *parts[1:]]).strip()


def fit_of(one: Graded) -> str:
    """Return how name, birth date and sex compare, as one clause."""
    clauses = [_NAME_WORDS[one.name.grade], _BIRTH_DATE_WORDS[one.birth_date]]
    if one.sex == SexGrade.DIFF:
        clauses.append("the sex differs")
    return ", ".join(clauses)


def names_of(patients: Iterable[PatientRecord], rules: ReconcileRules) -> str:
    """Return several patients in one phrase."""
    labels = [label(patient, rules) for patient in patients]
    return labels[0] if len(labels) == 1 else ", ".join(labels[:-1]) + " and " + labels[-1]


def keys_of(case: Case, patient_key: int) -> str:
    """Return what names a patient: "the study UID given on the worklist and the patient ID"."""
    via = [f"the {one}" for one in case.via(patient_key)]
    if not via:
        return "nothing but name and birth date"
    return via[0] if len(via) == 1 else ", ".join(via[:-1]) + " and " + via[-1]


def named_by(case: Case, patient_key: int) -> str:
    """Return "the patient ID names JONES Mary (00012345)"."""
    verb = "name" if len(case.via(patient_key)) > 1 else "names"
    return f"{keys_of(case, patient_key)} {verb} {label(case.graded[patient_key].patient, case.rules)}"


def belongs_to(case: Case, patient_key: int) -> str:
    """Return "the patient ID is JONES Mary's (00012345)"."""
    verb = "are" if len(case.via(patient_key)) > 1 else "is"
    return f"{keys_of(case, patient_key)} {verb} {owner(case.graded[patient_key].patient, case.rules)}"


def other_orders_words(case: Case, patient_key: int | None) -> str:
    """Return whose order numbers other images carry, "" where they are this patient's."""
    leads = of_other_patients(case.other_orders, patient_key)
    owners = dict.fromkeys(owner(lead.patient, case.rules) for lead in leads)
    return f"images of this study carry an order number that is {' and '.join(owners)}." if owners else ""


def why(case: Case, patient_key: int) -> str:
    """Return why somebody is a candidate, or is shown where nobody is one."""
    if patient_key in case.nearest:
        return f"Nothing names them, and they fit badly: {fit_of(case.graded[patient_key])}."
    return f"Named by {keys_of(case, patient_key)}: {fit_of(case.graded[patient_key])}."


def signal_words(code: str) -> str:
    """Return what a signal says."""
    return _SIGNAL_WORDS.get(code, "a message from the scanner or archive questions the patient")


def release_of(rule: str) -> str:
    """Return what would let a study go that *rule* holds."""
    return _RELEASES.get(rule, "")


def compared(case: Case, patient_key: int) -> tuple[ComparedValue, ...]:
    """Return the lines of the table that a coordinator reads for one candidate."""
    header, one = case.evidence.header, case.graded[patient_key]
    record = one.patient.patient
    identifier = published_identifier(one.patient, case.rules)
    named = {lead.patient.key: str(lead.via) for lead in reversed(case.identities)}
    order = case.order_named_for(patient_key)
    return (
        ComparedValue("PatientID", header.patient_id, identifier.patient_id, named.get(patient_key, "")),
        ComparedValue("PatientName", header.patient_name, record.patient_name, one.name.grade),
        ComparedValue("PatientBirthDate", header.patient_birth_date, record.patient_birth_date, one.birth_date),
        ComparedValue("PatientSex", header.patient_sex, record.patient_sex, one.sex),
        ComparedValue("AccessionNumber", header.accession_number, order.order.accession_number if order else "", ""),
    )
