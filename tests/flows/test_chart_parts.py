"""What was performed and reports stand in their patient's chart once, and leave it with their exam; on both databases."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydicom.dataset import Dataset

from bridge.building.destinations import publishers
from bridge.building.fetching import chart_watch
from bridge.building.news import chart_takers, news_watch
from bridge.clock import FixedClock
from bridge.domain.accounts import Caller, Role
from bridge.errors import Conflict
from bridge.flows.change_chart import ChartDesk
from bridge.flows.change_delivery import drop_delivery
from bridge.flows.charted import charted
from bridge.flows.resolve_mismatch import MismatchResolver, Ruling
from bridge.flows.undo_merge import MergeUndoer
from bridge.outbox.worker import Worker
from bridge.sections.fhir import FhirServer
from bridge.store import deliveries, events, news
from bridge.store.deliveries import DeliveryState
from bridge.web import chart_views
from bridge.web.chart_views import ChartView, PartEntry
from bridge.wiring import House
from samples.ehr_offers import BY_CONDITION, BY_ID, BY_SEARCH, Offers
from samples.strict_ehr import StrictEhr
from tests.cast import NEAR_TWIN, PLAIN, adt, image, merge, order, report, spooled, study_uid
from tests.flows.asking import say, sent
from tests.flows.test_orders import cast_mpps

Json = dict[str, Any]
MakeHouse = Callable[..., House]

KINDS = ("ImagingStudy", "Procedure", "DiagnosticReport", "DocumentReference", "ServiceRequest", "Provenance")
RESTING = ("Procedure", "DiagnosticReport", "DocumentReference")
PDF = base64.b64encode(b"%PDF-1.4\n% an invented report\n").decode()
DOCUMENT = f"OBX|3|ED|PDF^Signed report^L||RIS^application^pdf^Base64^{PDF}||||||F\r"
A_WHILE = timedelta(seconds=30)


class Scene:
    """A house with an EHR that takes everything, looked at and sent by hand."""

    def __init__(self, house: House, ehr: StrictEhr) -> None:
        self.house = house
        self.ehr = ehr
        self.watch = news_watch(house)
        self.worker = Worker(house.store, house.clock, publishers(house), owner="test", jitter=lambda: 0.5)

    def run(self, later: timedelta = A_WHILE) -> None:
        """Let time pass, look what changed, and send what is due until nothing is."""
        assert isinstance(self.house.clock, FixedClock)
        self.house.clock.at += later
        for _ in range(20):
            changed = self._look()
            self.worker.run_due()
            # What stands now may be news to what rests on it.
            changed = self._look() or changed
            waiting = [one for one in self.deliveries() if one.state == DeliveryState.PENDING]
            if not waiting and not changed:
                return
            now = self.house.clock.at
            self.house.clock.at = max(now, min((one.next_at for one in waiting), default=now))
        raise AssertionError(f"still pending: {waiting}")

    def _look(self) -> bool:
        """Look at everything that changed; return whether anything had."""
        looks = 0
        while self.watch.work():
            looks += 1
        return looks > 0

    def deliveries(self) -> list[deliveries.Delivery]:
        with self.house.store.read() as tx:
            return deliveries.search(tx, None)

    def somebody(self, patient_id: str) -> str:
        """Let the EHR know a patient."""
        system = self.house.settings.identity.system_of("RIVERSIDE")
        identifier = {"system": system, "value": patient_id}
        _, made = self.ehr.books.create({"resourceType": "Patient", "identifier": [identifier]})
        return f"Patient/{made['id']}"

    def all(self, kind: str) -> list[Json]:
        return list(self.ehr.state()["resources"].get(kind, {}).values())

    def only(self, kind: str) -> Json:
        (found,) = self.all(kind)
        return dict(found)

    def device_says(self, status: str, uid: str = "2.25.77") -> None:
        attributes = cast_mpps("A1", status)
        if status == "IN PROGRESS":
            self.house.performed_steps.create(uid, sent(attributes), "CT1")
        else:
            self.house.performed_steps.set(uid, sent(attributes), "CT1")


@pytest.fixture(params=["R4"])
def ehr(request: pytest.FixtureRequest) -> Iterator[StrictEhr]:
    server = StrictEhr(version=request.param).start()
    yield server
    server.stop()


@pytest.fixture
def scene(make_house: MakeHouse, ehr: StrictEhr) -> Scene:
    server = FhirServer(name="ehr", base_url=ehr.base_url, publish=KINDS, version=ehr.version, timeout_secs=10)
    clock = FixedClock(datetime(2026, 3, 2, 12, 30, tzinfo=UTC))
    found = Scene(make_house(clock, fhir={"servers": [server.model_dump()], "serve": []}), ehr)
    say(found.house, adt(PLAIN), order(PLAIN, "A1"))
    return found


BOTH_VERSIONS = pytest.mark.parametrize("ehr", ["R4", "R5"], indirect=True)
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
EVERY_OFFER = pytest.mark.parametrize("offers", [BY_ID, BY_CONDITION, BY_SEARCH], ids=["id", "condition", "search"])


@BOTH_VERSIONS
@ON_SQLITE
def test_what_was_performed_stands_in_its_patients_chart_and_follows_its_device(scene: Scene) -> None:
    patient = scene.somebody("00041001")
    scene.device_says("IN PROGRESS")
    scene.run()
    begun = scene.only("Procedure")
    assert (begun["status"], begun["subject"]) == ("in-progress", {"reference": patient})
    scene.device_says("COMPLETED")
    scene.run()
    done = scene.only("Procedure")
    assert (done["id"], done["status"], done["meta"]["versionId"]) == (begun["id"], "completed", "2")


@BOTH_VERSIONS
@ON_SQLITE
def test_a_report_and_its_document_stand_in_their_patients_chart_with_the_study(scene: Scene) -> None:
    patient = scene.somebody("00041001")
    scene.house.instances.receive(spooled(scene.house, image(PLAIN, "A1"), "CT1"))
    say(scene.house, report(PLAIN, "A1", "P", extra=DOCUMENT))
    scene.run()
    say(scene.house, report(PLAIN, "A1", "F", at="20260302121500", extra=DOCUMENT))
    scene.run()
    said, document, study = scene.only("DiagnosticReport"), scene.only("DocumentReference"), scene.only("ImagingStudy")
    assert (said["status"], said["subject"]) == ("final", {"reference": patient})
    about = said["imagingStudy" if scene.ehr.version == "R4" else "study"]
    assert about == [{"reference": f"ImagingStudy/{study['id']}"}]
    assert (document["status"], document["docStatus"], document["subject"]) == (
        "current",
        "final",
        {"reference": patient},
    )


@ON_SQLITE
def test_a_report_that_was_there_before_the_study_points_to_it_afterwards(scene: Scene) -> None:
    scene.somebody("00041001")
    say(scene.house, report(PLAIN, "A1"))
    scene.run()
    assert "imagingStudy" not in scene.only("DiagnosticReport")
    scene.house.instances.receive(spooled(scene.house, image(PLAIN, "A1"), "CT1"))
    scene.run()
    study = scene.only("ImagingStudy")["id"]
    assert scene.only("DiagnosticReport")["imagingStudy"] == [{"reference": f"ImagingStudy/{study}"}]


@ON_SQLITE
def test_nothing_is_written_again_that_stands_already(scene: Scene) -> None:
    scene.somebody("00041001")
    scene.device_says("IN PROGRESS")
    say(scene.house, report(PLAIN, "A1", extra=DOCUMENT))
    scene.run()
    with scene.house.store.write() as tx:
        news.look_at(tx, news.ORDER, 1, scene.house.clock.now())
    scene.run()
    kinds = ("Procedure", "DiagnosticReport", "DocumentReference")
    assert {kind: scene.only(kind)["meta"]["versionId"] for kind in kinds} == dict.fromkeys(kinds, "1")


@EVERY_OFFER
@pytest.mark.parametrize("mode", ["commit-then-500", "race-dup", "truncated"])
@ON_SQLITE
def test_an_answer_that_is_lost_leaves_one_of_each(scene: Scene, mode: str, offers: Offers) -> None:
    scene.ehr.offers = offers
    scene.somebody("00041001")
    scene.device_says("IN PROGRESS")
    say(scene.house, report(PLAIN, "A1", extra=DOCUMENT))
    kinds = ["Procedure", "DiagnosticReport", "DocumentReference"]
    scene.ehr.misbehave(mode, 4, ["PUT", "POST"], types=kinds)
    scene.run()
    assert [len(scene.all(kind)) for kind in kinds] == [1, 1, 1]
    assert {one.state for one in scene.deliveries()} == {DeliveryState.SENT}


def test_after_a_merge_they_are_the_survivors_and_after_its_undo_the_others_again(scene: Scene) -> None:
    patient, other = scene.somebody("00041001"), scene.somebody("00041002")
    scene.device_says("IN PROGRESS")
    scene.device_says("COMPLETED")
    say(scene.house, adt(NEAR_TWIN), report(PLAIN, "A1", extra=DOCUMENT))
    scene.run()
    kinds = ("Procedure", "DiagnosticReport", "DocumentReference")
    before = {kind: scene.only(kind)["id"] for kind in kinds}
    say(scene.house, merge(NEAR_TWIN, PLAIN))
    scene.ehr.books.update({**scene.ehr.books.read("Patient", patient[8:]), "active": False}, patient[8:])
    scene.run()
    assert {kind: scene.only(kind)["subject"]["reference"] for kind in kinds} == dict.fromkeys(kinds, other)
    assert {kind: scene.only(kind)["id"] for kind in kinds} == before
    scene.ehr.books.update({**scene.ehr.books.read("Patient", patient[8:]), "active": True}, patient[8:])
    MergeUndoer(scene.house.store, scene.house.clock, scene.house.rules, scene.house.destinations).undo(
        1, "two people after all", "user:intake"
    )
    scene.run()
    for kind in kinds:
        live = [one["subject"]["reference"] for one in scene.all(kind) if one["status"] != "entered-in-error"]
        assert live == [patient], kind


def test_they_leave_the_chart_while_the_images_are_in_question_and_return_with_them(scene: Scene) -> None:
    scene.somebody("00041001")
    house = scene.house
    scene.device_says("IN PROGRESS")
    house.instances.receive(spooled(house, image(PLAIN, "A1"), "CT1"))
    say(house, report(PLAIN, "A1", extra=DOCUMENT))
    scene.run()
    kinds = ("Procedure", "DiagnosticReport", "DocumentReference")
    resolver = MismatchResolver(house.store, house.clock, house.rules, house.destinations)
    resolver.resolve(study_uid("A1"), Ruling("unbind", "not hers", "user:kim"))
    scene.run()
    assert {scene.only(kind)["status"] for kind in kinds} == {"entered-in-error"}
    assert "conclusion" not in scene.only("DiagnosticReport")
    assert "url" not in scene.only("DocumentReference")["content"][0]["attachment"]
    resolver.resolve(study_uid("A1"), Ruling("bind", "hers after all", "user:kim", accession_number="A1"))
    scene.run()
    assert {scene.only(kind)["status"] for kind in kinds} == {"in-progress", "final", "current"}


def test_a_report_that_is_taken_back_loses_its_text_and_its_document_there(scene: Scene) -> None:
    scene.somebody("00041001")
    say(scene.house, report(PLAIN, "A1", extra=DOCUMENT))
    scene.run()
    say(scene.house, report(PLAIN, "A1", "X", at="20260302121500"))
    scene.run()
    said = scene.only("DiagnosticReport")
    assert said["status"] == "cancelled"
    assert not {"conclusion", "presentedForm"} & said.keys()
    assert scene.only("DocumentReference")["status"] == "entered-in-error"


@ON_SQLITE
def test_what_another_system_keeps_there_is_left_as_it_is(scene: Scene) -> None:
    patient = scene.somebody("00041001")
    theirs = {
        "resourceType": "DiagnosticReport",
        "identifier": [{"system": scene.house.settings.identity.system_of("RIVRIS"), "value": "FA1"}],
        "status": "final",
        "code": {"text": "CT"},
        "subject": {"reference": patient},
    }
    scene.ehr.books.create(theirs)
    say(scene.house, report(PLAIN, "A1"))
    scene.run()
    assert scene.only("DiagnosticReport")["meta"]["versionId"] == "1"
    assert "conclusion" not in scene.only("DiagnosticReport")


@ON_SQLITE
def test_what_an_ehr_refuses_is_said_on_the_exams_timeline(scene: Scene) -> None:
    scene.somebody("00041001")
    scene.device_says("IN PROGRESS")
    scene.ehr.misbehave("422", None, ["PUT", "POST"], types=["Procedure"])
    scene.run()
    with scene.house.store.read() as tx:
        lines = [line.what for line in events.timeline(tx, [1], [])]
    assert any(line.startswith("Procedure not published: the server answers 422") for line in lines)


@ON_SQLITE
def test_a_procedure_whose_device_names_another_patient_is_in_nobodys_chart(scene: Scene) -> None:
    scene.somebody("00041001")
    begun = cast_mpps("A1", "IN PROGRESS")
    begun.PatientID = "00041999"
    scene.house.performed_steps.create("2.25.77", sent(begun), "CT1")
    scene.run()
    assert scene.all("Procedure") == []


@ON_SQLITE
def test_a_procedure_of_the_wrong_worklist_entry_is_in_nobodys_chart(scene: Scene) -> None:
    scene.somebody("00041001")
    scene.device_says("IN PROGRESS")
    scene.run()
    wrong = cast_mpps("A1", "DISCONTINUED")
    reason = Dataset()
    reason.CodeValue, reason.CodingSchemeDesignator, reason.CodeMeaning = (
        "110514",
        "DCM",
        "Incorrect worklist entry selected",
    )
    wrong.PerformedProcedureStepDiscontinuationReasonCodeSequence = [reason]
    scene.house.performed_steps.set("2.25.77", sent(wrong), "CT1")
    scene.run()
    assert scene.only("Procedure")["status"] == "entered-in-error"


def order_in_ehr(scene: Scene, patient: str, status: str = "active") -> str:
    """Let the EHR have the order that it placed."""
    number = {"system": scene.house.settings.identity.system_of("RIVEHR"), "value": "PA1"}
    said = {"resourceType": "ServiceRequest", "identifier": [number], "intent": "order", "status": status}
    _, made = scene.ehr.books.create({**said, "subject": {"reference": patient}, "note": [{"text": "by bed"}]})
    return str(made["id"])


@BOTH_VERSIONS
@ON_SQLITE
def test_an_ehrs_own_order_gets_its_status_and_nothing_else(scene: Scene) -> None:
    order_in_ehr(scene, scene.somebody("00041001"))
    scene.run()
    before = scene.only("ServiceRequest")
    say(scene.house, report(PLAIN, "A1"))
    scene.run()
    after = scene.only("ServiceRequest")
    assert (before["status"], after["status"]) == ("active", "completed")
    assert (before["meta"]["versionId"], after["meta"]["versionId"]) == ("1", "2")
    assert {name: after[name] for name in before if name not in ("status", "meta")} == {
        name: before[name] for name in before if name not in ("status", "meta")
    }


@ON_SQLITE
@pytest.mark.parametrize("status", ["draft", "revoked", "entered-in-error"])
def test_an_order_that_the_ehr_ended_itself_or_only_drafts_stays_so(scene: Scene, status: str) -> None:
    order_in_ehr(scene, scene.somebody("00041001"), status)
    say(scene.house, report(PLAIN, "A1"))
    scene.run()
    assert (scene.only("ServiceRequest")["status"], scene.only("ServiceRequest")["meta"]["versionId"]) == (status, "1")


@ON_SQLITE
def test_an_order_in_another_patients_chart_is_not_touched(scene: Scene) -> None:
    scene.somebody("00041001")
    order_in_ehr(scene, scene.somebody("00041002"))
    say(scene.house, report(PLAIN, "A1"))
    scene.run()
    assert scene.only("ServiceRequest")["status"] == "active"


def test_an_orders_status_survives_a_change_between_reading_and_writing(scene: Scene) -> None:
    order_in_ehr(scene, scene.somebody("00041001"))
    say(scene.house, report(PLAIN, "A1"))
    scene.ehr.misbehave("412", 2, ["PUT"], types=["ServiceRequest"])
    scene.run()
    assert scene.only("ServiceRequest")["status"] == "completed"


def whole_exam(scene: Scene) -> ChartDesk:
    """Let a study, what was performed, a report and its document stand in her chart; return who changes that."""
    order_in_ehr(scene, scene.somebody("00041001"))
    scene.device_says("IN PROGRESS")
    scene.device_says("COMPLETED")
    scene.house.instances.receive(spooled(scene.house, image(PLAIN, "A1"), "CT1"))
    say(scene.house, report(PLAIN, "A1", extra=DOCUMENT))
    scene.run()
    return ChartDesk(scene.house.store, scene.house.clock, scene.house.destinations, chart_takers(scene.house))


def statuses(scene: Scene) -> dict[str, str]:
    return {kind: scene.only(kind)["status"] for kind in ("ImagingStudy", *RESTING, "ServiceRequest")}


STANDING = {
    "ImagingStudy": "available",
    "Procedure": "completed",
    "DiagnosticReport": "final",
    "DocumentReference": "current",
    "ServiceRequest": "completed",
}


def seen(scene: Scene, desk: ChartDesk) -> ChartView:
    """Return what the chart page is made of."""
    with scene.house.store.read() as tx:
        return chart_views.read(
            tx, charted(tx, study_uid("A1")), desk.servers, desk.takers, Caller("user:maria", Role.ADMIN)
        )


def part_seen(scene: Scene, desk: ChartDesk, kind: str) -> PartEntry:
    (chart,) = (one for one in seen(scene, desk).charts if one.server == "ehr")
    (found,) = (one for one in chart.parts if one.part.kind == kind)
    return found


def test_a_study_that_is_withdrawn_takes_what_rests_on_it_with_it_and_brings_it_back(scene: Scene) -> None:
    desk = whole_exam(scene)
    assert statuses(scene) == STANDING
    desk.withdraw(study_uid("A1"), "a trainee's test", "user:maria")
    scene.run()
    gone = dict.fromkeys(("ImagingStudy", *RESTING), "entered-in-error")
    assert statuses(scene) == {**STANDING, **gone}
    desk.take_back(study_uid("A1"), "it was none", "user:maria")
    scene.run()
    assert statuses(scene) == STANDING
    causes = [(one.version.status, one.version.why.by) for one in part_seen(scene, desk, "DiagnosticReport").versions]
    assert causes[1:3] == [("final", "user:maria"), ("entered-in-error", "user:maria")]


@ON_SQLITE
@pytest.mark.parametrize(
    ("kind", "gone"),
    [
        ("Procedure", {"Procedure"}),
        ("DiagnosticReport", {"DiagnosticReport", "DocumentReference"}),
        ("DocumentReference", {"DocumentReference"}),
    ],
)
def test_one_part_is_withdrawn_alone_with_what_came_with_it_and_stays_out(
    scene: Scene, kind: str, gone: set[str]
) -> None:
    desk = whole_exam(scene)
    name, uid = part_seen(scene, desk, kind).part.name, study_uid("A1")
    desk.withdraw(uid, "the wrong words", "user:maria", name)
    say(scene.house, report(PLAIN, "A1", "C", at="20260302121500", extra=DOCUMENT))
    scene.run()
    found = statuses(scene)
    assert {one for one, status in found.items() if status == "entered-in-error"} == gone
    with pytest.raises(Conflict, match="withdrawn already"):
        desk.withdraw(uid, "again", "user:maria", name)
    with pytest.raises(Conflict, match="take the withdrawal back"):
        desk.publish(uid, "user:maria", "ehr", name)
    desk.take_back(uid, "right after all", "user:maria", name)
    scene.run()
    assert "entered-in-error" not in statuses(scene).values()


@ON_SQLITE
def test_an_ehrs_own_order_is_not_ours_to_withdraw(scene: Scene) -> None:
    desk = whole_exam(scene)
    with pytest.raises(Conflict, match="EHR's own"):
        desk.withdraw(study_uid("A1"), "no", "user:maria", part_seen(scene, desk, "ServiceRequest").part.name)
    for name in ("DiagnosticReport:99", "Claim:1", "nonsense"):
        with pytest.raises(LookupError):
            desk.publish(study_uid("A1"), "user:maria", part=name)


@ON_SQLITE
def test_every_version_of_what_rests_on_a_study_is_kept_with_its_provenance(scene: Scene) -> None:
    desk = whole_exam(scene)
    say(scene.house, report(PLAIN, "A1", "C", at="20260302121500", extra=DOCUMENT))
    scene.run()
    newest, *_, first = part_seen(scene, desk, "DiagnosticReport").versions
    assert (first.version.status, newest.version.status) == ("final", "corrected")
    target = f"{newest.version.reference}/_history/{newest.version.server_version}"
    assert newest.changed is not None
    assert "Status final → corrected" in newest.changed.sentences
    assert newest.provenance is not None
    assert newest.provenance.detail.startswith("Provenance/")
    traces = {one["target"][0]["reference"]: one.get("entity", []) for one in scene.all("Provenance")}
    assert [one["what"].get("display") for one in traces[target]] == [None, "HL7 v2 message"]
    theirs = part_seen(scene, desk, "ServiceRequest").versions
    assert [one.version.status for one in theirs] == ["completed", "active"]
    assert next(one for one in seen(scene, desk).charts if one.server == "ehr").ways is not None


@ON_SQLITE
def test_a_part_that_the_chart_lost_is_there_again_when_it_is_published_again_or_looked_for(scene: Scene) -> None:
    desk = whole_exam(scene)
    for again in ("by hand", "unasked"):
        lost = scene.only("DiagnosticReport")["id"]
        scene.ehr.books.delete("DiagnosticReport", lost)
        if again == "by hand":
            name = part_seen(scene, desk, "DiagnosticReport").part.name
            assert desk.publish(study_uid("A1"), "user:maria", part=name) == ("ehr",)
        else:
            chart_watch(scene.house).work()
        scene.run()
        assert scene.only("DiagnosticReport")["status"] == "final"


@ON_SQLITE
def test_a_delivery_that_takes_a_report_back_cannot_be_given_up(scene: Scene) -> None:
    desk = whole_exam(scene)
    scene.ehr.misbehave("422", None, ["PUT", "POST"], types=["DiagnosticReport"])
    desk.withdraw(study_uid("A1"), "a trainee's test", "user:maria")
    scene.run()
    dead = next(one for one in scene.deliveries() if one.state == DeliveryState.DEAD)
    with pytest.raises(Conflict, match="takes"):
        drop_delivery(scene.house.store, scene.house.clock, dead.key, "user:maria")


@BOTH_VERSIONS
@ON_SQLITE
def test_documents_are_read_at_the_address_of_the_servers_own_release(make_house: MakeHouse, ehr: StrictEhr) -> None:
    server = FhirServer(name="ehr", base_url=ehr.base_url, publish=KINDS, version=ehr.version, timeout_secs=10)
    clock = FixedClock(datetime(2026, 3, 2, 12, 30, tzinfo=UTC))
    scene = Scene(make_house(clock, fhir={"servers": [server.model_dump()], "serve": ["R4", "R5"]}), ehr)
    say(scene.house, adt(PLAIN), order(PLAIN, "A1"))
    scene.somebody("00041001")
    say(scene.house, report(PLAIN, "A1", extra=DOCUMENT))
    scene.run()
    url = scene.only("DocumentReference")["content"][0]["attachment"]["url"]
    assert f"/fhir/{ehr.version.lower()}/Binary/" in url
