"""Everything at once: asked for, made page by page, read as files; on both databases."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from fhir.resources.R4B import get_fhir_model_class
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bridge.clock import FixedClock
from bridge.codecs.fhir.check import faults_of
from bridge.domain.accounts import Role
from bridge.flows import manage_users
from bridge.flows.export_resources import ExportQueue
from bridge.store import audit, exports, users
from bridge.web.fhir.export_pages import page_maker
from bridge.wiring import House
from tests.fakes.clinic import AT
from tests.fakes.console import Console
from tests.flows.asking import study_by_uid

Json = dict[str, Any]
ASYNC = {"Prefer": "respond-async"}


def said_under_way(answer: TestResponse) -> str:
    assert answer.content_type == "application/fhir+json"
    assert answer.json is not None
    assert faults_of("R4", answer.json) == ()
    (issue,) = answer.json["issue"]
    assert issue["severity"] == "information"
    return str(issue["diagnostics"])


class Scene:
    """A console, a machine that asks, and the worker's part driven by hand."""

    def __init__(self, house: House, page: int = 2) -> None:
        self.house = house
        self.console = Console(house)
        self.console.clinic.clock = self.console.clock
        self.machine = self.console.machine(Role.SYSTEM, "fhir")
        self.page = page

    def queue(self, owner: str = "one") -> ExportQueue:
        maker = page_maker(self.house.settings, self.house.clock, self.page)
        return ExportQueue(self.house.store, self.house.clock, maker, owner=owner)

    def studies(self, count: int) -> None:
        clinic = self.console.clinic
        for number in range(count):
            clinic.bind(clinic.study(f"2.25.88.{number}", 1, 1), clinic.patient(f"P{number}"))
        assert isinstance(self.house.clock, FixedClock)
        self.house.clock.at += timedelta(seconds=30)

    def ask(self, query: str = "", machine: FlaskClient | None = None) -> str:
        answer = (machine or self.machine).get(f"/fhir/r4/$export{query}", headers=ASYNC)
        assert answer.status_code == 202, answer.text
        assert said_under_way(answer) == "asked for: see how far it is at Content-Location"
        return str(answer.headers["Content-Location"]).partition("localhost")[2]

    def made(self, place: str) -> dict[str, list[Json]]:
        """Make the export and read every file of it."""
        queue = self.queue()
        while queue.work():
            pass
        manifest = self.machine.get(place).json
        assert manifest["requiresAccessToken"] is True
        found: dict[str, list[Json]] = {}
        for one in manifest["output"]:
            answer = self.machine.get(one["url"].partition("localhost")[2], headers={"Accept-Encoding": "gzip"})
            assert (answer.content_type, answer.content_encoding) == ("application/fhir+ndjson", "gzip")
            lines = [orjson.loads(line) for line in gzip.decompress(answer.data).splitlines()]
            assert len(lines) == one["count"]
            found.setdefault(one["type"], []).extend(lines)
        return found


@pytest.fixture
def scene(make_house: Callable[..., House]) -> Scene:
    return Scene(make_house(FixedClock(AT), http={"public_url": "http://localhost"}))


ONE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_everything_that_is_served_is_in_the_files_once(scene: Scene) -> None:
    scene.studies(5)
    scene.console.order()
    scene.console.clinic.study("2.25.99", 1, 1)
    found = scene.made(scene.ask())
    assert {kind: len(lines) for kind, lines in found.items()} == {
        "Patient": 6,
        "ServiceRequest": 1,
        "ImagingStudy": 5,
        "Endpoint": 2,
    }
    for kind, lines in found.items():
        assert len({one["id"] for one in lines}) == len(lines)
        for one in lines:
            get_fhir_model_class(kind).model_validate(one)
    one = found["ImagingStudy"][0]
    assert scene.machine.get(f"/fhir/r4/ImagingStudy/{one['id']}").json == one


def test_progress_is_told_until_it_is_done_and_a_restart_goes_on_where_it_was(scene: Scene) -> None:
    scene.studies(5)
    place = scene.ask("?_type=ImagingStudy")
    assert scene.machine.get(place).status_code == 202
    first = scene.queue("one")
    first.work()
    waiting = scene.machine.get(place)
    assert (waiting.status_code, waiting.headers["X-Progress"]) == (202, "2 resources, at ImagingStudy")
    assert said_under_way(waiting) == "2 resources, at ImagingStudy"
    assert isinstance(scene.house.clock, FixedClock)
    scene.house.clock.at += timedelta(minutes=1)
    after_crash = scene.queue("two")
    while after_crash.work():
        pass
    done = scene.machine.get(place)
    assert sum(one["count"] for one in done.json["output"]) == 5
    assert done.json["request"] == "http://localhost/fhir/r4/$export?_type=ImagingStudy"
    assert "Expires" in done.headers


def test_a_page_that_another_process_has_made_meanwhile_is_not_kept_twice(scene: Scene) -> None:
    scene.studies(5)
    place = scene.ask("?_type=ImagingStudy")
    with scene.house.store.read() as tx:
        slow = exports.next_open(tx)
    assert slow is not None
    scene.queue("one").work()
    with scene.house.store.write() as tx:
        assert not exports.put_page(tx, slow, b"{}\n", 1, ("9", 9))
    assert len(scene.made(place)["ImagingStudy"]) == 5


@ONE
def test_since_leaves_out_what_is_older(scene: Scene) -> None:
    scene.studies(2)
    since = (scene.house.clock.now() + timedelta(hours=1)).isoformat().replace("+", "%2B")
    assert scene.made(scene.ask(f"?_type=ImagingStudy&_since={since}")) == {}
    assert len(scene.made(scene.ask("?_type=ImagingStudy&_since=2020-01-01T00:00:00Z"))["ImagingStudy"]) == 2


@ONE
def test_scopes_decide_what_is_exported(scene: Scene) -> None:
    token = manage_users.create_token(
        scene.console.store, scene.console.clock, "bi", Role.SYSTEM, scopes=["system/ImagingStudy.rs"], actor="system"
    )
    scene.machine = scene.console.app.test_client()
    scene.machine.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    scene.studies(1)
    refused = scene.machine.get("/fhir/r4/$export?_type=Patient", headers=ASYNC)
    assert refused.status_code == 403
    assert list(scene.made(scene.ask())) == ["ImagingStudy"]


@ONE
def test_an_export_is_its_owners_and_gone_when_deleted_or_a_day_old(scene: Scene) -> None:
    scene.studies(1)
    place, other = scene.ask("?_type=Endpoint"), scene.ask("?_type=ImagingStudy")
    scene.made(place)
    stranger = scene.console.machine(Role.SYSTEM, "fhir")
    assert stranger.get(place).status_code == stranger.delete(place).status_code == 404
    assert scene.machine.delete(place).status_code == 202
    assert scene.machine.get(place).status_code == 404
    assert isinstance(scene.house.clock, FixedClock)
    scene.house.clock.at += timedelta(hours=25)
    scene.queue().work()
    assert scene.machine.get(other).status_code == 404


@ONE
def test_a_file_says_no_more_of_a_study_that_has_left_its_chart_since(scene: Scene) -> None:
    scene.studies(3)
    place = scene.ask("?_type=ImagingStudy")
    before = {one["id"]: one for one in scene.made(place)["ImagingStudy"]}
    scene.console.clinic.question(study_by_uid(scene.house.store, "2.25.88.1"))
    after = {one["id"]: one for one in scene.made(place)["ImagingStudy"]}
    (gone,) = (one for one in after.values() if one["status"] == "entered-in-error")
    assert gone["identifier"][0]["value"] == "urn:oid:2.25.88.1"
    assert "series" not in gone
    assert {one: said for one, said in after.items() if said != gone} == {
        one: said for one, said in before.items() if one != gone["id"]
    }


@ONE
def test_an_export_stops_with_the_token_it_was_asked_with_and_every_step_is_audited(scene: Scene) -> None:
    place = scene.ask("?_type=Endpoint")
    with scene.console.store.read() as tx:
        token = users.every_token(tx)[0]
    manage_users.revoke_token(scene.console.store, scene.console.clock, token.key, "system")
    scene.queue().work()
    assert scene.console.machine().get(place).status_code == 409
    with scene.console.store.read() as tx:
        actions = {row.action for row in audit.recent(tx, limit=20)}
    assert {"export_asked", "export_failed"} <= actions


@ONE
@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("", {}, 400),
        ("?_type=Nothing", ASYNC, 400),
        ("?_outputFormat=text/csv", ASYNC, 400),
        ("?_since=yesterday", ASYNC, 400),
        ("?_typeFilter=ImagingStudy%3Fmodality=CT", ASYNC, 400),
        ("?_elements=id", ASYNC, 400),
        ("?patient=Patient/1", ASYNC, 400),
    ],
)
def test_a_request_that_cannot_be_met_is_refused(
    scene: Scene, query: str, headers: dict[str, str], status: int
) -> None:
    answer = scene.machine.get(f"/fhir/r4/$export{query}", headers=headers)
    assert (answer.status_code, answer.json["resourceType"]) == (status, "OperationOutcome")


@ONE
def test_who_allows_it_gets_an_export_without_what_is_not_served(scene: Scene) -> None:
    lenient = {"Prefer": "respond-async, handling=lenient"}
    assert scene.machine.get("/fhir/r4/$export?_elements=id", headers=lenient).status_code == 202


@ONE
def test_more_than_three_at_a_time_wait_for_one_to_be_done(scene: Scene) -> None:
    places = [scene.ask() for _ in range(3)]
    answer = scene.machine.get("/fhir/r4/$export", headers=ASYNC)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "60")
    assert answer.json["issue"][0]["code"] == "throttled"
    assert scene.console.machine(Role.SYSTEM, "fhir").get("/fhir/r4/$export", headers=ASYNC).status_code == 202
    scene.machine.delete(places[0])
    scene.ask()


@ONE
def test_what_is_served_is_said_and_groups_are_not(scene: Scene) -> None:
    for release in ("r4", "r5"):
        statement = scene.machine.get(f"/fhir/{release}/metadata").json
        (rest,) = statement["rest"]
        patients = next(one for one in rest["resource"] if one["type"] == "Patient")
        said = [one["definition"].rpartition("/")[2] for one in (*rest["operation"], *patients["operation"])]
        assert [one for one in said if "export" in one] == ["export", "patient-export"]
        assert statement["instantiates"][0] == "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"
        assert faults_of(release.upper(), statement) == ()
        asked = [
            scene.machine.get(f"/fhir/{release}/{path}", headers=ASYNC)
            for path in ("Group/1/$export", "Patient/$export")
        ]
        assert [one.status_code for one in asked] == [404, 202]
        assert asked[0].json["resourceType"] == "OperationOutcome"
        assert scene.machine.get(asked[1].headers["Content-Location"]).status_code == 202
