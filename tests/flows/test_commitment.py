"""Storage commitment both ways: we say yes only to what was read from the disk, and believe an archive only its report."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import CTImageStorage, ModalityPerformedProcedureStep, StorageCommitmentPushModel

from bridge.codecs.dicom.commitment import PUSH_MODEL_INSTANCE
from bridge.domain.commitment import Report
from bridge.domain.study import Study
from bridge.flows.commit_storage import CommitmentWatch, StorageCommitment
from bridge.flows.hear_commitment import hear_commitment
from bridge.listeners.dicom.ports import DicomConfig, Peer
from bridge.listeners.dicom.server import DicomServer
from bridge.outbox import commitments as outcome
from bridge.outbox import enqueue
from bridge.outbox.worker import Worker
from bridge.publishers.commitment_report import CommitmentReportPublisher
from bridge.publishers.commitment_request import CommitmentPublisher
from bridge.publishers.dicom_connection import Target
from bridge.store import commitments, deliveries, events, publications, studies
from bridge.store.blobs import FolderBlobs
from bridge.store.db import Store
from bridge.store.deliveries import DeliveryState, HoldKind
from tests.fakes.clinic import CT_STORAGE, Clinic, header_of
from tests.fakes.dicom_services import Events, MemoryServices

# What is stored is tried on both databases in tests/contract/test_commitments.py.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

UID = "2.25.4201"
OTHER_CLASS = "1.2.840.10008.5.1.4.1.1.4"
SECS = 15


class Services(MemoryServices):
    """The flows of commitment behind the door."""

    flow: StorageCommitment
    clinic: Clinic

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.noted = threading.Event()

    def request_commitment(self, data: bytes, transfer_syntax_uid: str, calling_ae_title: str) -> int:
        return self.flow.request(data, transfer_syntax_uid, calling_ae_title)

    def commitment_report(self, request_key: int) -> Report | None:
        return self.flow.report(request_key)

    def note_report(self, request_key: int, *, told: bool) -> None:
        self.flow.note_report(request_key, told=told)
        self.noted.set()

    def take_report(self, data: bytes, transfer_syntax_uid: str, calling_ae_title: str) -> None:
        hear_commitment(self.clinic.store, self.clinic.clock, data, transfer_syntax_uid, calling_ae_title)


class Caller:
    """A peer of pynetdicom's own: asks, hears reports on its own associations and at its own door, reports to ours."""

    def __init__(self, title: str, offers: bool = True) -> None:
        self.title = title
        self.begin()
        self._ae = AE(title)
        if offers:
            self._ae.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
        else:
            self._ae.add_supported_context(CTImageStorage)
        handlers = [(evt.EVT_N_EVENT_REPORT, self._hear), (evt.EVT_N_ACTION, self._take)]
        self._handlers: list[Any] = handlers
        self._server = self._ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.port: int = self._server.server_address[1]

    def begin(self) -> None:
        """Forget what was."""
        self.asked: list[tuple[str, list[str]]] = []
        self.heard: list[tuple[int, Dataset]] = []
        self.ready = threading.Event()
        self.reports_at_once = False
        self.on_ask: Callable[[Any, Dataset], None] = lambda association, information: None

    def stop(self) -> None:
        self._ae.shutdown()

    def _hear(self, event: evt.Event) -> tuple[int, None]:
        self.heard.append((event.event_type, event.event_information))
        self.ready.set()
        return 0x0000, None

    def _take(self, event: evt.Event) -> tuple[int, None]:
        information = event.action_information
        named = [one.ReferencedSOPInstanceUID for one in information.ReferencedSOPSequence]
        self.asked.append((information.TransactionUID, named))
        self.on_ask(event.assoc, information)
        return 0x0000, None

    @contextmanager
    def associated(self, port: int, syntax: str = ImplicitVRLittleEndian, as_scp: bool = False) -> Iterator[Any]:
        requestor = AE(self.title)
        requestor.add_requested_context(StorageCommitmentPushModel, syntax)
        roles = [build_role(StorageCommitmentPushModel, scu_role=not as_scp, scp_role=as_scp)] if as_scp else []
        association = requestor.associate(
            "127.0.0.1", port, ae_title="BRIDGE", ext_neg=roles, evt_handlers=self._handlers
        )
        assert association.is_established
        try:
            yield association
        finally:
            association.release()


class Scene:
    """A bridge with three kept objects, a modality CT1 and an archive PACS."""

    def __init__(self, store: Store, folder: Path, modality: Caller, archive: Caller) -> None:
        self.clinic = Clinic(store)
        self.blobs = FolderBlobs(folder / "blobs", low_water_bytes=0)
        self.study = self._study()
        self.modality, self.archive = modality, archive
        peers = (
            Peer("CT1", "127.0.0.1", self.modality.port, ("modality",)),
            Peer("PACS", "127.0.0.1", self.archive.port, ("archive",)),
            Peer("VIEWER", "127.0.0.1", 1, ("viewer",)),
        )
        self.services = services = Services(folder)
        services.clinic = self.clinic
        self.flow = services.flow = StorageCommitment(store, self.clinic.clock, {"CT1"}.__contains__)
        self.watch = CommitmentWatch(store, self.blobs, self.clinic.clock, owner="test")
        config = DicomConfig("BRIDGE", folder / "spool", port=0)
        self.door = DicomServer(config, peers, services, Events())
        self.door.start()
        self.worker = self._worker({"CT1": self.modality.port}, {"PACS": self.archive.port})

    def _worker(self, asking: dict[str, int], asked: dict[str, int], required: frozenset[str] = frozenset()) -> Worker:
        clock = self.clinic.clock
        publishers = [
            CommitmentReportPublisher(
                {name: Target(name, "127.0.0.1", port) for name, port in asking.items()}, "BRIDGE"
            ),
            CommitmentPublisher(
                {name: Target(name, "127.0.0.1", port) for name, port in asked.items()},
                "BRIDGE",
                clock,
                required,
                linger_secs=1.0 if self.archive.reports_at_once else 0.05,
            ),
        ]
        return Worker(self.clinic.store, clock, publishers, owner="test", jitter=lambda: 0.5)

    def stop(self) -> None:
        self.watch.stop()
        self.door.stop()

    def _study(self) -> Study:
        with self.clinic.store.write() as tx:
            found = studies.add(tx, header_of(UID, 1, 1), "CT1", False, self.clinic.clock.now())
        for number in (1, 2, 3):
            content = f"object {number}".encode()
            blob = self.blobs.keep_bytes(content, hashlib.sha256(content).hexdigest())
            self.clinic.instance(found, 1, number, blob)
        return self.clinic.bind(found, self.clinic.patient("00041001"))

    def damage(self, number: int) -> None:
        with self.clinic.store.read() as tx:
            found = studies.instance_by_uid(tx, f"{UID}.1.{number}")
        assert found is not None
        with self.blobs.at_hand(found.blob) as path:
            path.chmod(0o600)
            path.write_bytes(b"something else")

    def later(self, **by: float) -> None:
        self.clinic.clock.at += timedelta(**by)

    def forward(self) -> None:
        """Let the archive take what it is owed, and queue the question."""
        with self.clinic.store.write() as tx:
            study, now = studies.get(tx, self.study.key), self.clinic.clock.now()
            owed = publications.owed_instances(tx, study.key, "PACS", study.binding_version)
            sent = [(key, "0000", now) for key in owed]
            publications.put_forwards(tx, study.key, "PACS", study.binding_version, sent)
            outcome.ask(tx, "PACS", study.key, now)

    def report(self, *failed: int, transaction: str = "") -> int:
        """Let the archive report on what it was asked last, at our door; return our status."""
        uid, named = self.archive.asked[-1]
        lost = [f"{UID}.1.{number}" for number in failed]
        said = information(transaction or uid, [(CT_STORAGE, one) for one in named if one not in lost], lost)
        with self.archive.associated(self.door.port, as_scp=True) as association:
            status, _ = association.send_n_event_report(
                said, 2 if lost else 1, StorageCommitmentPushModel, PUSH_MODEL_INSTANCE
            )
        return int(status.Status)

    @property
    def kept(self) -> tuple[int, int, int]:
        with self.clinic.store.read() as tx:
            (one,) = commitments.of_study(tx, self.study.key)
        return one.asked, one.committed, one.failed

    def delivery(self, topic: str) -> deliveries.Delivery:
        with self.clinic.store.read() as tx:
            return next(one for one in deliveries.search(tx, limit=20) if one.topic == topic)

    def timeline(self) -> list[str]:
        with self.clinic.store.read() as tx:
            return [one.what for one in events.timeline(tx, [], [self.study.key])]


def information(transaction: str, committed: list[tuple[str, str]], failed: list[str] | None = None) -> Dataset:
    """Return Action or Event Information."""
    said = Dataset()
    said.TransactionUID = transaction
    if committed:
        said.ReferencedSOPSequence = Sequence([_item(*one) for one in committed])
    if failed:
        said.FailedSOPSequence = Sequence([_item(CT_STORAGE, one, 0x0112) for one in failed])
    return said


def _item(sop_class: str, uid: str, reason: int | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
    if reason is not None:
        item.FailureReason = reason
    return item


def all_three(transaction: str = "2.25.77") -> Dataset:
    return information(transaction, [(CT_STORAGE, f"{UID}.1.{number}") for number in (1, 2, 3)])


def ask(association: Any, said: Dataset | None, action: int = 1, instance: str = PUSH_MODEL_INSTANCE) -> int:
    status, _ = association.send_n_action(said, action, StorageCommitmentPushModel, instance)
    return int(status.Status)


def reasons(heard: tuple[int, Dataset]) -> dict[str, int]:
    failed = heard[1].get("FailedSOPSequence", [])
    return {one.ReferencedSOPInstanceUID: one.FailureReason for one in failed}


@pytest.fixture(scope="module")
def callers() -> Iterator[tuple[Caller, Caller, Caller]]:
    """A modality, an archive, and one that does not commit."""
    made = Caller("CT1"), Caller("PACS"), Caller("PACS", offers=False)
    yield made
    for one in made:
        one.stop()


@pytest.fixture
def scene(store: Store, tmp_path: Path, callers: tuple[Caller, Caller, Caller]) -> Iterator[Scene]:
    modality, archive, _ = callers
    modality.begin()
    archive.begin()
    made = Scene(store, tmp_path, modality, archive)
    try:
        yield made
    finally:
        made.stop()


# ── who asks us ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_what_is_kept_is_committed_on_the_association_that_asked(scene: Scene, syntax: str) -> None:
    scene.watch.start()
    with scene.modality.associated(scene.door.port, syntax) as association:
        assert ask(association, all_three()) == 0x0000
        # One that leaves before its answer to the report is out is rightly told again.
        assert scene.services.noted.wait(SECS)
    ((event_type, said),) = scene.modality.heard
    assert (event_type, said.TransactionUID, len(said.ReferencedSOPSequence)) == (1, "2.25.77", 3)
    scene.worker.run_due()
    assert scene.delivery(enqueue.COMMITMENT_REPORT).state == DeliveryState.SENT
    assert len(scene.modality.heard) == 1


def test_what_is_not_as_it_came_or_was_never_here_is_not_committed(scene: Scene) -> None:
    scene.damage(2)
    said = information(
        "2.25.78",
        [(CT_STORAGE, f"{UID}.1.1"), (CT_STORAGE, f"{UID}.1.2"), (OTHER_CLASS, f"{UID}.1.3"), (CT_STORAGE, "2.25.9")],
    )
    with scene.modality.associated(scene.door.port) as association:
        assert ask(association, said) == 0x0000
    scene.watch.work()
    scene.worker.run_due()
    (heard,) = scene.modality.heard
    assert heard[0] == 2
    assert reasons(heard) == {f"{UID}.1.2": 0x0110, f"{UID}.1.3": 0x0119, "2.25.9": 0x0112}
    assert [one.ReferencedSOPInstanceUID for one in heard[1].ReferencedSOPSequence] == [f"{UID}.1.1"]


def test_who_sent_other_content_under_a_uid_is_not_told_that_it_is_kept(scene: Scene) -> None:
    header = header_of(UID, 1, 1)
    with scene.clinic.store.write() as tx:
        first = studies.instance_by_uid(tx, header.sop_instance_uid)
        assert first is not None
        studies.add_conflict(tx, header, first, "other content", "CT1")
    with scene.modality.associated(scene.door.port) as association:
        ask(association, all_three())
    scene.watch.work()
    scene.worker.run_due()
    assert reasons(scene.modality.heard[0]) == {f"{UID}.1.1": 0x0110}


def test_a_study_that_nobody_bound_is_committed_too(scene: Scene) -> None:
    scene.clinic.question(scene.study)
    with scene.modality.associated(scene.door.port) as association:
        ask(association, all_three())
    scene.watch.work()
    scene.worker.run_due()
    assert scene.modality.heard[0][0] == 1


def test_a_peer_that_is_away_is_told_when_it_is_back_for_a_day(scene: Scene) -> None:
    with scene.modality.associated(scene.door.port) as association:
        ask(association, all_three())
    scene.watch.work()
    away = scene._worker({"CT1": 1}, {})
    away.run_due()
    assert scene.delivery(enqueue.COMMITMENT_REPORT).state == DeliveryState.PENDING
    scene.later(hours=1)
    scene.worker.run_due()
    assert scene.modality.heard[0][0] == 1


def test_a_peer_that_stays_away_is_given_up_after_a_day(scene: Scene) -> None:
    with scene.modality.associated(scene.door.port) as association:
        ask(association, all_three())
    scene.watch.work()
    away = scene._worker({"CT1": 1}, {})
    away.run_due()
    scene.later(hours=25)
    away.run_due()
    assert scene.delivery(enqueue.COMMITMENT_REPORT).state == DeliveryState.DEAD


def test_a_transaction_in_use_is_not_taken_for_other_objects(scene: Scene) -> None:
    with scene.modality.associated(scene.door.port) as association:
        ask(association, all_three())
        ask(association, information("2.25.77", [(CT_STORAGE, f"{UID}.1.1")]))
    while scene.watch.work():
        pass
    scene.worker.run_due()
    assert sorted(len(reasons(one)) for one in scene.modality.heard) == [0, 1]
    assert reasons(scene.modality.heard[-1]) == {f"{UID}.1.1": 0x0131}


def test_ten_thousand_references_are_one_request(scene: Scene) -> None:
    many = [(CT_STORAGE, f"2.25.5.{number}") for number in range(10_000)]
    with scene.modality.associated(scene.door.port) as association:
        assert ask(association, information("2.25.79", many)) == 0x0000
    scene.watch.work()
    scene.worker.run_due()
    assert len(reasons(scene.modality.heard[0])) == 10_000


@pytest.mark.parametrize(
    ("said", "action", "instance", "status"),
    [
        (all_three(), 2, PUSH_MODEL_INSTANCE, 0x0123),
        (all_three(), 1, "1.2.3", 0x0112),
        (None, 1, PUSH_MODEL_INSTANCE, 0x0114),
        (information("2.25.1", []), 1, PUSH_MODEL_INSTANCE, 0x0114),
        (information("2.25.1", [(CT_STORAGE, "")]), 1, PUSH_MODEL_INSTANCE, 0x0115),
    ],
)
def test_a_request_that_cannot_be_one_is_refused(
    scene: Scene, said: Dataset | None, action: int, instance: str, status: int
) -> None:
    with scene.modality.associated(scene.door.port) as association:
        assert ask(association, said, action, instance) == status
        assert ask(association, all_three()) == 0x0000


def test_another_class_than_the_context_s_is_refused(scene: Scene) -> None:
    with scene.modality.associated(scene.door.port) as association:
        context = StorageCommitmentPushModel
        status, _ = association.send_n_action(
            all_three(), 1, ModalityPerformedProcedureStep, PUSH_MODEL_INSTANCE, meta_uid=context
        )
    assert status.Status == 0x0119


def test_a_viewer_may_not_ask(scene: Scene) -> None:
    requestor = AE("VIEWER")
    requestor.add_requested_context(StorageCommitmentPushModel)
    association = requestor.associate("127.0.0.1", scene.door.port, ae_title="BRIDGE")
    assert not association.accepted_contexts
    association.abort()


# ── whom we ask ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_archive_is_believed_once_it_reports_at_our_door(scene: Scene) -> None:
    scene.forward()
    scene.worker.run_due()
    assert scene.kept == (3, 0, 0)
    assert scene.report() == 0x0000
    assert scene.kept == (0, 3, 0)
    assert scene.timeline()[-1] == "PACS has committed 3 of 3"
    scene.worker.run_due()
    assert scene.delivery(enqueue.COMMITMENT).state == DeliveryState.SENT
    assert len(scene.archive.asked) == 1


def test_a_report_on_the_association_that_asked_is_heard(scene: Scene) -> None:
    def at_once(association: Any, said: Dataset) -> None:
        named = [(one.ReferencedSOPClassUID, one.ReferencedSOPInstanceUID) for one in said.ReferencedSOPSequence]

        def tell() -> None:
            association.send_n_event_report(
                information(said.TransactionUID, named), 1, StorageCommitmentPushModel, PUSH_MODEL_INSTANCE
            )

        threading.Timer(0.2, tell).start()

    scene.archive.on_ask, scene.archive.reports_at_once = at_once, True
    scene.worker = scene._worker({}, {"PACS": scene.archive.port})
    scene.forward()
    scene.worker.run_due()
    assert scene.kept == (0, 3, 0)


def test_a_report_that_is_faster_than_the_end_of_the_question_counts(scene: Scene) -> None:
    statuses = []
    scene.archive.on_ask = lambda association, said: statuses.append(scene.report())
    scene.forward()
    scene.worker.run_due()
    assert statuses == [0x0000]
    assert scene.kept == (0, 3, 0)


def test_a_report_under_an_unknown_transaction_is_not_believed(scene: Scene) -> None:
    scene.forward()
    scene.worker.run_due()
    assert scene.report(transaction="2.25.404") == 0x0112
    assert scene.kept == (3, 0, 0)


def test_an_archive_that_does_not_report_is_asked_again_and_then_held(scene: Scene) -> None:
    scene.forward()
    scene.worker.run_due()
    scene.later(minutes=11)
    scene.worker.run_due()
    assert len(scene.archive.asked) == 2
    assert scene.archive.asked[0][0] != scene.archive.asked[1][0]
    for _ in range(20):
        scene.later(hours=7)
        scene.worker.run_due()
    assert len(scene.archive.asked) == 8
    assert scene.delivery(enqueue.COMMITMENT).state == DeliveryState.HELD


def test_what_is_not_committed_is_sent_again_and_then_held_until_a_person_frees_it(scene: Scene) -> None:
    for _ in range(3):
        scene.forward()
        scene.worker.run_due()
        scene.later(seconds=1)
        scene.report(2)
        scene.later(seconds=1)
    assert [len(named) for _, named in scene.archive.asked] == [3, 1, 1]
    assert "PACS has not committed 1 of 3: 0112 no such object; sent again" in scene.timeline()
    scene.worker.run_due()
    held = scene.delivery(enqueue.COMMITMENT)
    assert held.state == DeliveryState.HELD
    assert "0112 no such object" in held.held_reason
    assert held.hold_kind == HoldKind.RECEIVER
    scene.later(minutes=1)
    with scene.clinic.store.write() as tx:
        enqueue.retry(tx, held.key, scene.clinic.clock.now())
    scene.worker.run_due()
    scene.forward()
    scene.worker.run_due()
    scene.report()
    assert scene.kept == (0, 3, 0)


@pytest.mark.parametrize(("required", "state"), [(set(), DeliveryState.SENT), ({"PACS"}, DeliveryState.HELD)])
def test_an_archive_that_does_not_commit_is_said_to(
    scene: Scene, callers: tuple[Caller, Caller, Caller], required: set[str], state: DeliveryState
) -> None:
    worker = scene._worker({}, {"PACS": callers[2].port}, frozenset(required))
    scene.forward()
    worker.run_due()
    found = scene.delivery(enqueue.COMMITMENT)
    assert found.state == state
    assert "does not offer storage commitment" in found.detail + found.held_reason
    assert scene.kept[1] == 0
