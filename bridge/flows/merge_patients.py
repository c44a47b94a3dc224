"""Two records become one. Source: HL7 2.5.1 3.3.18 (A18), 3.3.34 (A34), 3.3.40 (A40); IHE RAD TF-2 4.12."""

from __future__ import annotations

from dataclasses import replace

from bridge.domain.adt_events import IdentityChange
from bridge.domain.identifiers import EntityIdentifier
from bridge.domain.message import Notice
from bridge.domain.patient import MergeDraft, Patient
from bridge.errors import Conflict
from bridge.flows.journal_change import Changed, journal, of_patients, taken_back
from bridge.flows.link_patients import take_as_one
from bridge.flows.register_patient import News, fill_lacking, known_or_made
from bridge.store import filing, merges, orders, patients
from bridge.store.db import ReadTx, WriteTx


def merge_patients(tx: WriteTx, draft: MergeDraft, news: News) -> Changed:
    """
    Merge the retired record into the survivor; the same merge again changes nothing.

    Records that are unknown are made, so that what comes later under the retired number follows the link. A merge
    carries no corrections: what PID says fills only what the survivor lacks.
    Raises: Conflict (AE 205), for a record merged into itself or in a circle; (AE 204), for a survivor that nobody knows
    in place of a record that lives on: the sender has the two the wrong way round.
    """
    number = draft.survivor.identifiers[0]
    if number.key == draft.retired.key:
        raise Conflict("a patient cannot be merged into itself", code="duplicate_key", where="MRG-1")
    numbers = of_patients(IdentityChange.MERGE, draft.retired, number)
    retired = patients.find(tx, draft.retired)
    known = patients.find(tx, number)
    if retired is not None:
        notice = taken_back(tx, numbers, news) or _issued_again(tx, retired, numbers.prior, news)
        if notice is not None:
            return Changed(patients.survivor(tx, (known or retired).key), [notice])
        if known is None and retired.merged_into is None and _lives_on(tx, retired, news):
            raise Conflict(
                "the survivor is unknown and the retired number has later news: are PID and MRG exchanged?",
                where="PID-3",
                source="HL7 2.5.1 3.3.40",
            )
    survivor = known_or_made(tx, number, news)
    if retired is None:
        retired = patients.add(tx, Patient(key=0, identifiers=(draft.retired,)), news.heard_at)
    elif retired.merged_into is not None:
        return _merged_before(tx, retired, survivor, news)
    if retired.key == survivor.key:
        raise Conflict("the survivor was merged into this patient before", code="duplicate_key", where="MRG-1")
    moved = filing.move(tx, filing.of_patient(tx, retired.key), retired.key, survivor.key, news.heard_at)
    patients.save(tx, replace(retired, merged_into=survivor.key), news.heard_at)
    patients.set_keys(tx, retired.key, ())
    filled = fill_lacking(tx, survivor, draft.survivor, news)
    entry = journal(tx, numbers, (survivor.key, retired.key), news, moved, filled)
    take_as_one(tx, survivor.key, [retired.key], news)
    live = patients.get(tx, survivor.key)
    return Changed(live, [], (live.key,), entry, tuple(moved.get("orders", ())))


def _merged_before(tx: WriteTx, retired: Patient, survivor: Patient, news: News) -> Changed:
    """A repeated merge ends that the two were said to be two people's; into somebody else it is a contradiction."""
    if patients.survivor(tx, retired.key).key != survivor.key:
        raise Conflict("the patient was merged into another one before", code="duplicate_key", where="MRG-1")
    take_as_one(tx, survivor.key, [retired.key], news)
    return Changed(survivor, [Notice("I", "merged before, nothing changed", "MRG-1")], (survivor.key,))


def _issued_again(tx: ReadTx, holder: Patient, number: EntityIdentifier, news: News) -> Notice | None:
    """Return a notice where the number ended in an earlier merge and is somebody's again, who came after this news."""
    if holder.as_of is None or holder.as_of <= news.said_at:
        return None
    ended = [one for one in merges.about(tx, IdentityChange.MERGE, number) if one.undone_at is None]
    if not ended or any(one.retired_key == holder.key for one in ended):
        return None
    return Notice("I", "the number was issued again after this merge, nothing changed", "MRG-1")


def _lives_on(tx: ReadTx, retired: Patient, news: News) -> bool:
    """Say whether there is news of a record that is later than its own end."""
    heard = [order.transaction_at for order in orders.of_patient(tx, retired.key)]
    return any(at is not None and at > news.said_at for at in (retired.as_of, *heard))
