"""What devices report goes on to a second receiver as it came: against pynetdicom's own server as that receiver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.sop_class import ModalityPerformedProcedureStep  # type: ignore[attr-defined]

from bridge.building.destinations import publishers
from bridge.clock import FixedClock
from bridge.flows.change_delivery import retry_delivery
from bridge.flows.resolve_mismatch import MismatchResolver, Ruling
from bridge.outbox.worker import Worker
from bridge.store import deliveries
from bridge.store.deliveries import Delivery
from bridge.wiring import House
from tests.cast import PLAIN, STRANGER, adt, image, merge, order, spooled, study_uid
from tests.flows.asking import say, sent
from tests.flows.test_orders import cast_mpps

MakeHouse = Callable[..., House]


@dataclass
class Receiver:
    """A second receiver. answers: statuses that it gives instead of taking what comes, in order."""

    heard: list[tuple[str, str, bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    port: int = 0

    def take(self, operation: str, uid: str, attributes: bytes) -> int:
        self.heard.append((operation, uid, attributes))
        return self.answers.pop(0) if self.answers else 0x0000

    def operations(self) -> list[str]:
        return [operation for operation, _, _ in self.heard]


@contextmanager
def receiver(syntaxes: list[Any]) -> Iterator[Receiver]:
    here = Receiver()

    def created(event: evt.Event) -> tuple[int, Dataset | None]:
        request = event.request
        return here.take("create", str(request.AffectedSOPInstanceUID), request.AttributeList.getvalue()), None

    def changed(event: evt.Event) -> tuple[int, Dataset | None]:
        request = event.request
        return here.take("set", str(request.RequestedSOPInstanceUID), request.ModificationList.getvalue()), None

    entity = AE("RIS")
    entity.add_supported_context(ModalityPerformedProcedureStep, syntaxes)
    server = entity.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_CREATE, created), (evt.EVT_N_SET, changed)]
    )
    here.port = server.server_address[1]
    try:
        yield here
    finally:
        server.shutdown()


@pytest.fixture
def ris() -> Iterator[Receiver]:
    with receiver([ImplicitVRLittleEndian, ExplicitVRLittleEndian]) as here:
        yield here


@dataclass
class Scene:
    house: House
    worker: Worker

    def perform(self, status: str, uid: str = "2.25.77", **patient: str) -> bytes:
        """Let the scanner report; return what it sent."""
        attributes = cast_mpps("A1", status)
        if status == "IN PROGRESS":
            attributes.PatientName, attributes.PatientID = PLAIN.name, PLAIN.patient_id
        for keyword, value in patient.items():
            setattr(attributes, keyword, value)
        steps = self.house.performed_steps
        (steps.create if status == "IN PROGRESS" else steps.set)(uid, sent(attributes), "CT1")
        return sent(attributes).data

    def pass_time(self, time: timedelta = timedelta(minutes=20)) -> None:
        assert isinstance(self.house.clock, FixedClock)
        self.house.clock.at += time
        self.worker.run_due()

    def row(self) -> Delivery:
        with self.house.store.read() as tx:
            return next(one for one in deliveries.search(tx) if one.topic == "performed_step")


@pytest.fixture
def scene(make_house: MakeHouse, ris: Receiver) -> Scene:
    return scene_of(make_house, ris)


def scene_of(make_house: MakeHouse, ris: Receiver) -> Scene:
    peers = [
        {"ae_title": "CT1", "host": "127.0.0.1", "port": 1, "roles": ["modality"], "modality": "CT"},
        {"ae_title": "RIS", "host": "127.0.0.1", "port": ris.port, "roles": [], "forward_mpps": True},
    ]
    house = make_house(FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC)), fhir={}, dicom={"peers": peers})
    say(house, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"))
    worker = Worker(house.store, house.clock, publishers(house), owner="test", jitter=lambda: 0.5)
    return Scene(house, worker)


def test_it_hears_what_the_device_said_byte_for_byte_and_in_order(scene: Scene, ris: Receiver) -> None:
    created = scene.perform("IN PROGRESS")
    halfway = scene.perform("")
    ended = scene.perform("COMPLETED")
    scene.worker.run_due()
    assert ris.heard == [
        ("create", "2.25.77", created),
        ("set", "2.25.77", halfway),
        ("set", "2.25.77", ended),
    ]
    assert scene.row().state == "sent"


def test_a_receiver_that_takes_another_representation_gets_the_same_in_it(make_house: MakeHouse) -> None:
    with receiver([ExplicitVRLittleEndian]) as ris:
        scene = scene_of(make_house, ris)
        created = scene.perform("IN PROGRESS")
        scene.worker.run_due()
    ((operation, _, data),) = ris.heard
    assert operation == "create"
    assert data != created
    assert b"CS\x0c\x00IN PROGRESS " in data


def test_a_receiver_that_knows_it_already_has_it(scene: Scene, ris: Receiver) -> None:
    ris.answers = [0x0111]
    scene.perform("IN PROGRESS")
    scene.perform("COMPLETED")
    scene.worker.run_due()
    assert ris.operations() == ["create", "set"]
    assert scene.row().state == "sent"


def test_a_receiver_that_lost_it_hears_it_from_its_beginning(scene: Scene, ris: Receiver) -> None:
    ris.answers = [0x0000, 0x0112]
    scene.perform("IN PROGRESS")
    scene.perform("COMPLETED")
    scene.worker.run_due()
    failed = scene.row()
    assert (failed.state, failed.last_error) == ("dead", "N-SET answered 0112")
    retry_delivery(scene.house.store, scene.house.clock, failed.key, "user:it")
    scene.worker.run_due()
    assert ris.operations() == ["create", "set", "create", "set"]
    assert scene.row().state == "sent"


@pytest.mark.parametrize(("status", "state"), [(0x0213, "pending"), (0x0122, "pending"), (0x0106, "dead")])
def test_what_it_refuses_is_tried_again_or_given_up_by_its_status(
    scene: Scene, ris: Receiver, status: int, state: str
) -> None:
    ris.answers = [status]
    scene.perform("IN PROGRESS")
    scene.worker.run_due()
    assert (scene.row().state, scene.row().last_error) == (state, f"N-CREATE answered {status:04X}")
    if state == "pending":
        scene.pass_time()
        assert scene.row().state == "sent"


def test_a_receiver_that_is_away_hears_it_later(make_house: MakeHouse, ris: Receiver) -> None:
    scene = scene_of(make_house, Receiver(port=1))
    scene.perform("IN PROGRESS")
    scene.worker.run_due()
    assert scene.row().state == "pending"
    assert scene.row().attempts == 1


def test_an_exam_of_no_order_is_held_until_a_person_says_whose_it_was(scene: Scene, ris: Receiver) -> None:
    attributes = cast_mpps("NONE")
    attributes.ScheduledStepAttributesSequence[0].StudyInstanceUID = "2.25.99"
    attributes.PatientID, attributes.PatientName = PLAIN.patient_id, PLAIN.name
    scene.house.performed_steps.create("2.25.77", sent(attributes), "CT1")
    scene.worker.run_due()
    assert scene.row().held_reason == "the exam is of no order that is known here"
    scene.house.exam_links.link("2.25.77", 1, "user:kim", "it was hers")
    scene.worker.run_due()
    assert ris.operations() == ["create"]


def test_another_patient_than_the_order_s_is_held(scene: Scene, ris: Receiver) -> None:
    scene.perform("IN PROGRESS", PatientID=STRANGER.patient_id, PatientName=STRANGER.name)
    scene.worker.run_due()
    assert scene.row().state == "held"
    assert scene.row().held_reason.startswith("the device wrote another PatientID, PatientName")
    assert ris.heard == []


def test_another_patient_in_a_later_message_is_held_though_it_changes_nothing_here(scene: Scene, ris: Receiver) -> None:
    scene.perform("IN PROGRESS")
    scene.perform("", PatientID=STRANGER.patient_id, PatientName=STRANGER.name)
    scene.worker.run_due()
    assert scene.row().state == "held"
    assert scene.row().held_reason.startswith("the device wrote another PatientID, PatientName")
    assert ris.operations() == ["create"]


def test_a_name_in_another_spelling_is_no_other_patient(scene: Scene, ris: Receiver) -> None:
    scene.perform("IN PROGRESS", PatientName=PLAIN.name.lower())
    scene.worker.run_due()
    assert ris.operations() == ["create"]


def test_a_number_that_was_merged_away_meanwhile_does_not_leave(scene: Scene, ris: Receiver) -> None:
    say(scene.house, merge(STRANGER, PLAIN))
    scene.perform("IN PROGRESS")
    scene.worker.run_due()
    assert scene.row().state == "held"
    assert ris.heard == []


def test_images_of_nobody_hold_it_and_a_binding_frees_it(scene: Scene, ris: Receiver) -> None:
    house = scene.house
    house.instances.receive(spooled(house, image(STRANGER, "A1"), "CT1"))
    scene.perform("IN PROGRESS")
    scene.worker.run_due()
    assert scene.row().held_reason == "nobody has confirmed that its images are the order's patient's"
    resolver = MismatchResolver(house.store, house.clock, house.rules, house.destinations)
    resolver.resolve(study_uid("A1"), Ruling("bind", "looked at", "user:kim", accession_number="A1"))
    scene.worker.run_due()
    assert ris.operations() == ["create"]
