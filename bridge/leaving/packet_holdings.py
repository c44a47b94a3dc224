"""What a packet holds of a person beside the study that it is about, and what of it is somebody else's by now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Protocol

from bridge.domain.reconcile_rules import ReconcileRules
from bridge.store import clinical_notes, lab_results, patients, reports, studies
from bridge.store.db import ReadTx


class Held(StrEnum):
    """A kind of what a packet holds. STUDY: a prior one that it lists."""

    REPORT = "report"
    NOTE = "note"
    LAB = "lab"
    STUDY = "study"


_WORDS = {Held.REPORT: "a report", Held.NOTE: "an office note", Held.LAB: "a lab result", Held.STUDY: "a prior study"}


class Keyed(Protocol):
    """Anything that has a row."""

    @property
    def key(self) -> int: ...


def holdings(kind: Held, found: Iterable[Keyed]) -> tuple[str, ...]:
    """Return how a packet names what it holds of a kind: "report/7"."""
    return tuple(f"{kind.value}/{one.key}" for one in found)


def others_in(tx: ReadTx, holds: Iterable[str], owner: int, rules: ReconcileRules) -> str:
    """
    Return in words what of *holds* is not the live patient *owner*'s, or is in doubt, "" if all is theirs.

    What is kept no more is nobody's to ask about.
    """
    rows: dict[Held, list[int]] = {}
    for one in holds:
        kind, _, key = one.partition("/")
        rows.setdefault(Held(kind), []).append(int(key))
    found = [
        _WORDS[kind] for kind, keys in rows.items() if any(o != owner for o in _owners(tx, kind, keys, rules).values())
    ]
    return " and ".join(found)


def _owners(tx: ReadTx, kind: Held, keys: Sequence[int], rules: ReconcileRules) -> Mapping[int, int | None]:
    """Return whose each row is now, None for nobody's; rows that are gone are left out."""
    if kind == Held.NOTE:
        return clinical_notes.owners(tx, keys, rules)
    if kind == Held.LAB:
        return lab_results.owners(tx, keys, rules)
    if kind == Held.REPORT:
        filed = {one.key: one.patient_key for one in reports.get_many(tx, keys)}
    else:
        filed = {one.key: one.patient_key if one.is_bound else None for one in studies.many(tx, keys)}
    return {key: patients.survivor(tx, one).key if one is not None else None for key, one in filed.items()}
