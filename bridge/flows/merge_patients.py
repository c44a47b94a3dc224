"""Two records become one, and a person may part them again. Source: HL7 2.5.1 3.3.40 (A40), IHE RAD TF-2 4.12."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bridge.domain.message import Notice
from bridge.domain.patient import MergeDraft, Patient, PatientDraft
from bridge.errors import Conflict
from bridge.flows.register_patient import News, Registered, refresh_keys
from bridge.store import merges, patients
from bridge.store.db import WriteTx


def merge_patients(tx: WriteTx, draft: MergeDraft, news: News) -> tuple[Registered, int | None]:
    """
    Merge the retired record into the survivor and return the survivor and the merge's key (None: it was merged before).

    Records that are unknown are made, so that what comes later under the retired number follows the link. A merge
    carries no corrections: what PID says fills only what the survivor lacks.
    Raises: Conflict (AE 205), for a record merged into itself or in a circle.
    """
    if draft.survivor.identifiers[0].key == draft.retired.key:
        raise Conflict("a patient cannot be merged into itself", code="duplicate_key", where="MRG-1")
    survivor = _survivor(tx, draft.survivor, news)
    retired = patients.find(tx, draft.retired)
    if retired is None:
        retired = patients.add(tx, Patient(key=0, identifiers=(draft.retired,)), news.heard_at)
    if retired.merged_into is not None:
        return _merged_before(tx, retired, survivor)
    if retired.key == survivor.key:
        raise Conflict("the survivor was merged into this patient before", code="duplicate_key", where="MRG-1")
    moved = merges.move_everything(tx, retired.key, survivor.key)
    patients.save(tx, replace(retired, merged_into=survivor.key), news.heard_at)
    patients.set_keys(tx, retired.key, ())
    key = merges.add(tx, survivor.key, retired.key, news.said_at, moved)
    refresh_keys(tx, survivor.key)
    return Registered(patients.get(tx, survivor.key), changed=True), key


def part_patients(tx: WriteTx, merge: merges.Merge, at: datetime) -> None:
    """
    Move everything back that *merge* moved; what came since stays with the survivor.

    Raises: Conflict, if it was undone before, or the retired record's number was issued again meanwhile.
    """
    if merge.undone_at is not None:
        raise Conflict("this merge was undone before", code="undone")
    retired = patients.get(tx, merge.retired_key)
    if retired.merged_into != merge.survivor_key:
        raise Conflict("the survivor was merged further; undo that merge first", code="merged_further")
    if not retired.identifiers:
        raise Conflict("the number was issued to another patient meanwhile", code="reissued")
    merges.move_back(tx, merge)
    patients.save(tx, replace(retired, merged_into=None), at)
    refresh_keys(tx, merge.retired_key)
    refresh_keys(tx, merge.survivor_key)


def _survivor(tx: WriteTx, draft: PatientDraft, news: News) -> Patient:
    found = patients.find(tx, draft.identifiers[0])
    if found is None:
        blank = Patient(key=0, identifiers=draft.identifiers[:1], as_of=None)
        found = patients.add(tx, _filled(blank, draft), news.heard_at)
        refresh_keys(tx, found.key)
        return found
    live = patients.survivor(tx, found.key)
    filled = _filled(live, draft)
    return live if filled == live else patients.save(tx, filled, news.heard_at)


def _filled(patient: Patient, draft: PatientDraft) -> Patient:
    return replace(
        patient,
        patient_name=patient.patient_name or draft.patient_name or "",
        patient_birth_date=patient.patient_birth_date or draft.patient_birth_date or "",
        patient_sex=patient.patient_sex or draft.patient_sex or "",
    )


def _merged_before(tx: WriteTx, retired: Patient, survivor: Patient) -> tuple[Registered, None]:
    """A repeated merge has no effect; the same record into somebody else is a contradiction."""
    if patients.survivor(tx, retired.key).key != survivor.key:
        raise Conflict("the patient was merged into another one before", code="duplicate_key", where="MRG-1")
    return Registered(survivor, [Notice("I", "merged before, nothing changed", "MRG-1")]), None
