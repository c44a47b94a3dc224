"""Requests and payers' answers fetched from the clinic's own FHIR server: each once, by its clock, decided by HCR01 alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.clock import FixedClock
from bridge.domain.authorization import Authorization, AuthorizationStatus, Urgency
from bridge.domain.claim_story import tell_claims
from bridge.domain.records import replace
from bridge.flows.poll_authorizations import AuthorizationPoll
from bridge.flows.poll_orders import PolledServer
from bridge.flows.take_claim import take_claim
from bridge.mapping.fhir_authorizations import read_claim, read_claim_response
from bridge.mapping.fhir_claims import read_claim_outcome
from bridge.mapping.fhir_fields import FhirGround, Resource
from bridge.store import authorization_news, authorizations, claim_figures, events, orders
from bridge.wiring import House
from tests.cast import PLAIN, STRANGER, adt, order
from tests.flows.asking import say

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
PAS = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-"
CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "fhir" / "pas-examples"
NOW = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)

PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "identifier": [{"system": "urn:riverside", "value": PLAIN.patient_id}],
    "name": [{"family": "Halvorsen", "given": ["Ingrid"]}],
    "birthDate": "1958-03-12",
}
PAYER = {"resourceType": "Organization", "id": "acme", "identifier": [{"value": "60054"}], "name": "ACME"}
COVERAGE = {"resourceType": "Coverage", "id": "c1", "subscriberId": "W123456789", "dependent": "01"}


def claim(**said: Any) -> dict[str, Any]:
    return {
        "resourceType": "Claim",
        "id": "cl1",
        "meta": {"lastUpdated": "2026-03-02T09:00:00Z"},
        "identifier": [{"value": "TRACE1"}],
        "status": "active",
        "use": "preauthorization",
        "patient": {"reference": "Patient/p1"},
        "created": "2026-03-02T08:55:00Z",
        "insurer": {"reference": "Organization/acme"},
        "priority": {"coding": [{"code": "stat"}]},
        "diagnosis": [{"sequence": 1, "diagnosisCodeableConcept": {"coding": [{"code": "R91.1"}]}}],
        "insurance": [{"sequence": 1, "focal": True, "coverage": {"reference": "Coverage/c1"}}],
        "item": [
            {
                "sequence": 1,
                "productOrService": {"coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "71260"}]},
                "modifier": [{"coding": [{"code": "26"}]}],
                "quantity": {"value": 2},
                "servicedDate": "2026-03-02",
                "diagnosisSequence": [1],
            }
        ],
    } | said


def review(code: str, number: str = "") -> dict[str, Any]:
    parts: list[dict[str, Any]] = [
        {"url": PAS + "reviewActionCode", "valueCodeableConcept": {"coding": [{"code": code}]}}
    ]
    if number:
        parts.append({"url": "number", "valueString": number})
    return {"extension": [{"url": PAS + "reviewAction", "extension": parts}]}


def response(code: str, number: str = "", **said: Any) -> dict[str, Any]:
    return {
        "resourceType": "ClaimResponse",
        "id": "cr1",
        "meta": {"lastUpdated": "2026-03-02T10:00:00Z"},
        "identifier": [{"value": "TRACE1"}],
        "status": "active",
        "use": "preauthorization",
        "outcome": "complete",
        "patient": {"reference": "Patient/p1"},
        "insurer": {"reference": "Organization/acme"},
        "request": {"reference": "Claim/cl1"},
        "item": [{"itemSequence": 1, "adjudication": [review(code, number)]}] if code else [],
    } | said


class Ehr:
    """An EHR with two pages at most: what is held of the kind asked for, and everything that it refers to."""

    def __init__(self) -> None:
        self.held: list[dict[str, Any]] = []
        self.asked: list[str] = []

    def page(self, address: str) -> tuple[Sequence[Mapping[str, Any]], str]:
        self.asked.append(address)
        kind = address.partition("?")[0]
        others = [one for one in self.held if one["resourceType"] != kind]
        return [*(one for one in self.held if one["resourceType"] == kind), *others, PATIENT, PAYER, COVERAGE], ""


class Scene:
    def __init__(self, house: House) -> None:
        self.house = house
        self.ehr = Ehr()
        ground = FhirGround(UTC, lambda system: "RIVERSIDE" if system == "urn:riverside" else system)
        server = PolledServer("ehr", self.ehr)
        self.polls = [
            AuthorizationPoll(
                house.store, house.clock, lambda: ground, [server], rules=house.rules, kind=kind, owner="one"
            )
            for kind in ("Claim", "ClaimResponse")
        ]

    def ask(self, *held: dict[str, Any]) -> list[int]:
        """Let the EHR hold these and ask it a minute later for requests, then for answers."""
        self.ehr.held = list(held)
        self.house.clock.at += timedelta(minutes=2)  # type: ignore[attr-defined]
        return [poll.work() for poll in self.polls]

    def the_one(self) -> Authorization:
        with self.house.store.read() as tx:
            (key,) = authorizations.keys_by_number(tx, "TRACE1")
            return authorizations.get(tx, key)


@pytest.fixture
def scene(make_house: Callable[..., House]) -> Scene:
    house = make_house(FixedClock(NOW))
    say(house, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"))
    return Scene(house)


def test_a_request_is_known_with_its_lines_and_its_clock(scene: Scene) -> None:
    assert scene.ask(claim()) == [1, 0]
    one = scene.the_one()
    assert (one.status, one.urgency, one.payer_id) == (AuthorizationStatus.SUBMITTED, Urgency.EXPEDITED, "60054")
    assert (one.member_id, one.member_suffix) == ("W123456789", "01")
    assert one.received_at == datetime(2026, 3, 2, 8, 55, tzinfo=UTC)
    (line,) = one.lines
    assert (line.code, line.modifiers, line.diagnoses, line.requested_units) == ("71260", ("26",), ("R91.1",), "2")


def test_an_answer_decides_by_its_review_action_and_brings_the_number_of_the_line(scene: Scene) -> None:
    scene.ask(claim(), response("A1", "PA-7"))
    one = scene.the_one()
    assert (one.status, one.lines[0].decision, one.lines[0].number) == (AuthorizationStatus.APPROVED, "A1", "PA-7")
    assert one.lines[0].code == "71260"
    with scene.house.store.read() as tx:
        assert authorizations.keys_by_number(tx, "pa7") == [one.key]


def test_trap_7_a_pended_answer_s_reference_is_no_number_and_no_approval(scene: Scene) -> None:
    scene.ask(claim(), response("A4", preAuthRef="TRACK9"))
    one = scene.the_one()
    assert (one.status, one.number, one.administrative_reference) == (AuthorizationStatus.PENDED, "", "TRACK9")


def test_trap_7_an_answer_without_a_review_action_leaves_the_request_waiting(scene: Scene) -> None:
    scene.ask(claim(), response("", preAuthRef="PA-7"))
    assert scene.the_one().status == AuthorizationStatus.SUBMITTED


def added(code: str, **said: Any) -> dict[str, Any]:
    concept = {"coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": code}]}
    return {"productOrService": concept, "adjudication": [review("A1", "PA-9")]} | said


def test_trap_8_what_a_payer_authorized_instead_is_the_line_that_it_replaces(scene: Scene) -> None:
    instead = added("71250", itemSequence=[1], quantity={"value": 1}, servicedPeriod={"end": "2026-04-30"})
    scene.ask(claim(), response("A6", addItem=[instead]))
    (line,) = scene.the_one().lines
    assert (line.code, line.modifiers, line.decision, line.number) == ("71250", ("26",), "A6", "PA-9")
    assert (line.requested_units, line.approved_units, line.service_to) == ("2", "1", "20260430")


@pytest.mark.parametrize(
    ("sequences", "lines"),
    [
        (None, [("71260", "A3"), ("74160", "A1")]),
        ([1, 2], [("71260", "A3"), ("74160", "A1")]),
        ([7], [("71260", "A3"), ("74160", "A1")]),
        ("1", [("71260", "A3"), ("74160", "A1")]),
        ([{"a": 1}, True, -1, 1], [("74160", "A3")]),
    ],
)
def test_what_a_payer_added_is_a_line_of_its_own_unless_it_replaces_one(
    scene: Scene, sequences: object, lines: list[tuple[str, str]]
) -> None:
    scene.ask(claim(), response("A3", addItem=[added("74160", itemSequence=sequences)]))
    assert [(line.code, line.decision) for line in scene.the_one().lines] == lines


def test_the_whole_s_reference_is_the_number_where_no_line_has_one(scene: Scene) -> None:
    scene.ask(claim(), response("A1", preAuthRef="PA-8", preAuthPeriod={"start": "2026-03-01", "end": "2026-04-30"}))
    one = scene.the_one()
    assert (one.number, one.effective_on, one.expires_on) == ("PA-8", "20260301", "20260430")


def test_what_was_seen_is_not_taken_again_and_what_changed_is(scene: Scene) -> None:
    assert scene.ask(claim(), response("A4")) == [1, 1]
    assert scene.ask(claim(), response("A4")) == [0, 0]
    later = response("A1", "PA-7", meta={"lastUpdated": "2026-03-02T11:00:00Z"})
    assert scene.ask(claim(), later) == [0, 1]
    with scene.house.store.read() as tx:
        history = authorization_news.of_authorization(tx, scene.the_one().key)
    assert [(each.news.kind.value, each.news.lines[0].decision) for each in history] == [
        ("requested", ""),
        ("answered", "A4"),
        ("answered", "A1"),
    ]
    assert "ClaimResponse?_lastUpdated=ge2026-03-02T09%3A58" in scene.ehr.asked[-1]
    assert "_include=ClaimResponse:request" in scene.ehr.asked[-1]


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error"])
def test_an_answer_that_its_source_takes_back_decides_nothing_any_more(scene: Scene, status: str) -> None:
    scene.ask(claim(), response("A1", "PA-7", preAuthPeriod={"end": "2026-04-30"}))
    assert scene.the_one().status == AuthorizationStatus.APPROVED
    back = response("A1", "PA-7", status=status, meta={"lastUpdated": "2026-03-02T11:00:00Z"})
    scene.ask(claim(), back)
    one = scene.the_one()
    assert (one.status, one.lines[0].decision, one.lines[0].number) == (AuthorizationStatus.SUBMITTED, "", "")
    assert (one.expires_on, one.payer_id) == ("", "60054")
    again = response("A3", id="cr2", meta={"lastUpdated": "2026-03-02T12:00:00Z"})
    scene.ask(claim(), again)
    assert scene.the_one().status == AuthorizationStatus.DENIED


def test_an_older_answer_of_another_response_stands_where_a_newer_one_is_taken_back(scene: Scene) -> None:
    scene.ask(claim(), response("A4"), response("A1", "PA-7", id="cr2", meta={"lastUpdated": "2026-03-02T11:00:00Z"}))
    scene.ask(claim(), response("A1", id="cr2", status="cancelled", meta={"lastUpdated": "2026-03-02T12:00:00Z"}))
    assert scene.the_one().status == AuthorizationStatus.PENDED


def test_what_was_taken_back_and_never_heard_waits_for_nobody(scene: Scene) -> None:
    scene.ask(response("A1", "PA-7", status="cancelled", request={}))
    with scene.house.store.read() as tx:
        assert authorization_news.waiting(tx) == []


def test_trap_7_a_number_beside_a_pended_line_is_the_payer_s_reference(scene: Scene) -> None:
    scene.ask(claim(), response("A4", "TRACK9"))
    one = scene.the_one()
    assert (one.lines[0].number, one.number, one.administrative_reference) == ("", "", "TRACK9")


def test_an_answer_of_another_patient_under_the_same_trace_waits_for_a_person(scene: Scene) -> None:
    scene.ask(claim())
    PATIENT_2 = {**PATIENT, "id": "p2", "identifier": [{"system": "urn:riverside", "value": STRANGER.patient_id}]}
    foreign = response("A1", "PA-7", patient={"reference": "Patient/p2"}) | {"contained": []}
    scene.ask(
        claim(), foreign, PATIENT_2 | {"name": [{"family": "Okafor", "given": ["Chidi"]}], "birthDate": "1983-05-04"}
    )
    assert scene.the_one().status == AuthorizationStatus.SUBMITTED
    with scene.house.store.read() as tx:
        assert len(authorization_news.waiting(tx)) == 1


@pytest.mark.parametrize(
    "odd",
    [
        {"item": "none"},
        {"item": [{"itemSequence": "one", "adjudication": [7, {"extension": "x"}]}]},
        {"patient": {"reference": 7}},
        {"insurer": [], "identifier": [{"value": 12}]},
        {"meta": {"lastUpdated": "yesterday"}},
        {"error": [{"code": {"coding": "x"}}]},
        {"use": "claim"},
        {"status": "entered-in-error"},
    ],
)
def test_an_odd_answer_changes_nothing_and_stops_nothing(scene: Scene, odd: dict[str, Any]) -> None:
    scene.ask(claim(), response("A1", "PA-7") | odd, response("A4", id="cr2"))
    assert scene.the_one().status in (AuthorizationStatus.PENDED, AuthorizationStatus.APPROVED)


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the shared corpus is not here")
def test_the_guide_s_own_examples_are_read(scene: Scene) -> None:
    ground = FhirGround(UTC, lambda system: system)

    def read(name: str) -> Any:
        said = json.loads((CORPUS / f"{name}.json").read_text("utf-8"))
        reader = read_claim if said["resourceType"] == "Claim" else read_claim_response
        return reader(Resource(said), "fhir:ehr", ground, NOW)

    pended = read("ClaimResponse-PractitionerRequestorPendingResponseExample")
    assert ([one.decision for one in pended.lines], pended.administrative_reference, pended.trace) == (
        ["A4"],
        "PEND0001",
        "111099",
    )
    granted = read("ClaimResponse-PractitionerRequestorResponseExample")
    (line,) = granted.lines
    assert (line.decision, line.number, line.service_from, line.approved_units) == ("A1", "AUTH0001", "20050502", "1")
    more = read("ClaimResponse-PractitionerRequestorAdditionalContentResponseExample")
    assert [(one.sequence, one.decision, one.number) for one in more.lines][1:] == [(2, "A1", "AUTH0001")]
    refused = read("ClaimResponse-ErrorResponseExample")
    assert not refused.decides
    asked = read("Claim-ReferralAuthorizationExample")
    assert (asked.trace, asked.urgency, asked.request_category, asked.certification) == (
        "111099",
        Urgency.EXPEDITED,
        "SC",
        "I",
    )
    for path in sorted(CORPUS.glob("Claim*.json")):
        assert read(path.stem) is not None, path.name


CARC = "https://x12.org/codes/claim-adjustment-reason-codes"


def paid_claim(amount: float, *reasons: str, **said: Any) -> dict[str, Any]:
    """Return a payer's answer to the claim for the exam A1, of 400 dollars."""
    parts: list[dict[str, Any]] = [
        {"category": {"coding": [{"code": kind}]}, "amount": {"value": value}}
        for kind, value in (("submitted", 400), ("benefit", amount))
    ]
    parts += [
        {
            "category": {"coding": [{"code": "denialreason"}]},
            "amount": {"value": 400 - amount},
            "reason": {"coding": [{"system": CARC, "code": one}]},
        }
        for one in reasons
    ]
    return {
        "resourceType": "ClaimResponse",
        "id": "pay1",
        "meta": {"lastUpdated": "2026-03-02T10:00:00Z"},
        "identifier": [{"value": "ICN-9"}],
        "status": "active",
        "use": "claim",
        "outcome": "complete",
        "created": "2026-03-20",
        "insurer": {"reference": "Organization/acme"},
        "request": {"identifier": {"value": "A1"}},
        "item": [{"itemSequence": 1, "adjudication": parts}],
    } | said


def counted(scene: Scene) -> list[tuple[str, str, bool]]:
    with scene.house.store.read() as tx:
        words = claim_figures.words_on(tx, "A1")
    return [(one.first.value, one.category.value if one.category else "", one.is_void) for one in tell_claims(words)]


def test_what_a_payer_answered_to_a_claim_is_counted_once_and_stands_on_the_exam(scene: Scene) -> None:
    assert scene.ask(paid_claim(0, "252"))[1] == 1
    assert scene.ask(paid_claim(0, "252", meta={"lastUpdated": "2026-03-02T11:00:00Z"}))[1] == 0
    assert counted(scene) == [("denied", "documentation", False)]
    with scene.house.store.read() as tx:
        (exam,) = orders.by_accession(tx, "A1")
        told = [each.what for each in events.timeline(tx, [exam.key], [])]
    assert "The payer denied the claim" in told


def test_an_answer_that_is_changed_in_place_was_taken_back_and_its_first_word_still_counts(scene: Scene) -> None:
    scene.ask(paid_claim(0, "252"))
    assert scene.ask(paid_claim(300, created="2026-04-10"))[1] == 1
    assert counted(scene) == [("denied", "documentation", False)]
    with scene.house.store.read() as tx:
        words = [each.said.status.value for each in claim_figures.words_on(tx, "A1")]
    assert words == ["denied", "reversed", "paid"]
    assert scene.ask(paid_claim(300, created="2026-04-10", status="cancelled"))[1] == 1
    assert counted(scene) == [("denied", "documentation", True)]


def test_what_was_cancelled_before_it_was_heard_of_says_nothing(scene: Scene) -> None:
    assert scene.ask(paid_claim(300, status="cancelled"))[1] == 0
    assert counted(scene) == []


def test_the_same_payment_by_file_and_by_fhir_is_one_claim(scene: Scene) -> None:
    by_fhir = read_claim_outcome(
        Resource(paid_claim(300, payment={"date": "2026-03-25", "identifier": {"value": "EFT7"}}), {}), "x"
    )
    assert by_fhir is not None
    with scene.house.store.write() as tx:
        take_claim(tx, replace(by_fhir, source_number="file/1"), None, NOW)
    scene.ask(paid_claim(300, payment={"date": "2026-03-25", "identifier": {"value": "EFT7"}}))
    assert counted(scene) == [("paid", "", False)]
