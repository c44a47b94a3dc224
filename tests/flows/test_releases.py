"""What goes to a payer: put together, looked at, let go by a person, brought there once, and its answer kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import orjson
import pytest

from bridge.building.destinations import share_terms
from bridge.building.web_flows import web_flows
from bridge.domain.attachment import AttachmentKind, AttachmentState, ClaimAttachment
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.submission import SubmissionState
from bridge.errors import BridgeError, Conflict, Incomplete, Unavailable, Unsupported
from bridge.flows.attach_images import ImageAttacher
from bridge.flows.change_delivery import retry_delivery
from bridge.flows.enter_authorization import AuthorizationEntry
from bridge.flows.release_attachment import Release
from bridge.flows.share_study import Asker, ShareDesk
from bridge.peer_check import check_peers
from bridge.pictures.pool import DecoderPool
from bridge.publishers.cdex import CdexPublisher
from bridge.publishers.fhir_client import FhirClient
from bridge.store import audit, authorizations, claim_figures, packets, studies, submissions, viewer_links
from bridge.store.deliveries import DeliveryState
from bridge.wiring import House
from samples.strict_payer import StrictPayer
from tests.cast import PLAIN, STRANGER, image, report, spooled, study_uid
from tests.flows.asking import say, typed_authorization
from tests.flows.payer_desk import SAID, Desk, desk_of

MakeHouse = Callable[..., House]

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_asking_for_it_makes_a_draft_and_its_packet_and_nothing_leaves(desk: Desk, payer: StrictPayer) -> None:
    made = desk.ready()
    with desk.house.store.read() as tx:
        packet = packets.newest(tx, made.key)
    assert packet is not None
    assert (desk.state(made).state, packet.version) == (AttachmentState.DRAFT, 1)
    assert payer.requests == []


def test_the_preview_tells_exactly_what_would_leave_to_whom_and_what_for(desk: Desk, payer: StrictPayer) -> None:
    made = desk.ready()
    shown = desk.outgoing(made)
    desk.releases.release(made.authorization_key, made.key, SAID)
    desk.work()
    ((received,),) = payer.received.values()
    assert (shown.to, shown.purpose_of_use) == ("acme", "COVAUTH")
    assert shown.address == f"{payer.base_url}/$submit-attachment"
    assert shown.control_number in payer.received
    said = dict(shown.facts)
    values = {one["name"]: one for one in received["parameter"]}
    assert said["Member"] == values["MemberId"]["valueIdentifier"]["value"]
    assert said["Tracking number"] == values["TrackingId"]["valueIdentifier"]["value"]


def test_the_preview_s_size_is_the_size_of_what_is_sent(desk: Desk, payer: StrictPayer) -> None:
    made = desk.released()
    shown = desk.outgoing(made)
    desk.work()
    ((received,),) = payer.received.values()
    assert shown.size_bytes == len(orjson.dumps(received))


def test_what_is_released_is_accepted_once_and_its_answer_is_kept_as_it_came(desk: Desk, payer: StrictPayer) -> None:
    made = desk.sent()
    desk.later(minutes=5)
    assert [len(one) for one in payer.received.values()] == [1]
    assert desk.state(made).state == AttachmentState.SENT
    kept = desk.submission(made)
    with desk.house.store.read() as tx:
        (row,) = submissions.answers_of(tx, [kept.key])
        answer = submissions.answer(tx, row.key)
    assert (kept.state, answer.status) == (SubmissionState.ACCEPTED, 200)
    assert b"OperationOutcome" in answer.content
    assert any(line.startswith("Sent to acme") for line in desk.told())


def test_trap_14_a_packet_of_every_image_of_a_study_is_not_let_go(desk: Desk, payer: StrictPayer) -> None:
    for number in range(2, 9):
        desk.house.instances.receive(spooled(desk.house, image(PLAIN, "A1", number), "CT1"))
    entry = AuthorizationEntry(desk.house.store, desk.house.clock, desk.house.rules)
    attacher = ImageAttacher(desk.house.store, desk.house.clock, desk.house.destinations)
    every = [f"{study_uid('A1')}.1.{number}" for number in range(1, 9)]
    for number, chosen in (("PA1", every), ("PA2", every[:7])):
        key = entry.enter(typed_authorization(number, PLAIN, "A1", member_id="W1122"), "user:bill")
        (made,) = attacher.attach(key, study_uid("A1"), [AttachmentKind.CDEX], chosen, actor="user:bill")
        desk.work()
        if chosen == every:
            with pytest.raises(Conflict, match="every one of the study's 8 images") as refused:
                desk.release(made)
            assert (refused.value.code, payer.requests) == ("more_than_necessary", [])
        else:
            assert desk.release(made).state == AttachmentState.RELEASED


def test_the_proof_counts_the_hours_until_the_payer_had_it_first(desk: Desk) -> None:
    made = desk.released()
    desk.later(hours=3)
    with desk.house.store.read() as tx:
        study = studies.get(tx, made.study_key)
        assert claim_figures.first_sent_at(tx, [study.key]) == {study.key: desk.house.clock.now()}
    desk.rule("unbind")
    desk.rule("bind", patient=PatientIdentifier(STRANGER.patient_id))
    with desk.house.store.read() as tx:
        assert claim_figures.first_sent_at(tx, [study.key]) == {}


def test_trap_9_the_attachment_goes_under_the_control_number_that_the_claim_names(
    desk: Desk, payer: StrictPayer
) -> None:
    made = desk.sent()
    (number,) = payer.received
    parts = payer.received[number][0]["parameter"]
    document = next(one for one in parts if one["name"] == "Attachment")["part"][-1]["resource"]
    attacher = ImageAttacher(desk.house.store, desk.house.clock, desk.house.destinations)
    attacher.attach(made.authorization_key, study_uid("A1"), [AttachmentKind.NARRATIVE], actor="user:bill")
    texts = web_flows(desk.house).studies.claim_texts
    with desk.house.store.read() as tx:
        narrative = authorizations.attachments_of(tx, made.authorization_key)[-1]
        text = texts.read(tx, narrative)
    assert text is not None
    assert f"PWK*RB*EL***AC*{number}" in "".join(text.segments)
    assert document["identifier"][0]["value"] == number


def test_every_release_and_every_sending_is_an_export_with_its_purpose(desk: Desk) -> None:
    desk.sent()
    with desk.house.store.read() as tx:
        rows = {one.action: one.detail for one in audit.recent(tx, limit=50)}
    released, sent = rows["attachment_released"], rows["evidence_sent"]
    assert (released["purpose_of_use"], released["to"], released["version"]) == ("COVAUTH", "acme", 1)
    assert (sent["purpose_of_use"], sent["to"]) == ("COVAUTH", "acme")


def test_the_version_that_was_released_leaves_though_a_newer_report_came(desk: Desk, payer: StrictPayer) -> None:
    made = desk.released()
    say(desk.house, report(PLAIN, "A1", "C", at="20260302130000", text="A nodule of 8 mm."))
    desk.work()
    with desk.house.store.read() as tx:
        assert [one.version for one in packets.versions(tx, made.key)] == [1]
    assert len(payer.received) == 1


def test_a_newer_version_than_the_one_looked_at_is_not_released(desk: Desk) -> None:
    made = desk.ready()
    say(desk.house, report(PLAIN, "A1", "C", at="20260302130000", text="A nodule of 8 mm."))
    desk.work()
    looked_at = Release("asked", "user:bill", version=1)
    assert refused(desk, made, looked_at).code == "packet_changed"


def refused(desk: Desk, made: ClaimAttachment, said: Release = SAID) -> BridgeError:
    with pytest.raises(BridgeError) as fault:
        desk.releases.release(made.authorization_key, made.key, said)
    assert desk.state(made).state != AttachmentState.RELEASED
    return fault.value


def test_nothing_is_released_before_its_packet_is_there(desk: Desk) -> None:
    assert isinstance(refused(desk, desk.attach()), Unavailable)


def test_what_the_payer_requires_and_nobody_knows_is_said_before_anything_leaves(desk: Desk) -> None:
    made = desk.ready(member_id="")
    assert desk.outgoing(made).lacks == ("the authorization names no member number",)
    assert isinstance(refused(desk, made), Incomplete)


def test_a_payer_that_no_setting_names_gets_nothing(desk: Desk) -> None:
    assert isinstance(refused(desk, desk.ready(payer_id="99999")), Unsupported)


def test_an_unbound_study_is_blocked_before_it_leaves_and_waits_for_a_new_release(
    desk: Desk, payer: StrictPayer
) -> None:
    made = desk.released()
    desk.rule("unbind")
    desk.later(minutes=1)
    assert (desk.state(made).state, payer.received) == (AttachmentState.REVIEW, {})
    desk.rule("bind", accession_number="A1")
    desk.later(minutes=1)
    assert (desk.state(made).state, payer.received) == (AttachmentState.DRAFT, {})
    assert desk.submission(made).state == SubmissionState.TAKEN_BACK
    assert desk.tasks() == []


def test_trap_11_what_left_under_the_wrong_patient_is_a_task_to_have_it_withdrawn(
    desk: Desk, payer: StrictPayer
) -> None:
    made = desk.sent()
    (number,) = payer.received
    desk.rule("unbind")
    desk.rule("bind", patient=PatientIdentifier(STRANGER.patient_id))
    (task,) = desk.tasks()
    assert task.startswith(f"acme ({number}): it has what was sent under control number {number}")
    assert "tell it to withdraw" in task
    assert any("had already been sent" in line for line in desk.told())
    desk.later(minutes=5)
    assert len(payer.received[number]) == 1
    assert desk.state(made).state == AttachmentState.REVIEW


def test_what_left_and_turned_out_right_is_not_sent_again(desk: Desk, payer: StrictPayer) -> None:
    made = desk.sent()
    desk.rule("unbind")
    desk.rule("bind", accession_number="A1")
    desk.later(minutes=5)
    assert [len(one) for one in payer.received.values()] == [1]
    assert desk.state(made).state == AttachmentState.SENT


def test_a_refusal_is_told_in_words_and_a_person_sends_it_again(desk: Desk, payer: StrictPayer) -> None:
    payer.members = set()
    made = desk.sent()
    after = desk.state(made)
    assert after.state == AttachmentState.FAILED
    assert after.detail == (
        "the payer refused it (422): it breaks a rule of the server (Parameters.parameter[MemberId])"
    )
    payer.members = None
    retry_delivery(desk.house.store, desk.house.clock, desk.delivery(DeliveryState.DEAD).key, "user:bill")
    desk.work()
    assert desk.state(made).state == AttachmentState.SENT


def test_trap_10_a_packet_above_the_payer_s_limit_is_refused_in_words(desk: Desk, payer: StrictPayer) -> None:
    payer.limit_bytes = 1000
    made = desk.sent()
    after = desk.state(made)
    assert (after.state, payer.received) == (AttachmentState.FAILED, {})
    assert after.detail.startswith("the payer takes nothing so large (413; the PDF has 0.0 MB): lower max_packet_mb")


@pytest.mark.parametrize("status", ["401", "429", "503"])
def test_a_payer_that_takes_nothing_now_gets_it_later_once(desk: Desk, payer: StrictPayer, status: str) -> None:
    payer.misbehave(status, 1, ["POST"])
    made = desk.sent()
    assert payer.received == {}
    assert desk.submission(made).state == SubmissionState.READY
    desk.later(minutes=5)
    assert [len(one) for one in payer.received.values()] == [1]
    assert desk.state(made).state == AttachmentState.SENT


def test_of_a_payer_that_takes_nothing_for_long_the_first_and_the_last_answer_are_kept(
    desk: Desk, payer: StrictPayer
) -> None:
    payer.misbehave("503", 4, ["POST"])
    made = desk.sent()
    for _ in range(4):
        desk.later(hours=2)
    assert desk.state(made).state == AttachmentState.SENT
    with desk.house.store.read() as tx:
        rows = submissions.answers_of(tx, [desk.submission(made).key])
    assert [one.status for one in rows] == [503, 503, 200]
    assert rows[0].heard_at + timedelta(hours=6) == rows[1].heard_at


@pytest.mark.parametrize("mode", ["commit-then-reset", "commit-then-500"])
def test_a_payer_that_took_it_and_never_said_so_is_asked_by_our_number_before_anything_is_sent_again(
    desk: Desk, payer: StrictPayer, mode: str
) -> None:
    payer.misbehave(mode, 1, ["POST"])
    made = desk.sent()
    assert desk.state(made).state == AttachmentState.RELEASED
    desk.later(minutes=5)
    assert [len(one) for one in payer.received.values()] == [1]
    assert desk.state(made).state == AttachmentState.SENT
    assert desk.state(made).reference.startswith("DocumentReference/")


@pytest.mark.parametrize("mode", ["500", "commit-then-reset"])
def test_what_a_payers_search_does_not_show_is_not_sent_again_before_a_person_says_that_it_is_not_there(
    desk: Desk, payer: StrictPayer, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr(FhirClient, "search", lambda *_: [])
    payer.misbehave(mode, 1, ["POST"])
    made = desk.sent()
    before = [len(one) for one in payer.received.values()]
    desk.later(minutes=5)
    desk.later(hours=5)
    assert [len(one) for one in payer.received.values()] == before
    assert desk.submission(made).state == SubmissionState.UNCLEAR
    assert "shows nothing under our number" in desk.submission(made).detail
    if not before:
        said = Release("their hotline", "user:bill")
        desk.releases.settle_unclear(made.authorization_key, made.key, is_there=False, said=said)
        desk.later(minutes=5)
        assert [len(one) for one in payer.received.values()] == [1]
        assert desk.state(made).state == AttachmentState.SENT


def test_what_the_payer_accepted_just_before_the_machine_ended_counts_as_sent_and_is_not_sent_again(
    desk: Desk, payer: StrictPayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = desk.released()

    def ends(*_: object) -> None:
        raise RuntimeError("the machine ends here")

    with monkeypatch.context() as patch:
        patch.setattr(CdexPublisher, "settled", ends)
        desk.work()
    assert (desk.submission(made).state, desk.state(made).state) == (SubmissionState.ACCEPTED, AttachmentState.RELEASED)
    desk.later(minutes=5)
    assert [len(one) for one in payer.received.values()] == [1]
    assert desk.state(made).state == AttachmentState.SENT
    with desk.house.store.read() as tx:
        assert [one.action for one in audit.recent(tx, limit=50)].count("evidence_sent") == 1


def test_what_was_let_go_keeps_the_link_that_stands_in_it(
    make_house: MakeHouse, decoders: DecoderPool, payer: StrictPayer
) -> None:
    def with_address(*said: object, **sections: object) -> House:
        return make_house(*said, http={"public_url": "https://bridge.example.org"}, **sections)

    desk = desk_of(with_address, decoders, payer, share_days=7)
    shares, bill = ShareDesk(desk.house.store, desk.house.clock, share_terms(desk.house)), Asker("user:bill", "")
    made = desk.ready()
    shares.share(made.authorization_key, made.key, "the payer reads breast MR itself", bill)
    desk.work()
    desk.release(made)
    with pytest.raises(Conflict):
        shares.share(made.authorization_key, made.key, "again", bill)
    with desk.house.store.read() as tx:
        assert [one.revoked_at for one in viewer_links.of_attachment(tx, made.key)] == [None]


@pytest.mark.parametrize(("is_there", "times"), [(True, 1), (False, 2)])
def test_where_nobody_can_be_asked_a_person_says_whether_it_is_there(
    desk: Desk, payer: StrictPayer, is_there: bool, times: int
) -> None:
    payer.looks_up = False
    payer.misbehave("commit-then-reset", 1, ["POST"])
    made = desk.sent()
    desk.later(minutes=5)
    desk.later(hours=5)
    assert desk.submission(made).state == SubmissionState.UNCLEAR
    assert desk.delivery(DeliveryState.HELD).held_reason.startswith("no answer came, and the payer may have it")
    assert [len(one) for one in payer.received.values()] == [1]
    said = Release("their hotline", "user:bill")
    desk.releases.settle_unclear(made.authorization_key, made.key, is_there=is_there, said=said)
    desk.later(minutes=5)
    assert [len(one) for one in payer.received.values()] == [times]
    assert desk.state(made).state == AttachmentState.SENT


def test_nothing_is_released_again_while_nobody_knows_whether_it_is_there(desk: Desk, payer: StrictPayer) -> None:
    payer.looks_up = False
    payer.misbehave("commit-then-reset", 1, ["POST"])
    made = desk.sent()
    desk.later(minutes=5)
    again = desk.attach_again(made.authorization_key)
    desk.work()
    assert refused(desk, again).code == "unclear"


def test_a_check_tells_how_a_payer_answers_and_whether_it_can_be_asked_what_it_has(
    desk: Desk, payer: StrictPayer
) -> None:
    (row,) = [one for one in check_peers(desk.house) if one["name"] == "acme"]
    assert (row["ok"], row["answer"]) == (True, "4.0.1 strict payer; what it has can be looked for")
    payer.looks_up = False
    (row,) = [one for one in check_peers(desk.house) if one["name"] == "acme"]
    assert row["answer"].endswith("what it has cannot be looked for: a person is asked")
