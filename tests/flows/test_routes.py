"""Studies go where the routes and people send them, as soon as they are bound, and again when either changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bridge.domain.study import Study
from bridge.errors import Conflict, Malformed
from bridge.flows import announce
from bridge.flows.announce import Destinations
from bridge.flows.explain_routes import explain_routes, find_studies
from bridge.flows.live_routes import LiveRoutes, Places
from bridge.flows.route_studies import HandSender, RouteFollower
from bridge.outbox import enqueue
from bridge.outbox.claim import claim
from bridge.outbox.enqueue import ARCHIVE
from bridge.outbox.publisher import Hold, Nothing, NotYet
from bridge.publishers.forwarding import Owed, Ways, owed_now
from bridge.store import deliveries, events, overlays, publications, studies
from bridge.store.db import Store
from bridge.store.deliveries import Delivery, DeliveryState
from bridge.wiring import House
from tests.cast import PLAIN, adt, image, order, spooled
from tests.fakes.clinic import Clinic, header_of
from tests.flows.asking import say

SHIPPED = Path(__file__).parents[2] / "mappings"
UID = "2.25.4711"
ULTRASOUND_TO_VIEWER = '[[routes]]\nname = "us"\nto = "VIEW1"\nwhen = { modality = "US" }\n'
CT_TO_VIEWER = '[[routes]]\nname = "ct"\nto = "VIEW1"\nwhen = { modality = "CT" }\n'


class Scene:
    """A study of one CT series at a clinic with an archive PACS and a viewer VIEW1."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.clinic = Clinic(store)
        self.store = store
        self.file = folder / "routes.toml"
        self.routes = LiveRoutes(SHIPPED, folder, Places(("PACS",), ("VIEW1",)), ZoneInfo("UTC"))
        self.to = Destinations(archives=("PACS",), routing=self.routes)
        self.follower = RouteFollower(store, self.clinic.clock, self.to, self.routes)
        self.hands = HandSender(store, self.clinic.clock, self.routes)
        with store.write() as tx:
            self.study = studies.add(tx, header_of(UID, 1, 1), "CT1", False, self.clinic.clock.now())
        for number in (1, 2):
            self.clinic.instance(self.study, 1, number, "0" * 64)

    def write(self, text: str) -> None:
        self.file.write_text(text, "utf-8")
        self.routes.look()

    def bind(self, number: str = "1") -> Study:
        found = self.clinic.bind(self.study, self.clinic.patient(number), corrections={"PatientID": number})
        with self.store.write() as tx:
            announce.study_changed(tx, studies.get(tx, self.study.key), self.to, self.clinic.clock.now())
        return found

    def image_comes(self) -> None:
        with self.store.write() as tx:
            announce.images_came(tx, studies.get(tx, self.study.key), self.to, self.clinic.clock.now())

    def waiting(self) -> dict[str, DeliveryState]:
        with self.store.read() as tx:
            found = deliveries.of_study(tx, self.study.key)
        return {one.destination: one.state for one in found if one.topic == ARCHIVE and one.state != "sent"}

    def prepared(self, place: str) -> Owed | NotYet | Hold | Nothing:
        with self.store.read() as tx:
            found = deliveries.waiting(tx, ARCHIVE, place, UID) or self._any_delivery(place)
            return owed_now(tx, found, Ways(self.routes), self.clinic.clock.now())

    def sent(self, place: str, count: int = 2) -> None:
        with self.store.write() as tx:
            study = studies.get(tx, self.study.key)
            owed = publications.owed_instances(tx, study.key, place, overlays.current(tx, study).since)[:count]
            now = self.clinic.clock.now()
            publications.put_forwards(tx, study.key, place, study.binding_version, [(one, "0000", now) for one in owed])
            if (delivery := deliveries.waiting(tx, ARCHIVE, place, UID)) is not None:
                deliveries.change(tx, delivery.key, state="sent")

    def _any_delivery(self, place: str) -> Delivery:
        now = self.clinic.clock.now()
        return Delivery(0, ARCHIVE, place, UID, DeliveryState.PENDING, 0, now, study_key=self.study.key)


@pytest.fixture
def scene(store: Store, tmp_path: Path) -> Scene:
    return Scene(store, tmp_path)


def test_without_routes_a_study_goes_to_the_archives_once_it_is_bound(scene: Scene) -> None:
    scene.image_comes()
    assert scene.waiting() == {"PACS": DeliveryState.HELD}
    assert isinstance(scene.prepared("PACS"), Hold)
    scene.bind()
    assert scene.waiting() == {"PACS": DeliveryState.PENDING}
    owed = scene.prepared("PACS")
    assert isinstance(owed, Owed)
    assert len(owed.instances) == 2


def test_a_route_that_takes_the_study_adds_its_destination(scene: Scene) -> None:
    scene.write(CT_TO_VIEWER)
    scene.bind()
    scene.image_comes()
    assert set(scene.waiting()) == {"PACS", "VIEW1"}
    assert isinstance(scene.prepared("VIEW1"), Owed)


def test_a_route_that_does_not_take_it_queues_nothing(scene: Scene) -> None:
    scene.write(ULTRASOUND_TO_VIEWER)
    scene.bind()
    scene.image_comes()
    assert set(scene.waiting()) == {"PACS"}
    assert scene.prepared("VIEW1") == Nothing("no route sends it there")


def test_what_is_due_later_waits_for_its_time(scene: Scene) -> None:
    scene.write(CT_TO_VIEWER + "delay_minutes = 30\n")
    scene.bind()
    found = scene.prepared("VIEW1")
    assert isinstance(found, NotYet)
    assert found.until == scene.clinic.clock.now() + timedelta(minutes=30)
    scene.clinic.clock.at += timedelta(minutes=30)
    assert isinstance(scene.prepared("VIEW1"), Owed)


def test_only_the_objects_that_a_route_chooses_go(scene: Scene) -> None:
    scene.write(CT_TO_VIEWER + 'objects = { kind = "report" }\n')
    scene.bind()
    assert scene.prepared("VIEW1") == Nothing("no route sends these objects there")


def test_changed_routes_send_recent_studies_to_new_destinations(scene: Scene) -> None:
    scene.bind()
    scene.sent("PACS")
    scene.follower.follow()
    scene.write(CT_TO_VIEWER)
    assert scene.follower.follow() == 1
    assert scene.waiting() == {"PACS": DeliveryState.PENDING, "VIEW1": DeliveryState.PENDING}
    assert scene.prepared("PACS") == Nothing("everything is there")
    assert scene.follower.follow() == 0


def test_changed_routes_leave_old_studies_and_given_up_deliveries_alone(scene: Scene) -> None:
    scene.write(CT_TO_VIEWER)
    scene.bind()
    with scene.store.write() as tx:
        for one in deliveries.of_study(tx, scene.study.key):
            enqueue.drop(tx, one.key, "given up", scene.clinic.clock.now())
    scene.write(CT_TO_VIEWER + "delay_minutes = 1\n")
    assert scene.follower.follow() == 1
    assert set(scene.waiting().values()) == {DeliveryState.DEAD}
    scene.clinic.clock.at += timedelta(days=4)
    scene.write(CT_TO_VIEWER)
    assert scene.follower.follow() == 0


def test_routes_with_faults_change_nothing(scene: Scene) -> None:
    scene.write(CT_TO_VIEWER)
    scene.write("[[routes]]\nname = 'x'\nto = 'VIEW'\n")
    assert [one.name for one in scene.routes.look().routes.routes] == ["ct"]
    assert "did you mean 'VIEW1'" in scene.routes.faults[0]
    scene.write(ULTRASOUND_TO_VIEWER)
    assert scene.routes.faults == ()


def test_a_destination_that_is_no_longer_right_keeps_its_record_and_gets_corrections(scene: Scene) -> None:
    scene.write(CT_TO_VIEWER)
    scene.bind("1")
    scene.sent("VIEW1", count=1)
    scene.write(ULTRASOUND_TO_VIEWER)
    assert scene.prepared("VIEW1") == Nothing("no route sends it there")
    scene.bind("2")
    owed = scene.prepared("VIEW1")
    assert isinstance(owed, Owed)
    assert len(owed.instances) == 1
    assert scene.waiting()["VIEW1"] == DeliveryState.PENDING


def test_a_person_sends_a_bound_study_anywhere_that_is_configured(scene: Scene) -> None:
    scene.bind()
    scene.hands.send(UID, "VIEW1", "user:maria")
    assert scene.waiting()["VIEW1"] == DeliveryState.PENDING
    assert isinstance(scene.prepared("VIEW1"), Owed)
    scene.sent("VIEW1")
    scene.clinic.instance(scene.study, 1, 3, "1" * 64)
    scene.image_comes()
    assert scene.waiting()["VIEW1"] == DeliveryState.PENDING
    with scene.store.read() as tx:
        assert "Sent to VIEW1 by hand" in [line.what for line in events.timeline(tx, [], [scene.study.key])]


def test_a_person_sends_no_unbound_study_and_to_no_stranger(scene: Scene) -> None:
    with pytest.raises(Conflict, match="not bound"):
        scene.hands.send(UID, "VIEW1", "user:maria")
    with pytest.raises(Malformed):
        scene.hands.send(UID, "ELSEWHERE", "user:maria")
    with pytest.raises(LookupError):
        scene.hands.send("2.25.1", "VIEW1", "user:maria")
    assert scene.waiting() == {}


def test_the_trace_says_where_a_study_goes_and_why_not_elsewhere(scene: Scene) -> None:
    scene.write(ULTRASOUND_TO_VIEWER)
    scene.bind()
    scene.sent("PACS", count=1)
    with scene.store.read() as tx:
        (study,) = find_studies(tx, UID)
        trace = explain_routes(tx, study, scene.routes)
    assert [(one.route, one.takes, one.reasons) for one in trace.routes] == [("us", False, ("modality is CT, not US",))]
    assert [(one.destination, one.because, one.has) for one in trace.places] == [("PACS", ("gets every study",), 1)]


def test_a_study_is_found_by_its_accession_number_whatever_uid_the_device_gave_it(
    make_house: Callable[..., House],
) -> None:
    house = make_house()
    say(house, adt(PLAIN))
    say(house, order(PLAIN, "A1"))
    house.instances.receive(spooled(house, image(PLAIN, "A1", study="2.25.77")))
    with house.store.read() as tx:
        assert [one.study_instance_uid for one in find_studies(tx, "A1")] == ["2.25.77"]


def test_an_urgent_study_overtakes_those_that_wait(store: Store) -> None:
    clinic = Clinic(store)
    now = clinic.clock.now()
    with store.write() as tx:
        for number, urgency in enumerate((0, -1, 1, 0)):
            work = enqueue.Work(ARCHIVE, "PACS", f"2.25.{number}", urgency=urgency)
            enqueue.enqueue(tx, work, now + timedelta(seconds=number) - timedelta(minutes=1))
    order = []
    for _ in range(4):
        with store.write() as tx:
            claimed = claim(tx, (ARCHIVE, "PACS"), "me", now, timedelta(seconds=60))
        assert claimed is not None
        order.append(claimed.delivery.order_of)
    assert order == ["2.25.2", "2.25.0", "2.25.3", "2.25.1"]
