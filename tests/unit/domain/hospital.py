"""A small hospital of invented people, and headers as its scanners write them, for tests of reconciliation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from bridge.domain.evidence import NamedIdentity, StudyEvidence
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.domain.order import Order, Step, StepStatus
from bridge.domain.patient import Patient
from bridge.domain.reconcile import decide
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.study import Header, RequestAttributes
from bridge.domain.verdict import Outcome, Verdict
from tests.fakes.registry import DictRegistry

OURS, THEIRS = "HARBOR", "LAKESIDE"
DAY = "20260310"
NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
RULES = ReconcileRules(
    authority=OURS,
    id_prefixes=("MRN-", "MRN"),
    id_suffixes=("-1",),
    institutions={"Lakeside Imaging": THEIRS},
    nicknames={"PEGGY": frozenset({1}), "MARGARET": frozenset({1}), "BOB": frozenset({2}), "ROBERT": frozenset({2})},
)


class Hospital:
    """A registry with short ways to fill it. Orders lie at noon of one day unless said otherwise."""

    def __init__(self, rules: ReconcileRules = RULES) -> None:
        self.rules = rules
        self.registry = DictRegistry()
        self._people = 0
        self._orders = 0

    def admit(self, patient_id: str, name: str, birth_date: str = "", sex: str = "F", **more: Any) -> Patient:
        """Register somebody new; others: further identifiers. A number that somebody retired is given again."""
        self._people += 1
        others = more.pop("others", ())
        at = more.pop("registered_at", None)
        identifiers = (PatientIdentifier(patient_id, OURS, "MR"), *others)
        patient = Patient(self._people, identifiers, name, birth_date, sex, **more)
        self.registry.put(patient, at)
        return patient

    def change(self, patient: Patient, **values: Any) -> Patient:
        changed = replace(patient, **values)
        self.registry.put(changed)
        return changed

    def merge(self, retired: Patient, survivor: Patient) -> None:
        self.registry.merge(retired.key, survivor.key)

    def order(self, patient: Patient, accession: str = "", **more: Any) -> Order:
        """Order a CT; on: its day, modality, status, uid, import order."""
        self._orders += 1
        number = self._orders
        start = more.pop("on", DAY) + "120000"
        modality = more.pop("modality", "CT")
        status = more.pop("status", StepStatus.SCHEDULED)
        uid = more.pop("uid", f"1.2.3.{number}")
        order = Order(
            number,
            patient.key,
            accession,
            "",
            EntityIdentifier(f"P{number}"),
            EntityIdentifier(),
            f"RP{number}",
            uid,
            status,
            **more,
        )
        step = Step(number, number, f"SPS{number}", status, modality, ("CT1",), start)
        self.registry.put_order(order, step)
        return order

    def cancel(self, order: Order) -> Order:
        record = self.registry.order_by_key(order.key)
        assert record is not None
        cancelled = replace(order, status=StepStatus.CANCELED)
        self.registry.put_order(cancelled, *record.steps)
        return cancelled

    def move(self, order: Order, patient: Patient) -> Order:
        record = self.registry.order_by_key(order.key)
        assert record is not None
        moved = replace(order, patient_key=patient.key)
        self.registry.put_order(moved, *record.steps)
        return moved

    def decide(self, header: Header, **more: Any) -> Verdict:
        return decide(evidence(header, **more), self.registry, self.rules)


def evidence(header: Header, **more: Any) -> StudyEvidence:
    return StudyEvidence(header, received_at=NOON, source_ae_title=more.pop("source_ae_title", "CT1"), **more)


def typed(name: str, patient_id: str = "", birth_date: str = "", sex: str = "", **more: Any) -> Header:
    """A header keyed in by hand: a Study Instance UID of the scanner's own."""
    values: dict[str, Any] = {
        "study_instance_uid": "9.9.9",
        "study_date": DAY,
        "study_time": "121500",
        "modality": "CT",
    }
    values |= more
    return Header(
        "1.2.840.10008.5.1.4.1.1.2",
        "9.9.9.1",
        series_instance_uid="9.9.9.2",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        patient_id=patient_id,
        patient_name=name,
        patient_name_bytes=values.pop("raw", name.encode()),
        patient_birth_date=birth_date,
        patient_sex=sex,
        **values,
    )


def from_worklist(order: Order, patient: Patient, **more: Any) -> Header:
    """A header as a scanner copies it from the worklist."""
    item = RequestAttributes(
        order.requested_procedure_id, f"SPS{order.key}", order.accession_number, order.study_instance_uid
    )
    values: dict[str, Any] = {
        "study_instance_uid": order.study_instance_uid,
        "accession_number": order.accession_number,
        "request_attributes": (item,),
    }
    return typed(
        more.pop("name", patient.patient_name),
        more.pop("patient_id", patient.primary.patient_id),
        more.pop("birth_date", patient.patient_birth_date),
        more.pop("sex", patient.patient_sex),
        **(values | more),
    )


def named(patient: Patient) -> NamedIdentity:
    """Whom an instance names that carries this patient's values."""
    return NamedIdentity(
        patient.primary.patient_id, "", patient.patient_name, patient.patient_birth_date, patient.patient_sex
    )


def corrected(verdict: Verdict) -> dict[str, tuple[str, str]]:
    return {one.keyword: (one.received, one.record) for one in verdict.differences}


def is_held(verdict: Verdict, rule: str, outcome: Outcome = Outcome.REVIEW) -> bool:
    assert not verdict.binds
    assert verdict.patient_key is None
    assert verdict.order_key is None
    return (verdict.rule, verdict.outcome) == (rule, outcome)


def first(verdict: Verdict, count: int = 1) -> list[int]:
    return [one.patient_key for one in verdict.candidates[:count]]
