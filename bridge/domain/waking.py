"""Which studies a new fact may decide: both name the values they turn on, and where they share one, the study is asked.

The store keeps a study's keys as rows, as it does a patient's, so that a message finds its studies by index.
"""

from __future__ import annotations

from collections.abc import Iterable

from bridge.domain.evidence import IdentityKey, OrderRecord, PatientRecord
from bridge.domain.identity_keys import header_keys, identity_keys, is_placeholder_id, normalised_id_keys
from bridge.domain.leads import MOST_ITEMS, read_patient_id
from bridge.domain.name_grades import read_header_name
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.study import Header

PATIENT_ID = "patient_id"
ACCESSION = "accession"
STUDY_UID = "study_uid"
REQUESTED_PROCEDURE_ID = "requested_procedure_id"
STEP_ID = "step_id"


def study_keys(header: Header, rules: ReconcileRules) -> tuple[IdentityKey, ...]:
    """Return everything in *header* that a later patient or order may answer to."""
    keys = list(header_keys(header, read_header_name(header, rules).texts, rules))
    written = read_patient_id(header, rules)
    numbers = [written.patient_id, *(item.patient_id.strip(" \0") for item in header.other_patient_ids[:MOST_ITEMS])]
    keys += [IdentityKey(PATIENT_ID, number) for number in numbers if not is_placeholder_id(number, rules)]
    if not is_placeholder_id(written.patient_id, rules):
        for authority in sorted({written.issuer or rules.authority, rules.authority, *rules.own_authorities}):
            keys += normalised_id_keys(written.patient_id, authority, rules)
    keys += [IdentityKey(STUDY_UID, header.study_instance_uid), IdentityKey(ACCESSION, header.accession_number)]
    for item in header.request_attributes[:MOST_ITEMS]:
        keys += [
            IdentityKey(STUDY_UID, item.study_instance_uid),
            IdentityKey(ACCESSION, item.accession_number),
            IdentityKey(REQUESTED_PROCEDURE_ID, item.requested_procedure_id),
            IdentityKey(STEP_ID, item.scheduled_procedure_step_id),
        ]
    return _distinct(keys)


def fact_keys(patients: Iterable[PatientRecord], orders: Iterable[OrderRecord]) -> tuple[IdentityKey, ...]:
    """
    Return every key of what a message was about. patients: as they are now, the orders' own among them.

    A study bound to one of them is found by its binding, not by these.
    """
    keys: list[IdentityKey] = []
    for record in patients:
        keys += identity_keys(record)
        for patient in (record.patient, *record.merged):
            keys += [IdentityKey(PATIENT_ID, identifier.patient_id) for identifier in patient.identifiers]
    for found in orders:
        keys += [
            IdentityKey(STUDY_UID, found.order.study_instance_uid),
            IdentityKey(ACCESSION, found.order.accession_number),
            IdentityKey(REQUESTED_PROCEDURE_ID, found.order.requested_procedure_id),
        ]
        keys += [IdentityKey(STEP_ID, step.scheduled_procedure_step_id) for step in found.steps]
    return _distinct(keys)


def _distinct(keys: Iterable[IdentityKey]) -> tuple[IdentityKey, ...]:
    return tuple(dict.fromkeys(key for key in keys if key.value))
