"""What devices performed of an exam, as our own server tells it: of which orders, and of whom it certainly was."""

from __future__ import annotations

from bridge.domain.chart import PROCEDURE, Part
from bridge.domain.order import Order
from bridge.domain.performed import PerformedStep, may_be_of
from bridge.domain.performed_reasons import INCORRECT_WORKLIST_ENTRY
from bridge.store import chart_withdrawals, orders, patients, performed, studies
from bridge.store.db import ReadTx


def certain(tx: ReadTx, mpps: PerformedStep) -> tuple[list[Order], int] | None:
    """
    Return the orders of a performed step and their live patient; None where that is in doubt.

    So it is if its orders are of two people, the record is in question, its device names somebody else or takes the entry
    back, or nobody has bound its images to that patient.
    """
    if mpps.discontinuation_code == INCORRECT_WORKLIST_ENTRY:
        return None
    ordered = [orders.get(tx, one) for one in dict.fromkeys(s.order_key for s in orders.get_steps(tx, mpps.step_keys))]
    owners = {owner.key: owner for owner in (patients.survivor(tx, one.patient_key) for one in ordered)}
    if len(owners) != 1:
        return None
    (owner,) = owners.values()
    records = patients.records_of(tx, owner.key)
    if any(one.in_question for one in records) or not may_be_of(mpps, records):
        return None
    study = studies.by_uid(tx, mpps.study_instance_uid) if mpps.study_instance_uid else None
    if study is not None:
        bound_to = study.patient_key if study.is_bound else None
        if bound_to is None or patients.survivor(tx, bound_to).key != owner.key:
            return None
    return ordered, owner.key


def of_study(tx: ReadTx, study_instance_uid: str, live_key: int) -> tuple[str, ...]:
    """Return what was performed of a study in the chart of a live record, "Procedure/2", the first first."""
    found = []
    for one in performed.of_study(tx, study_instance_uid):
        known = certain(tx, one) if one.step_keys else None
        is_out = chart_withdrawals.withdrawal_of(tx, Part(PROCEDURE, one.key)) is not None
        if known is not None and known[1] == live_key and not is_out:
            found.append(f"Procedure/{one.key}")
    return tuple(found)
