"""Builds what fetches from servers that do not push, and what looks whether that which was published still stands."""

from __future__ import annotations

from datetime import timedelta

from bridge.building.targets import (
    fhir_client,
    payer_client,
)
from bridge.domain.chart import ORDER, PARTS
from bridge.flows.poll_authorizations import AuthorizationPoll
from bridge.flows.poll_orders import OrderPoll, PolledServer
from bridge.flows.take_evidence_request import EvidencePoll
from bridge.flows.watch_charts import ChartWatch
from bridge.outbox.enqueue import CDEX
from bridge.sections.fhir import FhirServer, OrdersPoll
from bridge.wiring import House

# How far back a payer is asked the first time: its answers are due within days.
_FIRST_LOOK_DAYS = 30


def chart_watch(house: House) -> ChartWatch:
    """Return what looks whether what was published still stands."""
    ours = {"ImagingStudy", *PARTS} - {ORDER}
    asked = [server for server in house.settings.fhir.servers if ours.intersection(server.publish)]
    readers = {server.name: fhir_client(server, house.clock) for server in asked}
    return ChartWatch(house.store, house.clock, readers, owner=house.node)


def order_poll(house: House) -> OrderPoll:
    """Return what fetches orders from the servers that do not push them."""
    asked = [(server, server.orders) for server in house.settings.fhir.servers]
    servers = [_polled(server, how, house) for server, how in asked if how is not None]
    return OrderPoll(house.store, house.clock, house.fhir_receiver, servers, owner=house.node)


def authorization_polls(house: House) -> list[AuthorizationPoll]:
    """Return what fetches requests for authorization, and the payers' answers, from the clinic's own servers."""
    asked = [(server, server.authorizations) for server in house.settings.fhir.servers]
    servers = [_polled(server, how, house) for server, how in asked if how is not None]
    return [
        AuthorizationPoll(
            house.store, house.clock, lambda: house.fhir_ground, servers, rules=house.rules, kind=kind, owner=house.node
        )
        for kind in ("Claim", "ClaimResponse")
        if servers
    ]


def evidence_polls(house: House) -> list[EvidencePoll]:
    """Return what asks payers which evidence they want."""
    asked = [one for one in house.settings.payers if CDEX in one.kind and one.base_url and one.requests_every_secs]
    servers = [
        PolledServer(
            one.name,
            payer_client(one, house.clock),
            every=timedelta(seconds=one.requests_every_secs),
            since=timedelta(days=_FIRST_LOOK_DAYS),
        )
        for one in asked
    ]
    return (
        [EvidencePoll(house.store, house.clock, servers, asked, rules=house.rules, owner=house.node)] if asked else []
    )


def _polled(server: FhirServer, how: OrdersPoll, house: House) -> PolledServer:
    return PolledServer(
        server.name,
        fhir_client(server, house.clock),
        how.query,
        timedelta(seconds=how.every_secs),
        timedelta(seconds=how.overlap_secs),
        timedelta(hours=how.since_hours),
    )
