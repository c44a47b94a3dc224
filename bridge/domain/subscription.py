"""Who asked to be told of what: topics, filters, and the states of a subscription. Source: FHIR R5 Subscription, R4 backport."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class SubscriptionState(StrEnum):
    """requested waits for its handshake; error is tried again; off is told nothing more."""

    REQUESTED = "requested"
    ACTIVE = "active"
    ERROR = "error"
    OFF = "off"


class NotificationContent(StrEnum):
    """How much a notification says of what it is about."""

    EMPTY = "empty"
    ID_ONLY = "id-only"
    FULL_RESOURCE = "full-resource"


STUDY_AVAILABLE = "imagingstudy-available"
STUDY_CHANGED = "imagingstudy-changed"
ORDER_STATUS = "order-status"
PRIOR_AUTH_RESULT = "prior-auth-result"
AUTHORIZATION_WARNING = "authorization-warning"


@dataclass(frozen=True, slots=True)
class Topic:
    """Something that can be asked for. resource: what it is about. filters: the parameters that narrow it."""

    name: str
    title: str
    description: str
    resource: str
    filters: tuple[str, ...]
    interactions: tuple[str, ...] = ("create", "update")


TOPICS: Mapping[str, Topic] = {
    one.name: one
    for one in (
        Topic(
            STUDY_AVAILABLE,
            "A study is available",
            "A study is bound to its patient and complete, for the first time or again.",
            "ImagingStudy",
            ("patient", "modality"),
        ),
        Topic(
            STUDY_CHANGED,
            "A study has changed",
            "A study became available, has other content, was cancelled, or was entered in error.",
            "ImagingStudy",
            ("patient", "status", "modality"),
        ),
        Topic(
            ORDER_STATUS,
            "An order has moved",
            "An imaging order came, was started, completed, held, discontinued or cancelled.",
            "ServiceRequest",
            ("patient", "status"),
        ),
        Topic(
            PRIOR_AUTH_RESULT,
            "A payer has answered",
            "A payer's authorization for an exam is known, or is known otherwise than before.",
            "ClaimResponse",
            ("patient",),
        ),
        Topic(
            AUTHORIZATION_WARNING,
            "An exam and its authorization do not agree",
            "Something stands between an exam and its authorization, or no longer does; a request is due, or a grant ends soon.",
            "ClaimResponse",
            ("patient",),
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Filter:
    """One thing that must hold. values: any of them will do; of a patient, rows as text."""

    parameter: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class News:
    """
    Something that happened to one resource. status: the resource's, as FHIR says it. patient_key: whose it is, or was.

    focus_id: the resource's id on our own server. modalities: of a study.
    """

    key: int
    at: datetime
    topic: str
    focus_type: str
    focus_id: str
    status: str
    patient_key: int | None = None
    study_key: int | None = None
    order_key: int | None = None
    modalities: tuple[str, ...] = ()

    @property
    def focus(self) -> str:
        """The resource's relative reference."""
        return f"{self.focus_type}/{self.focus_id}"


@dataclass(frozen=True, slots=True)
class Channel:
    """
    Where notifications go, and how. headers: (name, value); a value is a secret, and is shown to nobody.

    heartbeat_secs: 0 for none. timeout_secs: how long an answer is waited for. max_count: news in one notification.
    """

    endpoint: str
    headers: tuple[tuple[str, str], ...] = ()
    content: NotificationContent = NotificationContent.ID_ONLY
    heartbeat_secs: int = 0
    timeout_secs: int = 0
    max_count: int = 1


@dataclass(frozen=True, slots=True)
class SubscriptionDraft:
    """What somebody asks for. resource: as it was sent, without what is secret."""

    release: str
    topic: str
    filters: tuple[Filter, ...]
    channel: Channel
    ends_at: datetime | None
    is_off: bool
    resource: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Subscription:
    """
    One subscription as it stands. owner: the credential that made it ("token:5"); it ends with it.

    told: how many news it was told, or would have been; delivered: the number of the last one that arrived.
    failures: in a row. activated_at: of the first handshake; sent_at: of the last notification.
    """

    key: int
    version: int
    state: SubscriptionState
    draft: SubscriptionDraft
    owner: str
    owner_name: str
    told: int = 0
    delivered: int = 0
    failures: int = 0
    error: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    activated_at: datetime | None = None
    sent_at: datetime | None = None

    def state_at(self, now: datetime) -> SubscriptionState:
        """Return its state, off once its time has ended."""
        ends_at = self.draft.ends_at
        return SubscriptionState.OFF if ends_at is not None and ends_at <= now else self.state


def fits(news: News, filters: tuple[Filter, ...], patient_keys: frozenset[str]) -> bool:
    """Say whether *news* pass every filter. patient_keys: every record of the patient whom they are about, as text."""
    said = {
        "patient": patient_keys,
        "status": frozenset((news.status,)),
        "modality": frozenset(news.modalities),
    }
    return all(said[one.parameter] & frozenset(one.values) for one in filters)
