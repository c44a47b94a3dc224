"""What a person split into two is not given to one patient by a rule again: two of one header are told apart by nobody else."""

from __future__ import annotations

from dataclasses import replace

from bridge.domain.evidence import identity_of
from bridge.domain.study import Study
from bridge.domain.verdict import Outcome, Verdict
from bridge.store import patients, splits, studies
from bridge.store.db import ReadTx


def question_part(tx: ReadTx, study: Study, verdict: Verdict) -> Verdict:
    """
    Return *verdict*, or one that asks a person, if *study* is part of a split that speaks against it.

    It does where the other part is that patient's, or was and says the same.
    """
    if not verdict.binds:
        return verdict
    for split in splits.of_study(tx, study.key):
        if split.joined_at is not None:
            continue
        other = studies.get(tx, split.study_key if split.new_study_key == study.key else split.new_study_key)
        if verdict.patient_key in _whose(tx, study, other):
            return replace(
                verdict,
                outcome=Outcome.REVIEW,
                rule="V02",
                sentence="Held (V02): a person parted it from images that are, or were, the same patient's by rule.",
                patient_key=None,
                order_key=None,
                preselect=False,
            )
    return verdict


def _whose(tx: ReadTx, study: Study, other: Study) -> set[int]:
    keys = {other.patient_key}
    if identity_of(other.received) == identity_of(study.received):
        keys.add(other.held_from_patient_key)
    return {patients.survivor(tx, key).key for key in keys if key is not None}
