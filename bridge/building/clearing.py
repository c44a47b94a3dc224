"""Builds what deals with clearinghouses: who takes their files in, whoever brings them, and what hands files over to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple
from zoneinfo import ZoneInfo

from bridge.flows.import_claims import ClaimFiles
from bridge.flows.take_payer_file import PayerFileTaker
from bridge.flows.take_payer_files import PayerFiles, PayerFolder
from bridge.leaving.x12_way import X12Way, address_of
from bridge.publishers.file_folder import FileDoor, FolderDoor
from bridge.publishers.x12_file import X12FilePublisher
from bridge.sections.payer import Clearinghouse
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


def x12_way(house: House) -> X12Way:
    """Return how evidence goes by clearinghouse."""
    settings = house.settings
    clinic = (settings.bridge.organization, settings.bridge.npi)
    return X12Way(settings.payers, settings.clearinghouses, clinic, settings.time_zone)


def x12_files(house: House) -> X12FilePublisher:
    """Return what hands files over. Raises: Misconfigured, if a host's key or ours cannot be read."""
    doors = {one.name: file_door(one) for one in house.settings.clearinghouses if one.takes_files}
    return X12FilePublisher(doors, x12_way(house), house.blobs)


def file_door(one: Clearinghouse) -> FileDoor:
    """Return where a clearinghouse takes files. Raises: Misconfigured; LookupError, for one that takes none."""
    if one.outbox is not None:
        return FolderDoor(one.outbox)
    if one.sftp is None:
        raise LookupError(f"{one.name} takes no files")
    from bridge.publishers.sftp_door import SftpDoor, SftpPlace

    how = one.sftp
    password = how.password.get_secret_value()
    place = SftpPlace(how.host, how.port, how.user, how.host_key, how.folder, how.key, password, how.timeout_secs)
    return SftpDoor(place)


class ClearingPlace(NamedTuple):
    """Where files lie between a clearinghouse and us. probe: says whether it can be used, and leaves nothing."""

    name: str
    kind: str
    address: str
    probe: Callable[[], str]


def clearing_places(house: House) -> list[ClearingPlace]:
    """Return the folders of every clearinghouse, there and here. Raises: Misconfigured, as `file_door`."""
    found = []
    for one in house.settings.clearinghouses:
        if one.inbox is not None:
            found.append(ClearingPlace(one.name, "x12 inbox", str(one.inbox), FolderDoor(one.inbox).probe))
        if one.takes_files:
            kind = "x12 sftp" if one.sftp is not None else "x12 outbox"
            found.append(ClearingPlace(one.name, kind, address_of(one), file_door(one).probe))
    return found


def _folders(house: House) -> list[PayerFolder]:
    own = house.settings.bridge.time_zone
    return [
        PayerFolder(one.name, one.inbox, ZoneInfo(one.zone or own))
        for one in house.settings.clearinghouses
        if one.inbox
    ]
