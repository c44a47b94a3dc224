"""What one message changed of who is who, written down so that a person can take it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bridge.domain.adt_events import IdentityChange
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.domain.message import Notice
from bridge.domain.patient import Patient
from bridge.flows.register_patient import News
from bridge.store import events, merges, patients
from bridge.store.db import ReadTx, WriteTx
from bridge.store.events import Event, Station
from bridge.store.filing import Rows
from bridge.store.merges import Merge, Replaced


@dataclass(slots=True)
class Changed:
    """
    What became of it. patient: whom the message is about now; touched: every record whose filing or numbers changed.

    entry: the journal's row, None where nothing changed. order_keys: orders that moved. held: studies to withdraw, each
    with the rule and the sentence. parted: records that are said to be other people's than *patient*, and since when they
    were not.
    """

    patient: Patient
    notices: list[Notice] = field(default_factory=list)
    touched: tuple[int, ...] = ()
    entry: int | None = None
    order_keys: tuple[int, ...] = ()
    held: list[tuple[int, str, str]] = field(default_factory=list)
    parted: tuple[tuple[int, ...], datetime] | None = None


@dataclass(frozen=True, slots=True)
class Numbers:
    """What ended and what stands instead: two patient numbers, accounts or visits."""

    kind: IdentityChange
    prior: EntityIdentifier
    now: EntityIdentifier


def of_patients(kind: IdentityChange, prior: PatientIdentifier, now: PatientIdentifier) -> Numbers:
    """Return two patient numbers as the journal keeps them."""
    return Numbers(
        kind,
        EntityIdentifier(prior.patient_id, prior.issuer_of_patient_id),
        EntityIdentifier(now.patient_id, now.issuer_of_patient_id),
    )


def journal(
    tx: WriteTx, numbers: Numbers, records: tuple[int, int], news: News, moved: Rows, replaced: Sequence[Replaced] = ()
) -> int:
    """
    Write one entry, and a line on the timeline of each order that moved.

    records: (whose it is, whose it was): each is another version.
    """
    entry = Merge(
        key=0,
        kind=numbers.kind,
        survivor_key=records[0],
        retired_key=records[1],
        number=numbers.prior,
        new_number=numbers.now,
        message_key=None,
        merged_at=news.said_at,
        heard_at=news.heard_at,
        moved=moved,
        replaced=tuple(replaced),
    )
    for order_key in moved.get("orders", []):
        line = Event(
            news.heard_at, Station.ORDER, _WORDS[numbers.kind], news.teller, source_kind="message", order_key=order_key
        )
        events.add(tx, line)
    patients.said_otherwise(tx, records, news.heard_at)
    return merges.add(tx, entry)


def taken_back(tx: ReadTx, numbers: Numbers, news: News) -> Notice | None:
    """
    Return a warning where a person took this very change back after *news* was said: the undo is the newer news.

    The same change said again later is newer still, and holds.
    """
    for entry in merges.about(tx, numbers.kind, numbers.prior):
        if entry.new_number == numbers.now and entry.undone_at is not None and entry.undone_at > news.said_at:
            return Notice("W", "a person took this change back after it was said, nothing changed", "MRG-1")
    return None


_WORDS = {
    IdentityChange.MERGE: "The patient's records were merged",
    IdentityChange.MOVE_NUMBER: "The patient's number was moved to another record, and this exam with it",
    IdentityChange.CHANGE_NUMBER: "The patient's number was changed",
    IdentityChange.MOVE_ACCOUNT: "The account was moved to another patient, and this exam with it",
    IdentityChange.MOVE_VISIT: "The visit was moved to another patient, and this exam with it",
    IdentityChange.CHANGE_ACCOUNT: "The account number was changed",
}
