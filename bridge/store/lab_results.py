"""Laboratory results, under the numbers that they came with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, select, update

from bridge.domain.lab_result import LabContent, LabDraft, LabResult, LabStatus
from bridge.domain.order import Code
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.report import Said
from bridge.store import named_people
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import lab_results

_COLUMNS = lab_results.c


def of_patient(tx: ReadTx, owner: int, rules: ReconcileRules) -> list[LabResult]:
    """Return the results of a live patient, wherever merges led, the oldest heard first; none that is in doubt."""
    found = _list(tx, named_people.may_be_of(tx, lab_results, owner))
    return [one for one in found if named_people.owner_of(tx, one.patient, one.patient_key, rules) == owner]


def owners(tx: ReadTx, keys: Sequence[int], rules: ReconcileRules) -> dict[int, int | None]:
    """Return whose the results in rows *keys* are now, None for those in doubt; rows that are gone are left out."""
    found = _list(tx, _COLUMNS.key.in_(keys))
    return {one.key: named_people.owner_of(tx, one.patient, one.patient_key, rules) for one in found}


def by_identity(tx: ReadTx, identity: str, *, is_test: bool) -> list[LabResult]:
    """Return the results that *identity* names: several, where two people have the same number."""
    return _list(tx, _COLUMNS.identity == identity, _COLUMNS.is_test.is_(is_test))


def add(tx: WriteTx, draft: LabDraft, patient_key: int | None, said: Said, at: datetime, *, is_test: bool) -> int:
    """Keep a result that was not heard of before and return its row."""
    first = {"identity": draft.identity, "patient_key": patient_key, "is_test": is_test}
    return insert_row(tx, lab_results, **first, **named_people.values_of(draft.patient), **_values(draft, said, at))


def take_over(tx: WriteTx, key: int, draft: LabDraft, said: Said, at: datetime) -> None:
    """Let *draft* be what the result in row *key* says."""
    tx.execute(update(lab_results).where(_COLUMNS.key == key).values(**_values(draft, said, at)))


def name_message(tx: WriteTx, keys: Sequence[int], message_key: int) -> None:
    """Note which message said what these results say now."""
    if keys:
        tx.execute(update(lab_results).where(_COLUMNS.key.in_(keys)).values(message_key=message_key))


def forget(tx: WriteTx, before: datetime) -> int:
    """Forget the results that were heard before and return how many."""
    return int(tx.execute(delete(lab_results).where(_COLUMNS.heard_at < before)).rowcount)


def _values(draft: LabDraft, said: Said, at: datetime) -> dict[str, Any]:
    content = draft.content
    return {
        "kind": content.kind,
        "code_value": content.code.code_value,
        "coding_scheme_designator": content.code.coding_scheme_designator,
        "code_meaning": content.code.code_meaning,
        "value": content.value,
        "units": content.units,
        "status": content.status.value,
        "observed_local": content.observed_local,
        "observed_at": content.observed_at,
        "said_at": said.issued_at,
        "sent_at": said.sent_at,
        "heard_at": at,
    }


def _list(tx: ReadTx, *clauses: ColumnElement[bool]) -> list[LabResult]:
    return [_result(row) for row in tx.execute(select(lab_results).where(*clauses).order_by(_COLUMNS.key))]


def _result(row: Row[Any]) -> LabResult:
    content = LabContent(
        row.kind,
        Code(row.code_value, row.coding_scheme_designator, row.code_meaning),
        row.value,
        row.units,
        LabStatus(row.status),
        row.observed_local,
        row.observed_at,
    )
    return LabResult(
        row.key,
        row.identity,
        named_people.named_in(row),
        content,
        Said(row.said_at, row.sent_at),
        row.heard_at,
        row.patient_key,
        row.is_test,
    )
