"""What a person split into two is not given to one patient by a rule again: two of one header are told apart by nobody else.

Nor is what comes later under such a header: a device goes on sending a series under the one that it knows.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bridge.domain.evidence import identity_of, identity_written
from bridge.domain.study import Header, Study
from bridge.domain.verdict import Outcome, Verdict
from bridge.store import decisions, patients, splits, studies
from bridge.store.db import ReadTx
from bridge.store.splits import LateSeries


def question_part(tx: ReadTx, study: Study, verdict: Verdict) -> Verdict:
    """
    Return *verdict*, or one that asks a person, if *study* is part of a split that speaks against it.

    It does where the other part is that patient's, or was and says the same, and while late images leave open whose it is.
    """
    if not verdict.binds:
        return verdict
    parts = other_parts(tx, study)
    if parts and holds_late(tx, study):
        return _asking(verdict, f"Held (V02): {_LATE}.")
    for other in parts:
        if verdict.patient_key in _whose(tx, study, other) or (not other.is_bound and holds_late(tx, other)):
            parted = "a person parted it from images that are, were or may be the same patient's by rule"
            return _asking(verdict, f"Held (V02): {parted}.")
    return verdict


def other_parts(tx: ReadTx, study: Study) -> list[Study]:
    """Return what a study was parted from, and what was split off it, and not joined again."""
    standing = (split for split in splits.of_study(tx, study.key) if split.joined_at is None)
    keys = (split.study_key if split.new_study_key == study.key else split.new_study_key for split in standing)
    return [studies.get(tx, key) for key in dict.fromkeys(keys)]


def question_late(tx: ReadTx, study: Study, header: Header, series_key: int) -> str:
    """
    Return why an image that has just come to a parted study asks whose it is, "" if it does not.

    A person is asked once for each series, by the first image after the split: what follows it, a later decision has seen.
    """
    come = next((one for one in splits.late_series(tx, study.key) if one.series_key == series_key), None)
    if come is None or come.late > 1 or not _is_doubtful(come, _is_alike(tx, study, header)):
        return ""
    return f"Held (V02): {_LATE}."


def question_shown(tx: ReadTx, study: Study) -> str:
    """Return why late images that a parted study shows for the first time ask whose they are, "" if they do not."""
    return f"Held (V02): {_LATE}." if holds_late(tx, study) else ""


_LATE = "an image came after a person had parted the study, and its header does not say of which part it is"


def holds_late(tx: ReadTx, study: Study, since: datetime | None = None) -> bool:
    """
    Say whether a study shows images that came after a person had parted it, and may be the other part's.

    since: when a decision was taken that has seen what had come by then.
    """
    come = splits.late_series(tx, study.key, since)
    is_alike = bool(come) and _is_alike(tx, study, study.received)
    return any(_is_doubtful(one, is_alike) for one in come)


def _is_doubtful(come: LateSeries, is_alike: bool) -> bool:
    """Say whether late images of a series may be another part's: its name is both parts', or all else of it went there."""
    return not come.is_whole and (is_alike or (come.split_off > 0 and not come.early))


def _is_alike(tx: ReadTx, study: Study, header: Header) -> bool:
    """Say whether a part of *study* names whom *header* names."""
    return any(_say_the_same(studies.get(tx, key).received, header) for key in splits.parts_of(tx, study.key))


def _say_the_same(one: Header, other: Header) -> bool:
    """Say whether two headers name the same person as they are read, or as they were written: a device may be read otherwise since."""
    return identity_of(one) == identity_of(other) or identity_written(one) == identity_written(other)


def _asking(verdict: Verdict, sentence: str) -> Verdict:
    return replace(
        verdict,
        outcome=Outcome.REVIEW,
        rule="V02",
        sentence=sentence,
        patient_key=None,
        order_key=None,
        preselect=False,
    )


def _whose(tx: ReadTx, study: Study, other: Study) -> set[int]:
    keys = {other.patient_key}
    if not other.is_bound and _say_the_same(other.received, study.received):
        was = decisions.last_binding(tx, other.key)
        keys.add(was.patient_key if was is not None else None)
    return {patients.survivor(tx, key).key for key in keys if key is not None}
