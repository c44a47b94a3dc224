"""Which order a bound study belongs to, once its patient is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from bridge.domain.case import Case, waits_for_import
from bridge.domain.evidence import OrderRecord, Registry
from bridge.domain.leads import OrderLead, Via, exam_local, placed_at, read_local
from bridge.domain.order import StepStatus
from bridge.domain.phonetics import edits_within

_ACCESSION_EDITS = 2
# A completed step still waits for its images: MPPS is often faster than the last of them.
_CLOSED = frozenset({StepStatus.CANCELED, StepStatus.DISCONTINUED, StepStatus.HELD})


@dataclass(frozen=True, slots=True)
class OrderChoice:
    """order: None if the study waits for its order. linked: further orders its Request Attributes name."""

    order: OrderRecord | None = None
    linked: tuple[OrderRecord, ...] = ()
    note: str = ""


def choose_order(case: Case, patient_key: int, registry: Registry) -> OrderChoice:
    """Return the orders of *patient_key* that the study belongs to; none is better than a guess."""
    if case.foreign:
        return _choose_import_order(case, patient_key, registry)
    named = [lead for lead in case.orders if lead.patient.key == patient_key]
    live = [lead for lead in named if lead.order.order.status != StepStatus.CANCELED]
    if live:
        return _choose_named(case, live)
    return _choose_open(case, patient_key, registry)


def _choose_named(case: Case, live: list[OrderLead]) -> OrderChoice:
    accession = case.evidence.header.accession_number
    first = min(
        live, key=lambda lead: (not accession or lead.order.order.accession_number != accession, _strength(lead))
    )
    linked = {lead.order.key: lead.order for lead in live if lead.in_request_attributes}
    linked.pop(first.order.key, None)
    return OrderChoice(first.order, tuple(linked[key] for key in sorted(linked)))


def _strength(lead: OrderLead) -> tuple[int, int]:
    return (tuple(Via).index(lead.via), lead.order.key)


def _choose_import_order(case: Case, patient_key: int, registry: Registry) -> OrderChoice:
    leads = [lead.order for lead in case.imports if lead.patient.key == patient_key]
    if not leads and case.evidence.header.modality:
        leads = [
            order
            for order in registry.import_orders_of(patient_key, case.evidence.header.modality)
            if waits_for_import(order)
        ]
    return OrderChoice(leads[0]) if len(leads) == 1 else OrderChoice()


def _choose_open(case: Case, patient_key: int, registry: Registry) -> OrderChoice:
    """Return the patient's one open, unused order of the same modality near the exam."""
    header = case.evidence.header
    near = [order for order in registry.open_orders_of(patient_key) if _may_be(case, order)]
    if len(near) > 1 and header.body_part_examined:
        near = [order for order in near if _speaks_of(order, header.body_part_examined)]
    if len(near) != 1:
        note = "Several open orders fit: none was chosen." if near else ""
        return OrderChoice(note=note)
    if header.accession_number and not case.orders:
        if not edits_within(header.accession_number, near[0].order.accession_number, _ACCESSION_EDITS):
            return OrderChoice(note="No order has the header's accession number.")
        return OrderChoice(
            near[0], note="The accession number is nobody's; the patient's open order has nearly the same."
        )
    return OrderChoice(near[0])


def _may_be(case: Case, record: OrderRecord) -> bool:
    header = case.evidence.header
    unused = set(record.study_instance_uids) <= {header.study_instance_uid}
    same_modality = any(step.modality == header.modality for step in record.steps)
    if not unused or not same_modality or record.order.status in _CLOSED or record.order.is_import:
        return False
    return _is_near(case, record)


def _is_near(case: Case, record: OrderRecord) -> bool:
    """Say whether an order lies within the window around the exam, both by the hospital's clock."""
    window = timedelta(hours=case.rules.order_window_hours)
    exam = exam_local(case.evidence.header)
    starts = [read_local(step.scheduled_start_local) for step in record.steps if step.scheduled_start_local]
    known = [start for start in starts if start is not None]
    if exam is not None and known:
        return any(abs(exam - start) <= window for start in known)
    received = case.evidence.received_at
    return received is not None and any(abs(received - at) <= window for at in placed_at(record.order))


def _speaks_of(record: OrderRecord, body_part: str) -> bool:
    texts = [record.order.requested_procedure_description, record.order.requested_procedure_code.code_meaning]
    texts += [step.scheduled_procedure_step_description for step in record.steps]
    texts += [step.scheduled_protocol_code.code_meaning for step in record.steps]
    wanted = "".join(body_part.upper().split())
    return any(wanted in "".join(text.upper().split()) for text in texts)
