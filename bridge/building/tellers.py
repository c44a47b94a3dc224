"""Builds who is to tell us by itself: payers what they decided and want to see, servers that something changed."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

from bridge.building.targets import fhir_client, payer_client
from bridge.codecs.fhir.telling import change_subscription, subscription
from bridge.domain.telling import HEARTBEAT_SECS
from bridge.errors import Misconfigured
from bridge.flows.hear_changes import bookmark_of
from bridge.flows.hear_payer import ask_about_pended
from bridge.flows.keep_told import Shelf, Teller, TellingKeeper
from bridge.outbox.enqueue import CDEX
from bridge.sections.fhir import FhirServer
from bridge.sections.payer import CHANGES, NOTIFICATIONS, Payer
from bridge.store import fhir_bookmarks
from bridge.store.db import WriteTx
from bridge.wiring import House


def telling_keeper(house: House) -> TellingKeeper:
    """Return what keeps payers and servers telling. Raises: Misconfigured, where a payer is to and the house has no number."""
    return TellingKeeper(house.store, house.clock, tellers(house), owner=house.node)


def tellers(house: House) -> list[Teller]:
    """Return all that tell, or told. Raises: Misconfigured, with every fault."""
    settings = house.settings
    deciding = [one for one in settings.payers if "pas" in one.kind and one.base_url]
    faults = [
        f"payers: {one.name}: tells needs [bridge] npi, by which the payer knows us"
        for one in deciding
        if one.tells and not settings.bridge.npi
    ]
    if faults:
        raise Misconfigured(faults)
    found = [_decisions(house, one) for one in deciding]
    for one in settings.payers:
        if CDEX in one.kind and one.base_url:
            found.append(_changes(house, "Task", one, payer_client(one, house.clock), "", is_wanted=one.requests_told))
    for server in settings.fhir.servers:
        for kind, how in server.asked:
            client = fhir_client(server, house.clock)
            found.append(_changes(house, kind, server, client, how.query, is_wanted=how.told))
    return found


def _decisions(house: House, payer: Payer) -> Teller:
    endpoint = f"{house.public_url}{NOTIFICATIONS}/{quote(payer.name, safe='')}"
    return Teller(
        payer.name,
        payer.base_url,
        endpoint,
        payer_client(payer, house.clock),
        lambda secret: subscription(house.settings.bridge.npi, endpoint, secret, HEARTBEAT_SECS),
        lambda tx, now: ask_about_pended(tx, [payer.name], now),
        payer.tells,
        beats=True,
    )


def _changes(
    house: House, kind: str, place: Payer | FhirServer, client: Shelf, query: str, *, is_wanted: bool
) -> Teller:
    name = f"{kind}:{place.name}"
    endpoint = f"{house.public_url}{CHANGES}/{quote(name, safe='')}"
    asks = partial(change_subscription, f"{kind}?{query}", endpoint)

    def fetch(tx: WriteTx, _: object) -> None:
        fhir_bookmarks.note_told(tx, bookmark_of(name))

    return Teller(name, place.base_url, endpoint, client, asks, fetch, is_wanted)
