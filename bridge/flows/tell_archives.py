"""Registration merged, renumbered or corrected a patient: an archive that holds their images is told the same by ADT.

Only what the registry itself did is told. Another binding of a study is nothing of the kind: a merge told for it would
mix two people in the archive. Whether an archive changed its images nobody learns from its answer, so they are sent
again, or a person is asked, all the same. Source: HL7 2.5.1 3.3.8, 3.3.40, 3.3.47.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.domain.adt_events import IdentityChange
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.incident import TOLD_AS_ONE
from bridge.domain.patient import Patient
from bridge.flows.announce import Destinations
from bridge.outbox import enqueue
from bridge.store import archive_notices, deliveries, events, incidents, merges, patients
from bridge.store.archive_notices import ArchiveNotice
from bridge.store.db import ReadTx, WriteTx
from bridge.store.events import Event, Station
from bridge.store.merges import Merge

_TRIGGERS = {IdentityChange.MERGE: "A40", IdentityChange.CHANGE_NUMBER: "A47"}


@dataclass(frozen=True, slots=True)
class Said:
    """What one message changed. cause: what brought it; said_at: by its sender's clock, at: by ours."""

    cause: str
    said_at: datetime
    at: datetime


def changes_told(tx: WriteTx, merge_keys: Sequence[int], to: Destinations, said: Said) -> None:
    """Queue what archives are to be told of entries of the journal: each pair of numbers once for each archive."""
    for key in merge_keys if to.adt_doors else ():
        entry = merges.get(tx, key)
        pair = _pair(tx, entry)
        if pair is None:
            continue
        for door, archive in to.adt_doors:
            held = _held(tx, archive, entry)
            if held:
                told = (door, archive, _TRIGGERS[entry.kind], entry.survivor_key, key, *pair)
                _queue(tx, ArchiveNotice(0, *told, said.cause, entry.merged_at), said.at)
            for study_key in held:
                incidents.end_parting(tx, study_key, archive, said.cause, "registration said so again", said.at)


def corrections_told(tx: WriteTx, patient_keys: Sequence[int], to: Destinations, said: Said) -> None:
    """Queue what archives are to be told of patients whose name, birth date or sex changed."""
    for patient in (patients.survivor(tx, key) for key in dict.fromkeys(patient_keys) if to.adt_doors):
        for door, archive in to.adt_doors:
            if not archive_notices.held_studies(tx, archive, patient.key):
                continue
            if not _is_to_be_told(tx, door, patient.key):
                told = (door, archive, "A08", patient.key, None, PatientIdentifier(""), patient.primary)
                _queue(tx, ArchiveNotice(0, *told, said.cause, said.said_at), said.at)


def change_undone(tx: WriteTx, entry: Merge, actor: str, at: datetime) -> None:
    """
    A person took an entry back: no ADT says so, so a person is asked wherever it was told, or may have been.

    What was not told yet is not told any more.
    """
    for notice in archive_notices.of_merge(tx, entry.key):
        if notice.begun_at is None:
            continue
        how = "was" if notice.told_at is not None else "may have been"
        what = (
            f"{TOLD_AS_ONE} ({notice.trigger}, message {notice.control_id}: it {how} told) what was taken back here: "
        )
        what += "have the numbers parted there, and these images put under whose they are"
        for study_key in _moved_or_held(tx, notice.archive, entry):
            incidents.open_task(tx, study_key, notice.archive, what, at)
            line = f"To be done at {notice.archive}: {what}"
            events.add(tx, Event(at, Station.IMAGES, line, actor, "merge", str(entry.key), study_key=study_key))


def _is_to_be_told(tx: ReadTx, door: str, patient_key: int) -> bool:
    """Say whether an update waits already: it will say what is known by then."""
    waiting = archive_notices.waiting_update(tx, door, patient_key)
    return waiting is not None and deliveries.waiting(tx, enqueue.ADT, door, enqueue.adt_of(waiting.key)) is not None


def _queue(tx: WriteTx, notice: ArchiveNotice, at: datetime) -> None:
    order_of = enqueue.adt_of(archive_notices.add(tx, notice))
    enqueue.enqueue(tx, enqueue.Work(enqueue.ADT, notice.destination, order_of), at)


def _pair(tx: ReadTx, entry: Merge) -> tuple[PatientIdentifier, PatientIdentifier] | None:
    """Return the number that images carried and the one that they carry by now, None where they carry the same."""
    live = patients.get(tx, entry.survivor_key)
    if entry.kind == IdentityChange.MERGE:
        ended = patients.get(tx, entry.retired_key)
        return (ended.primary, live.primary) if ended.identifiers and live.identifiers else None
    if entry.kind != IdentityChange.CHANGE_NUMBER or not _was_first(tx, entry, live):
        return None
    return PatientIdentifier(entry.number.value, entry.number.issuer), live.primary


def _was_first(tx: ReadTx, entry: Merge, live: Patient) -> bool:
    """Say whether the number that ended was the one that images carry."""
    first = archive_notices.first_position(tx, live.key)
    before = [
        one["before"]["position"]
        for one in entry.replaced
        if one["table"] == "patient_identifiers" and one["before"] and one["before"]["patient_key"] == live.key
    ]
    return first is not None and any(position <= first for position in before)


def _held(tx: ReadTx, archive: str, entry: Merge) -> list[int]:
    """Return the studies under the number that ended which an archive holds."""
    among = set(entry.moved.get("studies", ())) if entry.kind == IdentityChange.MERGE else None
    return archive_notices.held_studies(tx, archive, entry.survivor_key, among)


def _moved_or_held(tx: ReadTx, archive: str, entry: Merge) -> list[int]:
    if entry.kind == IdentityChange.MERGE:
        return archive_notices.held_of(tx, archive, entry.moved.get("studies", ()))
    return archive_notices.held_studies(tx, archive, entry.survivor_key)
