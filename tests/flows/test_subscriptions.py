"""Whoever asked is told: handshake, news by number, heartbeat, error and recovery; over real sockets, on both databases."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from fhir.resources.bundle import Bundle as BundleR5
from fhir.resources.R4B.bundle import Bundle as BundleR4
from fhir.resources.R4B.subscription import Subscription as SubscriptionR4
from fhir.resources.subscription import Subscription as SubscriptionR5
from fhir.resources.subscriptiontopic import SubscriptionTopic
from flask.testing import FlaskClient
from sqlalchemy import update

from bridge.building.news import news_watch, serving_house
from bridge.clock import FixedClock
from bridge.codecs.fhir.check import faults_of
from bridge.domain.accounts import Role
from bridge.domain.endpoints import LOOPBACK
from bridge.domain.patient import Patient
from bridge.domain.study import Study
from bridge.flows import announce, manage_users
from bridge.flows.change_chart import ChartDesk
from bridge.flows.keep_house import forget_old_news
from bridge.outbox import enqueue
from bridge.outbox.worker import Worker
from bridge.publishers.outside_post import OutsidePost, Reach
from bridge.publishers.subscriber import SubscriptionPublisher
from bridge.store import deliveries, news, studies, users
from bridge.store.tables import tokens as tokens_table
from bridge.store.tables import users as users_table
from bridge.wiring import House
from tests.fakes.clinic import AT
from tests.fakes.console import Console
from tests.fakes.receiver import Receiver, numbers_of, status_of

Json = dict[str, Any]

GUIDE = "http://hl7.org/fhir/uv/subscriptions-backport/"
BACKPORT = f"{GUIDE}StructureDefinition/backport-"
UID = "2.25.77001"
RECEIVER = "https://example.org/x"
MANY_FILTERS = {
    "url": f"{BACKPORT}filter-criteria",
    "valueString": f"ImagingStudy?{'&'.join(['modality=CT'] * 21)}",
}


class Scene:
    """A console, a machine that subscribes, a receiver, and a worker that is driven by hand."""

    def __init__(self, house: House, receiver: Receiver) -> None:
        self.house = house
        self.news = news_watch(house)
        self.console = Console(house)
        self.clinic = self.console.clinic
        self.clinic.clock = self.console.clock
        self.receiver = receiver
        self.machine = self.console.machine(Role.SYSTEM, "subscribe", "fhir")
        post = OutsidePost(house.clock, Reach(LOOPBACK))
        publisher = SubscriptionPublisher(post, serving_house(house), house.clock)
        self.worker = Worker(house.store, house.clock, [publisher], owner="test", jitter=lambda: 0.5)

    def run(self, later: timedelta = timedelta()) -> None:
        """Let time pass, look what is news, and send what is due."""
        assert isinstance(self.house.clock, FixedClock)
        self.house.clock.at += later
        while self.news.work():
            pass
        self.worker.run_due()

    def subscribe(self, said: Json, machine: FlaskClient | None = None) -> str:
        """Create a subscription and let its handshake be made; returns its id."""
        release = "r5" if "channelType" in said else "r4"
        answer = (machine or self.machine).post(f"/fhir/{release}/Subscription", json=said)
        assert answer.status_code == 201, answer.text
        self.run()
        return str(answer.json["id"])

    def r4(self, topic: str = "imagingstudy-available", content: str = "", **more: Any) -> Json:
        channel: Json = {"type": "rest-hook", "endpoint": self.receiver.url, "payload": "application/fhir+json"}
        if content:
            channel["_payload"] = {"extension": [{"url": f"{BACKPORT}payload-content", "valueCode": content}]}
        numbers = [
            {"url": BACKPORT + name, "valueUnsignedInt": value} for name, value in more.pop("numbers", {}).items()
        ]
        if numbers:
            channel["extension"] = numbers
        if headers := more.pop("header", None):
            channel["header"] = headers
        if query := more.pop("query", None):
            more["_criteria"] = {"extension": [{"url": f"{BACKPORT}filter-criteria", "valueString": query}]}
        criteria = f"http://localhost:80/fhir/r4/SubscriptionTopic/{topic}"
        said = {"resourceType": "Subscription", "status": "requested", "reason": "test", "criteria": criteria}
        return said | {"channel": channel} | more

    def r5(self, topic: str = "imagingstudy-available", **more: Any) -> Json:
        said = {
            "resourceType": "Subscription",
            "status": "requested",
            "topic": f"http://localhost:80/fhir/r5/SubscriptionTopic/{topic}",
            "channelType": {"code": "rest-hook"},
            "endpoint": self.receiver.url,
        }
        return said | more

    def bound(self, uid: str = UID, patient: Patient | None = None) -> Study:
        """Bind a study as a rule would, and let it rest."""
        patient = patient or self.clinic.patient(f"P{uid}")
        return self.rebound(self.clinic.study(uid, 1, 1), patient)

    def rebound(self, study: Study, patient: Patient) -> Study:
        bound = self.clinic.bind(study, patient)
        with self.house.store.write() as tx:
            announce.study_changed(tx, studies.get(tx, study.key), self.house.destinations, self.house.clock.now())
        return bound

    def questioned(self, study: Study) -> None:
        self.clinic.question(study)
        with self.house.store.write() as tx:
            announce.study_withdrawn(tx, studies.get(tx, study.key), self.house.clock.now())

    def state(self, one: str, release: str = "r4") -> str:
        return str(self.machine.get(f"/fhir/{release}/Subscription/{one}").json["status"])


@pytest.fixture
def scene(make_house: Callable[..., House]) -> Iterator[Scene]:
    with Receiver() as receiver:
        fhir = {"subscriptions": {"private": LOOPBACK}}
        yield Scene(make_house(FixedClock(AT), http={"public_url": "http://localhost:80"}, fhir=fhir), receiver)


QUIET = timedelta(seconds=21)
# What does not depend on the database is asked of one.
ONE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@ONE
def test_a_subscription_is_active_once_its_handshake_was_answered(scene: Scene) -> None:
    answer = scene.machine.post("/fhir/r4/Subscription", json=scene.r4())
    assert (answer.status_code, answer.json["status"]) == (201, "requested")
    assert answer.headers["Location"].endswith(f"/Subscription/{answer.json['id']}/_history/1")
    scene.run()
    (handshake,) = scene.receiver.of("handshake")
    assert status_of(handshake)["eventsSinceSubscriptionStart"] == "0"
    assert scene.state(answer.json["id"]) == "active"
    SubscriptionR4.model_validate(scene.machine.get(f"/fhir/r4/Subscription/{answer.json['id']}").json)


def test_a_study_that_becomes_available_is_told_by_id_in_both_releases(scene: Scene) -> None:
    scene.subscribe(scene.r4())
    scene.subscribe(scene.r5())
    study = scene.bound()
    scene.run()
    assert scene.receiver.of("event-notification") == []
    scene.run(QUIET)
    by_type = {one["type"]: one for one in scene.receiver.of("event-notification")}
    r4, r5 = by_type["history"], by_type["subscription-notification"]
    BundleR4.model_validate(r4)
    BundleR5.model_validate(r5)
    for one in (r4, r5):
        assert numbers_of([one]) == [1]
        assert [entry["fullUrl"].rpartition("/fhir/")[2][3:] for entry in one["entry"][1:]] == [
            f"ImagingStudy/{study.key}"
        ]
        assert "HALVORSEN" not in str(one)
        assert all("resource" not in entry for entry in one["entry"][1:])


@ONE
def test_an_unbound_study_is_not_told_of(scene: Scene) -> None:
    scene.subscribe(scene.r4("imagingstudy-changed"))
    study = scene.clinic.study(UID, 1, 1)
    scene.questioned(study)
    scene.run(QUIET)
    assert scene.receiver.of("event-notification") == []


def test_a_withdrawal_and_a_return_are_told_in_their_order(scene: Scene) -> None:
    one = scene.subscribe(scene.r4("imagingstudy-changed", "full-resource", numbers={"max-count": 10}))
    patient, other = scene.clinic.patient("P1"), scene.clinic.patient("P2", "OKAFOR^ADAEZE")
    study = scene.bound(UID, patient)
    scene.run(QUIET)
    scene.questioned(study)
    scene.run()
    scene.rebound(study, other)
    scene.run()
    told = scene.receiver.of("event-notification")
    assert numbers_of(told) == [1, 2, 3]
    resources = [entry["resource"] for each in told for entry in each["entry"][1:]]
    assert [(each["status"], each["subject"]["reference"]) for each in resources] == [
        ("available", f"Patient/{patient.key}"),
        ("entered-in-error", f"Patient/{patient.key}"),
        ("available", f"Patient/{other.key}"),
    ]
    for each in told:
        BundleR4.model_validate(each)
    assert scene.state(one) == "active"


@ONE
def test_a_study_that_a_person_took_out_of_every_chart_is_told_of_as_an_error_and_shown_no_more(scene: Scene) -> None:
    one = scene.subscribe(scene.r4("imagingstudy-changed", "full-resource"))
    study = scene.bound()
    scene.run(QUIET)
    desk = ChartDesk(scene.house.store, scene.house.clock, scene.house.destinations, {})
    desk.withdraw(study.study_instance_uid, "not a diagnostic study", "user:maria")
    read = scene.machine.get(f"/fhir/r4/Subscription/{one}/$events").json
    assert "2.25.77001" not in str(read)
    scene.run()
    desk.take_back(study.study_instance_uid, "it is", "user:maria")
    scene.run()
    told = [
        entry["resource"]["status"] for each in scene.receiver.of("event-notification") for entry in each["entry"][1:]
    ]
    assert told == ["available", "entered-in-error", "available"]


@ONE
def test_who_may_subscribe_no_more_is_told_no_more(scene: Scene) -> None:
    browser = scene.console.browser(Role.ADMIN)
    token = {"X-CSRF-Token": scene.console.form_token(browser)}
    assert browser.post("/fhir/r4/Subscription", json=scene.r4(), headers=token).status_code == 201
    scene.run()
    with scene.house.store.write() as tx:
        tx.execute(update(users_table).values(role=Role.VIEWER.value))
    scene.bound()
    scene.run(QUIET)
    assert scene.receiver.of("event-notification") == []


@ONE
def test_a_narrowed_token_reads_nothing_of_news_that_its_scopes_leave_out(scene: Scene) -> None:
    one = scene.subscribe(scene.r4())
    with scene.house.store.write() as tx:
        tx.execute(update(tokens_table).values(scopes=["system/Subscription.cruds", "system/Patient.r"]))
    assert scene.machine.get(f"/fhir/r4/Subscription/{one}").status_code == 200
    assert scene.machine.get(f"/fhir/r4/Subscription/{one}/$events?content=full-resource").status_code == 403


@ONE
def test_a_study_that_goes_straight_to_another_patient_leaves_the_first(scene: Scene) -> None:
    patient, other = scene.clinic.patient("P1"), scene.clinic.patient("P2", "OKAFOR^ADAEZE")
    scene.subscribe(scene.r4("imagingstudy-changed", query=f"ImagingStudy?patient=Patient/{patient.key}"))
    study = scene.bound(UID, patient)
    scene.run(QUIET)
    scene.rebound(study, other)
    scene.run()
    with scene.house.store.read() as tx:
        said = [each.status for _, each in news.numbered(tx, 1, 1, 9)]
    assert said == ["available", "entered-in-error"]


@ONE
def test_what_has_not_changed_is_no_news(scene: Scene) -> None:
    scene.subscribe(scene.r4("imagingstudy-changed"))
    patient = scene.clinic.patient("P1")
    study = scene.bound(UID, patient)
    scene.run(QUIET)
    with scene.house.store.write() as tx:
        news.look_at(tx, news.STUDY, study.key, scene.house.clock.now())
    scene.run()
    assert numbers_of(scene.receiver.of("event-notification")) == [1]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("ImagingStudy?modality=CT", [1]),
        ("ImagingStudy?modality=MR", []),
        ("ImagingStudy?modality=MR,CT&status=available", [1]),
        ("ImagingStudy?status=entered-in-error", []),
    ],
)
@ONE
def test_filters_narrow_what_is_told(scene: Scene, query: str, told: list[int]) -> None:
    scene.subscribe(scene.r4("imagingstudy-changed", query=query))
    scene.bound()
    scene.run(QUIET)
    assert numbers_of(scene.receiver.of("event-notification")) == told


@ONE
def test_a_filter_on_a_patient_means_those_merged_into_them(scene: Scene) -> None:
    retired, survivor = scene.clinic.patient("P1"), scene.clinic.patient("P2")
    filters = [{"resourceType": "ImagingStudy", "filterParameter": "patient", "value": f"Patient/{retired.key}"}]
    scene.subscribe(scene.r5(filterBy=filters))
    scene.clinic.merge(retired, survivor)
    scene.bound(UID, survivor)
    scene.run(QUIET)
    assert numbers_of(scene.receiver.of("event-notification")) == [1]


def test_an_order_and_its_authorization_are_told(scene: Scene) -> None:
    scene.subscribe(scene.r5("order-status"))
    scene.subscribe(scene.r5("prior-auth-result"))
    scene.console.order()
    scene.run()
    focus = {
        status_of(one)["notificationEvent"][0]["focus"]["reference"] for one in scene.receiver.of("event-notification")
    }
    assert {one.rpartition("/fhir/r5/")[2].partition("/")[0] for one in focus} == {"ServiceRequest", "ClaimResponse"}


def test_several_news_go_in_one_notification_where_that_is_asked_for(scene: Scene) -> None:
    one = scene.subscribe(scene.r5(maxCount=3))
    scene.receiver.answer = 503
    for number in range(5):
        scene.bound(f"{UID}.{number}")
    scene.run(QUIET)
    scene.receiver.told.clear()
    scene.receiver.answer = 200
    scene.run(timedelta(minutes=30))
    told = scene.receiver.of("event-notification")
    assert [len(status_of(each)["notificationEvent"]) for each in told] == [3, 2]
    assert numbers_of(told) == [1, 2, 3, 4, 5]
    assert scene.state(one, "r5") == "active"


@ONE
@pytest.mark.parametrize("content", ["id-only", "full-resource"])
def test_what_several_news_in_one_notification_are_about_is_in_it_once(scene: Scene, content: str) -> None:
    """Source: FHIR R5 Bundle, bdl-7."""
    one = scene.subscribe(scene.r5("imagingstudy-changed", maxCount=10, content=content))
    scene.receiver.answer = 503
    study = scene.bound()
    scene.run(QUIET)
    scene.questioned(study)
    scene.run()
    scene.receiver.told.clear()
    scene.receiver.answer = 200
    scene.run(timedelta(minutes=30))
    (told,) = scene.receiver.of("event-notification")
    assert numbers_of([told]) == [1, 2]
    for bundle in (told, scene.machine.get(f"/fhir/r5/Subscription/{one}/$events").json):
        (entry,) = bundle["entry"][1:]
        assert entry["fullUrl"].startswith("http://localhost:80/fhir/r5/ImagingStudy/")
        assert entry.get("resource", {}).get("status") == (None if content == "id-only" else "entered-in-error")


# The slices of the profile backport-subscription-status-r4: how many of each, and what holds its value.
_SLICES = {
    "subscription": (1, 1, "valueReference"),
    "topic": (0, 1, "valueCanonical"),
    "status": (1, 1, "valueCode"),
    "type": (1, 1, "valueCode"),
    "events-since-subscription-start": (0, 1, "valueString"),
    "notification-event": (0, None, "part"),
    "error": (0, None, "valueCodeableConcept"),
}
_PARTS = {
    "event-number": (1, 1, "valueString"),
    "timestamp": (0, 1, "valueInstant"),
    "focus": (0, 1, "valueReference"),
    "additional-context": (0, None, "valueReference"),
}


def follows_the_backport(status: Json, content: str) -> None:
    """Compare a status in R4 with its profile. Source: Subscriptions R5 Backport 1.1."""
    assert status["resourceType"] == "Parameters"
    assert status["meta"]["profile"] == [f"{BACKPORT}subscription-status-r4"]
    for parameters, slices in (
        (status["parameter"], _SLICES),
        *((one["part"], _PARTS) for one in status["parameter"] if one["name"] == "notification-event"),
    ):
        names = [one["name"] for one in parameters]
        assert set(names) <= slices.keys()
        for name, (least, most, _) in slices.items():
            assert least <= names.count(name) <= (most if most is not None else len(names)), name
        assert all(one.keys() == {"name", slices[one["name"]][2]} for one in parameters)
    assert ("topic" in [one["name"] for one in status["parameter"]]) == (content != "empty")


@ONE
@pytest.mark.parametrize("content", ["empty", "id-only", "full-resource"])
def test_whatever_is_told_in_r4_is_told_as_the_backport_has_it(scene: Scene, content: str) -> None:
    one = scene.subscribe(scene.r4(content=content, numbers={"heartbeat-period": 60}))
    scene.bound()
    scene.run(QUIET)
    scene.run(timedelta(seconds=90))
    bundles = [scene.receiver.of(kind)[0] for kind in ("handshake", "event-notification", "heartbeat")]
    bundles.append(scene.machine.get(f"/fhir/r4/Subscription/{one}/$events").json)
    for bundle in bundles:
        BundleR4.model_validate(bundle)
        assert (bundle["type"], bundle["meta"]["profile"]) == ("history", [f"{BACKPORT}subscription-notification-r4"])
        assert all({"request", "response"} <= entry.keys() for entry in bundle["entry"])
        follows_the_backport(bundle["entry"][0]["resource"], content)
    scene.receiver.answer = 500
    for _ in range(4):
        scene.run(timedelta(hours=1))
    (entry,) = scene.machine.get(f"/fhir/r4/Subscription/{one}/$status").json["entry"]
    follows_the_backport(entry["resource"], content)
    assert "error" in [said["name"] for said in entry["resource"]["parameter"]]


@ONE
def test_how_subscriptions_stand_is_asked_of_several_at_once(scene: Scene) -> None:
    one, other, off = (scene.subscribe(scene.r4()) for _ in range(3))
    shown = scene.machine.get(f"/fhir/r4/Subscription/{off}").json
    scene.machine.put(f"/fhir/r4/Subscription/{off}", json=shown | {"status": "off"})
    place = "/fhir/r4/Subscription/$status"

    def asked(**said: str) -> set[str]:
        parameters = [{"name": name, "valueCode": each} for name, value in said.items() for each in value.split(",")]
        answers = [
            scene.machine.get(place, query_string=said).json,
            scene.machine.post(place, json={"resourceType": "Parameters", "parameter": parameters}).json,
        ]
        found = [
            {
                entry["resource"]["parameter"][0]["valueReference"]["reference"].rpartition("/")[2]
                for entry in answer["entry"]
            }
            for answer in answers
        ]
        assert found[0] == found[1]
        return found[0]

    assert asked() == {one, other, off}
    assert asked(status="active") == {one, other}
    assert asked(status="active,off") == {one, other, off}
    assert asked(id=f"{one},{off}") == {one, off}
    assert asked(id=f"{one},{off}", status="off") == {off}


@ONE
def test_an_empty_notification_names_nothing(scene: Scene) -> None:
    scene.subscribe(scene.r5("imagingstudy-changed", content="empty"))
    scene.bound()
    scene.run(QUIET)
    (told,) = scene.receiver.of("event-notification")
    BundleR5.model_validate(told)
    assert len(told["entry"]) == 1
    assert "ImagingStudy/" not in str(told)
    assert "topic" not in status_of(told)


def test_an_endpoint_that_fails_is_in_error_and_misses_nothing_when_it_is_back(scene: Scene) -> None:
    one = scene.subscribe(scene.r4())
    scene.receiver.answer = 500
    scene.bound(f"{UID}.1")
    scene.run(QUIET)
    for _ in range(3):
        scene.run(timedelta(minutes=1))
    assert scene.state(one) == "error"
    said = scene.machine.get(f"/fhir/r4/Subscription/{one}/$status").json["entry"][0]["resource"]
    assert {"name": "status", "valueCode": "error"} in said["parameter"]
    scene.bound(f"{UID}.2")
    scene.run(QUIET)
    scene.receiver.told.clear()
    scene.receiver.answer = 200
    scene.run(timedelta(minutes=20))
    assert numbers_of(scene.receiver.of("event-notification")) == [1, 2]
    assert scene.state(one) == "active"


@ONE
def test_a_handshake_that_fails_is_an_error_and_is_tried_again(scene: Scene) -> None:
    scene.receiver.answer = 404
    one = scene.subscribe(scene.r4())
    assert scene.state(one) == "error"
    scene.receiver.answer = 200
    scene.run(timedelta(minutes=1))
    assert scene.state(one) == "active"


@ONE
def test_a_heartbeat_comes_while_nothing_happens_and_only_then(scene: Scene) -> None:
    scene.subscribe(scene.r5(heartbeatPeriod=60))
    scene.run(timedelta(seconds=30))
    assert scene.receiver.of("heartbeat") == []
    scene.bound()
    scene.run(timedelta(seconds=25))
    assert numbers_of(scene.receiver.of("event-notification")) == [1]
    scene.run(timedelta(seconds=40))
    assert scene.receiver.of("heartbeat") == []
    scene.run(timedelta(seconds=30))
    (beat,) = scene.receiver.of("heartbeat")
    BundleR5.model_validate(beat)
    assert status_of(beat)["eventsSinceSubscriptionStart"] == "1"


@ONE
def test_a_subscription_ends_with_its_time_and_with_its_owner(scene: Scene) -> None:
    ends = (AT + timedelta(minutes=5)).isoformat()
    one = scene.subscribe(scene.r4(end=ends))
    other = scene.subscribe(scene.r4())
    with scene.house.store.read() as tx:
        token = users.every_token(tx)[0]
    manage_users.revoke_token(scene.house.store, scene.house.clock, token.key, "system")
    scene.run(timedelta(minutes=6))
    scene.bound()
    scene.run(QUIET)
    assert scene.receiver.of("event-notification") == []
    admin = scene.console.machine()
    assert [admin.get(f"/fhir/r4/Subscription/{each}").json["status"] for each in (one, other)] == ["off", "active"]


@ONE
def test_a_subscription_that_is_switched_off_or_deleted_is_told_nothing(scene: Scene) -> None:
    one, other = scene.subscribe(scene.r4()), scene.subscribe(scene.r4())
    off = scene.machine.get(f"/fhir/r4/Subscription/{one}").json | {"status": "off"}
    assert scene.machine.put(f"/fhir/r4/Subscription/{one}", json=off).json["status"] == "off"
    assert scene.machine.delete(f"/fhir/r4/Subscription/{other}").status_code == 204
    assert scene.machine.get(f"/fhir/r4/Subscription/{other}").status_code == 404
    scene.bound()
    scene.run(QUIET)
    assert scene.receiver.of("event-notification") == []


@ONE
def test_a_secret_is_sent_and_shown_to_nobody_and_outlives_a_change(scene: Scene) -> None:
    one = scene.subscribe(scene.r4(header=["Authorization: Bearer s3cret-s3cret"]))
    shown = scene.machine.get(f"/fhir/r4/Subscription/{one}")
    assert "s3cret" not in shown.text
    changed = scene.machine.put(
        f"/fhir/r4/Subscription/{one}", json=shown.json, headers={"If-Match": shown.headers["ETag"]}
    )
    assert (changed.status_code, changed.json["status"]) == (200, "requested")
    stale = scene.machine.put(f"/fhir/r4/Subscription/{one}", json=shown.json, headers={"If-Match": 'W/"1"'})
    assert stale.status_code == 412
    scene.run()
    assert [told.headers["authorization"] for told in scene.receiver.told] == ["Bearer s3cret-s3cret"] * 2


@ONE
def test_what_was_missed_is_read_by_number(scene: Scene) -> None:
    one = scene.subscribe(scene.r5())
    for number in range(3):
        scene.bound(f"{UID}.{number}")
    scene.run(QUIET)
    read = scene.machine.get(f"/fhir/r5/Subscription/{one}/$events?eventsSinceNumber=2&content=full-resource").json
    BundleR5.model_validate(read)
    assert numbers_of([read]) == [2, 3]
    assert [entry["resource"]["status"] for entry in read["entry"][1:]] == ["available", "available"]
    everything = scene.machine.post(f"/fhir/r5/Subscription/{one}/$events").json
    assert numbers_of([everything]) == [1, 2, 3]


@ONE
def test_a_subscription_is_its_owners_own(scene: Scene) -> None:
    one = scene.subscribe(scene.r4())
    stranger = scene.console.machine(Role.SYSTEM, "subscribe")
    for call in (stranger.get, stranger.delete):
        assert call(f"/fhir/r4/Subscription/{one}").status_code == 404
    assert stranger.get("/fhir/r4/Subscription").json["total"] == 0
    assert scene.machine.get("/fhir/r4/Subscription").json["total"] == 1
    assert scene.machine.get(f"/fhir/r5/Subscription/{one}").status_code == 404
    assert scene.console.machine(Role.SYSTEM, "fhir").get("/fhir/r4/Subscription").status_code == 403


@ONE
def test_who_may_not_read_is_told_by_id_and_sent_no_resource(scene: Scene) -> None:
    teller = scene.console.machine(Role.SYSTEM, "subscribe")
    assert teller.post("/fhir/r4/Subscription", json=scene.r4(content="full-resource")).status_code == 403
    one = scene.subscribe(scene.r5(), teller)
    scene.bound(f"{UID}.1")
    scene.run(QUIET)
    assert teller.get(f"/fhir/r5/Subscription/{one}/$events").status_code == 200
    assert teller.get(f"/fhir/r5/Subscription/{one}/$events?content=full-resource").status_code == 403
    whole = teller.get(f"/fhir/r5/Subscription/{one}").json | {"content": "full-resource"}
    assert teller.put(f"/fhir/r5/Subscription/{one}", json=whole).status_code == 403


def narrow(scene: Scene, *scopes: str) -> None:
    with scene.house.store.write() as tx:
        tx.execute(update(tokens_table).values(scopes=list(scopes)))


@ONE
def test_who_may_read_no_more_is_told_by_id_from_then_on(scene: Scene) -> None:
    scene.subscribe(scene.r4(content="full-resource"))
    scene.subscribe(scene.r5(content="full-resource"))
    scene.bound(f"{UID}.1")
    narrow(scene, "subscribe")
    scene.run(QUIET)
    told = scene.receiver.of("event-notification")
    assert numbers_of(told) == [1, 1]
    assert [[entry for entry in one["entry"][1:] if "resource" in entry] for one in told] == [[], []]
    shaken = scene.machine.post("/fhir/r4/Subscription", json=scene.r4()).json
    whole = scene.r4(content="full-resource") | {"id": shaken["id"]}
    narrow(scene, "subscribe", "fhir")
    assert scene.machine.put(f"/fhir/r4/Subscription/{shaken['id']}", json=whole).status_code == 200
    narrow(scene, "subscribe")
    scene.run()
    assert scene.state(shaken["id"]) == "active"
    assert scene.machine.delete(f"/fhir/r4/Subscription/{shaken['id']}").status_code == 204
    narrow(scene, "subscribe", "fhir")
    scene.bound(f"{UID}.2")
    scene.run(QUIET)
    sent = scene.receiver.of("event-notification")[2:]
    assert [one["entry"][1]["resource"]["resourceType"] for one in sent] == ["ImagingStudy", "ImagingStudy"]


@ONE
def test_who_may_not_read_what_a_topic_is_about_any_more_is_told_no_more_of_it(scene: Scene) -> None:
    scene.subscribe(scene.r4(content="full-resource"))
    scene.subscribe(scene.r4())
    narrow(scene, "system/Subscription.cruds", "system/Patient.r")
    scene.bound()
    scene.run(QUIET)
    assert scene.receiver.of("event-notification") == []
    narrow(scene, "system/Subscription.cruds", "system/ImagingStudy.r")
    scene.bound(f"{UID}.1")
    scene.run(QUIET)
    scene.run(QUIET)
    assert sorted(numbers_of(scene.receiver.of("event-notification"))) == [1, 1, 2, 2]


@ONE
def test_what_a_release_says_of_a_subscription_is_valid_there(scene: Scene) -> None:
    filters = [{"resourceType": "ImagingStudy", "filterParameter": "modality", "value": "CT"}]
    parameter = [{"name": "X-Key", "value": "abcdefgh"}]
    one = scene.subscribe(scene.r5("imagingstudy-changed", filterBy=filters, parameter=parameter, heartbeatPeriod=60))
    shown = scene.machine.get(f"/fhir/r5/Subscription/{one}").json
    SubscriptionR5.model_validate(shown)
    assert (shown["filterBy"], shown["maxCount"], shown["content"]) == (filters, 1, "id-only")
    topic = scene.machine.get("/fhir/r5/SubscriptionTopic/imagingstudy-changed").json
    SubscriptionTopic.model_validate(topic)
    assert topic["url"] == shown["topic"]
    assert scene.machine.get("/fhir/r4/SubscriptionTopic").json["total"] == 5


@ONE
@pytest.mark.parametrize(
    ("release", "operations", "profiles", "followed"),
    [
        ("r4", f"{GUIDE}OperationDefinition/backport-subscription-", [f"{BACKPORT}subscription"], True),
        ("r5", "http://hl7.org/fhir/OperationDefinition/Subscription-", [], False),
    ],
)
def test_each_release_says_by_whose_definitions_it_tells(
    scene: Scene, release: str, operations: str, profiles: list[str], followed: bool
) -> None:
    statement = scene.machine.get(f"/fhir/{release}/metadata").json
    assert faults_of(release.upper(), statement) == ()
    assert (f"{GUIDE}CapabilityStatement/backport-subscription-server-r4" in statement["instantiates"]) == followed
    (said,) = (one for one in statement["rest"][0]["resource"] if one["type"] == "Subscription")
    assert said.get("supportedProfile", []) == profiles
    assert [one["definition"] for one in said["operation"]] == [f"{operations}status", f"{operations}events"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"criteria": "http://localhost:80/fhir/r4/SubscriptionTopic/nothing"}, 415),
        ({"criteria": "Patient?name=x"}, 415),
        ({"channel": {"type": "websocket"}}, 415),
        ({"channel": {"type": "rest-hook"}}, 422),
        ({"channel": {"type": "rest-hook", "endpoint": "http://receiver.example.org/x"}}, 403),
        ({"channel": {"type": "rest-hook", "endpoint": "https://10.1.2.3/x"}}, 403),
        ({"channel": {"type": "rest-hook", "endpoint": "https://169.254.169.254/latest"}}, 403),
        ({"channel": {"type": "rest-hook", "endpoint": "https://[::ffff:10.0.0.1]/x"}}, 403),
        ({"channel": {"type": "rest-hook", "endpoint": "https://user:secret@example.org/x"}}, 400),
        ({"channel": {"type": "rest-hook", "endpoint": "ftp://example.org/x"}}, 400),
        ({"channel": {"type": "rest-hook", "endpoint": RECEIVER, "_payload": "x"}}, 400),
        ({"channel": {"type": "rest-hook", "endpoint": RECEIVER, "header": ["Content-Encoding: br"]}}, 400),
        ({"channel": {"type": "rest-hook", "endpoint": RECEIVER, "header": ["Trailer: X-Sum"]}}, 400),
        ({"reason": {"x": 1}}, 400),
        ({"contact": [{"rank": "first"}]}, 400),
        ({"_criteria": "x"}, 400),
        ({"_criteria": [None]}, 400),
        ({"_criteria": {"extension": [MANY_FILTERS]}}, 400),
        ({"end": "2020-01-01T00:00:00Z"}, 400),
        ({"end": "9999-12-31T23:59:59-14:00"}, 400),
        ({"status": "nonsense"}, 422),
        ({"resourceType": "Patient"}, 400),
    ],
)
@ONE
def test_a_request_that_cannot_be_met_is_refused_with_its_reason(scene: Scene, change: Json, status: int) -> None:
    answer = scene.machine.post("/fhir/r4/Subscription", json=scene.r4() | change)
    assert (answer.status_code, answer.json["resourceType"]) == (status, "OperationOutcome")


@ONE
@pytest.mark.parametrize(
    ("release", "sound", "spoiled"),
    [
        ("r4", {"contact": [{"system": "phone", "value": "555"}]}, {"contact": [{"rank": "first"}]}),
        ("r5", {"identifier": [{"value": "desk 4"}], "name": "Desk"}, {"identifier": 5}),
    ],
)
def test_what_is_said_beside_a_request_is_shown_again_if_it_is_what_fhir_has(
    scene: Scene, release: str, sound: Json, spoiled: Json
) -> None:
    said = scene.r4() if release == "r4" else scene.r5()
    place = f"/fhir/{release}/Subscription"
    assert scene.machine.post(place, json=said | spoiled).status_code == 400
    made = scene.machine.post(place, json=said | sound | {"tag": [{"code": "x"}], "colour": "red"})
    assert made.status_code == 201
    assert {name: made.json[name] for name in sound} == sound
    assert faults_of(release.upper(), made.json) == ()


@ONE
def test_a_redirect_is_not_followed_and_an_endless_answer_is_cut(scene: Scene) -> None:
    one = scene.subscribe(scene.r4(numbers={"timeout": 1}))
    with Receiver() as elsewhere:
        scene.receiver.answer, scene.receiver.location = 307, elsewhere.url
        scene.bound(f"{UID}.1")
        scene.run(QUIET)
        assert elsewhere.told == []
    scene.receiver.location, scene.receiver.answer, scene.receiver.trickles = "", 200, True
    scene.run(timedelta(minutes=1))
    with scene.house.store.read() as tx:
        waiting = deliveries.waiting(tx, enqueue.SUBSCRIPTION, enqueue.SUBSCRIBERS, enqueue.subscription_of(int(one)))
    assert waiting is not None
    assert waiting.last_error == "the answer came too slowly"


@ONE
def test_news_are_asked_for_in_the_transaction_of_the_change(scene: Scene) -> None:
    scene.subscribe(scene.r4())
    patient = scene.clinic.patient("P1")
    study = scene.clinic.study(UID, 1, 1)
    scene.clinic.bind(study, patient)
    with contextlib.suppress(RuntimeError), scene.house.store.write() as tx:
        announce.study_changed(tx, studies.get(tx, study.key), scene.house.destinations, scene.house.clock.now())
        raise RuntimeError
    scene.run(QUIET)
    assert scene.receiver.of("event-notification") == []


def test_old_news_are_forgotten_but_not_what_is_still_to_be_told(scene: Scene) -> None:
    scene.subscribe(scene.r4())
    scene.bound(f"{UID}.1")
    scene.run(QUIET)
    scene.receiver.answer = 500
    scene.bound(f"{UID}.2")
    scene.run(QUIET)
    later = scene.house.clock.now() + timedelta(days=31)
    assert forget_old_news(scene.house.store, later) == 1
    with scene.house.store.read() as tx:
        assert [number for number, _ in news.numbered(tx, 1, 1, 9)] == [2]
