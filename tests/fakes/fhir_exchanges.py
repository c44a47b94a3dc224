"""What is sent around resources: subscriptions, notifications, topics, a page of a search, requests to payers, evidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from bridge.codecs.fhir import notification, pas_bundle, server, subscription, telling
from bridge.codecs.fhir.cdex_parameters import CLAIM, CdexAttachment, parameters
from bridge.codecs.fhir.notification import Notice, NotificationKind
from bridge.domain.subscription import (
    STUDY_CHANGED,
    TOPICS,
    Channel,
    Filter,
    News,
    NotificationContent,
    Subscription,
    SubscriptionDraft,
    SubscriptionState,
)
from tests.fakes.fhir_samples import everything
from tests.fakes.pas_samples import evidence, submission, system_of

Json = dict[str, Any]

_AT = datetime(2026, 3, 2, 15, 30, tzinfo=UTC)
_BASE = "https://bridge.example.org/fhir/"
_NEWS = News(4, _AT, STUDY_CHANGED, "ImagingStudy", "a1", "available", 7, 1, modalities=("CT",))


def exchanges(version: str) -> Iterator[Json]:
    """Yield one of each kind. version: "R4" or "R5"."""
    release = version.lower()
    base = _BASE + release
    for state in SubscriptionState:
        yield subscription.written(_subscription(release, state), base, _AT)
    for topic in TOPICS.values():
        if version == "R5":
            yield notification.topic_resource(topic, base, release, "2026-03-02")
    for kind in NotificationKind:
        for content in NotificationContent:
            yield from _notices(release, kind, content)
    report = next(one for one in everything(version) if one["resourceType"] == "DiagnosticReport") | {"id": "1"}
    outcome = server.operation_outcome("informational", "one was passed over", "information")
    yield server.searchset(base, [report], 1, {"self": f"{base}/DiagnosticReport"}, outcome=outcome)
    if version == "R4":
        yield from _to_payers()


def _to_payers() -> Iterator[Json]:
    yield pas_bundle.request(submission(), system_of)
    yield pas_bundle.request(submission(is_update=True, known=frozenset({"OLDONE"})), system_of)
    yield pas_bundle.request(submission(is_update=True, cancelled=frozenset({1, 2}), evidence=()), system_of)
    yield pas_bundle.inquiry(submission(), system_of)
    unasked = CdexAttachment(
        "ABCD1234EFGH5678",
        "W1122",
        (evidence(),),
        organization_npi="1003000126",
        payer_id="60054",
        service_on="20260310",
    )
    asked = replace(unasked, tracking_id="PAYER-77", tracking_system="urn:payer:tracking", lines=(1, 3), is_final=False)
    yield from map(parameters, (unasked, asked, replace(unasked, attach_to=CLAIM)))
    yield telling.subscription("1003000126", "https://bridge.example.org/told", "secret", 3600)
    yield telling.change_subscription("ClaimResponse?use=claim", "https://bridge.example.org/changed", "secret")


def _notices(release: str, kind: NotificationKind, content: NotificationContent) -> Iterator[Json]:
    resource = {"resourceType": "Basic", "id": "a1", "code": {"text": "stands for the study"}}
    for state in (SubscriptionState.ACTIVE, SubscriptionState.ERROR):
        one = _subscription(release, state, content)
        resources = {_NEWS.focus: resource} if content == NotificationContent.FULL_RESOURCE else {}
        numbered = [(3, _NEWS)] if kind in (NotificationKind.EVENT, NotificationKind.QUERY_EVENT) else []
        number = "5d0e7f5c-3c39-4a55-9f6e-0d7f6d2f2b11"
        yield notification.bundle(Notice(kind, one, state, _BASE + release, _AT, number, numbered, resources, content))


def _subscription(
    release: str, state: SubscriptionState, content: NotificationContent = NotificationContent.ID_ONLY
) -> Subscription:
    channel = Channel("https://ehr.example.org/told", (("Authorization", "secret"),), content, 600, 20, 5)
    filters = (Filter("patient", ("7",)), Filter("status", ("available",)))
    draft = SubscriptionDraft(release, STUDY_CHANGED, filters, channel, datetime(2027, 1, 1, tzinfo=UTC), False)
    error = "503" if state == SubscriptionState.ERROR else ""
    return Subscription(5, 2, state, draft, "token:5", "ehr", 3, 2, 1, error, _AT, _AT, _AT, _AT)
