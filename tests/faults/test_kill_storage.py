"""kill -9 while four associations store: what was answered is there, whole and once; what was not is nowhere in pieces.

`make campaign` runs 200 kills on each database; the short form a few.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import select

from bridge.codecs.dicom.part10 import read_file_meta
from bridge.codecs.dicom.status import OUT_OF_RESOURCES
from bridge.domain.study import OutgoingObject
from bridge.errors import Unavailable
from bridge.publishers.dicom_client import StoreResult, Target, Timeouts, store_files
from bridge.store.blobs import FolderBlobs
from bridge.store.db import Store
from bridge.store.tables import instances
from tests import cast
from tests.cast import PLAIN, image
from tests.fakes.dicom_wire import CT_IMAGE, EXPLICIT
from tests.product.running import Product, free_port, wait_for

ROUNDS = 200 if os.environ.get("BRIDGE_CAMPAIGN") == "1" else 4
SEED = int(os.environ.get("BRIDGE_SEED", "20261122"))
ASSOCIATIONS = 4
OBJECTS = 10

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="the processes of a node are read from /proc"
)


@dataclass
class History:
    """
    What was answered, and what was sent and got no answer: that may be there or not, but never in pieces.

    refused: statuses; a database that is busy with what was killed may refuse for now, and is asked again.
    """

    acknowledged: dict[str, Path] = field(default_factory=dict)
    in_doubt: set[str] = field(default_factory=set)
    refused: list[int] = field(default_factory=list)


class Scanner:
    """Stores a study over one association, and sends again what got no answer."""

    def __init__(self, folder: Path, number: int, chance: random.Random) -> None:
        self.left: list[OutgoingObject] = []
        accession = f"S{number:05d}"
        for n in range(1, OBJECTS + 1):
            size = chance.choice((1 << 10, 64 << 10, 500 << 10))
            dataset = image(PLAIN, accession, n, pixels=bytes([n]) * size)
            path = cast.write_file(dataset, folder / f"{accession}-{n}.dcm")
            self.left.append(OutgoingObject(path, CT_IMAGE, str(dataset.SOPInstanceUID), EXPLICIT))

    def send(self, target: Target, history: History) -> None:
        sent = {one.sop_instance_uid: one for one in self.left}
        timeouts = Timeouts(connect=5, associate=5, answer=20, send=20)
        try:
            results = store_files(target, "CT1", self.left, timeouts=timeouts)
        except Unavailable:
            return
        for result in results:
            self._note(result, sent[result.sop_instance_uid], history)

    def _note(self, result: StoreResult, sent: OutgoingObject, history: History) -> None:
        if result.status is None:
            history.in_doubt.add(sent.sop_instance_uid)
        elif result.status == 0:
            history.acknowledged[sent.sop_instance_uid] = sent.path
            self.left.remove(sent)
        else:
            history.refused.append(result.status)


class Bed:
    """A node that is killed again and again over one data folder."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder = folder
        self.store = Store(database)
        # A role that is brought back must be found at the same door.
        self.product = Product(folder, {"store": f'database = "{database}"', "dicom": f"port = {free_port()}"})
        self.product.start("--roles", "dicom")
        self.blobs = FolderBlobs(folder / "data" / "blobs")
        self.history = History()

    def kill(self, victims: list[int]) -> None:
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def check(self) -> None:
        """Hold what is visible against what was answered."""
        with self.store.read() as tx:
            rows = {row.sop_instance_uid: row.blob for row in tx.execute(select(instances))}
        history = self.history
        assert set(history.acknowledged) <= set(rows), "an acknowledged object is missing"
        assert set(rows) <= set(history.acknowledged) | history.in_doubt, "an object is visible that nobody sent whole"
        for uid, path in history.acknowledged.items():
            assert _data_set(self.blobs, rows[uid]) == _part10_data_set(path.read_bytes()), "an object is torn"
        for blob in rows.values():
            with self.blobs.at_hand(blob) as kept:
                assert hashlib.sha256(kept.read_bytes()).hexdigest() == blob, "what is visible is torn"
        assert set(history.refused) <= {OUT_OF_RESOURCES}, "what is whole is refused for good"


@pytest.fixture
def bed(tmp_path: Path, durable_url: str) -> Iterator[Bed]:
    found = Bed(tmp_path, durable_url)
    yield found
    found.kill(found.product.processes())
    found.store.dispose()


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_nothing_acknowledged_is_missing_or_torn_when_a_node_is_killed_under_four_associations(bed: Bed) -> None:
    chance = random.Random(SEED)
    scanners = [Scanner(bed.folder, number, chance) for number in range(ASSOCIATIONS)]
    for number in range(1, ROUNDS + 1):
        senders = _send(bed, scanners)
        time.sleep(chance.uniform(0, 0.6))
        whole = number % 2 == 1
        node = bed.product.processes()
        bed.kill(node if whole else [chance.choice(node[1:])])
        for sender in senders:
            sender.join()
        if whole:
            bed.product.wait()
            bed.check()
            bed.product.start("--roles", "dicom")
        else:
            _wait_until_it_answers(bed)
            bed.check()
        for at, scanner in enumerate(scanners):
            if not scanner.left:
                scanners[at] = Scanner(bed.folder, number * ASSOCIATIONS + at, chance)
    wait_for(lambda: _is_all_there(bed, scanners), "everything to be taken")
    bed.check()


def _send(bed: Bed, scanners: list[Scanner]) -> list[threading.Thread]:
    senders = [threading.Thread(target=one.send, args=(bed.product.dicom, bed.history)) for one in scanners]
    for sender in senders:
        sender.start()
    return senders


def _is_all_there(bed: Bed, scanners: list[Scanner]) -> bool:
    for sender in _send(bed, scanners):
        sender.join()
    return not any(scanner.left for scanner in scanners)


def _wait_until_it_answers(bed: Bed) -> None:
    """Wait for the supervisor to have brought back what was killed."""
    probe = Scanner(bed.folder, 99999, random.Random(SEED))
    probe.left = probe.left[:1]

    def look() -> bool:
        probe.send(bed.product.dicom, bed.history)
        return not probe.left

    wait_for(look, "the door to take an object again")


def _data_set(blobs: FolderBlobs, blob: str) -> bytes:
    with blobs.at_hand(blob) as path:
        return _part10_data_set(path.read_bytes())


def _part10_data_set(part10: bytes) -> bytes:
    return part10[read_file_meta(part10).dataset_at :]
