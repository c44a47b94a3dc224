"""Reconciliation's look-ups on the database: each one goes by an index, none scans."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from sqlalchemy import ColumnElement, Table, Text, bindparam, cast, select, union_all

from bridge.domain.evidence import Alike, IdentityKey, OrderRecord, PatientRecord, Signal
from bridge.domain.order import Order, StepStatus
from bridge.store import orders, patient_records, patients
from bridge.store.db import ReadTx
from bridge.store.prepared import Prepared
from bridge.store.tables import cross_references, patient_identifiers, signals, splits, studies


def _named(table: Table, *also: ColumnElement[bool]) -> Prepared:
    return Prepared(select(table.c.patient_key).where(table.c.patient_id == bindparam("patient_id"), *also))


_NUMBERS, _REFERENCES = patient_identifiers.c, cross_references.c
_STANDS = _REFERENCES.ended_at.is_(None)
_HOLDERS_ANYWHERE = _named(patient_identifiers)
_HOLDERS = _named(patient_identifiers, _NUMBERS.issuer_of_patient_id == bindparam("issuer"))
_LEARNED_ANYWHERE = _named(cross_references, _STANDS)
_LEARNED = _named(cross_references, _STANDS, _REFERENCES.issuer_of_patient_id == bindparam("issuer"))
_ASKED = cast(bindparam("study_instance_uid"), Text)
# A study that was split off goes by a UID of ours, which no device says: what questions the whole questions the part,
# and what was split off that.
_WHOLES = (
    select(splits.c.study_key)
    .join_from(splits, studies, studies.c.key == splits.c.new_study_key)
    .where(studies.c.study_instance_uid == bindparam("study_instance_uid"), splits.c.joined_at.is_(None))
    .cte("wholes", recursive=True)
)
_WHOLES = _WHOLES.union(
    select(splits.c.study_key)
    .join_from(splits, _WHOLES, splits.c.new_study_key == _WHOLES.c.study_key)
    .where(splits.c.joined_at.is_(None))
)
_SPLIT_OFF_OF = select(studies.c.study_instance_uid).join_from(studies, _WHOLES, studies.c.key == _WHOLES.c.study_key)
_SIGNALS = Prepared(
    select(signals.c.code, signals.c.received_at).where(
        signals.c.study_instance_uid.in_(union_all(select(_ASKED), _SPLIT_OFF_OF)), signals.c.taken_back_at.is_(None)
    )
)
_STUDIES_OF_ORDER = Prepared(select(studies.c.study_instance_uid).where(studies.c.order_key == bindparam("order_key")))


class StoredRegistry:
    """
    The registry as one open transaction sees it. A record or order is read once, however often it is asked for.

    known: records of live patients that are as they would be read.
    """

    def __init__(self, tx: ReadTx, known: Iterable[PatientRecord] = ()) -> None:
        self._tx = tx
        self._records = {record.key: record for record in known}
        self._orders: dict[int, OrderRecord] = {}

    def patients_by_identifier(self, patient_id: str, issuer_of_patient_id: str | None) -> Sequence[PatientRecord]:
        said = {"patient_id": patient_id}
        if issuer_of_patient_id is None:
            rows = [*_HOLDERS_ANYWHERE.all(self._tx, **said), *_LEARNED_ANYWHERE.all(self._tx, **said)]
        else:
            said["issuer"] = issuer_of_patient_id
            rows = [*_HOLDERS.all(self._tx, **said), *_LEARNED.all(self._tx, **said)]
        return self._live(row.patient_key for row in rows)

    def patients_by_keys(
        self, keys: Iterable[IdentityKey], limit: int
    ) -> Mapping[IdentityKey, Sequence[PatientRecord]]:
        found = {key: [row for row, _ in patients.by_key_value(self._tx, key.kind, key.value, limit)] for key in keys}
        self._read(one for rows in found.values() for one in rows)
        return {key: self._live(rows) for key, rows in found.items()}

    def patients_alike(self, keys: Iterable[IdentityKey], limit: int, may_be: Callable[[Sequence[str]], bool]) -> Alike:
        found = {key: patients.by_key_value(self._tx, key.kind, key.value, limit) for key in keys}
        dates = {row: known for rows in found.values() for row, known in rows}
        fitting = {known: may_be(known.split("|")) for known in set(dates.values())}
        wanted = [row for row, known in dates.items() if fitting[known]]
        self._read(wanted)
        return Alike(self._live(wanted), tuple(key for key, rows in found.items() if len(rows) >= limit))

    def survivor(self, patient_key: int) -> PatientRecord | None:
        self._read((patient_key,))
        if patient_key in self._records:
            return self._records[patient_key]
        try:
            live = patients.survivor(self._tx, patient_key)
        except LookupError:
            return None
        self._read((live.key,))
        return self._records[live.key]

    def order_by_key(self, order_key: int) -> OrderRecord | None:
        try:
            return self._with_steps([orders.get(self._tx, order_key)])[0]
        except LookupError:
            return None

    def orders_by_study_uid(self, study_instance_uid: str) -> Sequence[OrderRecord]:
        return self._with_steps(orders.by_study_uid(self._tx, study_instance_uid))

    def orders_by_accession(self, accession_number: str) -> Sequence[OrderRecord]:
        return self._with_steps(orders.by_accession(self._tx, accession_number))

    def orders_by_requested_procedure_id(self, requested_procedure_id: str) -> Sequence[OrderRecord]:
        return self._with_steps(orders.by_requested_procedure(self._tx, requested_procedure_id))

    def orders_by_step_id(self, scheduled_procedure_step_id: str) -> Sequence[OrderRecord]:
        return self._with_steps(orders.by_step_id(self._tx, scheduled_procedure_step_id))

    def open_orders_of(self, patient_key: int) -> Sequence[OrderRecord]:
        """An order stays open for its images after its step is completed: MPPS is often faster than the last image."""
        closed = {StepStatus.CANCELED, StepStatus.DISCONTINUED, StepStatus.HELD}
        return [one for one in self.orders_of(patient_key) if one.order.status not in closed]

    def import_orders_of(self, patient_key: int, modality: str) -> Sequence[OrderRecord]:
        return [
            one
            for one in self.orders_of(patient_key)
            if one.order.is_import
            and one.order.status != StepStatus.CANCELED
            and any(step.modality == modality for step in one.steps)
        ]

    def signals_for(self, study_instance_uid: str) -> Sequence[Signal]:
        rows = _SIGNALS.all(self._tx, study_instance_uid=study_instance_uid)
        return [Signal(row.code, row.received_at) for row in rows]

    def orders_of(self, patient_key: int) -> list[OrderRecord]:
        """Return every order of a patient, and of those merged into them."""
        record = self.survivor(patient_key)
        keys = [patient_key] if record is None else [record.key, *(one.key for one in record.merged)]
        return self._with_steps(order for key in keys for order in orders.of_patient(self._tx, key))

    def _with_steps(self, found: Iterable[Order]) -> list[OrderRecord]:
        return [self._with_its_steps(order) for order in found]

    def _with_its_steps(self, order: Order) -> OrderRecord:
        if order.key not in self._orders:
            self._orders[order.key] = OrderRecord(
                order,
                tuple(orders.steps_of(self._tx, order.key)),
                tuple(row.study_instance_uid for row in _STUDIES_OF_ORDER.all(self._tx, order_key=order.key)),
            )
        return self._orders[order.key]

    def _read(self, keys: Iterable[int]) -> None:
        """Read the live records among *keys* that were not read before."""
        wanted = [key for key in dict.fromkeys(keys) if key not in self._records]
        if wanted:
            found = patient_records.read(self._tx, wanted)
            self._records |= {key: one for key, one in found.items() if one.patient.merged_into is None}

    def _live(self, keys: Iterable[int]) -> list[PatientRecord]:
        found = [record for key in keys if (record := self.survivor(key)) is not None]
        return list({record.key: record for record in found}.values())
