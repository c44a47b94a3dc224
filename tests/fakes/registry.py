"""A registry of patients and orders in dictionaries, for deciding without a database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from bridge.domain.evidence import Alike, IdentityKey, OrderRecord, PatientRecord, Signal
from bridge.domain.identity_keys import identity_keys
from bridge.domain.order import Order, Step, StepStatus
from bridge.domain.patient import Patient

_CLOSED = {StepStatus.CANCELED, StepStatus.DISCONTINUED, StepStatus.HELD}


class DictRegistry:
    """Implements bridge.domain.evidence.Registry; the methods below `survivor` change what it knows."""

    def __init__(self) -> None:
        self._patients: dict[int, Patient] = {}
        self._former: dict[int, list[tuple[str, str]]] = defaultdict(list)
        self._registered: dict[int, datetime | None] = {}
        self._merged: dict[int, dict[int, None]] = defaultdict(dict)
        self._records: dict[int, PatientRecord] = {}
        self._holders: dict[tuple[str, str], int] = {}
        self._index: dict[IdentityKey, dict[int, None]] = defaultdict(dict)
        self._orders: dict[int, OrderRecord] = {}
        self._by: dict[str, dict[str, dict[int, None]]] = defaultdict(lambda: defaultdict(dict))
        self._signals: dict[str, list[Signal]] = defaultdict(list)

    def patients_by_identifier(self, patient_id: str, issuer_of_patient_id: str) -> Sequence[PatientRecord]:
        holder = self._holders.get((issuer_of_patient_id, patient_id))
        record = None if holder is None else self.survivor(holder)
        return [] if record is None else [record]

    def patients_by_keys(
        self, keys: Iterable[IdentityKey], limit: int
    ) -> Mapping[IdentityKey, Sequence[PatientRecord]]:
        found = {}
        for key in keys:
            rows = dict.fromkeys(self._live(row).key for row in self._index.get(key, ()))
            if rows:
                found[key] = [self._record(row) for row in list(rows)[:limit]]
        return found

    def patients_alike(self, keys: Iterable[IdentityKey], limit: int, may_be: Callable[[Sequence[str]], bool]) -> Alike:
        found = self.patients_by_keys(keys, limit)
        every = {one.key: one for rows in found.values() for one in rows}
        return Alike(
            [one for one in every.values() if may_be(one.known_birth_dates)],
            tuple(key for key, rows in found.items() if len(rows) >= limit),
        )

    def survivor(self, patient_key: int) -> PatientRecord | None:
        if patient_key not in self._patients:
            return None
        return self._record(self._live(patient_key).key)

    def put(self, patient: Patient, registered_at: datetime | None = None) -> None:
        """Register a patient, or change one; earlier names and dates stay known."""
        before = self._patients.get(patient.key)
        if before is None:
            self._registered[patient.key] = registered_at
        else:
            self._forget(before)
        if before is not None and (before.patient_name, before.patient_birth_date) != (
            patient.patient_name,
            patient.patient_birth_date,
        ):
            self._former[patient.key].append((before.patient_name, before.patient_birth_date))
        self._patients[patient.key] = patient
        for identifier in patient.identifiers:
            self._holders[identifier.key] = patient.key
        self._reindex(patient.key)

    def merge(self, retired: int, survivor: int) -> None:
        self._patients[retired] = replace(self._patients[retired], merged_into=survivor)
        self._merged[survivor][retired] = None
        self._renew(retired, survivor)

    def unmerge(self, retired: int) -> None:
        survivor = self._patients[retired].merged_into
        if survivor is not None:
            self._merged[survivor].pop(retired)
            self._renew(survivor)
        self._patients[retired] = replace(self._patients[retired], merged_into=None)
        self._renew(retired)

    def as_written(self, patient_key: int) -> Patient:
        """Return a record as it stands, merged away or not."""
        return self._patients[patient_key]

    def holder(self, issuer: str, patient_id: str) -> int | None:
        return self._holders.get((issuer, patient_id))

    def order_by_key(self, order_key: int) -> OrderRecord | None:
        return self._orders.get(order_key)

    def orders_by_study_uid(self, study_instance_uid: str) -> Sequence[OrderRecord]:
        return self._orders_by("uid", study_instance_uid)

    def orders_by_accession(self, accession_number: str) -> Sequence[OrderRecord]:
        return self._orders_by("accession", accession_number)

    def orders_by_requested_procedure_id(self, requested_procedure_id: str) -> Sequence[OrderRecord]:
        return self._orders_by("procedure", requested_procedure_id)

    def orders_by_step_id(self, scheduled_procedure_step_id: str) -> Sequence[OrderRecord]:
        return self._orders_by("step", scheduled_procedure_step_id)

    def open_orders_of(self, patient_key: int) -> Sequence[OrderRecord]:
        return [one for one in self._orders_of(patient_key) if one.order.status not in _CLOSED]

    def import_orders_of(self, patient_key: int, modality: str) -> Sequence[OrderRecord]:
        return [
            one
            for one in self._orders_of(patient_key)
            if one.order.is_import
            and one.order.status != StepStatus.CANCELED
            and any(step.modality == modality for step in one.steps)
        ]

    def signals_for(self, study_instance_uid: str) -> Sequence[Signal]:
        return tuple(self._signals[study_instance_uid])

    def put_order(self, order: Order, *steps: Step) -> None:
        before = self._orders.get(order.key)
        self._orders[order.key] = OrderRecord(order, steps, before.study_instance_uids if before else ())
        self._by["uid"][order.study_instance_uid][order.key] = None
        self._by["accession"][order.accession_number][order.key] = None
        self._by["procedure"][order.requested_procedure_id][order.key] = None
        self._by["patient"][str(order.patient_key)][order.key] = None
        for step in steps:
            self._by["step"][step.scheduled_procedure_step_id][order.key] = None

    def use_order(self, order_key: int, study_instance_uid: str) -> None:
        record = self._orders[order_key]
        self._orders[order_key] = replace(record, study_instance_uids=(*record.study_instance_uids, study_instance_uid))

    def free_order(self, order_key: int, study_instance_uid: str) -> None:
        record = self._orders[order_key]
        left = tuple(uid for uid in record.study_instance_uids if uid != study_instance_uid)
        self._orders[order_key] = replace(record, study_instance_uids=left)

    def signal(self, study_instance_uid: str, code: str, at: datetime | None = None) -> None:
        self._signals[study_instance_uid].append(Signal(code, at))

    def _orders_by(self, column: str, value: str) -> list[OrderRecord]:
        return [self._orders[key] for key in self._by[column].get(value, ())]

    def _orders_of(self, patient_key: int) -> list[OrderRecord]:
        record = self.survivor(patient_key)
        if record is None:
            return []
        rows = [record.key, *(patient.key for patient in record.merged)]
        found = [one for row in rows for one in self._orders_by("patient", str(row))]
        return [one for one in found if one.order.patient_key in rows]

    def _renew(self, *rows: int) -> None:
        for row in rows:
            self._records.pop(row, None)
            self._records.pop(self._live(row).key, None)

    def _live(self, row: int) -> Patient:
        patient = self._patients[row]
        while patient.merged_into is not None:
            patient = self._patients[patient.merged_into]
        return patient

    def _record(self, row: int) -> PatientRecord:
        cached = self._records.get(row)
        if cached is None:
            cached = self._records[row] = self._build(row)
        return cached

    def _build(self, row: int) -> PatientRecord:
        merged = self._merged_into(row)
        former = [pair for key in (row, *(one.key for one in merged)) for pair in self._former[key]]
        return PatientRecord(
            self._patients[row],
            tuple(name for name, _ in former),
            tuple(date for _, date in former),
            tuple(merged),
            self._registered[row],
        )

    def _merged_into(self, row: int) -> list[Patient]:
        return [one for key in self._merged[row] for one in (self._patients[key], *self._merged_into(key))]

    def _forget(self, patient: Patient) -> None:
        for identifier in patient.identifiers:
            if self._holders.get(identifier.key) == patient.key:
                del self._holders[identifier.key]
        for key in identity_keys(self._build_alone(patient.key)):
            self._index[key].pop(patient.key, None)

    def _reindex(self, row: int) -> None:
        self._records.pop(self._live(row).key, None)
        for key in identity_keys(self._build_alone(row)):
            self._index[key][row] = None

    def _build_alone(self, row: int) -> PatientRecord:
        former = self._former[row]
        return PatientRecord(self._patients[row], tuple(name for name, _ in former), tuple(date for _, date in former))
