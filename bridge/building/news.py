"""What looks for news, and what resources are made with, joined to one house."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bridge.domain.chart import PARTS
from bridge.domain.endpoints import LOOPBACK
from bridge.flows.export_resources import ExportDesk, ExportQueue
from bridge.flows.give_access import AccessDesk
from bridge.flows.notice_news import Audience, Hook, NewsWatch
from bridge.flows.subscribe import SubscriptionDesk
from bridge.flows.tell_charts import Takers
from bridge.leaving.resources import ServingHouse
from bridge.leaving.studies import house_of
from bridge.outbox.publisher import Publisher
from bridge.publishers.client_keys import PublishedKeys
from bridge.publishers.outside_post import OutsidePost, Reach
from bridge.publishers.subscriber import SubscriptionPublisher
from bridge.publishers.webhook import Hooked, WebhookPublisher
from bridge.web.fhir.export_pages import page_maker
from bridge.web.services import PeerDesks
from bridge.wiring import House


def news_watch(house: House) -> NewsWatch:
    """Return what finds out what is news, and whom it is told."""
    quiet = timedelta(seconds=house.settings.publish.study_quiet_secs)
    hooks = tuple(Hook(one.name, one.events) for one in house.settings.webhooks)
    return NewsWatch(
        house.store, house.clock, quiet, Audience(hooks, chart_takers(house)), owner=house.node, rules=house.rules
    )


def chart_takers(house: House) -> Takers:
    """Return the FHIR servers that take more of an exam than its studies, and what of it."""
    asked = {one.name: tuple(kind for kind in one.publish if kind in PARTS) for one in house.settings.fhir.servers}
    return {name: kinds for name, kinds in asked.items() if kinds}


def serving_house(house: House) -> ServingHouse:
    """Return what is the same for all resources that leave this house as its own server shows them."""
    settings = house.settings
    return ServingHouse(
        house_of(settings),
        house.public_url,
        settings.bridge.organization,
        timedelta(seconds=settings.publish.study_quiet_secs),
    )


def peer_desks(house: House) -> PeerDesks:
    """Return what other systems ask of us beside reading."""
    private = house.settings.fhir.subscriptions.private
    return PeerDesks(
        SubscriptionDesk(house.store, house.clock, private),
        ExportDesk(house.store, house.clock),
        AccessDesk(house.store, house.clock, PublishedKeys(house.clock).keys_at),
    )


def export_queue(house: House) -> ExportQueue:
    """Return what makes exports."""
    return ExportQueue(house.store, house.clock, page_maker(house.settings, house.clock), owner=house.node)


def telling_publishers(house: House) -> list[Publisher[Any, Any]]:
    """Return what tells subscriptions and webhooks."""
    post = OutsidePost(house.clock, Reach(house.settings.fhir.subscriptions.private))
    subscriber = SubscriptionPublisher(post, serving_house(house), house.clock)
    return [subscriber, WebhookPublisher(_hooks(house), house.clock)]


def _hooks(house: House) -> dict[str, Hooked]:
    """Return the webhooks of the settings; one may lie on this machine, and in a network of ours where that is said."""
    everywhere = ("0.0.0.0/0", "::/0")
    return {
        one.name: Hooked(
            one.url,
            one.secret.get_secret_value(),
            OutsidePost(house.clock, Reach(everywhere if one.private else LOOPBACK)),
            one.timeout_secs,
        )
        for one in house.settings.webhooks
    }
