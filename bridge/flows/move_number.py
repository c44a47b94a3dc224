"""A patient's number goes to another record (A43), or gives way to a new one (A47). Source: HL7 2.5.1 3.3.43, 3.3.47."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bridge.domain.adt_events import IdentityChange
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.identity_draft import MoveDraft
from bridge.domain.message import Notice
from bridge.domain.patient import Patient
from bridge.errors import Conflict
from bridge.flows.journal_change import Changed, Numbers, journal, of_patients, taken_back
from bridge.flows.register_patient import News, fill_lacking, known_or_made, refresh_keys
from bridge.store import filing, merges, patients
from bridge.store.db import WriteTx
from bridge.store.filing import Rows
from bridge.store.merges import Replaced

DOUBTED = "A43"
"""The rule that a study is held by whose patient's number went to somebody else."""
_DOUBT = "The number that it came under was moved to another patient, and the one it was bound to lives on."


def move_number(tx: WriteTx, draft: MoveDraft, news: News) -> Changed:
    """
    File the number of MRG-1, and what came under it, with PID's patient (A43).

    A record that keeps no number ends in the other one, with everything it had. One that keeps a number is another
    person: images that came under the one that goes are put before a person. Said again it changes nothing.
    Raises: Conflict (AE 205), for a number moved to itself; (AE 204), for one that was merged into somebody else's.
    """
    prior, numbers = _prior(draft)
    notice = taken_back(tx, numbers, news) or _moved_since(tx, numbers, news)
    holder = patients.find(tx, prior)
    if notice is not None and holder is not None:
        return Changed(patients.survivor(tx, holder.key), [notice])
    target = known_or_made(tx, draft.number, news)
    holder = holder or known_or_made(tx, prior, news)
    if patients.survivor(tx, holder.key).key == target.key:
        return Changed(target, [Notice("I", "the number is the patient's already, nothing changed", "MRG-1")])
    if holder.merged_into is not None:
        raise _ended(tx, holder)
    is_last = all(one.key == prior.key for one in holder.identifiers)
    rows = filing.of_patient(tx, holder.key) if is_last else filing.under_numbers(tx, holder.key, [prior])
    # Images of one who lives on are not given to another: they are put before a person.
    doubted = [] if is_last else rows.pop("studies", [])
    moved = filing.move(tx, rows, holder.key, target.key, news.heard_at)
    place = {"position": patients.last_position(tx, target.key) + 1, "moved_at": news.said_at}
    replaced = [*fill_lacking(tx, target, draft.patient, news), _refile(tx, prior, target.key, place, news)]
    if is_last:
        patients.save(tx, replace(patients.get(tx, holder.key), merged_into=target.key), news.heard_at)
        patients.set_keys(tx, holder.key, ())
    else:
        refresh_keys(tx, holder.key)
    changed = _done(tx, numbers, (target.key, holder.key), news, moved, replaced)
    changed.held = [(key, DOUBTED, _DOUBT) for key in doubted]
    return changed


def change_number(tx: WriteTx, draft: MoveDraft, news: News) -> Changed:
    """
    Put PID's number in the place of MRG-1's on the same record (A47).

    The prior number stays as an ended one, so that what comes late under it finds the patient.
    Raises: Conflict (AE 205), if the new number is another record's; (AE 204), if the prior one was merged away.
    """
    prior, numbers = _prior(draft)
    holder, known = patients.find(tx, prior), patients.find(tx, draft.number)
    notice = taken_back(tx, numbers, news)
    if notice is not None and holder is not None:
        return Changed(patients.survivor(tx, holder.key), [notice])
    if holder is not None and holder.merged_into is not None:
        if known is not None and patients.survivor(tx, holder.key).key == patients.survivor(tx, known.key).key:
            live = patients.survivor(tx, known.key)
            return Changed(live, [Notice("I", "the number was changed before, nothing changed", "MRG-1")])
        raise _ended(tx, holder)
    if holder is not None and known is not None and known.key != holder.key:
        raise Conflict(
            "the new number is another patient's", code="duplicate_key", where="PID-3", source="HL7 2.5.1 3.3.47"
        )
    position, replaced = 0, list[Replaced]()
    if holder is None and known is None:
        holder = known_or_made(tx, prior, news)
        replaced += fill_lacking(tx, holder, draft.patient, news)
    record = holder or known
    assert record is not None
    ended = patients.add(tx, Patient(key=0, identifiers=(), merged_into=record.key), news.heard_at)
    if holder is None:
        replaced.append(merges.made_identifier(tx, ended.key, prior, 0))
    else:
        position = [one.key for one in holder.identifiers].index(prior.key)
        replaced.append(_refile(tx, prior, ended.key, {"position": 0}, news))
        if known is None:
            replaced.append(merges.made_identifier(tx, record.key, draft.number, position))
    return _done(tx, numbers, (record.key, ended.key), news, {}, replaced)


def _prior(draft: MoveDraft) -> tuple[PatientIdentifier, Numbers]:
    prior = draft.prior_number
    assert prior is not None
    if prior.key == draft.number.key:
        raise Conflict("the two numbers are one", code="duplicate_key", where="MRG-1")
    return prior, of_patients(draft.change, prior, draft.number)


def _moved_since(tx: WriteTx, numbers: Numbers, news: News) -> Notice | None:
    standing = [one for one in merges.about(tx, IdentityChange.MOVE_NUMBER, numbers.prior) if one.undone_at is None]
    if standing and standing[0].merged_at > news.said_at and standing[0].new_number != numbers.now:
        return Notice("I", "the number was moved on since, nothing changed", "MRG-1")
    return None


def _refile(tx: WriteTx, number: PatientIdentifier, to_key: int, place: dict[str, Any], news: News) -> Replaced:
    row = merges.identifier_row(tx, number)
    assert row is not None
    return merges.replace_values(tx, "patient_identifiers", row.key, {"patient_key": to_key, **place}, news.heard_at)


def _done(
    tx: WriteTx, numbers: Numbers, records: tuple[int, int], news: News, moved: Rows, replaced: list[Replaced]
) -> Changed:
    entry = journal(tx, numbers, records, news, moved, replaced)
    refresh_keys(tx, records[0])
    live = patients.survivor(tx, records[0])
    touched = tuple(dict.fromkeys(patients.survivor(tx, key).key for key in records))
    return Changed(live, [], touched, entry, tuple(moved.get("orders", ())))


def _ended(tx: WriteTx, holder: Patient) -> Conflict:
    number = patients.survivor(tx, holder.key).primary
    return Conflict(
        "the number was merged into another patient's",
        where="MRG-1",
        to_caller=f"the number was merged into {number.patient_id}^^^{number.issuer_of_patient_id}",
    )
