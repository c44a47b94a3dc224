"""What every FHIR server must end with, whatever it does on the way: one resource of a study, in the right chart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.patient import Patient
from bridge.outbox import claim
from bridge.outbox.enqueue import IMAGING_STUDY
from bridge.publishers.imaging_study import StudyParcel
from bridge.store import events, patients, publications
from bridge.store.db import Store
from bridge.store.deliveries import DeliveryState
from samples.ehr_offers import BY_CONDITION, BY_ID, BY_SEARCH, Offers
from samples.strict_ehr import StrictEhr
from tests.fakes.chart_scene import QUIET, SYSTEM, UID, Scene
from tests.fakes.clinic import ISSUER

# Every way in which a server may lose, spoil or withhold an answer and still come back.
PASSING = [
    "401", "403", "404", "408", "409", "412", "429", "500", "502", "503", "hang", "drip", "garbage", "empty",
    "truncated", "redirect", "huge", "commit-then-hang", "commit-then-reset", "commit-then-500", "race-dup",
    "no-conditional",
]  # fmt: skip


BOTH_VERSIONS = pytest.mark.parametrize("ehr", ["R4", "R5"], indirect=True)


@pytest.fixture
def ehr(request: pytest.FixtureRequest) -> Iterator[StrictEhr]:
    server = StrictEhr(version=getattr(request, "param", "R4"), slow_secs=2.0).start()
    yield server
    server.stop()


@pytest.fixture
def scene(store: Store, ehr: StrictEhr) -> Iterator[Scene]:
    found = Scene(store, ehr)
    yield found
    found.client.close()


@pytest.fixture
def hasty(store: Store, ehr: StrictEhr) -> Iterator[Scene]:
    """Waits for no answer for long."""
    ehr.slow_secs = 0.8
    found = Scene(store, ehr, timeout_secs=0.4)
    yield found
    found.client.close()


@BOTH_VERSIONS
def test_a_complete_bound_study_is_charted_with_its_patient_order_and_endpoint(scene: Scene) -> None:
    patient = scene.clinic.patient("00041001")
    order = scene.clinic.order(patient, "A1")
    subject = scene.in_ehr(patient)
    request = scene.order_in_ehr(order, subject)
    study = scene.clinic.bind(scene.clinic.study(UID), patient, order)
    scene.clinic.queue(IMAGING_STUDY, "ehr", study)
    scene.pass_time(QUIET)
    scene.run()

    (charted,) = scene.charted()
    assert charted["status"] == "available"
    assert charted["subject"] == {"reference": subject}
    assert charted["basedOn"][0]["reference"] == request
    ways = [scene.ehr.books.read(*one["reference"].split("/")) for one in charted["endpoint"]]
    assert [one["address"] for one in ways] == [
        "https://bridge.example.org/dicom-web",
        "https://bridge.example.org/IHEInvokeImageDisplay",
    ]
    assert (charted["numberOfSeries"], charted["numberOfInstances"]) == (2, 6)
    assert charted["started"] == "2026-03-02T10:15:30-05:00"


def test_nothing_is_charted_before_the_study_is_quiet(scene: Scene) -> None:
    patient = scene.clinic.patient("00041001")
    scene.in_ehr(patient)
    study = scene.clinic.bind(scene.clinic.study(UID), patient)
    scene.clinic.queue(IMAGING_STUDY, "ehr", study)
    scene.pass_time(QUIET - timedelta(seconds=1))
    scene.run()
    assert scene.charted() == []
    (waiting,) = scene.deliveries(DeliveryState.PENDING)
    assert waiting.attempts == 0


def test_an_unbound_study_that_was_never_sent_is_held(scene: Scene) -> None:
    study = scene.clinic.study(UID)
    scene.clinic.queue(IMAGING_STUDY, "ehr", study)
    scene.pass_time(QUIET)
    scene.run()
    assert scene.charted() == []
    assert [one.state for one in scene.deliveries()] == [DeliveryState.HELD]


def test_a_study_sent_again_unchanged_makes_no_new_version(scene: Scene) -> None:
    study, patient = scene.bound_study()
    scene.in_ehr(patient)
    scene.run()
    scene.clinic.queue(IMAGING_STUDY, "ehr", study)
    scene.run()
    assert [one["meta"]["versionId"] for one in scene.charted()] == ["1"]
    assert [one.state for one in scene.deliveries()] == [DeliveryState.SENT] * 2


@BOTH_VERSIONS
def test_more_images_update_the_same_resource(scene: Scene) -> None:
    study, patient = scene.bound_study()
    scene.in_ehr(patient)
    scene.run()
    scene.clinic.instance(study, 3, 1)
    scene.clinic.queue(IMAGING_STUDY, "ehr", study)
    scene.pass_time(QUIET)
    scene.run()
    (charted,) = scene.charted()
    assert (charted["meta"]["versionId"], charted["numberOfInstances"]) == ("2", 7)


@BOTH_VERSIONS
def test_a_corrected_description_is_corrected_in_the_chart(scene: Scene) -> None:
    study, patient = scene.bound_study()
    scene.in_ehr(patient)
    scene.run()
    scene.clinic.bind(study, patient, corrections={"StudyDescription": "CT CHEST, CORRECTED"})
    scene.clinic.queue(IMAGING_STUDY, "ehr", study)
    scene.run()
    (charted,) = scene.charted()
    assert (charted["meta"]["versionId"], charted["description"]) == ("2", "CT CHEST, CORRECTED")


@BOTH_VERSIONS
def test_what_others_added_to_the_resource_stays(scene: Scene) -> None:
    study, patient = scene.bound_study()
    scene.in_ehr(patient)
    scene.run()
    (charted,) = scene.charted()
    scene.ehr.books.update(charted | {"note": [{"text": "seen"}]}, charted["id"])
    scene.clinic.instance(study, 3, 1)
    scene.clinic.queue(IMAGING_STUDY, "ehr", study)
    scene.pass_time(QUIET)
    scene.run()
    (charted,) = scene.charted()
    assert (charted["note"], charted["numberOfInstances"]) == ([{"text": "seen"}], 7)


# What the server does to us is the same on both databases; each runs the short tests of this file.
ON_ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@ON_ONE_DATABASE
@pytest.mark.parametrize(("ehr", "offers"), [("R4", BY_ID), ("R5", BY_CONDITION), ("R4", BY_SEARCH)], indirect=["ehr"])
@pytest.mark.parametrize("mode", PASSING)
def test_a_study_converges_to_one_resource(hasty: Scene, mode: str, offers: Offers) -> None:
    scene = hasty
    scene.ehr.offers = offers
    _, patient = scene.bound_study()
    subject = scene.in_ehr(patient)
    scene.ehr.misbehave(mode, 3)
    scene.until_quiet()
    assert [one["subject"]["reference"] for one in scene.live()] == [subject]
    assert scene.ehr.state()["duplicates"] == {}
    assert [one.state for one in scene.deliveries()] == [DeliveryState.SENT]


@ON_ONE_DATABASE
@pytest.mark.parametrize("mode", [mode for mode in PASSING if mode not in ("401", "403")])
def test_a_spoiled_write_converges_to_one_resource(hasty: Scene, mode: str) -> None:
    scene = hasty
    scene.ehr.offers = BY_CONDITION
    _, patient = scene.bound_study()
    scene.in_ehr(patient)
    scene.ehr.misbehave(mode, 2, ["PUT", "POST"], types=["ImagingStudy"])
    scene.until_quiet()
    assert len(scene.charted()) == 1


@pytest.mark.parametrize("mode", ["400", "413", "422"])
def test_what_the_server_will_never_take_is_dead_and_another_patients_study_goes_on(scene: Scene, mode: str) -> None:
    _, patient = scene.bound_study()
    other = scene.clinic.patient("00041002", "OKONKWO^DANIEL", "19710904")
    scene.in_ehr(patient)
    scene.in_ehr(other)
    scene.ehr.misbehave(mode, 2, ["PUT"], types=["ImagingStudy"])
    scene.run()
    second = scene.clinic.bind(scene.clinic.study("2.25.1002"), other)
    scene.clinic.queue(IMAGING_STUDY, "ehr", second)
    scene.pass_time(QUIET)
    scene.run()
    states = {one.order_of: one.state for one in scene.deliveries()}
    assert states == {UID: DeliveryState.DEAD, "2.25.1002": DeliveryState.SENT}


def test_a_patient_the_server_does_not_know_is_never_made_and_is_waited_for(scene: Scene) -> None:
    _, patient = scene.bound_study()
    scene.run()
    assert scene.ehr.state()["counts"].get("Patient", 0) == 0
    (waiting,) = scene.deliveries(DeliveryState.PENDING)
    assert "does not know the patient" in waiting.last_error
    scene.in_ehr(patient)
    scene.until_quiet()
    assert len(scene.live()) == 1


def test_a_number_of_two_patients_asks_a_person(scene: Scene) -> None:
    _, patient = scene.bound_study()
    scene.in_ehr(patient)
    scene.in_ehr(patient)
    scene.run()
    assert scene.charted() == []
    assert [one.state for one in scene.deliveries()] == [DeliveryState.HELD]


def with_number(scene: Scene, patient: Patient, patient_id: str, identifier_type: str) -> Patient:
    """Let *patient* be known by one more number of the same authority."""
    more = PatientIdentifier(patient_id, ISSUER, identifier_type)
    with scene.clinic.store.write() as tx:
        return patients.save(tx, replace(patient, identifiers=(*patient.identifiers, more)), scene.clinic.clock.now())


@pytest.mark.parametrize("identifier_type", ["MB", "SS", "MA", "MC", "AN"])
def test_a_number_that_a_relative_may_have_too_finds_nobody(scene: Scene, identifier_type: str) -> None:
    _, patient = scene.bound_study()
    with_number(scene, patient, "FAM123", identifier_type)
    scene.ehr.books.create({"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": "FAM123"}]})
    scene.run()
    assert scene.charted() == []
    (waiting,) = scene.deliveries(DeliveryState.PENDING)
    assert "does not know the patient" in waiting.last_error


def test_numbers_that_lead_to_two_patients_ask_a_person(scene: Scene) -> None:
    _, patient = scene.bound_study()
    scene.in_ehr(patient)
    with_number(scene, patient, "00055555", "PI")
    scene.ehr.books.create({"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": "00055555"}]})
    scene.run()
    assert scene.charted() == []
    assert [one.state for one in scene.deliveries()] == [DeliveryState.HELD]


def test_an_inactive_patient_leads_to_the_one_that_replaced_it(scene: Scene) -> None:
    scene.bound_study()
    _, survivor = scene.ehr.books.create({"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": "9"}]})
    scene.ehr.books.create(
        {
            "resourceType": "Patient",
            "identifier": [{"system": SYSTEM, "value": "00041001"}],
            "active": False,
            "link": [{"type": "replaced-by", "other": {"reference": f"Patient/{survivor['id']}"}}],
        }
    )
    scene.run()
    assert [one["subject"]["reference"] for one in scene.live()] == [f"Patient/{survivor['id']}"]


def test_an_order_of_another_patient_is_named_but_not_pointed_to(scene: Scene) -> None:
    patient = scene.clinic.patient("00041001")
    order = scene.clinic.order(patient, "A1")
    scene.in_ehr(patient)
    stranger = scene.in_ehr(scene.clinic.patient("00041002"))
    scene.order_in_ehr(order, stranger)
    study = scene.clinic.bind(scene.clinic.study(UID), patient, order)
    scene.clinic.queue(IMAGING_STUDY, "ehr", study)
    scene.pass_time(QUIET)
    scene.run()
    (charted,) = scene.live()
    assert "reference" not in charted["basedOn"][0]
    assert charted["basedOn"][0]["identifier"]["value"] == "A1"


@BOTH_VERSIONS
def test_a_questioned_study_is_withdrawn_and_the_same_resource_comes_back_when_it_is_kept(scene: Scene) -> None:
    study, patient = scene.bound_study()
    subject = scene.in_ehr(patient)
    scene.run()
    (before,) = scene.charted()

    scene.clinic.question(study)
    scene.run()
    (withdrawn,) = scene.charted()
    assert (withdrawn["id"], withdrawn["status"]) == (before["id"], "entered-in-error")
    assert withdrawn["subject"] == {"reference": subject}
    assert "endpoint" not in withdrawn

    scene.clinic.bind(study, patient)
    scene.clinic.queue(IMAGING_STUDY, "ehr", study)
    scene.run()
    (kept,) = scene.charted()
    assert (kept["id"], kept["status"]) == (before["id"], "available")
    assert kept["endpoint"]


@BOTH_VERSIONS
def test_a_study_bound_to_another_person_gets_a_new_resource_and_the_old_one_stays_withdrawn(scene: Scene) -> None:
    study, patient = scene.bound_study()
    other = scene.clinic.patient("00041002", "OKONKWO^DANIEL", "19710904")
    first, second = scene.in_ehr(patient), scene.in_ehr(other)
    scene.run()
    scene.clinic.question(study)
    scene.run()
    scene.clinic.bind(study, other)
    scene.clinic.queue(IMAGING_STUDY, "ehr", study)
    scene.run()

    charts = {one["subject"]["reference"]: one for one in scene.charted()}
    assert {subject: one["status"] for subject, one in charts.items()} == {
        first: "entered-in-error",
        second: "available",
    }
    assert charts[first]["id"] != charts[second]["id"]
    assert ("endpoint" in charts[first], "endpoint" in charts[second]) == (False, True)
    with scene.clinic.store.read() as tx:
        known = publications.of_study(tx, study.key)
    assert [one.retired_at is None for one in known] == [False, True]


@pytest.mark.parametrize("is_bound_again", [False, True])
def test_a_withdrawal_whose_worker_died_before_noting_it_is_noted_by_the_next(
    scene: Scene, is_bound_again: bool
) -> None:
    study, patient = scene.bound_study()
    other = scene.clinic.patient("00041002", "OKONKWO^DANIEL", "19710904")
    scene.in_ehr(patient)
    scene.in_ehr(other)
    scene.run()
    scene.clinic.question(study)
    now = scene.clinic.clock.now()
    with scene.clinic.store.write() as tx:
        taken = claim.claim(tx, (IMAGING_STUDY, "ehr"), "dead", now, timedelta(seconds=12))
    assert taken is not None
    with scene.clinic.store.read() as tx:
        parcel = scene.publisher.prepare(tx, taken.delivery, now)
    assert isinstance(parcel, StudyParcel)
    scene.publisher.send(parcel, lambda: None)
    assert scene.live() == []

    if is_bound_again:
        scene.clinic.bind(study, other)
    scene.pass_time(timedelta(minutes=1))
    scene.until_quiet()
    with scene.clinic.store.read() as tx:
        known = publications.of_study(tx, study.key)
        lines = [line.what for line in events.timeline(tx, [], [study.key])]
    assert known[0].retired_at is not None
    assert known[0].status == "entered-in-error"
    assert [one.retired_at is None for one in known[1:]] == [True] * is_bound_again
    assert len([line for line in lines if "withdrawn" in line]) == (not is_bound_again)


def test_a_re_bound_study_leaves_the_wrong_chart_first_even_without_a_hold(scene: Scene) -> None:
    study, patient = scene.bound_study()
    other = scene.clinic.patient("00041002", "OKONKWO^DANIEL", "19710904")
    first, second = scene.in_ehr(patient), scene.in_ehr(other)
    scene.run()
    scene.clinic.bind(study, other)
    scene.clinic.queue(IMAGING_STUDY, "ehr", study)
    scene.run()
    charts = {one["subject"]["reference"]: one["status"] for one in scene.charted()}
    assert charts == {first: "entered-in-error", second: "available"}


@pytest.mark.parametrize("mode", ["commit-then-hang", "commit-then-reset", "commit-then-500", "empty"])
def test_a_study_whose_answer_was_lost_is_withdrawn_when_it_is_questioned(scene: Scene, mode: str) -> None:
    study, patient = scene.bound_study()
    scene.in_ehr(patient)
    scene.ehr.misbehave(mode, 1, ["PUT"], types=["ImagingStudy"])
    scene.run()
    assert len(scene.live()) == 1
    scene.clinic.question(study)
    scene.until_quiet()
    assert [one["status"] for one in scene.charted()] == ["entered-in-error"]


@pytest.mark.parametrize("mode", ["commit-then-hang", "commit-then-500", "412", "race-dup", "no-conditional"])
def test_a_re_binding_through_faults_still_makes_one_new_resource(scene: Scene, mode: str) -> None:
    study, patient = scene.bound_study()
    other = scene.clinic.patient("00041002", "OKONKWO^DANIEL", "19710904")
    first, second = scene.in_ehr(patient), scene.in_ehr(other)
    scene.run()
    scene.ehr.misbehave(mode, 3, ["PUT", "POST"])
    scene.clinic.bind(study, other)
    scene.clinic.queue(IMAGING_STUDY, "ehr", study)
    scene.until_quiet()
    charts = sorted((one["subject"]["reference"], one["status"]) for one in scene.charted())
    assert charts == sorted([(first, "entered-in-error"), (second, "available")])


def test_a_merge_moves_the_same_resource_to_the_survivor(scene: Scene) -> None:
    study, patient = scene.bound_study()
    survivor = scene.clinic.patient("00041009")
    scene.in_ehr(patient)
    scene.run()
    (before,) = scene.charted()
    scene.clinic.merge(patient, survivor)
    target = scene.in_ehr(survivor)
    scene.clinic.bind(study, survivor)
    scene.clinic.queue(IMAGING_STUDY, "ehr", study)
    scene.run()
    (after,) = scene.charted()
    assert (after["id"], after["subject"]["reference"], after["status"]) == (before["id"], target, "available")
    assert int(after["meta"]["versionId"]) == int(before["meta"]["versionId"]) + 1
    assert after["endpoint"] == before["endpoint"]


def test_another_systems_resource_of_the_study_in_another_chart_is_not_touched(scene: Scene) -> None:
    _, patient = scene.bound_study()
    scene.in_ehr(patient)
    stranger = scene.in_ehr(scene.clinic.patient("00041002"))
    foreign = {
        "resourceType": "ImagingStudy",
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{UID}"}],
        "status": "available",
        "subject": {"reference": stranger},
    }
    scene.ehr.books.create(foreign)
    scene.run()
    assert [one["meta"]["versionId"] for one in scene.charted()] == ["1"]
    assert [one.state for one in scene.deliveries()] == [DeliveryState.HELD]


def test_a_study_that_the_server_lost_is_published_again(scene: Scene) -> None:
    study, patient = scene.bound_study()
    scene.in_ehr(patient)
    scene.run()
    scene.ehr.books.clear()
    scene.in_ehr(patient)
    scene.clinic.queue(IMAGING_STUDY, "ehr", study)
    scene.run()
    assert len(scene.live()) == 1


def test_the_timeline_says_where_the_study_is(scene: Scene) -> None:
    study, patient = scene.bound_study()
    scene.in_ehr(patient)
    scene.run()
    with scene.clinic.store.read() as tx:
        lines = events.timeline(tx, [], [study.key])
    assert [line.station for line in lines] == ["chart"]
    assert lines[0].by == "ehr"


def test_a_binding_that_changes_while_it_is_being_sent_stops_the_write(scene: Scene) -> None:
    study, patient = scene.bound_study()
    scene.in_ehr(patient)
    find = scene.ehr_port.directory.endpoints

    def change_meanwhile() -> tuple[str, ...]:
        scene.clinic.question(study)
        return find()

    scene.ehr_port.directory.endpoints = change_meanwhile  # type: ignore[method-assign]
    scene.run()
    assert scene.charted() == []
    assert [one.state for one in scene.deliveries()] == [DeliveryState.HELD]
