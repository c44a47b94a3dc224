"""What a person weighs at a case: each candidate beside the header, their orders of the day, and what would leave."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.domain.case import Case, open_case
from bridge.domain.corrections import corrections
from bridge.domain.evidence import OrderRecord, PatientRecord
from bridge.domain.order import StepStatus
from bridge.domain.order_rule import choose_order
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.reconsider import with_patient
from bridge.domain.study import Difference, Study
from bridge.domain.verdict import ComparedValue
from bridge.domain.wording import compared, why
from bridge.flows.gather_evidence import evidence_of
from bridge.store.db import ReadTx
from bridge.store.registry import StoredRegistry

_MOST_ORDERS = 6


@dataclass(frozen=True, slots=True)
class OrderOfDay:
    """
    One order that the images may be of. is_meant: it is bound where the person names no other.

    start_local: of its first step, "YYYYMMDDHHMMSS" or less. has_images: another study is bound to it.
    """

    key: int
    accession_number: str
    procedure: str
    modality: str
    start_local: str
    status: StepStatus
    is_meant: bool
    has_images: bool


@dataclass(frozen=True, slots=True)
class Side:
    """One person beside the header. corrections: what leaves with another value than it came with, if it is theirs."""

    patient_key: int
    why: str
    compared: tuple[ComparedValue, ...]
    orders: tuple[OrderOfDay, ...]
    corrections: tuple[Difference, ...]


class CaseDesk:
    """Sets people beside a study, by the same rules that decide; it decides nothing."""

    def __init__(self, rules: ReconcileRules) -> None:
        self._rules = rules

    def sides(self, tx: ReadTx, study: Study, patient_keys: Iterable[int], asked: Collection[int] = ()) -> list[Side]:
        """
        Return these live patients beside *study*; whoever is gone is left out.

        asked: orders that are shown whatever day they are of.
        """
        registry = StoredRegistry(tx)
        case = open_case(evidence_of(tx, study), registry, self._rules)
        found = (registry.survivor(key) for key in dict.fromkeys(patient_keys))
        records = {record.key: record for record in found if record is not None}
        return [self._side(case, record, registry, asked) for record in records.values()]

    def _side(self, case: Case, record: PatientRecord, registry: StoredRegistry, asked: Collection[int]) -> Side:
        case = with_patient(case, record)
        meant = choose_order(case, record.key, registry).order
        uid = case.evidence.header.study_instance_uid
        every = registry.orders_of(record.key)
        offered = [one for one in every if one.key in asked]
        offered += [one for one in self._of_the_day(case, every, meant) if one not in offered]
        return Side(
            record.key,
            why(case, record.key),
            compared(case, record.key),
            tuple(_line(one, meant, uid) for one in offered[:_MOST_ORDERS]),
            corrections(case.evidence.header, record, meant, self._rules),
        )

    def _of_the_day(
        self, case: Case, orders: Sequence[OrderRecord], meant: OrderRecord | None
    ) -> Sequence[OrderRecord]:
        """Return the order that is meant and those around the day of the study, the nearest first."""
        header, window = case.evidence.header, timedelta(hours=self._rules.order_window_hours)
        taken = _instant(header.study_date + (header.study_time[:6] or "120000"))
        if taken is None:
            taken = case.evidence.received_at and case.evidence.received_at.replace(tzinfo=None)
        near: list[tuple[timedelta, OrderRecord]] = []
        for one in orders:
            start = _instant(_start(one))
            away = abs(start - taken) if start is not None and taken is not None else window
            if away <= window and one.order.status != StepStatus.CANCELED:
                near.append((away, one))
        near.sort(key=lambda each: (meant is None or each[1].key != meant.key, each[0]))
        found = [one for _, one in near]
        if meant is not None and all(one.key != meant.key for one in found):
            found.insert(0, meant)
        return found


def _line(one: OrderRecord, meant: OrderRecord | None, study_instance_uid: str) -> OrderOfDay:
    order = one.order
    return OrderOfDay(
        one.key,
        order.accession_number,
        order.requested_procedure_description or order.requested_procedure_code.code_meaning,
        one.steps[0].modality if one.steps else "",
        _start(one),
        order.status,
        meant is not None and meant.key == one.key,
        any(uid != study_instance_uid for uid in one.study_instance_uids),
    )


def _start(one: OrderRecord) -> str:
    return min((step.scheduled_start_local for step in one.steps if step.scheduled_start_local), default="")


def _instant(local: str) -> datetime | None:
    try:
        return datetime.strptime(local[:14].ljust(14, "0"), "%Y%m%d%H%M%S")
    except ValueError:
        return None
