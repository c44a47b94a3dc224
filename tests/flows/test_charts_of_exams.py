"""What charts have of an exam of which no image is here: shown, published again, withdrawn, and the same once images come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from bridge.building.news import chart_takers
from bridge.clock import FixedClock
from bridge.domain.accounts import Caller, Role
from bridge.domain.chart import OWN, WAY
from bridge.errors import Conflict
from bridge.flows.change_chart import ChartDesk
from bridge.flows.charted import charted
from bridge.sections.fhir import FhirServer
from bridge.store.tables import orders
from bridge.web import chart_views
from bridge.web.chart_views import Chart
from bridge.wiring import House
from samples.strict_ehr import StrictEhr
from tests.cast import PLAIN, STRANGER, adt, image, order, report, spooled, study_uid
from tests.fakes.console import Console
from tests.flows.asking import say
from tests.flows.test_chart_parts import DOCUMENT, KINDS, Scene

UID = study_uid("A1")
GONE = "entered-in-error"
PARTS = ("Procedure", "DiagnosticReport", "DocumentReference")
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def ehr() -> Iterator[StrictEhr]:
    server = StrictEhr().start()
    yield server
    server.stop()


@pytest.fixture
def scene(make_house: Callable[..., House], ehr: StrictEhr) -> Scene:
    """An exam that its device has begun and that has a report already; no image is here."""
    server = FhirServer(name="ehr", base_url=ehr.base_url, publish=KINDS, version="R4", timeout_secs=10)
    clock = FixedClock(datetime(2026, 3, 2, 12, 30, tzinfo=UTC))
    house = make_house(clock, fhir={"servers": [server.model_dump()]}, publish={"announce": True})
    found = Scene(house, ehr)
    say(house, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"), report(PLAIN, "A1", extra=DOCUMENT))
    found.somebody(PLAIN.patient_id)
    found.device_says("IN PROGRESS")
    found.run()
    return found


@pytest.fixture
def desk(scene: Scene) -> ChartDesk:
    return ChartDesk(scene.house.store, scene.house.clock, scene.house.destinations, chart_takers(scene.house))


def chart(scene: Scene, desk: ChartDesk, server: str = "ehr") -> Chart:
    with scene.house.store.read() as tx:
        view = chart_views.read(tx, charted(tx, UID), desk.servers, desk.takers, Caller("user:maria", Role.ADMIN))
    return next(one for one in view.charts if one.server == server)


def versions(scene: Scene, desk: ChartDesk, server: str = "ehr") -> list[tuple[str, str]]:
    """Return the state of each version of the study's entry, the newest first, and what made it."""
    return [(one.version.status, one.version.why.cause.value) for one in chart(scene, desk, server).versions]


def statuses(scene: Scene) -> list[str]:
    return [scene.only(kind)["status"] for kind in ("ImagingStudy", *PARTS)]


def test_its_versions_go_on_as_the_studys_once_its_images_come(scene: Scene, desk: ChartDesk) -> None:
    for server in ("ehr", OWN):
        assert versions(scene, desk, server) == [("registered", "event")]
    assert {one.part.kind for one in chart(scene, desk).parts} >= set(PARTS)
    scene.house.instances.receive(spooled(scene.house, image(PLAIN, "A1")))
    scene.run(timedelta(minutes=2))
    for server in ("ehr", OWN):
        shown = chart(scene, desk, server).versions
        assert {one.version.reference for one in shown} == {shown[0].version.reference}
        assert (shown[0].version.status, shown[-1].version.status) == ("available", "registered")
        assert [one.version.number for one in shown] == list(range(len(shown), 0, -1))


def test_it_is_withdrawn_with_what_rests_on_it_and_let_back(scene: Scene, desk: ChartDesk) -> None:
    assert statuses(scene) == ["registered", "in-progress", "final", "current"]
    api = Console(scene.house).machine(Role.SYSTEM)
    desk.withdraw(UID, "a phantom", "user:maria")
    assert [one["resource"]["status"] for one in api.get("/fhir/r4/ImagingStudy").json["entry"]] == [GONE], "at once"
    for kind in PARTS:
        assert api.get(f"/fhir/r4/{kind}").json["total"] == 0, kind
    scene.run()
    assert statuses(scene) == [GONE] * 4
    for server in ("ehr", OWN):
        assert versions(scene, desk, server)[0] == (GONE, "person")
    with pytest.raises(Conflict, match="withdrawn already"):
        desk.withdraw(UID, "again", "user:maria")
    with pytest.raises(Conflict, match="take the withdrawal back"):
        desk.publish(UID, "user:maria")
    desk.take_back(UID, "it was a patient", "user:maria")
    scene.run()
    assert statuses(scene) == ["registered", "in-progress", "final", "current"]
    assert api.get("/fhir/r4/ImagingStudy?status=registered").json["total"] == 1


def test_what_is_withdrawn_before_its_images_stays_out_with_them(scene: Scene, desk: ChartDesk) -> None:
    desk.withdraw(UID, "a phantom", "user:maria")
    scene.house.instances.receive(spooled(scene.house, image(PLAIN, "A1")))
    scene.run(timedelta(minutes=2))
    assert statuses(scene) == [GONE] * 4
    assert {status for status, _ in versions(scene, desk, OWN)} <= {"registered", GONE}
    desk.take_back(UID, "it was a patient", "user:maria")
    scene.run(timedelta(minutes=2))
    assert statuses(scene)[0] == "available"


@ON_SQLITE
def test_what_a_chart_lost_is_there_again_when_it_is_published_again(scene: Scene, desk: ChartDesk) -> None:
    for kind in ("ImagingStudy", "DiagnosticReport"):
        scene.ehr.books.delete(kind, scene.only(kind)["id"])
    assert set(desk.publish(UID, "user:maria")) == {"ehr", OWN}
    scene.run()
    assert statuses(scene) == ["registered", "in-progress", "final", "current"]


@ON_SQLITE
def test_an_exam_of_two_peoples_orders_is_in_no_chart(scene: Scene, desk: ChartDesk) -> None:
    say(scene.house, order(STRANGER, "B1"))
    with scene.house.store.write() as tx:
        tx.execute(orders.update().values(study_instance_uid=UID))
    with pytest.raises(Conflict, match="not bound"):
        desk.withdraw(UID, "whose is it?", "user:maria")


@ON_SQLITE
def test_the_way_to_the_images_is_put_right_when_it_is_published_again(scene: Scene, desk: ChartDesk) -> None:
    scene.house.instances.receive(spooled(scene.house, image(PLAIN, "A1")))
    scene.run(timedelta(minutes=2))
    made = scene.all("Endpoint")[0]
    theirs = made | {"status": "off", "address": "https://old.example.org", "name": "theirs"}
    scene.ehr.books.update(theirs, made["id"])
    assert desk.publish(UID, "user:maria", "ehr", WAY) == ("ehr",)
    scene.run()
    now = next(one for one in scene.all("Endpoint") if one["id"] == made["id"])
    assert (now["status"], now["address"]) == ("active", made["address"])
    ways = chart(scene, desk).ways
    assert ways is not None
    mine = [one for one in ways.versions if one.version.resource_id == made["id"]]
    assert mine[0].stands
    with pytest.raises(Conflict, match="no chart takes"):
        desk.publish(UID, "user:maria", OWN, WAY)


def test_the_page_of_an_exam_is_reached_from_it_and_acts_on_it(scene: Scene, desk: ChartDesk) -> None:
    console = Console(scene.house)
    browser = console.browser(Role.ADMIN)
    page = "/orders/1/chart"
    assert f'href="{page}"' in browser.get("/exams/order-1").get_data(as_text=True)
    assert f'href="{page}"' in browser.get("/chart").get_data(as_text=True)
    shown = browser.get(page).get_data(as_text=True)
    for words in (
        "No image of it is here",
        "HALVORSEN",
        "What was performed",
        "Version 1",
        "Withdraw from every chart",
    ):
        assert words in shown
    token = {"csrf_token": console.form_token(browser)}
    assert browser.post(f"{page}/publish", data=token).status_code == 303
    answer = browser.post(f"{page}/withdraw", data=token | {"reason": "a phantom"})
    assert answer.status_code == 303
    assert "took this exam out of every chart" in browser.get(answer.headers["Location"]).get_data(as_text=True)
    assert browser.post(f"{page}/withdraw/undo", data=token | {"reason": "it was none"}).status_code == 303
    assert "HALVORSEN" not in console.browser(Role.IT).get(page).get_data(as_text=True)
    assert console.browser(Role.VIEWER).post(f"{page}/publish", data={}).status_code in (400, 403)
    said = console.machine(Role.ADMIN).get(f"/api/studies/{UID}/chart").json
    assert (said["id"], said["study_instance_uid"]) == (None, UID)
    scene.house.instances.receive(spooled(scene.house, image(PLAIN, "A1")))
    assert browser.get(page).headers["Location"].endswith("/studies/1/chart")
    assert browser.get("/orders/99/chart").status_code == 404
