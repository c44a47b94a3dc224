"""A study that a modality has only begun, as it is read here: in its patient's chart alone, and one resource with its images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from pydicom.dataset import Dataset

from bridge.building.destinations import publishers
from bridge.building.news import news_watch
from bridge.clock import FixedClock
from bridge.codecs.fhir.check import faults_of
from bridge.domain.accounts import Role
from bridge.domain.code import Code
from bridge.domain.identifiers import PatientIdentifier
from bridge.flows.export_resources import ExportQueue
from bridge.flows.resolve_mismatch import MismatchResolver, Ruling
from bridge.flows.undo_merge import MergeUndoer
from bridge.outbox.worker import Worker
from bridge.store import orders
from bridge.store.tables import merges
from bridge.web.fhir.export_pages import page_maker
from bridge.wiring import House
from tests.cast import NEAR_TWIN, PLAIN, STRANGER, Person, adt, image, merge, order, renamed, spooled, study_uid
from tests.fakes.clinic import AT
from tests.fakes.console import Console
from tests.flows.asking import say, sent
from tests.flows.registration import mrg, order_of, pv1, tell
from tests.flows.test_orders import cast_mpps

Json = dict[str, Any]
UID, STEP = study_uid("A1"), "2.25.77"
GONE = "entered-in-error"
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Here:
    """A clinic that is read over FHIR, with a worker that is driven by hand."""

    def __init__(self, make_house: Callable[..., House], *, announce: bool = True, **more: Json) -> None:
        sections = {"http": {"public_url": "http://localhost"}, "fhir": {}, "publish": {"announce": announce}} | more
        self.house = make_house(FixedClock(AT), **sections)
        self.console = Console(self.house)
        self.worker = Worker(self.house.store, self.house.clock, publishers(self.house), owner="t", jitter=lambda: 0.5)
        self.watch = news_watch(self.house)
        self.api = self.console.machine(Role.SYSTEM)
        say(self.house, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"))

    def hear(self, *said: bytes) -> None:
        say(self.house, *said)

    def device(self, status: str = "IN PROGRESS", *, accession: str = "A1", step: str = STEP, **more: Any) -> None:
        attributes = cast_mpps(accession, status)
        for keyword, value in more.items():
            setattr(attributes, keyword, value)
        steps = self.house.performed_steps
        (steps.create if status == "IN PROGRESS" else steps.set)(step, sent(attributes), "CT1")

    def run(self, later: timedelta = timedelta(seconds=1)) -> None:
        self.console.clock.at += later
        while self.watch.work():
            pass
        self.worker.run_due()

    def image(self, person: Person = PLAIN, number: int = 1, accession: str = "A1") -> None:
        self.house.instances.receive(spooled(self.house, image(person, accession, number)))

    def found(self, query: str = "", client: FlaskClient | None = None) -> list[Json]:
        answer = (client or self.api).get(f"/fhir/r4/ImagingStudy?{query}")
        assert answer.status_code == 200, answer.text
        assert answer.json is not None
        found = [one["resource"] for one in answer.json.get("entry", ())]
        assert answer.json["total"] == len(found)
        return found

    def only(self, query: str = "") -> Json:
        (found,) = self.found(query)
        return found

    def states(self) -> list[tuple[str, str]]:
        """Return in which status it stands in whose chart."""
        return sorted((self.number(one), one["status"]) for one in self.found(f"identifier={UID}"))

    def number(self, study: Json) -> str:
        patient = self.api.get(f"/fhir/r4/{study['subject']['reference']}").json
        assert patient is not None
        return str(patient["identifier"][0]["value"])

    def undo_merge(self) -> None:
        """Take the last merge back."""
        house = self.house
        with house.store.read() as tx:
            last = [row.key for row in tx.execute(merges.select().order_by(merges.c.key))][-1]
        MergeUndoer(house.store, house.clock, house.rules, house.destinations).undo(last, "two people", "user:maria")

    def ids(self) -> dict[str, str]:
        """Return in which status each resource of it stands."""
        found = self.found(f"identifier={UID}")
        assert len({one["id"] for one in found}) == len(found), "two resources have one id"
        return {one["id"]: one["status"] for one in found}

    def decide(self, **ruling: Any) -> None:
        house = self.house
        resolver = MismatchResolver(house.store, house.clock, house.rules, house.destinations)
        resolver.resolve(UID, Ruling(**ruling, reason="asked", actor="user:maria"))


@pytest.fixture
def here(make_house: Callable[..., House]) -> Here:
    return Here(make_house)


@pytest.fixture
def begun(here: Here) -> Here:
    here.device()
    here.run()
    return here


def test_what_a_modality_begins_is_read_and_stays_one_resource_with_its_images(begun: Here) -> None:
    announced = begun.only()
    assert (announced["status"], begun.number(announced)) == ("registered", PLAIN.patient_id)
    assert announced["identifier"][0]["value"] == f"urn:oid:{UID}"
    assert not {"series", "numberOfInstances", "endpoint"} & announced.keys()
    place = f"ImagingStudy/{announced['id']}"
    for release in ("r4", "r5"):
        read = begun.api.get(f"/fhir/{release}/{place}")
        assert read.status_code == 200
        assert faults_of(release.upper(), read.json) == ()
    begun.image()
    begun.run()
    assert [(one["id"], one["status"]) for one in begun.found()] == [(announced["id"], "registered")]
    begun.image(number=2)
    begun.run(timedelta(minutes=2))
    whole = begun.only()
    assert (whole["id"], whole["status"], whole["numberOfInstances"]) == (announced["id"], "available", 2)
    history = begun.api.get(f"/fhir/r4/{place}/_history").json
    statuses = [one["resource"]["status"] for one in history["entry"]]
    assert statuses == ["available", *["registered"] * (len(statuses) - 1)]
    assert begun.api.get(f"/fhir/r4/{place}/_history/1").json == announced
    assert begun.found("_id=1") == [], "it has no second id"


@ON_SQLITE
def test_it_is_found_by_what_it_says_and_by_nothing_else(begun: Here) -> None:
    one = begun.only()
    subject, day = one["subject"]["reference"], f"{begun.console.clock.at:%Y-%m-%d}"
    for query in (
        f"_id={one['id']}",
        f"identifier=urn:dicom:uid|urn:oid:{UID}",
        "identifier=A1",
        f"patient={subject}",
        f"subject:Patient.identifier={PLAIN.patient_id}",
        "status=registered",
        "status:not=available",
        "modality=CT",
        f"started={one['started'][:10]}",
        "basedon:identifier=A1",
        f"basedon={one['basedOn'][0]['reference']}",
        "encounter:missing=true",
        "endpoint:missing=true",
        f"_lastUpdated=ge{day}",
    ):
        assert [found["id"] for found in begun.found(query)] == [one["id"]], query
    for query in (
        "_id=begun-9",
        "_id=begun-01",
        "identifier=A2",
        "status=available",
        f"status={GONE}",
        "modality=MR",
        "started=2001",
        "endpoint=Endpoint/wado-rs",
        f"series={UID}.1",
        "_lastUpdated=lt2001",
        "basedon:missing=true",
        f"patient.identifier={STRANGER.patient_id}",
    ):
        assert begun.found(query) == [], query
    twin = begun.console.machine(Role.SYSTEM, f"patient/{STRANGER.patient_id}|RIVERSIDE", "patient/*.rs")
    mine = begun.console.machine(Role.SYSTEM, f"patient/{PLAIN.patient_id}|RIVERSIDE", "patient/*.rs")
    assert (begun.found(client=twin), len(begun.found(client=mine))) == ([], 1)
    assert twin.get(f"/fhir/r4/ImagingStudy/{one['id']}").status_code == 404


@ON_SQLITE
@pytest.mark.parametrize(
    "sort", ["", "_sort=started", "_sort=-started", "_sort=_lastUpdated", "_sort=_id", "_sort=-_id"]
)
def test_pages_have_each_study_once_whether_it_has_images_or_not(here: Here, sort: str) -> None:
    for number in range(3):
        accession = f"B{number}"
        here.hear(order(PLAIN, accession))
        said = cast_mpps(accession)
        said.PerformedProcedureStepStartTime = f"08{number}0"
        here.house.performed_steps.create(f"2.25.8{number}", sent(said), "CT1")
        here.hear(order(PLAIN, f"C{number}"))
        here.house.instances.receive(spooled(here.house, image(PLAIN, f"C{number}")))
    here.run(timedelta(minutes=2))
    address, seen, totals = f"/fhir/r4/ImagingStudy?_count=2&{sort}", [], set()
    while address:
        page = here.api.get(address).json
        seen += [one["resource"] for one in page["entry"]]
        totals.add(page["total"])
        address = {one["relation"]: one["url"] for one in page["link"]}.get("next", "").partition("localhost")[2]
    assert (len(seen), len({one["id"] for one in seen}), totals) == (6, 6, {6})
    if "started" in sort:
        started = [one["started"] for one in seen]
        assert started == sorted(started, reverse="-" in sort)


def test_an_exam_that_is_stopped_without_an_image_is_cancelled(begun: Here) -> None:
    begun.device("DISCONTINUED")
    assert begun.states() == [(PLAIN.patient_id, "cancelled")], "before the worker has come by"
    begun.run()
    assert begun.states() == [(PLAIN.patient_id, "cancelled")]
    assert begun.only("status=cancelled")["id"] == begun.only()["id"]


@ON_SQLITE
def test_what_was_begun_from_the_wrong_worklist_entry_was_an_error(begun: Here) -> None:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "110514", "DCM", "Wrong entry"
    begun.device("DISCONTINUED", PerformedProcedureStepDiscontinuationReasonCodeSequence=[code])
    assert begun.states() == [(PLAIN.patient_id, GONE)]
    begun.run()
    ended = begun.only(f"status={GONE}")
    assert set(ended) == {"resourceType", "id", "meta", "status", "subject", "identifier"}
    history = begun.api.get(f"/fhir/r4/ImagingStudy/{ended['id']}/_history").json
    assert "A1" not in str([one["resource"].get("basedOn") for one in history["entry"]])


@ON_SQLITE
@pytest.mark.parametrize("after", [timedelta(0), timedelta(seconds=1)], ids=["at once", "once written down"])
def test_whose_it_is_is_asked_whenever_it_is_read(begun: Here, after: timedelta) -> None:
    """A record that another person's name was put on is in question: nothing of it is certain."""
    begun.hear(adt(renamed(PLAIN, "OKAFOR^CHIDI", "19830504"), "A08", at="20260302110000"))
    if after:
        begun.run(after)
    assert begun.states() == [(PLAIN.patient_id, GONE)]
    assert "basedOn" not in begun.only()


def test_images_of_nobody_end_it_and_those_that_are_bound_to_its_patient_bring_it_back(begun: Here) -> None:
    first = begun.only()["id"]
    begun.image(STRANGER)
    assert begun.states() == [(PLAIN.patient_id, GONE)], "before the worker has come by"
    begun.run()
    begun.decide(action="bind", accession_number="A1")
    begun.run(timedelta(minutes=2))
    assert (begun.states(), begun.only()["id"]) == ([(PLAIN.patient_id, "available")], first)


@ON_SQLITE
def test_images_of_another_person_are_another_resource_and_it_stays_an_error(begun: Here) -> None:
    first = begun.only()["id"]
    begun.image(STRANGER)
    begun.hear(order(STRANGER, "S1"))
    begun.decide(action="bind", accession_number="S1")
    begun.run(timedelta(minutes=2))
    assert begun.states() == [(PLAIN.patient_id, GONE), (STRANGER.patient_id, "available")]
    assert begun.only("status=available")["id"] != first


def test_it_follows_its_order_through_a_merge_and_its_undo(begun: Here) -> None:
    begun.hear(adt(NEAR_TWIN), merge(NEAR_TWIN, PLAIN))
    begun.run()
    assert [one["status"] for one in begun.found(f"patient.identifier={NEAR_TWIN.patient_id}")] == ["registered"]
    begun.undo_merge()
    begun.run()
    assert begun.states() == [(PLAIN.patient_id, "registered"), (NEAR_TWIN.patient_id, GONE)]


@ON_SQLITE
@pytest.mark.parametrize("after", [timedelta(0), timedelta(minutes=2)], ids=["at once", "once written down"])
def test_an_undone_merge_leaves_images_that_had_been_begun_another_resource(begun: Here, after: timedelta) -> None:
    begun.image()
    begun.run(timedelta(minutes=2))
    begun.hear(adt(NEAR_TWIN), merge(NEAR_TWIN, PLAIN))
    if after:
        begun.run(after)
    first = begun.only()["id"]
    begun.undo_merge()
    if after:
        begun.run(after)
    assert begun.ids() == {first: GONE, "1-2": "available"}
    assert begun.states() == [(PLAIN.patient_id, "available"), (NEAR_TWIN.patient_id, GONE)]


@ON_SQLITE
def test_an_undone_merge_leaves_no_order_of_the_other_in_a_chart(here: Here) -> None:
    here.image()
    here.decide(action="bind", patient=PatientIdentifier(STRANGER.patient_id, "RIVERSIDE"))
    here.run()
    here.hear(merge(STRANGER, PLAIN))
    here.run(timedelta(minutes=2))
    ordered = here.only("status=available")
    here.undo_merge()
    now = here.only("status=available")
    assert (ordered["id"], "basedOn" in ordered) == (now["id"], "basedOn" not in now), "before the worker has come by"
    assert (ordered["meta"]["versionId"], now["meta"]["versionId"]) == ("2", "3")
    here.run()
    assert here.only("status=available")["meta"]["versionId"] == "3"


@ON_SQLITE
@pytest.mark.parametrize("issuer", ["RIVERSIDE", ""])
def test_a_device_that_names_the_number_that_ended_since_names_nobody_else(here: Here, issuer: str) -> None:
    """It goes on saying the number that its worklist had when the exam began."""
    here.device(PatientID=PLAIN.patient_id, IssuerOfPatientID=issuer)
    here.run()
    here.hear(adt(NEAR_TWIN), merge(NEAR_TWIN, PLAIN))
    assert [*here.ids().values()] == ["registered"]
    here.run()
    assert here.states() == [(NEAR_TWIN.patient_id, "registered")]
    (performed,) = here.api.get("/fhir/r4/Procedure").json["entry"]
    assert here.number(performed["resource"]) == NEAR_TWIN.patient_id
    here.undo_merge()
    here.run()
    assert here.states() == [(PLAIN.patient_id, "registered"), (NEAR_TWIN.patient_id, GONE)]


@ON_SQLITE
def test_what_was_begun_for_two_who_are_one_stands_once(here: Here) -> None:
    """It moved from one to the other with its visit, and then both turn out to be one person."""
    here.hear(tell("A01", PLAIN.pid, pv1("V1"), at="20260302080100"), order_of(PLAIN, "A1", "V1", at="20260302083000"))
    here.device()
    here.run()
    here.hear(adt(NEAR_TWIN), tell("A45", NEAR_TWIN.pid, mrg(PLAIN, visit="V1"), pv1("V1")))
    here.run()
    moved = {"begun-1": GONE, "begun-2": "registered"}
    assert here.ids() == moved
    here.hear(merge(PLAIN, NEAR_TWIN, at="20260302120000"))
    assert here.ids() == moved
    here.run()
    assert here.ids() == moved
    here.image()
    here.run(timedelta(minutes=2))
    assert here.ids() == moved | {"begun-2": "available"}


@ON_SQLITE
def test_what_stands_stays_when_a_chart_in_which_it_was_an_error_becomes_its_own(begun: Here) -> None:
    begun.image()
    begun.hear(order(STRANGER, "S1"))
    begun.decide(action="bind", accession_number="S1")
    begun.run(timedelta(minutes=2))
    right = {"begun-1": GONE, "1-2": "available"}
    assert begun.ids() == right
    begun.hear(merge(PLAIN, STRANGER, at="20260302120000"))
    assert begun.ids() == right
    begun.run(timedelta(minutes=2))
    assert begun.ids() == right


@ON_SQLITE
def test_an_export_has_it_and_its_file_says_what_became_of_it(begun: Here) -> None:
    asked = begun.api.get("/fhir/r4/$export?_type=ImagingStudy", headers={"Prefer": "respond-async"})
    place = asked.headers["Content-Location"].partition("localhost")[2]
    maker = page_maker(begun.house.settings, begun.console.clock, 2)
    while ExportQueue(begun.house.store, begun.console.clock, maker, owner="one").work():
        pass
    (file,) = begun.api.get(place).json["output"]
    assert '"registered"' in begun.api.get(file["url"].partition("localhost")[2]).text
    begun.image(STRANGER)
    assert f'"{GONE}"' in begun.api.get(file["url"].partition("localhost")[2]).text


@ON_SQLITE
def test_a_house_that_announces_nothing_serves_none(make_house: Callable[..., House]) -> None:
    here = Here(make_house, announce=False)
    here.device()
    here.run()
    assert here.found() == []


def test_who_asked_for_what_has_begun_and_why_is_found_as_it_is_shown(make_house: Callable[..., House]) -> None:
    here = Here(make_house)
    with here.house.store.write() as tx:
        (found,) = orders.by_accession(tx, "A1")
        said: Any = {
            "requesting_physician_code": (Code("7", "EHR", "ODA KENJI"),),
            "reason_for_requested_procedure_code": (Code("R05", "I10", "Cough"),),
        }
        orders.save(tx, replace(found, requesting_physician="ODA^KENJI", details=said), here.console.clock.now())
    here.device()
    here.run()
    shown = here.only()
    number, (reason,) = shown["referrer"]["identifier"], shown["reasonCode"]
    (coding,) = reason["coding"]
    assert here.found(f"referrer:identifier={number['system']}|{number['value']}") == [shown]
    assert here.found(f"reason={coding['system']}|{coding['code']}") == [shown]
    for query in ("referrer:identifier=8", "reason=R06", "referrer:missing=true", "reason:missing=true", "performer=1"):
        assert here.found(query) == [], query
