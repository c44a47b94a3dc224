"""Peers are told what can be retrieved here: bound studies, once they are complete, again with late images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import InstanceAvailabilityNotification
from sqlalchemy import update

from bridge.domain.study import Study
from bridge.flows import announce
from bridge.outbox.enqueue import AVAILABILITY
from bridge.outbox.worker import Worker
from bridge.publishers.availability import AvailabilityPublisher
from bridge.publishers.dicom_connection import Target
from bridge.store import deliveries, events, studies
from bridge.store.db import Store
from bridge.store.deliveries import DeliveryState
from bridge.store.tables import instances
from tests.fakes.clinic import Clinic, header_of

UID = "2.25.5151"
QUIET = timedelta(seconds=20)


class Scene:
    """A clinic, and a RIS that takes notifications; statuses: what it answers, for once each."""

    def __init__(self, store: Store) -> None:
        self.clinic = Clinic(store)
        self.heard: list[tuple[str, Dataset]] = []
        self.statuses: list[int] = []
        self._ae = AE("RIS")
        self._ae.add_supported_context(InstanceAvailabilityNotification)
        server = self._ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_CREATE, self._hear)])
        target = Target("RIS", "127.0.0.1", server.server_address[1])
        publisher = AvailabilityPublisher({"RIS": target}, "BRIDGE", QUIET)
        self.worker = Worker(store, self.clinic.clock, [publisher], owner="test", jitter=lambda: 0.5)
        with store.write() as tx:
            self.study = studies.add(tx, header_of(UID, 1, 1), "CT1", False, self.clinic.clock.now())
        self.image(1)

    def _hear(self, event: evt.Event) -> tuple[int, Dataset | None]:
        self.heard.append((event.request.AffectedSOPInstanceUID, event.attribute_list))
        return (self.statuses.pop(0) if self.statuses else 0x0000), None

    def image(self, number: int) -> None:
        self.clinic.instance(self.study, 1, number, f"{number}" * 64)
        with self.clinic.store.write() as tx:
            studies.touch(tx, self.study.key, self.clinic.clock.now())

    def bind(self, patient_id: str = "1") -> Study:
        return self.clinic.bind(self.study, self.clinic.patient(patient_id))

    def run(self, later: timedelta = QUIET) -> None:
        self.clinic.clock.at += later
        self.clinic.queue(AVAILABILITY, "RIS", self.study)
        self.worker.run_due()

    def unbind(self) -> None:
        """Take the binding back, as a person does."""
        held = self.clinic.question(self.study)
        with self.clinic.store.write() as tx:
            announce.study_withdrawn(tx, held, self.clinic.clock.now())
        self.worker.run_due()

    def delivery(self) -> deliveries.Delivery:
        with self.clinic.store.read() as tx:
            return deliveries.search(tx)[0]

    def stop(self) -> None:
        self._ae.shutdown()


@pytest.fixture
def scene(store: Store) -> Iterator[Scene]:
    found = Scene(store)
    yield found
    found.stop()


def test_a_complete_bound_study_is_told_of_once_without_naming_its_patient(scene: Scene) -> None:
    scene.bind()
    scene.run()
    scene.run()
    ((_, said),) = scene.heard
    assert said.StudyInstanceUID == UID
    (series,) = said.ReferencedSeriesSequence
    (one,) = series.ReferencedSOPSequence
    assert (one.InstanceAvailability, one.RetrieveAETitle) == ("ONLINE", "BRIDGE")
    assert "PatientID" not in said
    assert "PatientName" not in said
    with scene.clinic.store.read() as tx:
        told = [line.what for line in events.timeline(tx, [], [scene.study.key])]
    assert told == ["Availability told of 1 objects"]


def test_nobody_is_told_of_an_unbound_study_or_one_that_is_still_coming(scene: Scene) -> None:
    scene.run()
    assert scene.delivery().state == DeliveryState.HELD
    scene.bind()
    scene.image(2)
    scene.run(timedelta(seconds=1))
    assert scene.delivery().state == DeliveryState.PENDING
    assert scene.heard == []


def test_late_images_are_told_of_in_a_new_notification(scene: Scene) -> None:
    scene.bind()
    scene.run()
    scene.image(2)
    scene.run()
    assert [len(said.ReferencedSeriesSequence[0].ReferencedSOPSequence) for _, said in scene.heard] == [1, 2]
    assert len({uid for uid, _ in scene.heard}) == 2


def test_a_notification_that_was_refused_for_now_is_sent_again_under_its_uid(scene: Scene) -> None:
    scene.bind()
    scene.statuses = [0x0213, 0x0111]
    scene.run()
    scene.run(timedelta(minutes=20))
    assert len(scene.heard) == 2
    assert len({uid for uid, _ in scene.heard}) == 1
    assert scene.delivery().state == DeliveryState.SENT


def availabilities(said: Dataset) -> dict[str, str]:
    return {
        one.ReferencedSOPInstanceUID: one.InstanceAvailability
        for series in said.ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    }


def test_what_was_told_of_is_unavailable_once_unbound_and_only_that_and_told_of_anew_when_bound(scene: Scene) -> None:
    scene.bind()
    scene.run()
    scene.clinic.clock.at += QUIET
    scene.image(2)
    scene.unbind()
    scene.unbind()
    assert [availabilities(said) for _, said in scene.heard[1:]] == [{f"{UID}.1.1": "UNAVAILABLE"}]
    scene.bind("2")
    scene.run()
    assert availabilities(scene.heard[2][1]) == {f"{UID}.1.1": "ONLINE", f"{UID}.1.2": "ONLINE"}
    assert len({uid for uid, _ in scene.heard}) == 3


def withhold(scene: Scene, *numbers: int, withheld: str = "113001") -> None:
    """Let instances count or not, as a rejection note and whoever takes it back do."""
    with scene.clinic.store.write() as tx:
        uids = [f"{UID}.1.{number}" for number in numbers]
        tx.execute(update(instances).where(instances.c.sop_instance_uid.in_(uids)).values(withheld=withheld))
        study = studies.get(tx, scene.study.key)
        studies.save(tx, replace(study, binding_version=study.binding_version + 1))


def test_a_rejected_image_is_unavailable_at_once_and_online_again_when_that_is_taken_back(scene: Scene) -> None:
    scene.image(2)
    scene.bind()
    scene.run()
    scene.image(3)
    withhold(scene, 1, 3)
    scene.run(timedelta(seconds=1))
    assert availabilities(scene.heard[1][1]) == {f"{UID}.1.1": "UNAVAILABLE", f"{UID}.1.2": "ONLINE"}
    withhold(scene, 1, 3, withheld="")
    scene.run()
    assert availabilities(scene.heard[2][1]) == {f"{UID}.1.{number}": "ONLINE" for number in (1, 2, 3)}
    assert len({uid for uid, _ in scene.heard}) == 3


def test_a_study_of_which_all_was_rejected_is_unavailable_and_nobody_else_hears_of_it(scene: Scene) -> None:
    scene.bind()
    scene.run()
    withhold(scene, 1)
    scene.run()
    scene.run()
    assert [availabilities(said) for _, said in scene.heard[1:]] == [{f"{UID}.1.1": "UNAVAILABLE"}]
    scene.unbind()
    scene.unbind()
    withhold(scene, 1, withheld="")
    scene.bind("2")
    scene.run()
    assert availabilities(scene.heard[-1][1]) == {f"{UID}.1.1": "ONLINE"}


def test_a_study_of_which_all_was_rejected_before_it_was_told_of_is_told_to_nobody(scene: Scene) -> None:
    scene.bind()
    withhold(scene, 1)
    scene.run()
    assert (scene.heard, scene.delivery().state) == ([], DeliveryState.SENT)


def test_what_was_withdrawn_is_withdrawn_of_all_that_was_told_though_it_was_rejected_since(scene: Scene) -> None:
    scene.image(2)
    scene.bind()
    scene.run()
    withhold(scene, 1, 2)
    scene.unbind()
    assert availabilities(scene.heard[1][1]) == {f"{UID}.1.1": "UNAVAILABLE", f"{UID}.1.2": "UNAVAILABLE"}


def test_what_was_removed_here_is_unavailable_and_online_when_it_comes_again(scene: Scene) -> None:
    scene.bind()
    scene.run()
    for removed_at, says in ((scene.clinic.clock.at, "UNAVAILABLE"), (None, "ONLINE")):
        with scene.clinic.store.write() as tx:
            tx.execute(update(instances).values(removed_at=removed_at))
            announce.retrievable_changed(tx, studies.get(tx, scene.study.key), scene.clinic.clock.now())
        scene.clinic.clock.at += QUIET
        scene.worker.run_due()
        assert availabilities(scene.heard[-1][1]) == {f"{UID}.1.1": says}
    assert len({uid for uid, _ in scene.heard}) == 3


def test_a_peer_whose_answer_was_lost_is_told_of_the_withdrawal_too(scene: Scene) -> None:
    scene.bind()
    scene.statuses = [0x0213]
    scene.run()
    scene.unbind()
    assert [availabilities(said) for _, said in scene.heard] == [
        {f"{UID}.1.1": "ONLINE"},
        {f"{UID}.1.1": "UNAVAILABLE"},
    ]


def test_nobody_hears_of_the_end_of_a_study_that_they_were_never_told_of(scene: Scene) -> None:
    scene.clinic.queue(AVAILABILITY, "RIS", scene.study)
    scene.unbind()
    assert scene.heard == []
    assert scene.delivery().state == DeliveryState.HELD
