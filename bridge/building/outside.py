"""Builds who asks other registries: one asker for each that the settings name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from bridge.building.targets import mllp_target
from bridge.codecs.hl7.charset import codec_of
from bridge.codecs.hl7.patient_query import Authority, QueryKind, QueryRoute
from bridge.domain.outside import Found
from bridge.flows.ask_outside import Memory, OutsideAsker, Registry
from bridge.flows.take_answer import AnswerTaker
from bridge.mapping.outside_patients import SegmentReader, read_resource
from bridge.publishers.fhir_client import FhirClient
from bridge.publishers.mllp_link import MllpLink
from bridge.publishers.outside_fhir import FhirRegistry
from bridge.publishers.outside_hl7 import Asking, Hl7Registry
from bridge.sections.fhir import FhirServer
from bridge.sections.outside import OutsideFhir, OutsideHl7
from bridge.wiring import House


def askers(house: House) -> list[OutsideAsker]:
    """Return what asks each registry of *house*."""
    said = house.settings.outside
    memory = Memory(timedelta(hours=said.remember_hours), timedelta(hours=said.remember_nobody_hours), said.attempts)
    taker = AnswerTaker(house.applier, house.rules, house.destinations)
    registries: list[Registry] = [_over_mllp(one, house) for one in said.hl7]
    registries += [_by_fhir(one, house) for one in said.fhir]
    return [OutsideAsker(house.store, house.clock, one, taker, memory, owner=house.node) for one in registries]


def fhir_server(one: OutsideFhir) -> FhirServer:
    """Return how a server that is only asked is called."""
    return FhirServer(
        name=one.name,
        base_url=one.base_url,
        version=one.version,
        auth=one.auth,
        publish=(),
        timeout_secs=one.timeout_secs,
    )


def _by_fhir(one: OutsideFhir, house: House) -> FhirRegistry:
    client = FhirClient(fhir_server(one), house.clock)

    def read(patient: Mapping[str, Any]) -> Found:
        return read_resource(patient, house.fhir_ground)

    return FhirRegistry(client, house.settings.identity.system_of, read, matches=one.match)


def _over_mllp(one: OutsideHl7, house: House) -> Hl7Registry:
    route = QueryRoute(
        one.sending_application,
        one.sending_facility,
        one.receiving_application,
        one.receiving_facility,
        one.charset,
        codec_of(one.charset) or "utf-8",
    )
    identity, zone = house.settings.identity, house.settings.time_zone
    authorities = dict.fromkeys((identity.authority, *sorted(house.rules.own_authorities)))
    ours = tuple(Authority(name, identity.oid_of(name)) for name in authorities)
    oids = {one.name: one.oid for one in identity.authorities if one.oid}
    read = SegmentReader(lambda: house.mappings.base, house.defaults, zone).read
    asking = Asking(frozenset(QueryKind[kind] for kind in one.ask), route, ours, zone, oids, read)
    return Hl7Registry(one.name, MllpLink(mllp_target(one)), asking, house.clock, house.rules)
