"""A person parts two records that were merged: everything goes back, and every study it touches is looked at again."""

from __future__ import annotations

from bridge.clock import Clock
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.errors import Incomplete
from bridge.flows.announce import Destinations
from bridge.flows.decide_study import Deciding, decide_touched
from bridge.flows.file_report import ReportNews, look_again
from bridge.flows.merge_patients import part_patients
from bridge.flows.refresh_worklist import refresh_worklist_of_patient
from bridge.flows.register_patient import News
from bridge.store import audit, merges, reports, studies
from bridge.store.db import Store, lock


class MergeUndoer:
    """Undoes merges."""

    def __init__(self, store: Store, clock: Clock, rules: ReconcileRules, destinations: Destinations) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules
        self._destinations = destinations

    def undo(self, merge_key: int, reason: str, actor: str) -> None:
        """
        Take the merge in row *merge_key* back.

        Raises: LookupError, if there is none; Conflict, if it cannot be taken back any more; Incomplete without reason.
        """
        if not reason.strip():
            raise Incomplete("say why", code="missing", where="reason")
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity")
            merge = merges.get(tx, merge_key)
            part_patients(tx, merge, now)
            merges.mark_undone(tx, merge_key, now, actor, reason)
            both = (merge.retired_key, merge.survivor_key)
            filed = [report for key in both for report in reports.of_patient(tx, key)]
            look_again(tx, filed, ReportNews(News("undo", now, now), self._rules, actor, source_kind="user"))
            how = Deciding(self._rules, self._destinations, now, cause=actor)
            for patient_key in both:
                refresh_worklist_of_patient(tx, patient_key)
                decide_touched(tx, studies.of_patient(tx, patient_key), how)
            audit.add(
                tx,
                at=now,
                action="merge_undone",
                actor=actor,
                patient_key=merge.retired_key,
                detail={"merge": merge_key},
            )
