"""Builds what asks payers for authorizations, and what reads their answers."""

from __future__ import annotations

from bridge.flows.ask_again import AskAgain
from bridge.flows.ask_payer import PayerDesk
from bridge.flows.hear_payer import NoticeReader, PayerEar
from bridge.flows.lookout import Lookout
from bridge.flows.read_payer_answers import AnswerReader
from bridge.flows.take_evidence_request import EvidenceRequests
from bridge.leaving.pas_way import PasWay
from bridge.leaving.payer_request import RequestGround
from bridge.wiring import House


def pas_way(house: House) -> PasWay:
    """Return the way of requests for authorization."""
    return PasWay(house.settings.payers, house.rules, request_ground(house))


def request_ground(house: House) -> RequestGround:
    """Return what is the same for all requests to payers."""
    ours = house.settings.bridge
    base = f"{house.public_url}/fhir/r4"
    return RequestGround(ours.organization, ours.npi, base, house.settings.identity.system_of)


def payer_desk(house: House) -> PayerDesk:
    """Return what people ask payers with."""
    return PayerDesk(house.store, house.clock, pas_way(house))


def payer_readers(house: House) -> list[Lookout]:
    """Return what reads payers' answers, and what asks again where one is awaited."""
    reader = AnswerReader(house.store, house.clock, house.rules, lambda: house.fhir_ground)
    again = [one.name for one in house.settings.payers if one.asks_while_pended and "pas" in one.kind]
    heard = NoticeReader(house.store, house.clock, house.rules, lambda: house.fhir_ground, house.settings.payers)
    return [heard, reader, *([AskAgain(house.store, house.clock, again)] if again else [])]


def payer_ear(house: House) -> PayerEar:
    """Return where payers tell what they decided."""
    return PayerEar(house.store, house.clock)


def evidence_requests(house: House) -> EvidenceRequests:
    """Return what people do with what payers ask to see."""
    return EvidenceRequests(house.store, house.clock, house.rules, house.settings.payers)
