"""What a payer has, and is wrong by now, is asked back: every copy, every image on it, and once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.domain.attachment import AttachmentKind, AttachmentState, ClaimAttachment
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.incident import DisclosureKind
from bridge.domain.submission import SubmissionState
from bridge.flows.attach_images import ImageAttacher
from bridge.flows.enter_authorization import AuthorizationEntry
from bridge.flows.record_incident import OutsideTasks
from bridge.flows.reject_instances import RejectionDesk
from bridge.flows.serve_packet import PacketShelf, WantedPacket
from bridge.flows.undo_merge import MergeUndoer
from bridge.outbox.in_hand import InHand
from bridge.pictures.pool import DecoderPool
from bridge.store import incidents, rejections
from bridge.wiring import House
from samples.strict_payer import StrictPayer
from tests.cast import NEAR_TWIN, PLAIN, STRANGER, adt, image, merge, spooled, study_uid
from tests.flows import payer_desk, x12_desk
from tests.flows.asking import say, typed_authorization
from tests.flows.payer_desk import Desk, ReleasingDesk
from tests.flows.registration import mrg, order_of, pv1, tell
from tests.flows.test_rejections import note

MakeHouse = Callable[..., House]

embedded = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def desk(make_house: MakeHouse, decoders: DecoderPool, payer: StrictPayer) -> Desk:
    found = payer_desk.desk_of(make_house, decoders, payer)
    for number in (2, 3):
        found.house.instances.receive(spooled(found.house, image(PLAIN, "A1", number), "CT1"))
    return found


def reject(desk: ReleasingDesk, number: int) -> None:
    """Let the device that made an image reject it, for its quality."""
    document = note("113001", image(PLAIN, "A1", number), number=number)
    desk.house.instances.receive(spooled(desk.house, document, "CT1"))


def take_back_rejection(desk: ReleasingDesk) -> None:
    house = desk.house
    with house.store.read() as tx:
        (found,) = rejections.of_study(tx, study_uid("A1"))
    RejectionDesk(house.store, house.clock, house.rules, house.destinations).decide(
        found.key, "undo", "it was good", "user:maria"
    )


def have_done(desk: ReleasingDesk) -> None:
    """Say of what is asked for outside that it was done."""
    with desk.house.store.read() as tx:
        open_tasks = incidents.tasks(tx, is_open=True, limit=9)
    for task in open_tasks:
        OutsideTasks(desk.house.store, desk.house.clock).done(task.key, "they deleted it", "user:bill")


def take_out(desk: ReleasingDesk, made: ClaimAttachment) -> None:
    """Have the newest packet of an attachment downloaded."""
    shelf = PacketShelf(desk.house.store, desk.house.blobs, desk.house.clock)
    shelf.open(WantedPacket(made.authorization_key, made.key), "user:bill", "127.0.0.1")


def attach(desk: Desk, made: ClaimAttachment, *numbers: int, payer: str = "") -> None:
    """Attach the same study again, with these images."""
    attacher = ImageAttacher(desk.house.store, desk.house.clock, desk.house.destinations)
    uids = [str(image(PLAIN, "A1", number).SOPInstanceUID) for number in numbers]
    kinds = [AttachmentKind.CDEX]
    attacher.attach(made.authorization_key, study_uid("A1"), kinds, uids, payer=payer, actor="user:bill")
    desk.work()


@embedded
def test_an_image_that_nobody_chose_and_a_payer_has_is_asked_back_when_it_is_rejected(desk: Desk) -> None:
    made = desk.sent()
    reject(desk, 2)
    (task,) = desk.tasks()
    assert "images on it were rejected" in task
    assert desk.state(made).state == AttachmentState.REVIEW


@embedded
def test_an_image_that_no_payer_has_is_asked_back_from_nobody(desk: Desk) -> None:
    made = desk.sent()
    reject(desk, 3)
    assert (desk.tasks(), desk.state(made).state) == ([], AttachmentState.SENT)


@embedded
def test_what_was_rejected_and_is_shown_again_was_sent_all_the_same(desk: Desk, payer: StrictPayer) -> None:
    made = desk.sent()
    reject(desk, 2)
    take_back_rejection(desk)
    desk.work()
    assert desk.state(made).state == AttachmentState.SENT
    assert [len(one) for one in payer.received.values()] == [1]


@embedded
def test_a_draft_of_other_images_stays_one_while_what_the_payer_has_is_asked_back(desk: Desk) -> None:
    made = desk.sent()
    attach(desk, made, 3)
    reject(desk, 2)
    (task,) = desk.tasks()
    assert "images on it were rejected" in task
    assert desk.state(made).state == AttachmentState.DRAFT


@embedded
def test_what_was_sent_in_its_place_stands_though_the_first_is_still_to_be_withdrawn(desk: Desk) -> None:
    made = desk.sent()
    reject(desk, 2)
    attach(desk, made, 3)
    desk.release(made)
    desk.work()
    reject(desk, 1)
    assert (len(desk.tasks()), desk.state(made).state) == (1, AttachmentState.SENT)


@embedded
@pytest.mark.parametrize("is_taken_out", [True, False])
def test_a_pdf_that_somebody_took_out_is_looked_for_when_an_image_on_it_is_rejected(
    desk: Desk, *, is_taken_out: bool
) -> None:
    made = desk.attach_again(desk.ready().authorization_key, AttachmentKind.PDF)
    desk.work()
    if is_taken_out:
        take_out(desk, made)
    reject(desk, 2)
    asked = [one for one in desk.tasks() if one.startswith("packet version 1 (")]
    assert len(asked) == is_taken_out
    words = "it was taken out for authorization PA1, and images on it were rejected, or split off: find out who has it"
    assert all(words in one for one in asked)
    have_done(desk)
    reject(desk, 1)
    assert desk.tasks() == []


@embedded
def test_every_payer_that_has_it_is_asked_to_withdraw_it(
    make_house: MakeHouse, decoders: DecoderPool, payer: StrictPayer
) -> None:
    more = {"name": "delta", "id": "60099", "base_url": payer.base_url, "kind": ["cdex"]}
    desk = two_payers(make_house, decoders, payer, more)
    made = desk.sent()
    attach(desk, made, payer="delta")
    desk.release(made)
    desk.work()
    desk.rule("unbind")
    assert sorted(one.partition(" ")[0] for one in desk.tasks()) == ["acme", "delta"]


def two_payers(
    make_house: MakeHouse, decoders: DecoderPool, payer: StrictPayer, more: dict[str, object]
) -> payer_desk.Desk:
    """Return the desk of one payer, and another one beside it."""

    def make(clock: object, payers: list[object]) -> House:
        return make_house(clock, payers=[*payers, more])

    return payer_desk.desk_of(make, decoders, payer)


@embedded
def test_what_somebody_had_withdrawn_is_not_asked_again(desk: Desk) -> None:
    desk.sent()
    desk.rule("unbind")
    have_done(desk)
    desk.later(minutes=5)
    desk.rule("bind", accession_number="A1")
    desk.rule("unbind")
    assert desk.tasks() == []


@pytest.mark.parametrize("way", ["cdex", "x12"])
def test_what_is_put_in_question_in_the_last_moment_does_not_leave(
    make_house: MakeHouse,
    decoders: DecoderPool,
    payer: StrictPayer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    desk: payer_desk.Desk | x12_desk.Desk
    if way == "cdex":
        desk = payer_desk.desk_of(make_house, decoders, payer)
    else:
        desk = x12_desk.desk_of(make_house, decoders, tmp_path)
    made = desk.ready()
    desk.releases.release(made.authorization_key, made.key, payer_desk.SAID)
    asked = InHand.__call__

    def asked_and_then_unbound(self: InHand) -> None:
        asked(self)
        monkeypatch.setattr(InHand, "__call__", asked)
        desk.rule("unbind")

    monkeypatch.setattr(InHand, "__call__", asked_and_then_unbound)
    desk.later()
    assert payer.received == {}
    assert isinstance(desk, payer_desk.Desk) or desk.files() == {}
    assert desk.state(made).state == AttachmentState.REVIEW
    assert desk.submission(made).state in (SubmissionState.READY, SubmissionState.TAKEN_BACK)


def on_anothers_authorization(desk: Desk) -> ClaimAttachment:
    """Send somebody's study for an authorization that came by a merge."""
    house = desk.house
    say(house, adt(NEAR_TWIN))
    entry = AuthorizationEntry(house.store, house.clock, house.rules)
    key = entry.enter(typed_authorization("PA9", NEAR_TWIN, member_id="W1122"), "user:bill")
    say(house, merge(PLAIN, NEAR_TWIN))
    made = desk.attach_again(key)
    desk.work()
    desk.release(made)
    desk.work()
    return made


@embedded
def test_what_left_for_an_authorization_that_is_anothers_again_is_asked_back(desk: Desk) -> None:
    made = on_anothers_authorization(desk)
    house = desk.house
    MergeUndoer(house.store, house.clock, house.rules, house.destinations).undo(1, "two people", "user:maria")
    (task,) = desk.tasks()
    assert "its authorization is another patient's now" in task
    assert desk.state(made).state == AttachmentState.REVIEW
    say(house, merge(PLAIN, NEAR_TWIN, "20260302190000"))
    assert desk.state(made).state == AttachmentState.SENT


@embedded
def test_what_left_for_an_authorization_that_went_with_a_visit_is_asked_back(desk: Desk) -> None:
    house = desk.house
    say(house, order_of(PLAIN, "A2", "V2"))
    entry = AuthorizationEntry(house.store, house.clock, house.rules)
    made = desk.attach_again(entry.enter(typed_authorization("PA9", PLAIN, "A2", member_id="W1122"), "user:bill"))
    desk.work()
    desk.release(made)
    desk.work()
    moved = tell("A45", STRANGER.pid, mrg(PLAIN, visit="V2"), pv1("V2"), at="20260302183000")
    assert b"MSA|AA" in say(house, moved)[0]
    (task,) = desk.tasks()
    assert "its authorization is another patient's now" in task
    assert desk.state(made).state == AttachmentState.REVIEW


@embedded
def test_what_left_as_another_patients_is_asked_back_and_on_record_when_the_merge_is_undone(desk: Desk) -> None:
    house = desk.house
    made = desk.ready()
    say(house, adt(NEAR_TWIN), merge(NEAR_TWIN, PLAIN))
    desk.attach_again(made.authorization_key)
    desk.work()
    desk.release(made)
    desk.work()
    MergeUndoer(house.store, house.clock, house.rules, house.destinations).undo(1, "two people", "user:maria")
    (task,) = desk.tasks()
    assert "it names another patient than the study's" in task
    assert desk.state(made).state == AttachmentState.REVIEW
    with house.store.read() as tx:
        (incident,) = incidents.recent(tx, before=None, limit=9)
    assert [one.recipient for one in incident.disclosures if one.kind == DisclosureKind.AUTHORIZATION] == ["PA1"]


@embedded
def test_what_may_have_left_is_on_record_when_the_study_turns_out_to_be_anothers(
    desk: Desk, payer: StrictPayer
) -> None:
    payer.misbehave("commit-then-reset", 1, ["POST"])
    desk.sent()
    desk.rule("bind", patient=PatientIdentifier(STRANGER.patient_id))
    with desk.house.store.read() as tx:
        (incident,) = incidents.recent(tx, before=None, limit=9)
    (found,) = [one for one in incident.disclosures if one.kind == DisclosureKind.AUTHORIZATION]
    assert found.what.endswith("which may be there")
