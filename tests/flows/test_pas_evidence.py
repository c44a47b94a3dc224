"""Evidence that leaves inside a request for authorization: looked at, let go, asked for once, and never of somebody else."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.building.destinations import ways_to_payers
from bridge.codecs.fhir.validate import faults
from bridge.domain.attachment import AttachmentKind, AttachmentState, ClaimAttachment, control_number_of
from bridge.domain.authorization import AuthorizationLine, AuthorizationStatus
from bridge.domain.authorization_news import AuthorizationNews
from bridge.domain.payer_request import RequestKind, RequestState
from bridge.domain.submission import Outgoing, SubmissionState
from bridge.errors import Conflict, Incomplete
from bridge.flows.attach_images import ImageAttacher
from bridge.flows.enter_authorization import AuthorizationEntry
from bridge.flows.release_attachment import PayerReleases, Release
from bridge.flows.resolve_mismatch import MismatchResolver, Ruling
from bridge.pictures.pool import DecoderPool
from bridge.store import authorizations, incidents, payer_requests, submissions
from bridge.wiring import House
from tests.cast import PLAIN, STRANGER, adt, image, report, spooled, study_uid
from tests.fakes.pas_payer import PasPayer
from tests.fakes.payer_scene import LINE, PayerScene, payer_scene
from tests.flows.asking import say

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
Json = dict[str, Any]
SAID = Release("exam is scheduled", "user:bill")


@pytest.fixture
def payer() -> Iterator[PasPayer]:
    found = PasPayer()
    found.start()
    yield found
    found.stop()


@dataclass
class Desk(PayerScene):
    """With a bound and reported CT that is attached, its packet ready."""

    payer: PasPayer
    releases: PayerReleases
    made: ClaimAttachment

    def outgoing(self) -> Outgoing:
        with self.house.store.read() as tx:
            return self.releases.outgoing(tx, self.key, self.made.key)[1]

    def release(self) -> None:
        self.releases.release(self.key, self.made.key, SAID)

    def attachment(self) -> ClaimAttachment:
        with self.house.store.read() as tx:
            return authorizations.get_attachment(tx, self.made.key)

    def question(self) -> None:
        house = self.house
        resolver = MismatchResolver(house.store, house.clock, house.rules, house.destinations)
        resolver.resolve(study_uid("A1"), Ruling("unbind", "looked again", "user:maria"))


@pytest.fixture
def make_desk(
    make_house: Callable[..., House], tmp_path: Path, payer: PasPayer, decoders: DecoderPool
) -> Callable[..., Desk]:
    def make(*lines: AuthorizationLine, **more: Any) -> Desk:
        section = {"base_url": payer.base_url, "timeout_secs": 60, "asks_while_pended": False}
        scene = payer_scene(make_house, tmp_path, section, lines or (LINE,), **more)
        house = scene.house
        house.decoders = decoders
        say(house, adt(STRANGER))
        house.instances.receive(spooled(house, image(PLAIN, "A1"), "CT1"))
        say(house, report(PLAIN, "A1"))
        attacher = ImageAttacher(house.store, house.clock, house.destinations)
        (made,) = attacher.attach(scene.key, study_uid("A1"), [AttachmentKind.PAS], actor="user:bill")
        releases = PayerReleases(house.store, house.clock, ways_to_payers(house))
        desk = Desk(house, scene.desk, scene.key, scene.clock, payer, releases, made)
        desk.send()
        return desk

    return make


def resources(bundle: Json, kind: str) -> list[Json]:
    return [one["resource"] for one in bundle["entry"] if one["resource"]["resourceType"] == kind]


def test_evidence_is_looked_at_let_go_and_asked_with_once(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    shown = desk.outgoing()
    assert (shown.to, shown.lacks, shown.purpose_of_use) == ("acme", (), "COVAUTH")
    assert shown.address.endswith("/Claim/$submit")
    assert ("Asked for (1)", "Line 1, 71260: asked for") in shown.facts
    assert desk.payer.asked == []
    desk.release()
    desk.send()
    (bundle,) = desk.payer.submitted
    assert faults(bundle, "R4") == []
    (document,) = resources(bundle, "DocumentReference")
    content = base64.b64decode(document["content"][0]["attachment"]["data"])
    assert content.startswith(b"%PDF-")
    assert len(content) == shown.document_bytes
    assert abs(len(str(bundle).replace(" ", "")) - shown.size_bytes) < 400
    number = control_number_of(desk.key, study_uid("A1"))
    assert number in str(resources(bundle, "Claim")[0]["supportingInfo"])
    one, kept = desk.one(), desk.attachment()
    assert (one.status, one.lines[0].number) == (AuthorizationStatus.APPROVED, "PA-4711")
    assert (kept.state, kept.reference) == (AttachmentState.SENT, one.trace)
    with desk.house.store.read() as tx:
        release = submissions.newest(tx, kept.key)
        (answer,) = payer_requests.answers_of(tx, desk.key)
    assert release is not None
    assert (release.state, answer.read_at is not None) == (SubmissionState.ACCEPTED, True)


def test_what_a_request_lacks_keeps_its_evidence_here(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(AuthorizationLine("71260"), npi="")
    assert any("NPI" in each for each in desk.outgoing().lacks)
    with pytest.raises(Incomplete):
        desk.release()
    desk.send()
    assert (desk.payer.asked, desk.requests()) == ([], [])


def test_further_evidence_is_an_update_that_marks_what_is_new(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    desk.desk.ask(desk.key, "asked before the images", "user:bill")
    desk.send()
    assert ("What it is", "a change of what was asked") in desk.outgoing().facts
    desk.release()
    desk.send()
    first, second = desk.payer.submitted
    claim = resources(second, "Claim")[0]
    assert claim["meta"]["profile"][0].endswith("profile-claim-update")
    assert claim["identifier"] == resources(first, "Claim")[0]["identifier"]
    (information,) = claim["supportingInfo"]
    assert any(one.get("valueCode") == "added" for one in information["extension"])
    assert [one.kind for one in desk.requests()] == [RequestKind.SUBMIT, RequestKind.UPDATE]


def test_trap_11_what_came_in_question_after_its_release_does_not_leave_and_blocks_nothing(
    make_desk: Callable[..., Desk],
) -> None:
    desk = make_desk()
    desk.release()
    desk.question()
    desk.send()
    assert desk.payer.asked == []
    assert desk.attachment().state == AttachmentState.REVIEW
    desk.desk.ask(desk.key, "without the images", "user:bill")
    desk.send()
    assert [resources(one, "DocumentReference") for one in desk.payer.submitted] == [[]]


def test_evidence_whose_answer_was_lost_is_looked_for_and_not_sent_twice(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    desk.payer.misbehave("commit-then-reset", 1, ["POST"])
    desk.release()
    desk.send()
    assert [one.state for one in desk.requests()] == [RequestState.BEGUN]
    desk.clock.at += timedelta(minutes=20)
    desk.send()
    assert (len(desk.payer.submitted), desk.payer.inquiries) == (1, 1)
    assert desk.attachment().state == AttachmentState.SENT
    assert desk.one().status == AuthorizationStatus.APPROVED


@pytest.mark.parametrize("is_there", [True, False])
def test_where_the_payer_cannot_be_asked_a_person_says_whether_evidence_is_there(
    make_desk: Callable[..., Desk], is_there: bool
) -> None:
    desk = make_desk()
    del desk.payer.operations["Claim/$inquire"]
    desk.payer.misbehave("commit-then-reset", 1, ["POST"])
    desk.release()
    desk.send()
    desk.clock.at += timedelta(minutes=20)
    desk.send()
    assert len(desk.payer.submitted) == 1
    (request,) = desk.requests()
    with pytest.raises(Conflict):
        desk.desk.settle_unknown(desk.key, request.key, has_it=True, reason="called", actor="user:bill")
    desk.releases.settle_unclear(desk.key, desk.made.key, is_there=is_there, said=SAID)
    desk.send()
    assert len(desk.payer.submitted) == (1 if is_there else 2)
    assert [one.state for one in desk.requests()] == [RequestState.ANSWERED]
    assert desk.attachment().state == AttachmentState.SENT


def test_trap_10_what_is_too_large_for_the_payer_is_told_and_kept(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    desk.payer.limit_bytes = 1000
    desk.release()
    desk.send()
    kept = desk.attachment()
    assert kept.state == AttachmentState.FAILED
    assert "413" in kept.detail
    assert [one.state for one in desk.requests()] == [RequestState.FAILED]


def test_a_request_that_the_payer_cannot_use_fails_with_its_evidence_in_words(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    desk.payer.error = "72"
    desk.release()
    desk.send()
    kept = desk.attachment()
    assert (kept.state, kept.detail) == (AttachmentState.FAILED, "the member number is missing or wrong")
    assert desk.one().status == AuthorizationStatus.ERROR


def test_what_left_for_the_wrong_patient_is_to_be_withdrawn_by_a_person(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    desk.release()
    desk.send()
    desk.question()
    with desk.house.store.read() as tx:
        tasks = [one.what for one in incidents.tasks(tx, is_open=True, limit=9)]
    assert any("withdraw" in each for each in tasks)


def test_evidence_that_may_have_left_before_its_study_was_bound_anew_is_never_sent_again_by_itself(
    make_desk: Callable[..., Desk],
) -> None:
    desk = make_desk()
    desk.payer.misbehave("500", 1, ["POST"])
    desk.release()
    desk.send()
    desk.question()
    resolver = MismatchResolver(desk.house.store, desk.clock, desk.house.rules, desk.house.destinations)
    resolver.resolve(study_uid("A1"), Ruling("bind", "hers after all", "user:maria", accession_number="A1"))
    desk.clock.at += timedelta(minutes=20)
    desk.send()
    assert (desk.payer.submitted, desk.payer.inquiries) == ([], 1)
    with desk.house.store.read() as tx:
        released = submissions.newest(tx, desk.made.key)
    assert released is not None
    assert released.state == SubmissionState.UNCLEAR


def test_what_was_let_go_for_another_member_does_not_leave_and_is_looked_at_again(
    make_desk: Callable[..., Desk],
) -> None:
    desk = make_desk(trace="T-1")
    assert ("Member", "W1122") in desk.outgoing().facts
    desk.release()
    other_member(desk)
    desk.send()
    assert (desk.payer.asked, desk.attachment().state) == ([], AttachmentState.DRAFT)
    assert [one.state for one in desk.requests()] == [RequestState.DROPPED]
    assert ("Member", "W9999") in desk.outgoing().facts
    desk.release()
    desk.send()
    (bundle,) = desk.payer.submitted
    assert "W9999" in str(resources(bundle, "Patient")) + str(resources(bundle, "Coverage"))


def test_a_request_without_evidence_for_another_member_does_not_leave_either(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(trace="T-1")
    desk.desk.ask(desk.key, "exam is scheduled", "user:bill")
    other_member(desk)
    desk.send()
    (request,) = desk.requests()
    assert (desk.payer.asked, request.state) == ([], RequestState.FAILED)
    assert "told otherwise" in request.detail
    desk.desk.ask(desk.key, "looked again", "user:bill")
    desk.send()
    assert len(desk.payer.submitted) == 1


def other_member(desk: Desk) -> None:
    """Say that the authorization is another member's of the same payer."""
    desk.clock.at += timedelta(minutes=1)
    entry = AuthorizationEntry(desk.house.store, desk.house.clock, desk.house.rules)
    entry.add_answer(desk.key, AuthorizationNews("user:bill", desk.clock.now(), member_id="W9999"), "user:bill")
