"""Reports on exams: what a result message says, and which of two versions is the one that stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from bridge.domain.identifiers import EntityIdentifier
from bridge.domain.order import Code
from bridge.domain.patient import PatientDraft

# A report that names no code of its own. Source: LOINC 18748-4 (11528-7 is deprecated).
IMAGING_REPORT = Code("18748-4", "LN", "Diagnostic imaging study")


class ReportStatus(StrEnum):
    """Where a report stands, in the words of FHIR's DiagnosticReport.status. Source: HL7 tables 0123, 0085."""

    REGISTERED = "registered"
    PARTIAL = "partial"
    PRELIMINARY = "preliminary"
    FINAL = "final"
    AMENDED = "amended"
    CORRECTED = "corrected"
    APPENDED = "appended"
    CANCELLED = "cancelled"
    ENTERED_IN_ERROR = "entered-in-error"
    UNKNOWN = "unknown"


# A person has signed it: the exam was done, and the text may support a claim.
SIGNED = frozenset({ReportStatus.FINAL, ReportStatus.AMENDED, ReportStatus.CORRECTED, ReportStatus.APPENDED})
# Taken back: who read it must learn so, but nobody is shown its text as a result any more.
WITHDRAWN = frozenset({ReportStatus.CANCELLED, ReportStatus.ENTERED_IN_ERROR})
_DRAFTED = frozenset({ReportStatus.REGISTERED, ReportStatus.PARTIAL, ReportStatus.PRELIMINARY, ReportStatus.UNKNOWN})

# Which status a newer version may bring: what was signed becomes no draft again, whatever the clocks of a resend say.
_MAY_FOLLOW: Mapping[ReportStatus, frozenset[ReportStatus]] = {
    **dict.fromkeys(_DRAFTED | WITHDRAWN, frozenset(ReportStatus)),
    **dict.fromkeys(SIGNED, SIGNED | WITHDRAWN),
}


class Said(NamedTuple):
    """When a version was issued (OBR-22, else MSH-7), and when it was sent (MSH-7): what tells the newer of two."""

    issued_at: datetime
    sent_at: datetime


def takes_over(now: ReportStatus, said: Said, then: ReportStatus, then_said: Said) -> bool:
    """
    Say whether a version that comes takes the place of the one that stands.

    now, said: of the one that stands; then, then_said: of the one that comes. Of two that were said at the same moment
    the later to arrive wins, but a draft never takes over from what was signed.
    """
    return then_said >= said and then in _MAY_FOLLOW[now]


@dataclass(frozen=True, slots=True)
class ReportSection:
    """A part of a report's text. title: "Findings", "" for text under no heading; text: its lines, with CR LF between."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class ReportDocument:
    """A document that came inside the message (ED). digest: SHA-256 of its bytes, the name under which they are kept."""

    title: str
    content_type: str
    size_bytes: int
    digest: str
    key: int = 0


@dataclass(frozen=True, slots=True)
class ReportContent:
    """
    What one version of a report says.

    issued_at: when this version was (OBR-22). observed_local: "YYYYMMDDHHMMSS" of the exam as the hospital's clock says.
    interpreters: PN strings, the first is responsible. links: addresses that the sender named; never followed.
    """

    status: ReportStatus
    code: Code = IMAGING_REPORT
    title: str = ""
    issued_at: datetime | None = None
    observed_local: str = ""
    observed_at: datetime | None = None
    interpreters: tuple[str, ...] = ()
    sections: tuple[ReportSection, ...] = ()
    documents: tuple[ReportDocument, ...] = ()
    links: tuple[str, ...] = ()

    @property
    def impression(self) -> str:
        """The conclusion, "" if no section is headed so."""
        return "\r\n".join(section.text for section in self.sections if section.title == IMPRESSION)


# The heading under which FHIR's conclusion and a payer's reader look.
IMPRESSION = "Impression"


@dataclass(frozen=True, slots=True)
class ReportNumbers:
    """Every number that ties a report to its exam. sr_instance_uid: of the same report as a DICOM object."""

    accession: EntityIdentifier = field(default_factory=EntityIdentifier)
    placer_order_number: EntityIdentifier = field(default_factory=EntityIdentifier)
    filler_order_number: EntityIdentifier = field(default_factory=EntityIdentifier)
    study_instance_uid: str = ""
    sr_instance_uid: str = ""

    @property
    def identity(self) -> str:
        """What makes two messages speak of one report, "" if nothing does: its filler number before all others."""
        for kind, number in (
            ("filler", self.filler_order_number),
            ("placer", self.placer_order_number),
            ("accession", self.accession),
        ):
            if number:
                return f"{kind}|{number.issuer}|{number.value}"
        return f"study|{self.study_instance_uid}" if self.study_instance_uid else ""


@dataclass(frozen=True, slots=True)
class ReportDraft:
    """
    What one OBR group of a result message says. where: "OBR[2]".

    may_wait: where no order is known for it, it is kept until one comes; else it stays in the journal alone. files: the
    bytes of its documents, by digest.
    """

    patient: PatientDraft
    numbers: ReportNumbers
    content: ReportContent
    may_wait: bool = False
    where: str = "OBR"
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Report:
    """
    A report as it stands. patient_key, order_key: None while it waits for its exam; waits_for: why, in words.

    content: of its version number `current`; others may have come after it, with older news. patient: whom its sender
    named. updated_at: when we last heard something about it.
    """

    key: int
    numbers: ReportNumbers
    patient: PatientDraft
    content: ReportContent
    current: int
    said: Said
    patient_key: int | None = None
    order_key: int | None = None
    waits_for: str = ""
    is_test: bool = False
    updated_at: datetime | None = None
    version: int = 1

    @property
    def is_withdrawn(self) -> bool:
        return self.content.status in WITHDRAWN

    @property
    def is_signed(self) -> bool:
        return self.content.status in SIGNED


@dataclass(frozen=True, slots=True)
class ReportVersion:
    """One thing that was said of a report. heard_at: when we heard it; message_key: where it was said."""

    number: int
    content: ReportContent
    said_at: datetime
    heard_at: datetime
    message_key: int | None = None
