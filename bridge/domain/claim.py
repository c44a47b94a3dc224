"""Authorizations and what may be attached to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

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


class AttachmentState(StrEnum):
    """draft waits for a release; review: the binding under it changed; sent: the other side has it."""

    DRAFT = "draft"
    REVIEW = "review"
    RELEASED = "released"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class AuthorizationLine:
    """One procedure that was asked for. code: CPT or HCPCS."""

    code: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Authorization:
    """
    A payer's permission for a patient's exam, by its number. order_key: the order that named it, None if none did.

    source: "order" or the user who typed it. policy_level: it came from the insurance segment, not from the order.
    """

    key: int
    number: str
    payer_id: str
    payer_name: str
    patient_key: int
    order_key: int | None = None
    member_id: str = ""
    lines: tuple[AuthorizationLine, ...] = ()
    effective_on: str = ""
    expires_on: str = ""
    policy_level: bool = False
    source: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ClaimAttachment:
    """One study on one authorization, one way. binding_version: the study's when it was attached."""

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


def check_attach(authorization: Authorization, study: Study, survivor_of_authorization: int) -> None:
    """
    Refuse what must not be attached.

    survivor_of_authorization: the live patient at the end of the authorization's patient's merges.
    Raises: Conflict for an unbound study or another patient's.
    """
    if not study.is_bound:
        raise Conflict("the study is not bound to a patient yet", code="study_unbound", where="study_instance_uid")
    if study.patient_key != survivor_of_authorization:
        raise Conflict("the study is another patient's", code="other_patient", where="study_instance_uid")
