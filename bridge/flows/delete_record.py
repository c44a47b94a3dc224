"""Registration deletes a record (A23): nothing is erased; its waiting exams leave the worklist. Source: HL7 2.5.1 3.3.23."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bridge.domain.message import Notice
from bridge.domain.order import Order
from bridge.domain.patient import Patient, VisitState
from bridge.flows.record_visit import close_exams
from bridge.flows.register_patient import News
from bridge.store import orders, patients, studies, visits
from bridge.store.db import WriteTx

_WHY = "Registration deleted the patient's record: the exam was taken off the worklist"


@dataclass(slots=True)
class Deleted:
    """What became of it. orders: those that were taken off the worklist."""

    patient: Patient
    notices: list[Notice] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)


def delete_record(tx: WriteTx, patient: Patient, news: News) -> Deleted:
    """
    Mark a record inactive, cancel its visits and close its exams that only wait; later news of it brings it back.

    What was ordered, performed and received stays where it is, and the intake desk is shown such a record.
    """
    deleted = Deleted(patients.save(tx, replace(patient, inactive=True), news.heard_at))
    for visit in visits.of_patient(tx, patient.key):
        if visit.as_of is None or visit.as_of <= news.said_at:
            visits.save(tx, replace(visit, state=VisitState.CANCELLED, as_of=news.said_at))
    has_exams = bool(orders.of_patient(tx, patient.key) or studies.of_patient(tx, patient.key))
    deleted.orders = close_exams(tx, orders.open_of_patient(tx, patient.key), _WHY, news)
    if has_exams:
        deleted.notices.append(Notice("W", "the record has exams: kept and marked, for a person to look at", "PID-3"))
    return deleted
