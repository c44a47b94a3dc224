"""What a person let go is what leaves, and nothing that may have left is ever forgotten."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.building.clearing import claim_files
from bridge.codecs.x12 import additional_information, envelope
from bridge.codecs.x12.segments import build
from bridge.codecs.x12.writer import Draft, write
from bridge.domain.attachment import AttachmentState, ClaimAttachment
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.interchange import InterchangeState
from bridge.domain.submission import SubmissionState
from bridge.errors import Conflict
from bridge.flows.change_delivery import retry_delivery
from bridge.flows.enter_authorization import AuthorizationEntry
from bridge.flows.release_attachment import Release
from bridge.pictures.pool import DecoderPool
from bridge.publishers.fhir_client import FhirClient
from bridge.sections.payer import Clearinghouse
from bridge.store import interchanges, packets
from bridge.store.deliveries import DeliveryState
from bridge.wiring import House
from samples.strict_payer import StrictPayer
from tests.cast import PLAIN, STRANGER, report
from tests.flows import payer_desk, x12_desk
from tests.flows.asking import say, typed_authorization
from tests.flows.x12_desk import SENDING, acknowledgement, break_off
from tests.unit.codecs.x12.claims import ASKED, file_of

MakeHouse = Callable[..., House]

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def by_file(make_house: MakeHouse, decoders: DecoderPool, tmp_path: Path) -> x12_desk.Desk:
    return x12_desk.desk_of(make_house, decoders, tmp_path)


@pytest.fixture
def desk(make_house: MakeHouse, decoders: DecoderPool, payer: StrictPayer) -> payer_desk.Desk:
    return payer_desk.desk_of(make_house, decoders, payer)


def released_by_file(desk: x12_desk.Desk) -> ClaimAttachment:
    made = desk.ready()
    return desk.releases.release(made.authorization_key, made.key, x12_desk.SAID)


def payer_asks(desk: x12_desk.Desk, also: str = "55113-5") -> None:
    """Let the payer ask for the report, and something else, by a 277."""
    asked = ASKED.replace("55113-5", also).replace("REF*EJ*ACC17", "REF*EJ*A1").replace("EAST01", "60054")
    claim_files(desk.house).import_file(file_of("277", "005010X213", asked), "user:bill")


def test_what_the_payer_asks_for_after_the_release_is_not_answered_unseen(by_file: x12_desk.Desk) -> None:
    made = released_by_file(by_file)
    payer_asks(by_file)
    by_file.worker.run_due()
    after = by_file.state(made)
    assert (by_file.files(), after.state) == ({}, AttachmentState.DRAFT)
    assert after.detail.startswith("what would leave is not what was released")
    assert by_file.submission(made).state == SubmissionState.TAKEN_BACK
    by_file.let_go(made)
    ((name, raw),) = by_file.files().items()
    (answer,) = additional_information.read(envelope.read(raw)[0].transactions()[0]).answers
    assert (name, answer.trace.number) == ("CLEARVIEW-275-000000001.x12", "EP-CTRL-77")


def test_what_came_between_look_and_release_is_looked_at_first(by_file: x12_desk.Desk) -> None:
    made = by_file.ready()
    looked_at = Release("the payer asked", "user:bill", content=by_file.outgoing(made).digest)
    payer_asks(by_file)
    with pytest.raises(Conflict) as refused:
        by_file.releases.release(made.authorization_key, made.key, looked_at)
    assert refused.value.code == "content_changed"
    now = replace(looked_at, content=by_file.outgoing(made).digest)
    assert by_file.releases.release(made.authorization_key, made.key, now).state == AttachmentState.RELEASED


@pytest.mark.parametrize(("also", "pictures"), [("11528-7", [0, 1]), ("55113-5", [1])])
def test_who_asks_for_reports_alone_by_a_277_gets_no_image(
    by_file: x12_desk.Desk, also: str, pictures: list[int]
) -> None:
    made = by_file.ready()
    payer_asks(by_file, also)
    by_file.worker.run_due()
    with by_file.house.store.read() as tx:
        assert [one.pictures for one in packets.versions(tx, made.key)] == pictures


def test_a_payer_that_is_reached_elsewhere_since_the_release_gets_nothing_by_the_old_way(
    by_file: x12_desk.Desk, tmp_path: Path
) -> None:
    made = released_by_file(by_file)
    west = tmp_path / "west"
    west.mkdir()
    settings = by_file.house.settings
    house = Clearinghouse.model_validate(
        {"name": "westlink", "sender": "ZZ:CLEARVIEW", "receiver": "ZZ:WEST", "outbox": str(west)}
    )
    payers = (settings.payers[0].model_copy(update={"clearinghouse": "westlink"}),)
    changed = {"clearinghouses": (*settings.clearinghouses, house), "payers": payers}
    by_file.house.settings = settings.model_copy(update=changed)
    by_file.worker = by_file.another("test")
    by_file.worker.run_due()
    assert (by_file.files(), list(west.iterdir()), by_file.state(made).state) == ({}, [], AttachmentState.DRAFT)


def test_a_member_number_that_was_mended_after_the_release_goes_before_a_person(
    desk: payer_desk.Desk, payer: StrictPayer
) -> None:
    made = desk.released()
    mend(desk, made)
    desk.work()
    assert (payer.received, desk.state(made).state) == ({}, AttachmentState.DRAFT)
    desk.release(made)
    desk.work()
    assert (len(payer.received), desk.state(made).state) == (1, AttachmentState.SENT)


def test_what_was_refused_and_mended_is_looked_at_before_it_is_sent_again(
    desk: payer_desk.Desk, payer: StrictPayer
) -> None:
    payer.members = {"W9999"}
    made = desk.sent()
    assert desk.state(made).state == AttachmentState.FAILED
    mend(desk, made)
    retry_delivery(desk.house.store, desk.house.clock, desk.delivery(DeliveryState.DEAD).key, "user:bill")
    desk.work()
    assert (payer.received, desk.state(made).state) == ({}, AttachmentState.DRAFT)
    desk.release(made)
    desk.work()
    assert desk.state(made).state == AttachmentState.SENT


def mend(desk: payer_desk.Desk, made: ClaimAttachment) -> None:
    entry = AuthorizationEntry(desk.house.store, desk.house.clock, desk.house.rules)
    said = replace(typed_authorization("PA1", PLAIN, "A1", member_id="W9999"), said_at=desk.house.clock.now())
    entry.add_answer(made.authorization_key, said, "user:bill")


def test_a_draft_again_has_what_came_meanwhile(by_file: x12_desk.Desk) -> None:
    made = released_by_file(by_file)
    say(by_file.house, report(PLAIN, "A1", "C", at="20260302130000", text="A nodule of 8 mm."))
    payer_asks(by_file)
    by_file.worker.run_due()
    by_file.later()
    with by_file.house.store.read() as tx:
        assert [one.version for one in packets.versions(tx, made.key)] == [2, 1]


def envelope_answer(desk: x12_desk.Desk, raw: bytes, code: str, note: str) -> bytes:
    """Return a TA1 on a file of ours."""
    (ours,) = envelope.read(raw)
    isa = write(SENDING, [Draft("999", "005010X231A1", (build("AK1", "PI", "7"), build("AK9", "A", "1", "1", "1")))])
    ta1 = f"TA1*{ours.control_number}*{ours.created[:6]}*{ours.created[6:]}*{code}*{note}~".encode()
    return isa[: isa.index(b"GS*")] + ta1 + b"IEA*0*000000900~"


def taken_twice(desk: x12_desk.Desk, monkeypatch: pytest.MonkeyPatch) -> tuple[ClaimAttachment, bytes]:
    """Let the other side take a file of which we do not know that it left, and have it again."""
    made = desk.ready()
    break_off(monkeypatch)
    desk.let_go(made)
    for path in desk.outbox.iterdir():
        path.unlink()
    monkeypatch.undo()
    desk.later()
    (raw,) = desk.files().values()
    return made, raw


@pytest.mark.parametrize("first", ["ta1", "999"])
def test_the_refusal_of_a_second_copy_does_not_refuse_what_was_taken(
    by_file: x12_desk.Desk, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    made, raw = taken_twice(by_file, monkeypatch)
    words = [envelope_answer(by_file, raw, "R", "025"), acknowledgement(1)]
    for one in words if first == "ta1" else reversed(words):
        by_file.take(one)
    assert (by_file.submission(made).state, by_file.state(made).state) == (
        SubmissionState.ACCEPTED,
        AttachmentState.SENT,
    )


def test_a_second_copy_that_is_refused_says_that_the_first_is_there(
    by_file: x12_desk.Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, raw = taken_twice(by_file, monkeypatch)
    by_file.take(envelope_answer(by_file, raw, "R", "025"))
    with by_file.house.store.read() as tx:
        found = interchanges.by_control_number(tx, 1)
    assert found is not None
    assert found.state == InterchangeState.RECEIVED
    assert "was received before" in found.detail
    assert by_file.state(made).state == AttachmentState.SENT


def test_a_number_that_was_written_once_and_is_a_duplicate_there_is_refused(by_file: x12_desk.Desk) -> None:
    made = by_file.sent()
    ((_, raw),) = by_file.files().items()
    by_file.take(envelope_answer(by_file, raw, "R", "025"))
    assert by_file.submission(made).state == SubmissionState.REFUSED


def test_a_try_that_reached_nobody_is_no_first_copy(by_file: x12_desk.Desk) -> None:
    made = by_file.ready()
    by_file.outbox.rmdir()
    by_file.let_go(made)
    by_file.outbox.mkdir()
    by_file.later()
    ((_, raw),) = by_file.files().items()
    by_file.take(envelope_answer(by_file, raw, "R", "025"))
    assert by_file.submission(made).state == SubmissionState.REFUSED


def cut_off(desk: payer_desk.Desk, payer: StrictPayer) -> ClaimAttachment:
    """Let the payer take something and never say so."""
    payer.misbehave("commit-then-reset", 1, ["POST"])
    made = desk.sent()
    assert desk.submission(made).state == SubmissionState.SENDING
    return made


def test_what_may_have_left_before_the_study_went_to_another_is_a_task(
    desk: payer_desk.Desk, payer: StrictPayer
) -> None:
    made = cut_off(desk, payer)
    desk.rule("unbind")
    desk.rule("bind", patient=PatientIdentifier(STRANGER.patient_id))
    desk.later(minutes=5)
    (task,) = desk.tasks()
    assert "it may have what was sent under control number" in task
    assert [len(one) for one in payer.received.values()] == [1]
    assert desk.state(made).state == AttachmentState.REVIEW


def test_what_may_have_left_before_the_study_was_bound_anew_is_looked_for(
    desk: payer_desk.Desk, payer: StrictPayer
) -> None:
    made = cut_off(desk, payer)
    desk.rule("unbind")
    desk.rule("bind", accession_number="A1")
    desk.later(minutes=5)
    assert (desk.submission(made).state, desk.state(made).state) == (SubmissionState.ACCEPTED, AttachmentState.SENT)
    assert [len(one) for one in payer.received.values()] == [1]


@pytest.mark.parametrize(("is_there", "state"), [(True, AttachmentState.SENT), (False, AttachmentState.DRAFT)])
def test_where_nobody_shows_it_a_person_says_whether_it_left_before_the_study_was_bound_anew(
    desk: payer_desk.Desk, payer: StrictPayer, monkeypatch: pytest.MonkeyPatch, is_there: bool, state: AttachmentState
) -> None:
    monkeypatch.setattr(FhirClient, "search", lambda *_: [])
    made = cut_off(desk, payer)
    desk.rule("unbind")
    desk.rule("bind", accession_number="A1")
    desk.later(minutes=5)
    assert desk.submission(made).state == SubmissionState.UNCLEAR
    said = Release("their hotline", "user:bill")
    desk.releases.settle_unclear(made.authorization_key, made.key, is_there=is_there, said=said)
    desk.later(minutes=5)
    assert desk.state(made).state == state
    assert [len(one) for one in payer.received.values()] == [1]
    if not is_there:
        desk.attach_again(made.authorization_key)
        desk.later(minutes=5)
        desk.release(made)
        desk.later(minutes=5)
        assert (desk.state(made).state, [len(one) for one in payer.received.values()]) == (AttachmentState.SENT, [2])


def test_what_may_have_left_and_was_attached_again_is_looked_for(desk: payer_desk.Desk, payer: StrictPayer) -> None:
    made = cut_off(desk, payer)
    desk.attach_again(made.authorization_key)
    desk.later(minutes=5)
    assert desk.submission(made).state == SubmissionState.ACCEPTED


def test_a_file_that_may_have_left_before_the_study_was_bound_anew_is_a_persons_to_look_for(
    by_file: x12_desk.Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = by_file.ready()
    break_off(monkeypatch)
    by_file.let_go(made)
    for path in by_file.outbox.iterdir():
        path.unlink()
    monkeypatch.undo()
    by_file.rule("unbind")
    by_file.rule("bind", accession_number="A1")
    by_file.later()
    assert by_file.files() == {}
    assert by_file.submission(made).state == SubmissionState.UNCLEAR
