"""What a study says is compared with its order, line by line, whenever it is decided, complete, or its order changes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from bridge.clock import Clock
from bridge.domain.checklist_rules import ChecklistRules
from bridge.domain.import_checklist import CheckedStudy, Line, checklist_of, looks_of
from bridge.domain.order import Order, StepStatus
from bridge.domain.study import Study
from bridge.errors import Conflict
from bridge.store import audit, decisions, exam_checks, looks, orders, studies
from bridge.store.db import ReadTx, Store, WriteTx
from bridge.store.listings import image_warnings


def check_tags(tx: ReadTx, study: Study, rules: ChecklistRules) -> tuple[Line, ...]:
    """Return the import checklist of a study as it stands."""
    order = _order_of(tx, study)
    decided = decisions.latest(tx, study.key)
    differences = [str(one["keyword"]) for one in decided.differences] if decided is not None and study.is_bound else []
    checked = CheckedStudy(
        study,
        studies.series_of(tx, [study.key]),
        looks.sides_of(tx, study.key),
        order,
        orders.steps_of(tx, order.key) if order is not None else (),
        differences,
        image_warnings.of_studies(tx, [study.key]).get(study.key, {}),
        studies.count_instances(tx, study.key),
    )
    return checklist_of(checked, rules)


def _order_of(tx: ReadTx, study: Study) -> Order | None:
    """Return what a study was made for: its order, of an undecided one the only live one that its accession number names."""
    if study.order_key is not None:
        return orders.get(tx, study.order_key)
    number = study.received.accession_number
    if study.is_bound or study.foreign or not number:
        return None
    named = [one for one in orders.by_accession(tx, number) if one.status != StepStatus.CANCELED]
    return named[0] if len(named) == 1 else None


def keep_looks(tx: WriteTx, study: Study, rules: ChecklistRules, at: datetime) -> None:
    """Put what somebody should look at where people see it, and take off what is no longer so."""
    looks.keep(tx, study.key, looks_of(study, check_tags(tx, study, rules)), at)


def compare_again(tx: WriteTx, compared: Iterable[Study], rules: ChecklistRules, at: datetime) -> None:
    """Have studies compared with their orders once they rest; what nobody publishes is compared at once, too."""
    for study in compared:
        if not study.is_bound:
            keep_looks(tx, study, rules, at)
        exam_checks.watch_study(tx, study.key, at)


class Looks:
    """What people note on import checklists."""

    def __init__(self, store: Store, clock: Clock, rules: ChecklistRules) -> None:
        self._store = store
        self._clock = clock
        self.rules = rules

    def see(self, study_key: int, subject: str, remark: str, actor: str) -> None:
        """Note that a person looked at a line. Raises: LookupError; Conflict, if nothing there waits for a look."""
        now = self._clock.now()
        with self._store.write() as tx:
            study = studies.get(tx, study_key)
            if not looks.see(tx, study_key, subject, by=actor, remark=remark, at=now):
                raise Conflict("nothing there waits for a look", code="not_waiting", where="subject")
            audit.add(
                tx,
                at=now,
                action="study_looked_at",
                actor=actor,
                study_key=study_key,
                patient_key=study.patient_key,
                detail={"subject": subject},
            )
