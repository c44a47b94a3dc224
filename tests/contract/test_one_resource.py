"""One study is one resource on every kind of server: by our own id, on a condition, or by looking first and afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

import pytest

from bridge.codecs.fhir.references import derived_id
from bridge.domain.identifiers import EntityIdentifier
from bridge.outbox.enqueue import IMAGING_STUDY
from bridge.publishers.imaging_study import StudyParcel
from bridge.store import orders
from bridge.store.db import Store, WriteTx
from bridge.store.deliveries import DeliveryState
from samples.ehr_offers import BY_CONDITION, BY_ID, BY_SEARCH, Offers
from samples.strict_ehr import StrictEhr
from tests.fakes.chart_scene import QUIET, SYSTEM, UID, Scene
from tests.fakes.clinic import ISSUER

EVERY_KIND = pytest.mark.parametrize("offers", [BY_ID, BY_CONDITION, BY_SEARCH], ids=["id", "condition", "search"])
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def server() -> Iterator[StrictEhr]:
    found = StrictEhr(slow_secs=0.8).start()
    yield found
    found.stop()


@pytest.fixture
def scene(store: Store, server: StrictEhr) -> Iterator[Scene]:
    server.misbehave("ok")
    server.books.clear()
    server.offers, server.promises = BY_ID, None
    server.requests.clear()
    found = Scene(store, server, timeout_secs=1.0)
    yield found
    found.client.close()


@EVERY_KIND
def test_a_study_sent_three_times_through_answers_that_were_lost_is_one_resource(scene: Scene, offers: Offers) -> None:
    scene.ehr.offers = offers
    study, patient = scene.bound_study()
    scene.in_ehr(patient)
    for number in range(3):
        scene.ehr.misbehave(
            "commit-then-500" if number else "commit-then-hang", 1, ["PUT", "POST"], types=["ImagingStudy"]
        )
        scene.until_quiet()
        scene.clinic.instance(study, 4, number + 1)
        scene.clinic.queue(IMAGING_STUDY, "ehr", study)
        scene.pass_time(QUIET)
    scene.until_quiet()
    (charted,) = scene.charted()
    assert (charted["status"], charted["numberOfInstances"]) == ("available", 9)


@EVERY_KIND
def test_an_index_that_lags_behind_a_lost_answer_leaves_one_resource(scene: Scene, offers: Offers) -> None:
    scene.ehr.offers = offers
    _, patient = scene.bound_study()
    scene.in_ehr(patient)
    scene.ehr.misbehave("commit-then-500", 1, ["PUT", "POST"], types=["ImagingStudy"])
    scene.run()
    scene.ehr.misbehave("blind", 1, ["GET"], types=["ImagingStudy"])
    scene.until_quiet()
    assert [one["status"] for one in scene.charted()] == ["available"]


def test_a_twin_is_marked_where_nothing_is_deleted(scene: Scene) -> None:
    scene.ehr.offers = Offers(client_ids=False, conditional_create=False, conditional_update=False, deletes=False)
    _, patient = scene.bound_study()
    scene.in_ehr(patient)
    scene.ehr.misbehave("commit-then-500", 1, ["POST"], types=["ImagingStudy"])
    scene.run()
    scene.ehr.misbehave("blind", 1, ["GET"], types=["ImagingStudy"])
    scene.until_quiet()
    assert sorted(one["status"] for one in scene.charted()) == ["available", "entered-in-error"]


def test_a_server_that_lets_clients_choose_is_put_a_study_under_an_id_that_follows_from_it(scene: Scene) -> None:
    _, patient = scene.bound_study()
    subject = scene.in_ehr(patient)
    scene.run()
    (charted,) = scene.charted()
    assert charted["id"] == derived_id(UID, "ehr", subject, "0")


def test_a_server_that_promised_ids_and_refuses_them_is_written_to_on_a_condition_and_asked_anew(scene: Scene) -> None:
    scene.ehr.promises, scene.ehr.offers = BY_ID, BY_CONDITION
    _, patient = scene.bound_study()
    scene.in_ehr(patient)
    scene.run()
    second = scene.clinic.bind(scene.clinic.study("2.25.1002"), patient)
    scene.clinic.queue(IMAGING_STUDY, "ehr", second)
    scene.pass_time(QUIET)
    scene.run()
    tries = [one for one in scene.ehr.requests if one.startswith("PUT /fhir/ImagingStudy/")]
    statements = [one for one in scene.ehr.requests if "/metadata" in one]
    assert {one.state for one in scene.deliveries()} == {DeliveryState.SENT}
    assert (len(tries), len(statements)) == (1, 3)


def test_what_was_deleted_there_is_made_anew_under_another_id(scene: Scene) -> None:
    study, patient = scene.bound_study()
    scene.in_ehr(patient)
    scene.run()
    (before,) = scene.charted()
    scene.ehr.books.delete("ImagingStudy", before["id"])
    scene.clinic.queue(IMAGING_STUDY, "ehr", study)
    scene.run()
    (after,) = scene.charted()
    assert after["id"] != before["id"]


def test_what_a_restore_lost_comes_back_under_the_id_that_others_point_to(scene: Scene) -> None:
    study, patient = scene.bound_study()
    person = scene.in_ehr(patient)
    scene.run()
    (before,) = scene.charted()
    known = scene.ehr.books.read("Patient", person.removeprefix("Patient/"))
    scene.ehr.books.clear()
    scene.ehr.books.update(known, known["id"])
    scene.clinic.queue(IMAGING_STUDY, "ehr", study)
    scene.run()
    (after,) = scene.charted()
    assert after["id"] == before["id"]


def test_the_statement_is_read_once_in_an_hour(scene: Scene) -> None:
    _, patient = scene.bound_study()
    scene.in_ehr(patient)
    scene.run()
    for number in range(2):
        study = scene.clinic.bind(scene.clinic.study(f"2.25.200{number}"), patient)
        scene.clinic.queue(IMAGING_STUDY, "ehr", study)
        scene.pass_time(QUIET)
        scene.run()
    assert len([one for one in scene.ehr.requests if "/metadata" in one]) == 1


class Together:
    """Lets two attempts that both found nothing write in the same moment."""

    def __init__(self) -> None:
        self._both = threading.Barrier(2, timeout=10)
        self._passed = threading.local()

    def __call__(self) -> None:
        if not getattr(self._passed, "once", False):
            self._passed.once = True
            self._both.wait()

    def note(self, write: Callable[[WriteTx, datetime], None], detail: str) -> None:
        """Nothing is noted on the way."""


@EVERY_KIND
def test_two_nodes_that_write_in_the_same_moment_leave_one_resource(scene: Scene, offers: Offers) -> None:
    scene.ehr.offers = offers
    _, patient = scene.bound_study()
    scene.in_ehr(patient)
    (waiting,) = scene.deliveries()
    with scene.clinic.store.read() as tx:
        parcel = scene.publisher.prepare(tx, waiting, scene.clinic.clock.now())
    assert isinstance(parcel, StudyParcel)
    together = Together()
    with ThreadPoolExecutor(2) as nodes:
        receipts = [one.result() for one in [nodes.submit(scene.publisher.send, parcel, together) for _ in range(2)]]
    (charted,) = scene.charted()
    assert {one.standing.reference for one in receipts if one.standing} == {f"ImagingStudy/{charted['id']}"}


@EVERY_KIND
def test_after_a_merge_the_one_resource_points_to_the_survivor(scene: Scene, offers: Offers) -> None:
    scene.ehr.offers = offers
    study, patient = scene.bound_study()
    scene.in_ehr(patient)
    scene.run()
    survivor = scene.clinic.patient("00041009")
    scene.clinic.merge(patient, survivor)
    target = scene.in_ehr(survivor)
    scene.clinic.bind(study, survivor)
    for _ in range(2):
        scene.clinic.queue(IMAGING_STUDY, "ehr", study)
        scene.ehr.misbehave("commit-then-500", 1, ["PUT"], types=["ImagingStudy"])
        scene.until_quiet()
    (charted,) = scene.charted()
    assert (charted["subject"]["reference"], charted["status"]) == (target, "available")


@EVERY_KIND
def test_a_server_whose_patients_are_only_named_gets_one_resource_under_the_number(
    store: Store, server: StrictEhr, offers: Offers
) -> None:
    server.books.clear()
    server.offers = offers
    scene = Scene(store, server, timeout_secs=1.0, looks_up=False)
    study, patient = scene.bound_study()
    for number in range(2):
        server.misbehave("commit-then-500", 1, ["PUT", "POST"], types=["ImagingStudy"])
        scene.until_quiet()
        scene.clinic.instance(study, 4, number + 1)
        scene.clinic.queue(IMAGING_STUDY, "ehr", study)
        scene.pass_time(QUIET)
    scene.until_quiet()
    (charted,) = scene.charted()
    named = charted["subject"]["identifier"]
    assert (named["system"], named["value"]) == (SYSTEM, patient.primary.patient_id)
    assert "reference" not in charted["subject"]
    scene.clinic.question(study)
    scene.until_quiet()
    assert [one["status"] for one in scene.charted()] == ["entered-in-error"]
    scene.client.close()


def test_an_endpoint_that_a_restore_lost_is_made_anew_when_it_is_missed(scene: Scene) -> None:
    study, patient = scene.bound_study()
    person = scene.in_ehr(patient)
    scene.run()
    known = scene.ehr.books.read("Patient", person.removeprefix("Patient/"))
    scene.ehr.books.clear()
    scene.ehr.books.update(known, known["id"])
    scene.clinic.instance(study, 4, 1)
    scene.clinic.queue(IMAGING_STUDY, "ehr", study)
    scene.pass_time(QUIET)
    scene.run()
    (charted,) = scene.charted()
    assert charted["endpoint"][0]["reference"].startswith("Endpoint/")
    assert {one.state for one in scene.deliveries()} == {DeliveryState.SENT}


@pytest.mark.parametrize("whose", ["the patient's", "another's"])
def test_the_visit_of_the_order_is_pointed_to_if_it_is_the_patients(scene: Scene, whose: str) -> None:
    patient = scene.clinic.patient("00041001")
    subject = scene.in_ehr(patient)
    other = scene.in_ehr(scene.clinic.patient("00041002"))
    order = replace(scene.clinic.order(patient, "A1"), admission_id=EntityIdentifier("V77", ISSUER))
    with scene.clinic.store.write() as tx:
        orders.save(tx, order, scene.clinic.clock.now())
    visit = {
        "resourceType": "Encounter",
        "identifier": [{"system": SYSTEM, "value": "V77"}],
        "status": "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": subject if whose == "the patient's" else other},
    }
    _, made = scene.ehr.books.create(visit)
    study = scene.clinic.bind(scene.clinic.study(UID), patient, order)
    scene.clinic.queue(IMAGING_STUDY, "ehr", study)
    scene.pass_time(QUIET)
    scene.run()
    (charted,) = scene.charted()
    expected = f"Encounter/{made['id']}" if whose == "the patient's" else None
    assert charted["encounter"].get("reference") == expected
    assert charted["encounter"]["identifier"]["value"] == "V77"
