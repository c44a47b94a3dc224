"""
News as signed JSON to the addresses of the settings: ids alone, one request for each, tried again until it is taken.

The signature is HMAC-SHA256 over "<id>.<timestamp>.<body>", as Standard Webhooks 1.0 has it: `webhook-id` stays the same
for every try of the same news, so that a receiver can drop what it has; `webhook-timestamp` is this try's, so that a
copy of an old request is known by its age.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from bridge.clock import Clock
from bridge.domain.chart import ENDED
from bridge.domain.subscription import News
from bridge.leaving import resources
from bridge.outbox import enqueue
from bridge.outbox.publisher import Nothing, Parcel, Receipt, StillWanted
from bridge.publishers.outside_post import OutsidePost
from bridge.store import news, studies
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Hooked:
    """A webhook and how it is reached."""

    url: str
    secret: str
    post: OutsidePost
    answer_secs: float


@dataclass(frozen=True, slots=True)
class NewsParcel(Parcel):
    """One piece of news. study_instance_uid: of the study it is about, "" for none."""

    news: News
    study_instance_uid: str


class WebhookPublisher:
    """Tells every webhook of the settings, by its name."""

    topic = enqueue.WEBHOOK

    def __init__(self, hooks: Mapping[str, Hooked], clock: Clock) -> None:
        self._hooks = dict(hooks)
        self._clock = clock

    @property
    def destinations(self) -> tuple[str, ...]:
        return tuple(self._hooks)

    def prepare(self, tx: ReadTx, delivery: Delivery, now: datetime) -> NewsParcel | Nothing:
        """Collect the news."""
        found = news.get_many(tx, [enqueue.news_in(delivery) or 0])
        if not found:
            return Nothing("the news are forgotten")
        said = found[0]
        if said.study_key is None:
            return NewsParcel(delivery, None, 0, said, "")
        study = studies.get(tx, said.study_key)
        if said.status in ENDED:
            return NewsParcel(delivery, None, 0, said, study.study_instance_uid)
        if not resources.stands(tx, said):
            return Nothing("the study is in that chart no more")
        return NewsParcel(delivery, study.key, study.binding_version, said, study.study_instance_uid)

    def send(self, parcel: NewsParcel, still_wanted: StillWanted) -> Receipt:
        """Sign and post the news."""
        hook = self._hooks[parcel.delivery.destination]
        body = orjson.dumps(_body(parcel))
        message_id = f"news-{parcel.news.key}"
        timestamp = str(int(self._clock.now().timestamp()))
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": signature(hook.secret, message_id, timestamp, body),
        }
        still_wanted()
        hook.post.post(hook.url, body, headers, hook.answer_secs)
        return Receipt(f"{parcel.news.topic}: taken")

    def settled(self, tx: WriteTx, parcel: NewsParcel, receipt: Receipt, at: datetime) -> None:
        """The delivery's own row says it all."""

    def failed(self, tx: WriteTx, delivery: Delivery, detail: str, is_dead: bool, at: datetime) -> None:
        """The delivery's own row says it all."""


def signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """Return the value of `webhook-signature`. Source: Standard Webhooks 1.0; RFC 2104."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode("ascii")


def _body(parcel: NewsParcel) -> Json:
    said = parcel.news
    data: Json = {"reference": said.focus, "status": said.status}
    if parcel.study_instance_uid:
        data["study_instance_uid"] = parcel.study_instance_uid
    if said.patient_key is not None:
        data["patient"] = f"Patient/{said.patient_key}"
    return {"type": said.topic, "timestamp": said.at.isoformat(), "id": f"news-{said.key}", "data": data}
