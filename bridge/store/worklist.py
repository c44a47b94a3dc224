"""The worklist as devices query it: what each step is matched on, kept in the transaction that writes the step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects import postgresql

from bridge.domain.device_profile import Visibility, is_marked, start_of
from bridge.domain.order import Step
from bridge.domain.worklist_search import MODALITY, START_DATE, START_TIME, STATION, ItemValues, WorklistSearch
from bridge.store import worklist_sql
from bridge.store.db import ReadTx, WriteTx
from bridge.store.prepared import Prepared
from bridge.store.tables import ENDED, steps
from bridge.store.tables import worklist_entries as entries
from bridge.store.worklist_visible import EVERYBODY

_SET_ITEM = Prepared(update(steps).where(steps.c.key == bindparam("at_key")), ["encoded", "incomplete", "item_values"])
_ENCODED = Prepared(select(steps.c.encoded).where(steps.c.key == bindparam("key")))
_WRITTEN = tuple(column.name for column in entries.c)
# Spoken by both databases in the same words.
_NEW = postgresql.insert(entries)
_PUT = Prepared(
    _NEW.on_conflict_do_update(
        index_elements=list(entries.primary_key),
        set_={column.name: _NEW.excluded[column.name] for column in entries.c if not column.primary_key},
    ),
    _WRITTEN,
)
_OF_STEP = entries.c.step_key == bindparam("step_key")
_DROP = Prepared(delete(entries).where(_OF_STEP))
_FORGET = Prepared(delete(entries).where(ENDED, entries.c.scheduled_start_local < bindparam("before")))
_DROP_BEYOND = Prepared(delete(entries).where(_OF_STEP, entries.c.position >= bindparam("count")))

_COLUMN_OF = {
    MODALITY: "modality",
    "AccessionNumber": "accession_number",
    "PatientID": "patient_id",
    "IssuerOfPatientID": "issuer_of_patient_id",
    "StudyInstanceUID": "study_instance_uid",
    "RequestedProcedureID": "requested_procedure_id",
    "ScheduledProcedureStepID": "scheduled_procedure_step_id",
    "AdmissionID": "admission_id",
}
_NAMES = ("patient_name_1", "patient_name_2", "patient_name_3")
_IN_COLUMNS = frozenset({*_COLUMN_OF, STATION, START_DATE, START_TIME, "PatientName", "ScheduledProcedureStepStatus"})


class Found(NamedTuple):
    """A step that a search finds. encoded: its whole item, as the codec encoded it."""

    step_key: int
    encoded: bytes


def find(tx: ReadTx, search: WorklistSearch, most: int, seen: Visibility = EVERYBODY) -> list[Found]:
    """Return the first *most* of the entries that *search* asks for, by scheduled start. seen: what the device is shown."""
    found = worklist_sql.statement(search, tx.dialect.name, seen=seen)
    return [Found(*row) for row in found.prepared.all(tx, most=most, **found.values)]


def is_found(tx: ReadTx, step_key: int, search: WorklistSearch, seen: Visibility = EVERYBODY) -> bool:
    """Say whether *search* finds the step in row *step_key*."""
    found = worklist_sql.statement(search, tx.dialect.name, seen=seen, only=step_key)
    return found.prepared.first(tx, most=1, **found.values) is not None


def encoded_of(tx: ReadTx, step_key: int) -> bytes | None:
    """Return the worklist answer of the step in row *step_key* as it was encoded last, None if it has none."""
    encoded: bytes | None = _ENCODED.scalar(tx, key=step_key)
    return encoded


def put(tx: WriteTx, step: Step, encoded: bytes, values: ItemValues) -> None:
    """Keep the encoded worklist answer of a step and what queries match it on (the answer's values by keyword)."""
    others = {keyword: found for keyword, found in values.items() if keyword not in _IN_COLUMNS}
    _SET_ITEM.run(tx, at_key=step.key, encoded=encoded, incomplete="", item_values=others)
    rows = _rows(step, values)
    _PUT.each(tx, rows)
    # Until it was first changed, a step has the stations it came with.
    if step.version > 1:
        _DROP_BEYOND.run(tx, step_key=step.key, count=len(rows))


def withhold(tx: WriteTx, step_key: int, why: str = "") -> None:
    """Show no device the step in row *step_key*. why: in words, where its state does not say so already."""
    _SET_ITEM.run(tx, at_key=step_key, encoded=None, incomplete=why, item_values={})
    _DROP.run(tx, step_key=step_key)


def forget_finished(tx: WriteTx, before: str) -> int:
    """Drop what has ended and was scheduled before the local time *before*; return how many rows. Devices have seen it."""
    return _FORGET.run(tx, before=before)


def drop(tx: WriteTx, step_key: int) -> None:
    """Take a step off every device's list."""
    _DROP.run(tx, step_key=step_key)


def _rows(step: Step, values: ItemValues) -> list[dict[str, Any]]:
    row: dict[str, Any] = {"step_key": step.key, "status": step.status.value}
    row["is_confidential"], row["scheduled_start_local"] = is_marked(values), start_of(values)
    for keyword, column in _COLUMN_OF.items():
        row[column] = _first(values, keyword)
    groups: Sequence[Any] = values.get("PatientName", ())
    for place, column in enumerate(_NAMES):
        row[column] = groups[place] if place < len(groups) else None
    stations = values.get(STATION) or (None,)
    return [row | {"position": place, "scheduled_station_ae_title": title} for place, title in enumerate(stations)]


def _first(values: ItemValues, keyword: str) -> Any:
    found = values.get(keyword)
    return found[0] if found else None
