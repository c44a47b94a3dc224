"""What a chart has of an exam, version by version: whose versions they are, and why each came to be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

# The name, among those of the servers that we write to, of what we serve ourselves.
OWN = "served here"
# A resource in one of these states is in nobody's chart any more.
ENDED = frozenset({"entered-in-error", "cancelled"})

# What a chart has of an exam beside its studies: by what it is in FHIR.
PROCEDURE = "Procedure"
REPORT = "DiagnosticReport"
DOCUMENT = "DocumentReference"
ORDER = "ServiceRequest"
SELECTION = "ImagingSelection"
# The way to the images, the same for every study of a server.
WAY = "Endpoint"
PARTS = (PROCEDURE, REPORT, DOCUMENT, SELECTION, ORDER)


class Part(NamedTuple):
    """
    A thing of an exam beside its images that charts have a resource of.

    kind: one of PARTS. key: its row; a document's is its report's, and digest tells which.
    """

    kind: str
    key: int
    digest: str = ""

    @property
    def name(self) -> str:
        """What it is called where rows and people name it: "DiagnosticReport:5"."""
        return ":".join(one for one in (self.kind, str(self.key), self.digest) if one)

    @property
    def may_be_withdrawn(self) -> bool:
        """Whether it is ours to take out: an order is the EHR's own, and has only its status from us."""
        return self.kind != ORDER

    @property
    def rests_on(self) -> tuple[Part, ...]:
        """The parts that take it with them out of a chart: itself, and of a document its report."""
        return (self, Part(REPORT, self.key)) if self.kind == DOCUMENT else (self,)


def part_named(name: str) -> Part:
    """Return the part of this name. Raises: LookupError, if it is no part's."""
    kind, key, digest = (*name.split(":"), "", "")[:3]
    if kind not in PARTS or not key.isdecimal() or len(key) > 18:
        raise LookupError("no such part of a chart")
    return Part(kind, int(key), digest)


class Cause(StrEnum):
    """What made a version: a rule decided, a person did, something happened to the exam, or the server did it."""

    RULE = "rule"
    PERSON = "person"
    EVENT = "event"
    DELIVERY = "delivery"


@dataclass(frozen=True, slots=True)
class Why:
    """Why a version came to be. by: a rule code, "user:<name>", a server; words: a sentence, "" where *by* says it all."""

    cause: Cause
    by: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Whose:
    """
    Whom and what a version is about. binding_version: of the study, when it was written.

    study_instance_uid: of a study that no image was here of, "" for every other.
    """

    study_key: int | None = None
    patient_key: int | None = None
    order_key: int | None = None
    binding_version: int = 0
    study_instance_uid: str = ""


@dataclass(frozen=True, slots=True)
class ChartVersion:
    """
    One version of one resource, without what it says.

    server: whose chart, OWN for what we serve ourselves. reference: "ImagingStudy/7", as that server calls it. number:
    ours, from 1 for each resource, without gaps; server_version: what the server calls it, "" where it does not say.
    subject: the patient's reference in it. has_content: what it says is still kept.
    """

    key: int
    server: str
    resource_type: str
    reference: str
    number: int
    server_version: str
    at: datetime
    status: str
    subject: str
    whose: Whose
    why: Why
    digest: str
    has_content: bool

    @property
    def resource_id(self) -> str:
        return self.reference.partition("/")[2]

    @property
    def is_ended(self) -> bool:
        """Whether it is in nobody's chart any more."""
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class ChartWithdrawal:
    """
    A person took a study, or one part of an exam, out of every chart. taken_back_at: None while that stands.

    study_key: None where it is of a part alone, or of a study that no image is here of (its study_instance_uid says which);
    of_work: the part's name, "" for a study with all that rests on it.
    """

    key: int
    study_key: int | None
    of_work: str
    study_instance_uid: str
    made_at: datetime
    made_by: str
    reason: str
    taken_back_at: datetime | None = None
    taken_back_by: str = ""
    taken_back_reason: str = ""

    @property
    def stands(self) -> bool:
        return self.taken_back_at is None
