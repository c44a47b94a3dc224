"""An exam as charts know it: a study that is here, or one of which no image is, with what else charts may have of it."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.domain.study import Study
from bridge.errors import Conflict
from bridge.flows.tell_charts import OfExam, parts_of_study
from bridge.store import orders, patients, performed, studies
from bridge.store.chart_withdrawals import Coming, Subject
from bridge.store.db import ReadTx
from bridge.store.listings import search


@dataclass(frozen=True, slots=True)
class ChartedExam:
    """
    What charts may have of one Study Instance UID.

    study: None where no image is here. patient_key: whose it is, None where that is open: the study's, or else the one
    whose orders it is of. order_key: the study's order, or else the newest of its orders.
    """

    study_instance_uid: str
    study: Study | None
    parts: tuple[OfExam, ...]
    patient_key: int | None
    order_key: int | None

    @property
    def subject(self) -> Subject:
        """What a withdrawal of all of it is about."""
        return self.study.key if self.study is not None else Coming(self.study_instance_uid)

    @property
    def is_bound(self) -> bool:
        """Whether it is known whose it is."""
        return self.study.is_bound if self.study is not None else self.patient_key is not None

    def refuse_unbound(self) -> None:
        """Raises: Conflict, if it is nobody's."""
        if not self.is_bound:
            raise Conflict("the study is not bound to a patient: it is in no chart until it is", code="not_bound")


def charted(tx: ReadTx, study_instance_uid: str) -> ChartedExam:
    """Return the exam of a study. Raises: LookupError, if neither images nor an order nor a device told of it."""
    uid = study_instance_uid
    study = studies.by_uid(tx, uid) if uid else None
    if study is not None:
        return ChartedExam(uid, study, tuple(parts_of_study(tx, uid, study)), study.patient_key, study.order_key)
    steps = performed.of_study(tx, uid) if uid else []
    linked = [planned.order_key for one in steps for planned in orders.get_steps(tx, one.step_keys)]
    keys = dict.fromkeys([*(one.key for one in (orders.by_study_uid(tx, uid) if uid else ())), *linked])
    parts = tuple(parts_of_study(tx, uid, None, keys)) if uid else ()
    if not parts:
        raise LookupError("no such study")
    owners = {patients.survivor(tx, orders.get(tx, key).patient_key).key for key in keys}
    return ChartedExam(uid, None, parts, owners.pop() if len(owners) == 1 else None, next(iter(keys), None))


def find_coming(tx: ReadTx, query: str) -> list[str]:
    """Return the Study Instance UIDs of the exams that *query* names and of which no image is here."""
    found = (exam.order_key for exam in search.find(tx, query, unbound=True).exams if exam.study_key is None)
    uids = [orders.get(tx, key).study_instance_uid for key in found if key is not None]
    begun = [query] if performed.of_study(tx, query) else []
    return list(dict.fromkeys(uid for uid in (*uids, *begun) if uid))
