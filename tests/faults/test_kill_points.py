"""kill -9 at every commit point: what was answered is there exactly once, and the chart ends with one study each.

`make campaign` runs 200 rounds on each database; the short form reaches every point once on SQLite and PostgreSQL.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom.filewriter import dcmwrite

from bridge.domain.study import OutgoingObject
from bridge.errors import BridgeError
from bridge.publishers.dicom_client import Target, Timeouts, store_files
from bridge.publishers.mllp_client import send_frames
from bridge.store.db import Store
from bridge.store.tables import deliveries, instances, messages, studies
from samples.strict_ehr import StrictEhr
from tests import cast
from tests.cast import PLAIN, image, order, study_uid
from tests.conftest import ROOT
from tests.fakes.mllp_peer import Peer, open_peer
from tests.faults import mortal_node
from tests.product.running import free_port

SYSTEM = "urn:oid:2.25.5"
ROUNDS = 200 if os.environ.get("BRIDGE_CAMPAIGN") == "1" else len(mortal_node.POINTS)
IMAGES = 3
SEED = int(os.environ.get("BRIDGE_SEED", "20261121"))


@dataclass
class History:
    """What was answered. An unknown outcome stands in neither: it may be there or not, but never twice."""

    acknowledged: dict[str, bytes] = field(default_factory=dict)
    stored: dict[str, Path] = field(default_factory=dict)


class Bed:
    """A node that is started and killed again and again over one data folder, with an EHR and a RIS that outlive it."""

    def __init__(self, folder: Path, database: str, ehr: StrictEhr, ris: Peer) -> None:
        self.folder = folder
        self.store = Store(database)
        self.ehr = ehr
        self.ris = ris
        self.history = History()
        self.ports = free_port(), free_port()
        self.config = folder / "node.toml"
        self.config.write_text(_settings(folder, database, self.ports, ehr.base_url, ris.port), "utf-8")
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.faults.mortal_node"])
        self._process: Any = None

    def start(self, point: str = "", count: int = 1) -> None:
        inbox, outbox = self._context.Pipe(duplex=False)
        self._process = self._context.Process(
            target=mortal_node.run, args=(str(self.config), point, count, outbox), daemon=True
        )
        self._process.start()
        outbox.close()
        if inbox.poll(60):
            try:
                inbox.recv()
            except EOFError:
                self._process.join(10)

    @property
    def is_alive(self) -> bool:
        return bool(self._process.is_alive())

    def end(self) -> None:
        self._process.terminate()
        self._process.join(20)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def play(self, number: int) -> None:
        """Send an order and its images; what gets no answer is sent again later."""
        accession = f"K{number:05d}"
        self.say(order(PLAIN, accession, control_id=f"K{number}"), f"K{number}")
        files = []
        for n in range(1, IMAGES + 1):
            path = self.folder / f"{accession}-{n}.dcm"
            if not path.exists():
                cast.write_file(image(PLAIN, accession, n, pixels=bytes([n]) * 64), path)
            files.append(path)
        self.send(accession, files)

    def say(self, raw: bytes, control_id: str) -> None:
        try:
            (answer,) = send_frames("127.0.0.1", self.ports[0], [raw], timeout_secs=10)
        except BridgeError:
            return
        if b"MSA|AA" in answer:
            self.history.acknowledged[control_id] = raw

    def send(self, accession: str, files: list[Path]) -> None:
        objects = [
            OutgoingObject(path, "1.2.840.10008.5.1.4.1.1.2", f"{study_uid(accession)}.1.{n}", "1.2.840.10008.1.2.1")
            for n, path in enumerate(files, 1)
        ]
        target = Target("BRIDGE", "127.0.0.1", self.ports[1])
        try:
            results = store_files(target, "CT1", objects, timeouts=Timeouts(connect=5, associate=5, answer=10, send=10))
        except BridgeError:
            return
        for one, sent in zip(results, objects, strict=True):
            if one.status == 0:
                self.history.stored[one.sop_instance_uid] = sent.path

    def wait_until_sent(self, limit_secs: float = 60) -> None:
        """Wait until every delivery has ended."""
        end = time.monotonic() + limit_secs
        while time.monotonic() < end:
            with self.store.read() as tx:
                left = [r.last_error for r in tx.execute(deliveries.select().where(deliveries.c.state != "sent"))]
            if not left:
                return
            time.sleep(0.1)
        raise AssertionError(f"still not sent after {limit_secs:.0f} s: {left}")


@pytest.fixture
def bed(tmp_path: Path, database_url: str) -> Iterator[Bed]:
    ehr = StrictEhr().start()
    _, made = ehr.books.create(
        {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": PLAIN.patient_id}]}
    )
    assert made["id"]
    with open_peer() as ris:
        found = Bed(tmp_path, database_url, ehr, ris)
        yield found
        found.end()
        found.store.dispose()
    ehr.stop()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_nothing_acknowledged_is_lost_or_doubled_by_a_kill_at_any_commit_point(bed: Bed) -> None:
    chance = random.Random(SEED)
    points = list(mortal_node.POINTS)
    died = 0
    for number in range(ROUNDS):
        point = points[number % len(points)] if number < len(points) else chance.choice(points)
        bed.start(point, chance.randint(1, 3))
        bed.play(number)
        give_up = time.monotonic() + (6 if point.endswith(("send", "settle")) else 2)
        while bed.is_alive and time.monotonic() < give_up:
            time.sleep(0.05)
        died += not bed.is_alive
        bed.end()
        bed.start()
        bed.play(number)
        bed.end()
    bed.start()
    bed.wait_until_sent()
    bed.end()
    assert died >= ROUNDS * 3 // 4, f"only {died} of {ROUNDS} rounds reached their point"
    check(bed)


def check(bed: Bed) -> None:
    """Hold what the node has against what it answered."""
    assert len(bed.history.acknowledged) == ROUNDS
    assert len(bed.history.stored) == ROUNDS * IMAGES
    with bed.store.read() as tx:
        raws = [row.raw for row in tx.execute(messages.select().where(messages.c.state == "applied"))]
        rows = {row.sop_instance_uid: row for row in tx.execute(instances.select())}
        known = [row.study_instance_uid for row in tx.execute(studies.select())]
    assert sorted(raws) == sorted(bed.history.acknowledged.values())
    assert set(rows) == set(bed.history.stored)
    for uid, path in bed.history.stored.items():
        kept = bed.folder / "data" / "blobs" / "objects" / rows[uid].blob[:2] / rows[uid].blob
        assert _data_set(kept.read_bytes()) == _data_set(path.read_bytes())
    charted = bed.ehr.state()["resources"]["ImagingStudy"].values()
    by_uid: dict[str, list[int]] = {}
    for resource in charted:
        uid = next(i["value"] for i in resource["identifier"] if i["system"] == "urn:dicom:uid")
        by_uid.setdefault(uid.removeprefix("urn:oid:"), []).append(resource["numberOfInstances"])
    assert by_uid == {uid: [IMAGES] for uid in known}
    check_told(bed.ris, known)


def check_told(ris: Peer, known: list[str]) -> None:
    """Every study was told, and whoever was told twice was told in the same bytes under the same control id."""
    told: dict[str, set[bytes]] = {}
    for uid, raw in zip(ris.field("OBX", 5), ris.received, strict=True):
        told.setdefault(uid, set()).add(raw)
    assert sorted(told) == sorted(known)
    assert [uid for uid, messages_of_it in told.items() if len(messages_of_it) > 1] == []
    assert len(set(ris.control_ids)) == len(known)


def _data_set(part10: bytes) -> bytes:
    """Return what follows the file meta information."""
    import pydicom

    dataset = pydicom.dcmread(BytesIO(part10))
    out = BytesIO()
    del dataset.file_meta
    dcmwrite(out, dataset, implicit_vr=False, little_endian=True)
    return out.getvalue()


def _settings(folder: Path, database: str, ports: tuple[int, int], ehr: str, ris: int) -> str:
    return f"""
[bridge]
data = "{folder / "data"}"
mappings = "{ROOT / "samples" / "mappings"}"
time_zone = "UTC"
[store]
database = "{database}"
[hl7]
port = {ports[0]}
[[hl7.destinations]]
name = "ris"
host = "127.0.0.1"
port = {ris}
messages = ["ORU^R01"]
timeout_secs = 5
[dicom]
port = {ports[1]}
[[dicom.peers]]
ae_title = "CT1"
host = "127.0.0.1"
port = 1
roles = ["modality"]
modality = "CT"
[[fhir.servers]]
name = "ehr"
base_url = "{ehr}"
timeout_secs = 5
[publish]
announce = false
study_quiet_secs = 0.2
[identity]
authority = "RIVERSIDE"
[[identity.authorities]]
name = "RIVERSIDE"
system = "{SYSTEM}"
"""
