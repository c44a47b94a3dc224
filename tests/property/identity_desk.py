"""What people do at the desk in a story of `identity_world`: rulings, undone merges, rejections, splits, a device read otherwise."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from pydicom.dataset import Dataset
from sqlalchemy import Column, select

from bridge.building.bulk import bulk_queue
from bridge.domain.bulk import Repairing
from bridge.flows.bulk_cases import BulkDesk
from bridge.flows.reject_instances import RejectionDesk
from bridge.flows.resolve_mismatch import MismatchResolver, Ruling
from bridge.flows.split_study import StudySplitter
from bridge.flows.undo_merge import MergeUndoer
from bridge.store import splits, studies
from bridge.store.prepared import Prepared
from bridge.store.tables import bulk_jobs, merges, rejections
from bridge.store.tables import splits as splits_table
from bridge.wiring import House


def _keys_of(column: Column[int]) -> Prepared:
    return Prepared(select(column).order_by(column))


MARIA: Final = "user:maria"
PREFIX: Final = "77"
PREFIXING: Final = "CT2"
_KEYS: Final = {
    "merges": _keys_of(merges.c.key),
    "rejections": _keys_of(rejections.c.key),
    "splits": _keys_of(splits_table.c.key),
    "bulks": _keys_of(bulk_jobs.c.key),
}
_WHY: Final = "asked the technologist"


class Desk:
    """The desk of one house. Where a *number* is asked for, it is the place in the order they came."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._parts = (house.store, house.clock, house.rules, house.destinations)

    def count(self, what: str) -> int:
        """Return how many "merges", "rejections", "splits" or "bulks" there are."""
        return len(self._keys(what))

    def rule(self, uid: str, action: str, **to: Any) -> None:
        MismatchResolver(*self._parts).resolve(uid, Ruling(action, _WHY, MARIA, **to))

    def undo_merge(self, number: int) -> None:
        MergeUndoer(*self._parts).undo(self._key("merges", number), _WHY, MARIA)

    def decide_rejection(self, number: int, action: str) -> None:
        RejectionDesk(*self._parts).decide(self._key("rejections", number), action, _WHY, MARIA)

    def split(self, uid: str, which: list[Dataset]) -> None:
        """Split off those of *which* that the study shows."""
        named = [str(one.SOPInstanceUID) for one in which]
        with self._house.store.read() as tx:
            study = studies.by_uid(tx, uid)
            known = {one.sop_instance_uid for one, _, _ in splits.chosen(tx, study.key, named)} if study else set()
        self._splitter.split(uid, sorted(known), _WHY, MARIA)

    def join(self, number: int) -> None:
        self._splitter.join(self._key("splits", number), _WHY, MARIA)

    def repair(self) -> None:
        """Have the numbers of the device that writes a prefix before each be read without it, now and from now on."""
        at = self._house.clock.now()
        entry = {"do": "strip", "of": ["PatientID", "AccessionNumber"], "prefix": PREFIX}
        desk = BulkDesk(self._house.store, self._house.clock)
        key = desk.preview(Repairing(PREFIXING, at - timedelta(days=1), None, entry), MARIA)
        self._work()
        desk.apply(key, _WHY, MARIA)
        self._work()

    def undo_repair(self, number: int) -> None:
        BulkDesk(self._house.store, self._house.clock).undo(self._key("bulks", number), _WHY, MARIA)
        self._work()

    def _work(self) -> None:
        bulk_queue(self._house).work()

    @property
    def _splitter(self) -> StudySplitter:
        house = self._house
        return StudySplitter(
            house.store, house.blobs, house.clock, house.rules, house.destinations, house.image_sources
        )

    def _key(self, what: str, number: int) -> int:
        keys = self._keys(what)
        if number >= len(keys):
            raise LookupError(f"no such one among the {what}")
        return keys[number]

    def _keys(self, what: str) -> list[int]:
        with self._house.store.read() as tx:
            return [row.key for row in _KEYS[what].all(tx)]
