"""Notes of whoever ordered an exam, as document messages bring them, and which of two that were said stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bridge.domain.identifiers import EntityIdentifier
from bridge.domain.order import Code
from bridge.domain.patient import PatientDraft
from bridge.domain.report import ReportDocument, ReportSection


class NoteStatus(StrEnum):
    """Where a note stands. final: somebody has signed it. Source: HL7 tables 0271, 0273."""

    PRELIMINARY = "preliminary"
    FINAL = "final"
    WITHDRAWN = "withdrawn"


class Relation(StrEnum):
    """What a note is to the one that it names as its parent (TXA-13)."""

    NONE = "none"
    ADDENDUM = "addendum"
    REPLACEMENT = "replacement"


# Completion (TXA-17) of what somebody has signed: authenticated, legally authenticated.
SIGNED = frozenset({"AU", "LA"})
# Availability (TXA-19) of what is not to be used: cancelled, obsolete, unavailable.
GONE = frozenset({"CA", "OB", "UN"})


def takes_over(now: NoteStatus, said_at: datetime, then: NoteStatus, then_at: datetime) -> bool:
    """Say whether a version that comes takes the place of the one that stands: newer, and no draft of what was signed."""
    return then_at >= said_at and not (now == NoteStatus.FINAL and then == NoteStatus.PRELIMINARY)


@dataclass(frozen=True, slots=True)
class NoteContent:
    """
    What a version of a note says. kind: as tables.office_note calls its type, "" for a document that is none.

    written_local: "YYYYMMDDHHMMSS" of the visit that it is about as the hospital's clock says, "" where nobody said when.
    author: a PN.
    """

    kind: str
    code: Code
    status: NoteStatus
    written_local: str = ""
    written_at: datetime | None = None
    author: str = ""
    sections: tuple[ReportSection, ...] = ()
    documents: tuple[ReportDocument, ...] = ()


@dataclass(frozen=True, slots=True)
class NoteDraft:
    """What a document message says. number: its own; parent: of the one it adds to or replaces. files: bytes by digest."""

    patient: PatientDraft
    number: EntityIdentifier
    content: NoteContent
    parent: EntityIdentifier = field(default_factory=EntityIdentifier)
    relation: Relation = Relation.NONE
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)


def identity_of(number: EntityIdentifier) -> str:
    """Return what makes two messages speak of one note of one person, "" for no number."""
    return f"{number.issuer}|{number.value}" if number else ""


@dataclass(frozen=True, slots=True)
class ClinicalNote:
    """A note as it stands. patient: whom its sender named; patient_key: who that was when it came, None if nobody knew."""

    key: int
    identity: str
    patient: PatientDraft
    content: NoteContent
    said_at: datetime
    parent: str = ""
    relation: Relation = Relation.NONE
    patient_key: int | None = None
    is_test: bool = False
