"""The exams that stand under an authorization, as they are ordered and scheduled now."""

from __future__ import annotations

import re

from bridge.domain.authorization import Authorization
from bridge.domain.authorization_exam import Exam, exam_of
from bridge.domain.code import Code
from bridge.domain.order import Order
from bridge.domain.order_people import npi_of, requesting
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.records import replace
from bridge.domain.request_lines import UnderExam
from bridge.store import authorization_links, coverages, orders, patients
from bridge.store.db import ReadTx

# ICD-10-CM, with or without its dot; senders name the scheme in many ways. Source: ICD-10-CM, structure of codes.
_ICD_10 = re.compile(r"[A-Z][0-9][0-9A-Z](\.?[0-9A-Z]{1,4})?")
_DIAGNOSES_MOST = 12


def exam_now(tx: ReadTx, order: Order, rules: ReconcileRules) -> Exam:
    """Return an order as authorizations are compared with it."""
    owner = patients.survivor(tx, order.patient_key).key
    insured = coverages.of_records(tx, [owner, *patients.merged_into(tx, owner)])
    found = replace(order, patient_key=owner)
    return exam_of(found, orders.steps_of(tx, order.key), insured, rules.authorizations, rules.checklist.sides)


def exams_under(tx: ReadTx, one: Authorization, rules: ReconcileRules) -> list[UnderExam]:
    """Return the exams of the authorization's own patient that stand under it, with what their orders say to a payer."""
    owner = patients.survivor(tx, one.patient_key).key
    found = []
    for link in authorization_links.of_authorization(tx, one.key):
        order = orders.get(tx, link.order_key)
        exam = exam_now(tx, order, rules)
        if exam.patient_key == owner:
            found.append(UnderExam(exam, link.line, _diagnoses(order), npi_of(requesting(order))))
    return found


def _diagnoses(order: Order) -> tuple[str, ...]:
    coded = (
        *order.details.get("diagnoses_code", ()),
        *order.details.get("reason_for_requested_procedure_code", ()),
        *order.details.get("admitting_diagnoses_code", ()),
    )
    said = dict.fromkeys(one.code_value.strip().upper() for one in coded if _is_icd_10(one))
    return tuple(said)[:_DIAGNOSES_MOST]


def _is_icd_10(code: Code) -> bool:
    scheme = code.coding_scheme_designator.upper()
    return (
        scheme.startswith(("I10", "ICD10", "ICD-10")) and _ICD_10.fullmatch(code.code_value.strip().upper()) is not None
    )
