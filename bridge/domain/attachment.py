"""What is attached to an authorization, in which way, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bridge.domain.narrative import control_number
from bridge.domain.study import Study
from bridge.errors import Conflict


class AttachmentKind(StrEnum):
    """How a study reaches an authorization. The first three need no release."""

    CLAIM = "claim"
    PDF = "pdf"
    NARRATIVE = "narrative"
    CDEX = "cdex"
    PAS = "pas"
    X12_275 = "x12-275"


# What a payer gets: a packet is put together, a person looks at it, and lets it go.
TO_PAYER = frozenset({AttachmentKind.CDEX, AttachmentKind.PAS, AttachmentKind.X12_275})
HAS_PACKET = TO_PAYER | {AttachmentKind.PDF}


# How a line says in which way images were attached.
WAY_WORDS = {
    AttachmentKind.CLAIM: "as a reference on the claim",
    AttachmentKind.PDF: "as a packet",
    AttachmentKind.NARRATIVE: "as text for the claim",
    AttachmentKind.CDEX: "to the payer, by CDex",
    AttachmentKind.PAS: "to the payer, with its request",
    AttachmentKind.X12_275: "to the payer, by clearinghouse",
}


class AttachmentState(StrEnum):
    """draft waits for a release; review: the binding under it changed; sent: the other side has it."""

    DRAFT = "draft"
    REVIEW = "review"
    RELEASED = "released"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ClaimAttachment:
    """
    One study on one authorization, one way. binding_version: the study's when it was attached. payer: to whom, "" for its own.

    shared_at, shared_because: since when and why its payer may look at the whole study, None and "" if it may not.
    """

    key: int
    authorization_key: int
    study_key: int
    kind: AttachmentKind
    state: AttachmentState
    binding_version: int
    reference: str = ""
    detail: str = ""
    attached_by: str = ""
    attached_at: datetime | None = None
    instances: tuple[str, ...] = ()
    payer: str = ""
    shared_at: datetime | None = None
    shared_because: str = ""


def purpose_of_use(kind: AttachmentKind) -> str:
    """Return what an attachment is disclosed for: a claim's text goes with the claim. Source: HL7 v3-ActReason."""
    return "CLMATTCH" if kind == AttachmentKind.NARRATIVE else "COVAUTH"


def check_attach(study: Study, survivor_of_authorization: int) -> None:
    """
    Refuse what must not be attached.

    survivor_of_authorization: the live patient at the end of the authorization's patient's merges.
    Raises: Conflict for an unbound study or another patient's.
    """
    if not study.is_bound:
        raise Conflict("the study is not bound to a patient yet", code="study_unbound", where="study_instance_uid")
    if study.patient_key != survivor_of_authorization:
        raise Conflict("the study is another patient's", code="other_patient", where="study_instance_uid")


def control_number_of(authorization_key: int, study_instance_uid: str) -> str:
    """Return the number by which a payer finds a study's attachment: the same in every way out, and whenever it goes."""
    return control_number("attachment", authorization_key, study_instance_uid)
