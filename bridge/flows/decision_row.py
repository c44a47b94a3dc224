"""A decision as it is kept: everything it rested on, so that nothing else is needed to see why an image is in a chart."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from bridge.domain.study import Study
from bridge.domain.verdict import Verdict
from bridge.store import decisions
from bridge.store.db import ReadTx
from bridge.store.decisions import Decision


def decision_of(tx: ReadTx, study: Study, verdict: Verdict, actor: str, reason: str, at: datetime) -> Decision:
    """Return the row that says what was decided about *study*, by whom, and on what grounds."""
    before = decisions.of_study(tx, study.key)
    return Decision(
        study_key=study.key,
        decided_at=at,
        actor=actor,
        outcome=verdict.outcome.value,
        rule=verdict.rule,
        sentence=verdict.sentence,
        patient_key=verdict.patient_key,
        order_key=verdict.order_key,
        evidence=[asdict(row) for row in verdict.evidence],
        differences=[asdict(one) for one in verdict.differences],
        candidates=[asdict(one) for one in verdict.candidates],
        snapshot=_snapshot(verdict),
        reason=reason,
        supersedes=before[0].key if before else None,
        binding_version=study.binding_version,
    )


def _snapshot(verdict: Verdict) -> dict[str, Any]:
    return {
        "values": {part: dict(values) for part, values in verdict.snapshot.items()},
        "vetoes_tried": list(verdict.vetoes_tried),
        "linked_order_keys": list(verdict.linked_order_keys),
        "notes": list(verdict.notes),
        "release": verdict.release,
        "preselect": verdict.preselect,
        "two_person": verdict.two_person,
        "concerns": list(verdict.concerns),
        "rules_version": verdict.rules_version,
    }
