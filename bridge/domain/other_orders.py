"""Whose orders the other instances of a study name, where that is not what its header says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bridge.domain.evidence import Registry, StudyEvidence
from bridge.domain.leads import OrderLead, Via, order_leads
from bridge.domain.order import StepStatus
from bridge.domain.reconcile_rules import ReconcileRules


def other_order_leads(
    evidence: StudyEvidence, own: Iterable[OrderLead], registry: Registry, rules: ReconcileRules
) -> tuple[OrderLead, ...]:
    """Return the orders that only instances after the first name, cancelled ones left out. own: those of the header."""
    known = {lead.order.key for lead in own}
    found: dict[tuple[Via, int], OrderLead] = {}
    for named in dict.fromkeys(evidence.other_orders):
        header = replace(
            evidence.header,
            accession_number=named.accession_number,
            issuer_of_accession_number=named.issuer_of_accession_number,
            request_attributes=named.request_attributes,
        )
        for lead in order_leads(replace(evidence, header=header), registry, rules)[0]:
            if lead.order.order.status != StepStatus.CANCELED:
                found[lead.via, lead.order.key] = lead
    numbers: dict[tuple[Via, str], list[OrderLead]] = {}
    for lead in found.values():
        numbers.setdefault(_number_of(lead), []).append(lead)
    return tuple(
        lead for leads in numbers.values() if not any(one.order.key in known for one in leads) for lead in leads
    )


def of_other_patients(leads: Iterable[OrderLead], patient_key: int | None) -> tuple[OrderLead, ...]:
    """Return the leads to other patients. A number that two orders share, one of them this patient's, is no such lead."""
    found = tuple(leads)
    theirs = {_number_of(lead) for lead in found if lead.patient.key == patient_key}
    return tuple(lead for lead in found if _number_of(lead) not in theirs)


def _number_of(lead: OrderLead) -> tuple[Via, str]:
    order = lead.order.order
    if lead.via in (Via.ACCESSION, Via.ACCESSION_WITH_ISSUER):
        return Via.ACCESSION, order.accession_number
    if lead.via == Via.REQUESTED_PROCEDURE_ID:
        return lead.via, order.requested_procedure_id
    return lead.via, order.study_instance_uid if lead.via == Via.STUDY_UID else ""
