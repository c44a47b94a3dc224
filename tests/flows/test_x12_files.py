"""Evidence by clearinghouse: the file that was looked at is handed over once, under numbers of its own, and what comes back counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bridge.building.clearing import claim_files
from bridge.codecs.x12 import additional_information, envelope, prior_authorization
from bridge.codecs.x12.facts import Decision, Trace
from bridge.codecs.x12.segments import build
from bridge.codecs.x12.writer import Draft, write
from bridge.domain.attachment import AttachmentState
from bridge.domain.authorization import AuthorizationLine, AuthorizationStatus
from bridge.domain.claim_match import MatchRule
from bridge.domain.packet import PacketFile
from bridge.domain.submission import SubmissionState
from bridge.peer_check import check_peers
from bridge.pictures.pool import DecoderPool
from bridge.sections.payer import Sftp
from bridge.store import authorizations, claim_outcomes, interchanges, objects, packets, submissions
from tests.conftest import missing_peer
from tests.fakes import sshd
from tests.flows.x12_desk import SENDING, Desk, MakeHouse, acknowledgement, break_off, desk_of
from tests.unit.codecs.x12.claims import ASKED, file_of
from tests.unit.codecs.x12.payers import ANSWERED

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def desk(make_house: MakeHouse, decoders: DecoderPool, tmp_path: Path) -> Desk:
    return desk_of(make_house, decoders, tmp_path)


def test_the_packet_is_in_the_file_byte_for_byte_under_the_number_that_the_claim_names(desk: Desk) -> None:
    made = desk.sent()
    ((name, raw),) = desk.files().items()
    (interchange,) = envelope.read(raw)
    (transaction,) = interchange.transactions()
    found = additional_information.read(transaction)
    with desk.house.store.read() as tx:
        packet = packets.newest(tx, made.key)
    assert packet is not None
    with desk.house.blobs.at_hand(packet.file(PacketFile.DOCUMENT).digest) as path:
        document = path.read_bytes()
    ((answer,), number) = found.answers, desk.submission(made).control_number
    assert name == "CLEARVIEW-275-000000001.x12"
    assert [one.content for one in answer.documents] == [document]
    assert (answer.trace.kind, answer.trace.number) == ("1", number)
    assert (interchange.control_number, interchange.groups[0].control_number) == ("000000001", "1")
    assert interchange.all_faults() == []
    assert (desk.state(made).state, desk.submission(made).state) == (AttachmentState.SENT, SubmissionState.SENT)


def test_the_preview_is_what_leaves_segment_for_segment(desk: Desk) -> None:
    made = desk.ready()
    shown = desk.outgoing(made)
    desk.let_go(made)
    (raw,) = desk.files().values()
    segments = [one.split(b"*") for one in raw.split(b"~")]
    assert (shown.to, shown.lacks, shown.size_bytes) == ("eastlink", (), len(raw))
    assert [one.split("*")[0] for one in shown.segments] == [
        one[0].decode() for one in segments if one[0] not in (b"ISA", b"GS", b"GE", b"IEA", b"")
    ]
    assert "NM1*QC*1*HALVORSEN*INGRID" in "\n".join(shown.segments)
    assert all(len(one) < 200 for one in shown.segments)


def test_a_request_with_a_pwk_goes_first_where_nobody_has_asked_the_payer(
    make_house: MakeHouse, decoders: DecoderPool, tmp_path: Path
) -> None:
    desk = desk_of(make_house, decoders, tmp_path, announce=True, documents="005010X210")
    made = desk.sent(number="", lines=(AuthorizationLine("71260", diagnoses=("R91.1",)),))
    request, documents = (envelope.read(raw)[0].transactions()[0] for raw in reversed(desk.files().values()))
    ((asked,), number) = prior_authorization.read(request), desk.submission(made).control_number
    assert asked.event is not None
    assert [one.control_number for one in asked.event.evidence] == [number]
    assert documents.version == "005010X210"
    assert additional_information.read(documents).answers[0].trace.number == number
    assert list(desk.files()) == ["CLEARVIEW-275-000000002.x12", "CLEARVIEW-278-000000001.x12"]


def test_the_answer_to_our_request_is_known_by_the_number_it_was_asked_under(
    make_house: MakeHouse, decoders: DecoderPool, tmp_path: Path
) -> None:
    desk = desk_of(make_house, decoders, tmp_path, announce=True)
    made = desk.sent(number="", lines=(AuthorizationLine("71260", diagnoses=("R91.1",)),))
    number = desk.submission(made).control_number
    assert ANSWERED.event is not None
    event = replace(ANSWERED.event, traces=(Trace("2", number),), lines=(), decision=Decision("A1", "EP-AUTH-9"))
    said = replace(ANSWERED, payer=replace(ANSWERED.payer, number="60054"), dependent=None, event=event)
    raw = write(SENDING, [Draft("278", "005010X217", prior_authorization.segments_of(said))])
    assert claim_files(desk.house).import_file(raw, "user:bill").news == 1
    with desk.house.store.read() as tx:
        found = authorizations.get(tx, made.authorization_key)
    assert (found.status, found.number) == (AuthorizationStatus.APPROVED, "EP-AUTH-9")


def test_a_file_whose_handing_over_broke_off_is_the_same_file_when_it_is_tried_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = desk.ready()
    break_off(monkeypatch)
    desk.let_go(made)
    before = desk.files()
    assert desk.submission(made).state == SubmissionState.SENDING
    monkeypatch.undo()
    desk.later()
    assert desk.files() == before
    assert desk.submission(made).state == SubmissionState.SENT
    assert "it lay there already" in desk.submission(made).detail


def test_a_file_that_was_fetched_before_we_knew_is_the_same_interchange_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = desk.ready()
    break_off(monkeypatch)
    desk.let_go(made)
    before = desk.files()
    for path in desk.outbox.iterdir():
        path.unlink()
    monkeypatch.undo()
    desk.later()
    assert desk.files() == before


@pytest.mark.parametrize(
    ("code", "attachment", "submission"),
    [
        ("A", AttachmentState.SENT, SubmissionState.ACCEPTED),
        ("R", AttachmentState.FAILED, SubmissionState.REFUSED),
    ],
)
def test_a_file_that_was_answered_before_we_knew_that_it_left_is_not_handed_over_again(
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    attachment: AttachmentState,
    submission: SubmissionState,
) -> None:
    made = desk.ready()
    break_off(monkeypatch)
    desk.let_go(made)
    for path in desk.outbox.iterdir():
        path.unlink()
    monkeypatch.undo()
    assert desk.take(acknowledgement(1, code)) == 1
    desk.later()
    assert desk.files() == {}
    assert (desk.state(made).state, desk.submission(made).state) == (attachment, submission)


def test_a_folder_that_is_away_gets_it_when_it_is_back(desk: Desk) -> None:
    made = desk.ready()
    desk.outbox.rmdir()
    desk.let_go(made)
    assert desk.submission(made).state == SubmissionState.READY
    desk.outbox.mkdir()
    desk.later()
    assert list(desk.files()) == ["CLEARVIEW-275-000000001.x12"]


def test_another_file_under_the_name_is_left_and_a_person_is_told(desk: Desk) -> None:
    made = desk.ready()
    (desk.outbox / "CLEARVIEW-275-000000001.x12").write_bytes(b"somebody's")
    desk.let_go(made)
    assert desk.files() == {"CLEARVIEW-275-000000001.x12": b"somebody's"}
    assert desk.state(made).state == AttachmentState.FAILED
    assert "left as it is" in desk.state(made).detail


def test_no_two_files_ever_have_one_number_and_the_bytes_of_each_are_kept(desk: Desk) -> None:
    made = desk.sent()
    desk.take(acknowledgement(1, "R"))
    desk.let_go(desk.again(made.authorization_key))
    assert list(desk.files()) == ["CLEARVIEW-275-000000001.x12", "CLEARVIEW-275-000000002.x12"]
    with desk.house.store.read() as tx:
        kept = [interchanges.by_control_number(tx, number) for number in (1, 2)]
        blobs = [one.blob for one in kept if one is not None]
        assert objects.named(tx, blobs) == set(blobs)
    assert len(set(blobs)) == 2


def test_a_999_that_accepts_is_the_delivery_s_receipt(desk: Desk) -> None:
    made = desk.sent()
    raw = acknowledgement(1)
    assert (desk.take(raw), desk.take(raw)) == (1, 0)
    found = desk.submission(made)
    assert (found.state, desk.state(made).state) == (SubmissionState.ACCEPTED, AttachmentState.SENT)
    assert found.detail == "our 275, interchange 1, was accepted (999 A)"
    with desk.house.store.read() as tx:
        (row,) = submissions.answers_of(tx, [found.key])
        assert submissions.answer(tx, row.key).content.startswith(b"AK1*PI*1*006020X314")


def test_a_999_that_refuses_says_where_and_the_attachment_failed(desk: Desk) -> None:
    made = desk.sent()
    desk.take(acknowledgement(1, "R", "NM1*8*1000D*8"))
    assert (desk.submission(made).state, desk.state(made).state) == (SubmissionState.REFUSED, AttachmentState.FAILED)
    assert "was refused (999 R): NM1 (segment 8), loop 1000D (code 8)" in desk.state(made).detail
    desk.take(acknowledgement(1))
    assert desk.submission(made).state == SubmissionState.REFUSED


@pytest.mark.parametrize(("code", "state"), [("A", SubmissionState.SENT), ("R", SubmissionState.REFUSED)])
def test_a_ta1_says_whether_the_envelope_was_read(desk: Desk, code: str, state: SubmissionState) -> None:
    made = desk.sent()
    (raw,) = desk.files().values()
    (ours,) = envelope.read(raw)
    isa = write(SENDING, [Draft("999", "005010X231A1", (build("AK1", "PI", "7"), build("AK9", "A", "1", "1", "1")))])
    ta1 = f"TA1*{ours.control_number}*{ours.created[:6]}*{ours.created[6:]}*{code}*000~".encode()
    said = isa[: isa.index(b"GS*")] + ta1 + b"IEA*0*000000900~"
    assert desk.take(said) == 1
    assert desk.submission(made).state == state


@pytest.mark.parametrize(
    "raw", [acknowledgement(1, "R", group="HC"), acknowledgement(77, "R"), acknowledgement(1, "R", group="HI")]
)
def test_what_answers_somebody_else_s_file_says_nothing(desk: Desk, raw: bytes) -> None:
    made = desk.sent()
    assert desk.take(raw) == 0
    assert desk.submission(made).state == SubmissionState.SENT


def test_trap_9_a_word_under_our_control_number_is_about_the_exam_it_was_sent_for(desk: Desk) -> None:
    made = desk.sent()
    number = desk.submission(made).control_number
    asked = ASKED.replace("REF*EJ*ACC17", f"REF*EJ*{number}")
    claim_files(desk.house).import_file(file_of("277", "005010X213", asked), "user:bill")
    with desk.house.store.read() as tx:
        (found,) = claim_outcomes.of_authorization(tx, made.authorization_key)
    assert found.match.rule == MatchRule.CONTROL_NUMBER


def test_trap_9_another_control_number_is_nobody_s(desk: Desk) -> None:
    made = desk.sent()
    number = desk.submission(made).control_number
    asked = ASKED.replace("REF*EJ*ACC17", f"REF*EJ*{number[:-1]}")
    claim_files(desk.house).import_file(file_of("277", "005010X213", asked), "user:bill")
    with desk.house.store.read() as tx:
        assert claim_outcomes.of_authorization(tx, made.authorization_key) == []
        assert len(claim_outcomes.waiting(tx, 9)) == 1


def test_what_the_payer_asked_for_is_answered_under_its_number(desk: Desk) -> None:
    made = desk.ready()
    asked = ASKED.replace("REF*EJ*ACC17", "REF*EJ*A1").replace("EAST01", "60054")
    claim_files(desk.house).import_file(file_of("277", "005010X213", asked), "user:bill")
    shown = desk.outgoing(made)
    desk.let_go(made)
    (raw,) = desk.files().values()
    found = additional_information.read(envelope.read(raw)[0].transactions()[0])
    (answer,) = found.answers
    assert (found.purpose, answer.trace.kind, answer.trace.number) == ("11", "2", "EP-CTRL-77")
    assert (answer.asked_for, shown.purpose_of_use) == ("18748-4", "CLMATTCH")


def test_a_check_says_of_every_folder_whether_it_can_be_written(desk: Desk) -> None:
    (row,) = [one for one in check_peers(desk.house) if one["kind"].startswith("x12")]
    assert (row["name"], row["ok"], row["answer"]) == ("eastlink", True, "can be written")
    desk.outbox.rmdir()
    (row,) = [one for one in check_peers(desk.house) if one["kind"].startswith("x12")]
    assert (row["ok"], row["answer"]) == (False, "the folder cannot be written to (No such file or directory)")


def test_a_packet_reaches_an_sftp_host_whose_key_is_pinned_and_no_other(
    make_house: MakeHouse, decoders: DecoderPool, tmp_path: Path
) -> None:
    if not sshd.is_here():
        missing_peer("an OpenSSH server", "install openssh-server")
    with sshd.running(tmp_path / "sshd") as server:
        sftp = {"host": "127.0.0.1", "port": server.port, "user": server.user, "key": str(server.key)}
        sftp |= {"host_key": server.host_key, "folder": str(server.folder), "timeout_secs": 120}
        stranger = sftp | {"host_key": f"ssh-ed25519 {OTHER_KEY}"}
        desk = desk_of(make_house, decoders, tmp_path, through={"sftp": stranger})
        made = desk.sent()
        assert list(server.folder.iterdir()) == []
        assert "nothing was sent" in desk.state(made).detail
        change_host_key(desk, sftp)
        desk.later()
        ((path,), blob) = server.folder.iterdir(), blob_of(desk, 1)
        assert path.name == "CLEARVIEW-275-000000001.x12"
        with desk.house.blobs.at_hand(blob) as kept:
            assert path.read_bytes() == kept.read_bytes()
    assert desk.submission(made).state == SubmissionState.SENT


OTHER_KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g"


def change_host_key(desk: Desk, sftp: dict[str, object]) -> None:
    """Let the settings name the host's own key, as after a restart."""
    settings = desk.house.settings
    changed = settings.clearinghouses[0].model_copy(update={"sftp": Sftp.model_validate(sftp)})
    desk.house.settings = settings.model_copy(update={"clearinghouses": (changed,)})
    desk.worker = desk.another("test")


def blob_of(desk: Desk, number: int) -> str:
    with desk.house.store.read() as tx:
        found = interchanges.by_control_number(tx, number)
    assert found is not None
    return found.blob
