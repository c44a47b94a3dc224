"""Builds what asks payers for authorizations, and what reads their answers."""

from __future__ import annotations

from bridge.flows.ask_again import AskAgain
from bridge.flows.ask_payer import PasPayer, PayerDesk
from bridge.flows.lookout import Lookout
from bridge.flows.read_payer_answers import AnswerReader
from bridge.payer_section import takes_requests
from bridge.wiring import House


def payer_desk(house: House) -> PayerDesk:
    """Return what people ask payers with."""
    settings = house.settings
    payers = [PasPayer(one.name, one.id) for one in settings.payers if takes_requests(one)]
    return PayerDesk(house.store, house.clock, house.rules, payers, settings.bridge.npi)


def payer_readers(house: House) -> list[Lookout]:
    """Return what reads payers' answers, and what asks again where one is awaited."""
    settings = house.settings
    reader = AnswerReader(house.store, house.clock, house.rules, lambda: house.fhir_ground)
    again = [PasPayer(one.name, one.id) for one in settings.payers if takes_requests(one) and one.asks_while_pended]
    return [reader, AskAgain(house.store, house.clock, again)] if again else [reader]
