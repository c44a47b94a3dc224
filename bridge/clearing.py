"""Builds what deals with clearinghouses: who takes their files in, whoever brings them."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from bridge.flows.import_claims import ClaimFiles
from bridge.flows.take_payer_file import PayerFileTaker
from bridge.flows.take_payer_files import PayerFiles, PayerFolder
from bridge.wiring import House


def payer_file_taker(house: House) -> PayerFileTaker:
    """Return what takes a file in."""
    zones = {one.name: one.zone for one in _folders(house)}
    return PayerFileTaker(house.store, house.blobs, house.clock, house.rules, zones)


def claim_files(house: House) -> ClaimFiles:
    """Return what people hand payers' files to."""
    return ClaimFiles(house.store, house.clock, payer_file_taker(house), house.settings.time_zone)


def payer_files(house: House) -> PayerFiles:
    """Return what takes the files that clearinghouses put into folders."""
    return PayerFiles(house.store, house.clock, payer_file_taker(house), _folders(house), owner=house.node)


def _folders(house: House) -> list[PayerFolder]:
    own = house.settings.bridge.time_zone
    return [PayerFolder(one.name, one.inbox, ZoneInfo(one.zone or own)) for one in house.settings.clearinghouses]
