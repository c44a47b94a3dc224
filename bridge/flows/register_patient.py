"""What a message says of a patient, applied to the registry. Takes part in its caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bridge.domain.adt_events import IdentityChange, adt_event
from bridge.domain.details import learned, merged
from bridge.domain.evidence import PatientRecord
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.domain.identity_change import becomes_another_person
from bridge.domain.identity_keys import identity_keys
from bridge.domain.message import Notice
from bridge.domain.patient import Patient, PatientDraft
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.records import replace
from bridge.errors import Conflict
from bridge.store import merges, patients
from bridge.store.db import ReadTx, WriteTx
from bridge.store.merges import Replaced
from bridge.store.patient_records import record_of

_OLDER = Notice("I", "older than what is known of the patient, nothing changed", "PID-1")
_DRAFT_FIELDS = (
    "patient_name",
    "patient_birth_date",
    "patient_sex",
    "other_patient_names",
    "multiple_birth",
    "provisional",
    "patient_address",
    "patient_telephone",
)


_FILLED = ("patient_name", "patient_birth_date", "patient_sex")


@dataclass(frozen=True, slots=True)
class News:
    """When something was said, when we heard it, and by which event. said_at: the sender's clock, UTC; event: "A08", "O01"."""

    event: str
    said_at: datetime
    heard_at: datetime
    is_order: bool = False

    @property
    def teller(self) -> str:
        """Who says so, as the timeline has it."""
        return f"registration ({self.event})"


@dataclass(slots=True)
class Registered:
    """
    The live patient a message is about, what was worth saying, and whether the record became another person's.

    stale: it was older than what is known of the patient. record: all there is of a patient who was heard of for the
    first time. corrected: name, birth date or sex are others than before.
    """

    patient: Patient
    notices: list[Notice] = field(default_factory=list)
    changed: bool = False
    became_another: bool = False
    stale: bool = False
    corrected: bool = False
    record: PatientRecord | None = None


def register_patient(tx: WriteTx, draft: PatientDraft, news: News, rules: ReconcileRules) -> Registered:
    """
    Find or make the patient of *draft* and apply what is new in it.

    Older news than what is stored changes nothing. An order's PID fills a record that only orders made so far, or that is
    nothing but a number; it never overwrites what ADT said.
    Raises: Conflict (AE 204), if the number was merged away and the message is no news of a reissue.
    """
    holder, moved_at = patients.find_with_move(tx, draft.identifiers[0])
    if holder is None:
        return _add(tx, draft, news, own=draft.identifiers[:1])
    if holder.merged_into is not None:
        return _of_a_retired_number(tx, holder, draft, news, rules)
    if moved_at is not None and moved_at > news.said_at:
        return _late_under_a_moved_number(tx, holder, draft, news)
    if holder.as_of is not None and holder.as_of > news.said_at:
        return _with_findings(tx, Registered(holder, [_OLDER], stale=True), draft, news)
    if news.is_order and not holder.provisional and not _is_bare(holder):
        deleted = [Notice("W", "registration deleted the patient's record before", "PID-3")] if holder.inactive else []
        return _with_findings(tx, Registered(holder, deleted), draft, news)
    return _update(tx, holder, draft, news, rules)


def _with_findings(tx: WriteTx, registered: Registered, draft: PatientDraft, news: News) -> Registered:
    """Keep what was measured or learned though nothing else of the draft counts: each finding has a time of its own."""
    holder = registered.patient
    after = learned(holder.findings, draft.findings, news.said_at) if draft.findings else holder.findings
    if after != holder.findings:
        registered.patient = patients.save(tx, replace(holder, findings=after), news.heard_at)
        registered.changed = True
    return registered


def known_or_made(tx: WriteTx, number: PatientIdentifier, news: News) -> Patient:
    """Return the live patient with *number*; if nobody has it, one of whom nothing else is known."""
    found = patients.find(tx, number)
    if found is not None:
        return patients.survivor(tx, found.key)
    made = patients.add(tx, Patient(key=0, identifiers=(number,)), news.heard_at)
    refresh_keys(tx, made.key)
    return made


def fill_lacking(tx: WriteTx, patient: Patient, draft: PatientDraft, news: News) -> list[Replaced]:
    """
    Write what *draft* says where a live record has nothing, and return that for the journal.

    A merge or move carries no corrections, and whoever takes it back takes back what it said.
    """
    lacking = [name for name in _FILLED if not getattr(patient, name) and getattr(draft, name)]
    if not lacking:
        return []
    said = {name: getattr(draft, name) for name in lacking}
    patients.save(tx, replace(patient, **said), news.heard_at)
    refresh_keys(tx, patient.key)
    return [merges.filled(patient, said)]


def refresh_keys(tx: WriteTx, patient_key: int) -> None:
    """Rewrite the indexed values under which reconciliation finds a patient."""
    record = record_of(tx, patients.get(tx, patient_key))
    patients.set_keys(tx, patient_key, identity_keys(record), record.known_birth_dates)


def _add(tx: WriteTx, draft: PatientDraft, news: News, own: tuple[PatientIdentifier, ...] = ()) -> Registered:
    """Store a new patient. own: identifiers that nobody holds, as the caller knows."""
    notices: list[Notice] = []
    others = [one for one in draft.identifiers if one not in own]
    identifiers = own + _unclaimed(tx, others, None, notices)
    blank = Patient(key=0, identifiers=identifiers, provisional=news.is_order, as_of=news.said_at)
    patient = patients.add(tx, replace(blank, **_said(draft, blank, news)), news.heard_at)
    record = PatientRecord(patient, registered_at=news.heard_at)
    patients.add_keys(tx, patient.key, identity_keys(record), record.known_birth_dates)
    return Registered(patient, notices, changed=True, record=record)


def _update(tx: WriteTx, holder: Patient, draft: PatientDraft, news: News, rules: ReconcileRules) -> Registered:
    notices: list[Notice] = []
    said = _said(draft, holder, news)
    if news.is_order and _is_bare(holder):
        said["provisional"] = True
    if not news.is_order and holder.provisional and draft.provisional is None:
        said["provisional"] = False
    identifiers = _merged_identifiers(tx, holder, draft.identifiers, notices)
    after = replace(holder, **said, identifiers=identifiers, as_of=news.said_at)
    if not news.is_order and after.inactive:
        after = replace(after, inactive=False)
        notices.append(Notice("W", "the record that registration had deleted is in use again", "PID-3"))
    if replace(after, as_of=holder.as_of) == holder:
        patients.save(tx, after, news.heard_at)
        return Registered(patients.get(tx, holder.key), notices)
    if news.event == "A28" and not holder.provisional:
        notices.append(Notice("W", "the patient is on record already: taken as an update", "PID-3"))
    became_another = becomes_another_person(record_of(tx, holder), after, rules)
    if became_another:
        patients.question(tx, holder)
        notices.append(Notice("W", "name and birth date are another person's; studies held for a person", "PID-5"))
    saved = patients.save(tx, after, news.heard_at)
    refresh_keys(tx, holder.key)
    corrected = any(getattr(saved, name) != getattr(holder, name) for name in _FILLED)
    return Registered(saved, notices, changed=True, became_another=became_another, corrected=corrected)


def _is_bare(holder: Patient) -> bool:
    """Say whether nothing but a number is known of somebody: a merge or a move named it."""
    return holder.as_of is None and not any(getattr(holder, name) for name in _FILLED)


def _of_a_retired_number(
    tx: WriteTx, holder: Patient, draft: PatientDraft, news: News, rules: ReconcileRules
) -> Registered:
    survivor = patients.survivor(tx, holder.key)
    ended = merges.ended_by(tx, holder.key)
    later = ended is not None and news.said_at > ended.merged_at
    if later and adt_event(news.event).new_person and not news.is_order:
        return _reissue(tx, holder, draft, news)
    if later or news.event in ("A08", "A31"):
        number = survivor.primary
        raise Conflict(
            "the number was merged into another patient's",
            where="PID-3",
            source="HL7 2.5.1 3.3.40",
            to_caller=f"the number was merged into {number.patient_id}^^^{number.issuer_of_patient_id}",
        )
    if ended is not None and ended.kind == IdentityChange.CHANGE_NUMBER:
        return _late_under_a_changed_number(tx, survivor, draft, news, rules)
    return _late_of_a_merged_record(tx, holder, survivor, draft, news)


def _late_under_a_moved_number(tx: WriteTx, holder: Patient, draft: PatientDraft, news: News) -> Registered:
    """What was said under a number before it was moved here is news of whoever had it, if nothing else was theirs."""
    number = draft.identifiers[0]
    about = merges.about(
        tx, IdentityChange.MOVE_NUMBER, EntityIdentifier(number.patient_id, number.issuer_of_patient_id)
    )
    earlier = next((patients.get(tx, one.retired_key) for one in about if one.undone_at is None), None)
    if earlier is None or earlier.merged_into is None:
        return Registered(holder, [Notice("I", "the number was moved meanwhile, nothing changed", "PID-3")])
    said = replace(draft, identifiers=draft.identifiers[1:])
    return _late_of_a_merged_record(tx, earlier, holder, said, news)


def _late_under_a_changed_number(
    tx: WriteTx, survivor: Patient, draft: PatientDraft, news: News, rules: ReconcileRules
) -> Registered:
    """What was said of a patient before their number changed is news of that patient."""
    if survivor.as_of is not None and survivor.as_of > news.said_at:
        return Registered(survivor, [_OLDER], stale=True)
    return _update(tx, survivor, replace(draft, identifiers=survivor.identifiers), news, rules)


def _late_of_a_merged_record(
    tx: WriteTx, holder: Patient, survivor: Patient, draft: PatientDraft, news: News
) -> Registered:
    """What was said of a record before it was merged is what it was known by."""
    notice = Notice("I", "the number was merged meanwhile, nothing changed", "PID-3")
    known = holder.as_of is not None and (news.is_order or holder.as_of > news.said_at)
    if not known:
        identifiers = _merged_identifiers(tx, holder, draft.identifiers, [])
        patients.save(
            tx,
            replace(holder, **_said(draft, holder, news), identifiers=identifiers, as_of=news.said_at),
            news.heard_at,
        )
        refresh_keys(tx, survivor.key)
    return Registered(survivor, [notice], changed=not known)


def _reissue(tx: WriteTx, holder: Patient, draft: PatientDraft, news: News) -> Registered:
    """Give a number that was merged away to the new person it names: its present holder is who it means from now on."""
    number = draft.identifiers[0]
    kept = tuple(one for one in holder.identifiers if one.key != number.key)
    patients.save(tx, replace(holder, identifiers=kept), news.heard_at)
    registered = _add(tx, draft, news)
    registered.notices.append(Notice("W", "the number was merged away before and is issued again", "PID-3"))
    return registered


def _unclaimed(
    tx: ReadTx, wanted: Sequence[PatientIdentifier], own_key: int | None, notices: list[Notice]
) -> tuple[PatientIdentifier, ...]:
    """Return the identifiers that nobody else holds. A second number never takes a person from another record."""
    free = []
    for identifier in dict.fromkeys(wanted):
        holder = patients.find(tx, identifier)
        if holder is None or holder.key == own_key:
            free.append(identifier)
        else:
            notices.append(Notice("W", "one of the numbers is another patient's and was left there", "PID-3"))
    return tuple(free)


def _merged_identifiers(
    tx: ReadTx, holder: Patient, said: Sequence[PatientIdentifier], notices: list[Notice]
) -> tuple[PatientIdentifier, ...]:
    known = {one.key for one in holder.identifiers}
    new = [one for one in said if one.key not in known]
    return holder.identifiers + _unclaimed(tx, new, holder.key, notices)


def _said(draft: PatientDraft, holder: Patient, news: News) -> dict[str, Any]:
    said: dict[str, Any] = {name: value for name in _DRAFT_FIELDS if (value := getattr(draft, name)) is not None}
    if draft.details:
        said["details"] = merged(holder.details, draft.details)
    if draft.findings:
        said["findings"] = learned(holder.findings, draft.findings, news.said_at)
    return said
