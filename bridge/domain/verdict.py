"""What was decided about a study, with everything a person or an auditor needs to see why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bridge.domain.study import Difference


class Outcome(StrEnum):
    """Only the first two may be published."""

    BIND = "BIND"
    BIND_WITH_CORRECTION = "BIND_WITH_CORRECTION"
    REVIEW = "REVIEW"
    QUARANTINE = "QUARANTINE"


BINDS = frozenset({Outcome.BIND, Outcome.BIND_WITH_CORRECTION})


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """One piece of evidence. weight: its part of the score. detail holds patient data: never log it."""

    name: str
    weight: int
    detail: str


@dataclass(frozen=True, slots=True)
class ComparedValue:
    """One line of the table a coordinator reads: the header's value, the record's, and how they compare."""

    keyword: str
    received: str
    record: str
    grade: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """Someone the study may belong to. order_key: the order of theirs that a key names, None if none does."""

    patient_key: int
    order_key: int | None
    score: int
    why: str
    compared: tuple[ComparedValue, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    A decision, not yet recorded.

    rule: the bind rule or the veto. linked_order_keys: further orders the study belongs to. sentence: for a
    coordinator; release: what would let the study go. vetoes_tried: in order, the last one held it if it did.
    preselect: False where no candidate may be chosen beforehand. two_person: the review needs two people.
    concerns: what speaks against the binding by a key; `reconsider` holds a study only for a new one.
    snapshot: the values used, by "header", "patient" and "order", for the decision record.
    """

    outcome: Outcome
    rule: str
    sentence: str
    patient_key: int | None = None
    order_key: int | None = None
    linked_order_keys: tuple[int, ...] = ()
    evidence: tuple[EvidenceRow, ...] = ()
    differences: tuple[Difference, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    vetoes_tried: tuple[str, ...] = ()
    preselect: bool = True
    two_person: bool = False
    release: str = ""
    concerns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    rules_version: str = ""
    snapshot: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def binds(self) -> bool:
        return self.outcome in BINDS
