"""What speaks by a key against a study's being a given patient's: a short mark for each, without patient data.

A decision keeps the marks that were true when it was made; a study is held again only for a new one.
"""

from __future__ import annotations

from datetime import datetime

from bridge.domain.case import Case
from bridge.domain.evidence import NamedIdentity, PatientRecord, Signal
from bridge.domain.identifiers import digest_of
from bridge.domain.other_orders import of_other_patients

NOBODY_NAMES_THEM = "V07"


def concerns_of(case: Case, patient_key: int, decided_at: datetime | None = None) -> tuple[str, ...]:
    """
    Return the marks of everything that speaks against *patient_key*.

    decided_at: patients registered after it are strangers, who may have been given a number again: they are no concern.
    """
    marks = [_mark_of_identity(other) for other in case.other_people]
    marks += [_mark_of_signal(signal) for signal in case.signals]
    # An order that newly is somebody's is a concern whoever that is; only a number can have been given again.
    by_number = case.keyed.difference(case.order_patients, case.import_patients)
    strangers = {key for key in by_number if _is_stranger(case.graded[key].patient, decided_at)}
    marks += [f"V06:{key}" for key in sorted(case.keyed - strangers - {patient_key})]
    marks += [f"V06:{lead.patient.key}" for lead in of_other_patients(case.other_orders, patient_key)]
    if patient_key not in case.keyed and not strangers:
        marks.append(NOBODY_NAMES_THEM)
    return tuple(dict.fromkeys(marks))


def _is_stranger(patient: PatientRecord, decided_at: datetime | None) -> bool:
    registered_at = patient.registered_at
    return decided_at is not None and registered_at is not None and registered_at > decided_at


def _mark_of_identity(other: NamedIdentity) -> str:
    parts = (other.issuer_of_patient_id, other.patient_id, other.patient_name, other.patient_birth_date)
    return f"V02:{digest_of(chr(0).join(parts).encode())[:16]}"


def _mark_of_signal(signal: Signal) -> str:
    return f"V03:{signal.code}:{signal.at.isoformat() if signal.at else ''}"
