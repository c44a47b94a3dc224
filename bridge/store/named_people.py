"""Whose a fact is that came under a patient's number: looked up when it is read, so that it follows merges and their undoing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, and_, or_

from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.identity_change import becomes_another_person
from bridge.domain.name_grades import NameGrade, grade_texts
from bridge.domain.patient import PatientDraft
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.records import replace
from bridge.store import patients
from bridge.store.db import ReadTx
from bridge.store.patient_records import record_of


def owner_of(tx: ReadTx, said: PatientDraft, patient_key: int | None, rules: ReconcileRules) -> int | None:
    """
    Return the live patient whom a sender means, None while that is not known or in doubt.

    It is whoever has the numbers now, wherever merges led; where nobody has them any more, who had them when the fact came
    (patient_key). In doubt is whose numbers are two people's, and whose name and birth date both contradict the record.
    """
    holders = [patients.find(tx, one) for one in said.identifiers]
    live = {patients.survivor(tx, one.key).key for one in holders if one is not None}
    if not live and patient_key is not None:
        live = {patients.survivor(tx, patient_key).key}
    if len(live) != 1:
        return None
    owner = patients.get(tx, live.pop())
    named = replace(owner, patient_name=said.patient_name or "", patient_birth_date=said.patient_birth_date or "")
    return None if becomes_another_person(record_of(tx, owner), named, rules) else owner.key


def is_same(
    tx: ReadTx, kept: tuple[PatientDraft, int | None], said: PatientDraft, owner: int | None, rules: ReconcileRules
) -> bool:
    """
    Say whether what a sender says is of whom a fact is that is kept: the same live patient, and never one of two people.

    kept: whom its sender named, and who that was when it came. owner: of what is *said* now. While neither is anybody's,
    number, name and birth date decide: a name of another person, or another birth date, is another person's.
    """
    holder = owner_of(tx, *kept, rules)
    if owner is not None or holder is not None:
        return holder == owner
    named = kept[0]
    if named.identifiers[0].key != said.identifiers[0].key:
        return False
    ours, theirs = named.patient_name, said.patient_name
    if ours and theirs and grade_texts(ours, theirs, rules).grade in (NameGrade.NONE, NameGrade.FAMILY):
        return False
    born, said_born = named.patient_birth_date, said.patient_birth_date
    return not (born and said_born) or born == said_born


def may_be_of(tx: ReadTx, table: Table, owner: int) -> ColumnElement[bool]:
    """Return what the rows have in common that may be a live patient's: whoever reads them asks `owner_of` each."""
    same = patients.get_many(tx, [owner, *patients.merged_into(tx, owner)])
    numbers = {number.key for one in same for number in one.identifiers}
    named = [and_(table.c.issuer_of_patient_id == key[0], table.c.patient_id == key[1]) for key in sorted(numbers)]
    return or_(table.c.patient_key.in_([one.key for one in same]), *named)


def values_of(said: PatientDraft) -> dict[str, Any]:
    """Return the columns in which a fact keeps whom its sender named."""
    first, *others = said.identifiers
    return {
        "patient_id": first.patient_id,
        "issuer_of_patient_id": first.issuer_of_patient_id,
        "other_patient_ids": [[one.patient_id, one.issuer_of_patient_id, one.identifier_type] for one in others],
        "patient_name": said.patient_name or "",
        "patient_birth_date": said.patient_birth_date or "",
    }


def named_in(row: Row[Any]) -> PatientDraft:
    """Return whom the sender of a fact named."""
    others: Iterable[list[str]] = row.other_patient_ids
    return PatientDraft(
        (PatientIdentifier(row.patient_id, row.issuer_of_patient_id), *(PatientIdentifier(*one) for one in others)),
        patient_name=row.patient_name or None,
        patient_birth_date=row.patient_birth_date or None,
    )
