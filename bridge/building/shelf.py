"""What looks after the kept objects, as the settings say: reading them again, removing by rule, telling people."""

from __future__ import annotations

from bridge.errors import Misconfigured
from bridge.flows.look_at_shelf import ShelfDesk
from bridge.flows.remove_archived import RemovalRule
from bridge.flows.verify_objects import ObjectVerifier, Pace
from bridge.wiring import House

_MB = 1_000_000


def removal_rule(house: House) -> RemovalRule:
    """
    Return what may be removed by the settings; every peer with the role archive must keep it where none is named.

    Raises: Misconfigured, if no archive, or one that is none of ours, is to keep it.
    """
    said, peers = house.settings.store.retention, house.settings.dicom.peers
    archives = tuple(peer.ae_title for peer in peers if "archive" in peer.roles)
    faults = [f"store.retention.archives: no peer {one} has the role archive" for one in {*said.archives} - {*archives}]
    if said.remove_after_days and not archives:
        faults.append("store.retention: nothing can be removed, since no peer with the role archive could keep it")
    if faults:
        raise Misconfigured(sorted(faults))
    free_below_bytes = said.free_below_mb * _MB
    return RemovalRule(said.remove_after_days, said.archives or archives, said.most_objects_per_run, free_below_bytes)


def object_verifier(house: House) -> ObjectVerifier:
    """Return what reads objects again, at the pace of the settings."""
    pace = Pace(house.settings.store.verify_days, house.settings.store.verify_mb_per_sec * _MB)
    return ObjectVerifier(house.store, house.blobs, house.clock, pace, owner=house.node)


def shelf_desk(house: House) -> ShelfDesk:
    """Return what tells people of the store of objects. Raises: Misconfigured, as `removal_rule`."""
    said = house.settings.store
    where = said.blobs if said.is_s3 else str(house.settings.blob_folder)
    return ShelfDesk(
        house.store, house.blobs, house.clock, removal_rule(house), where, said.is_s3, said.low_water_mb * _MB
    )
