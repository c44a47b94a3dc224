"""What other systems are told of orders, by a worker that speaks to another system's door on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from bridge.building.destinations import publishers
from bridge.clock import FixedClock
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.order import OrderDraft, StepDraft
from bridge.domain.patient import PatientDraft
from bridge.errors import Conflict, Misconfigured
from bridge.flows.change_delivery import drop_delivery, retry_delivery
from bridge.flows.enter_order import Entry
from bridge.flows.resolve_mismatch import MismatchResolver, Ruling
from bridge.mapping.typed_orders import TypedOrder
from bridge.outbox.publisher import StillWanted
from bridge.outbox.worker import Worker
from bridge.peer_check import check_peers
from bridge.publishers.order_status import NoticeParcel, NoticeReceipt, OrderStatusPublisher
from bridge.start import prepare
from bridge.store import deliveries, events, order_notices, studies
from bridge.store.deliveries import Delivery, DeliveryState
from bridge.wiring import House
from tests.cast import PLAIN, STRANGER, adt, image, merge, order, spooled, study_uid
from tests.conftest import missing_peer
from tests.fakes.mllp_peer import Exchange, Peer, Script, accept, ack, open_peer
from tests.faults.certificates import make_identity, server_context
from tests.faults.mllp_door import open_door, until
from tests.flows.asking import say, sent
from tests.flows.test_orders import cast_mpps

MakeHouse = Callable[..., House]
AT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
QUIET = timedelta(seconds=20)


class Ris:
    """A house, its worker, and the system that is told."""

    def __init__(self, house: House, peer: Peer) -> None:
        self.house = house
        self.peer = peer
        self.worker = Worker(house.store, house.clock, publishers(house), owner="test", jitter=lambda: 0.5)

    def pass_time(self, time: timedelta = timedelta(seconds=1)) -> None:
        assert isinstance(self.house.clock, FixedClock)
        self.house.clock.at += time

    def perform(self, status: str, uid: str = "2.25.77", accession: str = "A1", reason: str = "") -> None:
        """Let the scanner say how far its exam is, and the worker tell of it."""
        self.pass_time()
        attributes = cast_mpps(accession, status)
        if reason:
            code = Dataset()
            code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = reason, "DCM", "reason"
            attributes.PerformedProcedureStepDiscontinuationReasonCodeSequence = Sequence([code])
        steps = self.house.performed_steps
        (steps.create if status == "IN PROGRESS" else steps.set)(uid, sent(attributes), "CT1")
        self.worker.run_due()

    def receive_images(self, accession: str = "A1", whole: bool = True) -> None:
        for number in (1, 2):
            self.house.instances.receive(spooled(self.house, image(PLAIN, accession, number), "CT1"))
        self.pass_time(QUIET * 2 if whole else timedelta(seconds=1))
        self.worker.run_due()

    def rule(self, action: str, **on: PatientIdentifier | str) -> None:
        """Let a person decide whose the images are."""
        self.pass_time()
        resolver = MismatchResolver(self.house.store, self.house.clock, self.house.rules, self.house.destinations)
        resolver.resolve(study_uid("A1"), Ruling(action, "looked again", "user:maria", **on))  # type: ignore[arg-type]
        self.worker.run_due()

    @property
    def told(self) -> list[str]:
        """MSH-9.1 and ORC-5 of every message that came, with OBX-11 where it has one."""
        kinds = [kind.split("^")[0] for kind in self.peer.field("MSH", 8)]
        lines = zip(kinds, self.peer.field("ORC", 5), self.peer.field("OBX", 11), strict=True)
        return [" ".join(filter(None, line)) for line in lines]

    def rows(self) -> list[Delivery]:
        with self.house.store.read() as tx:
            return [one for one in deliveries.search(tx) if one.topic == "order_status"][::-1]

    def states(self) -> list[str]:
        return [one.state.value for one in self.rows()]

    def timeline(self) -> list[str]:
        with self.house.store.read() as tx:
            return [line.what for line in events.timeline(tx, [1], []) if line.source_kind == "delivery"]


MakeRis = Callable[..., Ris]


@pytest.fixture
def make_ris(make_house: MakeHouse) -> Iterator[MakeRis]:
    """Build a house with one order, and a door of the system that placed it. destination: its settings."""
    with ExitStack() as stack:

        def make(script: Script = accept, **destination: Any) -> Ris:
            peer = stack.enter_context(open_peer(script))
            told = {"name": "ris", "host": "127.0.0.1", "port": peer.port, "timeout_secs": 10}
            house = make_house(
                FixedClock(AT),
                hl7={"destinations": [{**told, "messages": ["ORM^O01", "ORU^R01"], **destination}]},
                fhir={},
                publish={"study_quiet_secs": QUIET.total_seconds()},
                http={"public_url": "https://bridge.example.org"},
            )
            say(house, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"))
            return Ris(house, peer)

        yield make


def test_an_exam_s_course_is_told_to_whoever_ordered_it(make_ris: MakeRis) -> None:
    ris = make_ris()
    assert ris.told == []
    ris.perform("IN PROGRESS")
    ris.perform("COMPLETED")
    assert ris.told == ["ORM IP", "ORM CM"]
    assert ris.peer.field("ORC", 2) == ["PA1^RIVEHR"] * 2
    assert ris.peer.field("ORC", 9) == ["20260302100001+0000", "20260302100002+0000"]
    assert ris.timeline() == ["Status IP told to ris", "Status CM told to ris"]
    assert ris.states() == ["sent", "sent"]
    assert [one.detail for one in ris.rows()] == ["Status IP: answered AA", "Status CM: answered AA"]


def test_a_stopped_exam_is_told_as_discontinued_and_a_wrong_entry_as_back_on_the_list(make_ris: MakeRis) -> None:
    ris = make_ris()
    ris.perform("IN PROGRESS")
    ris.perform("DISCONTINUED", reason="110514")
    ris.perform("IN PROGRESS", uid="2.25.78")
    ris.perform("DISCONTINUED", uid="2.25.78", reason="110501")
    assert ris.told == ["ORM IP", "ORM SC", "ORM IP", "ORM DC"]
    assert len(set(ris.peer.control_ids)) == 4


def test_a_beginning_that_nobody_heard_of_is_not_taken_back(make_ris: MakeRis) -> None:
    ris = make_ris()
    steps = ris.house.performed_steps
    steps.create("2.25.77", sent(cast_mpps("A1")), "CT1")
    ris.perform("DISCONTINUED", reason="110514")
    assert ris.told == []
    assert ris.states() == ["sent"]


def test_what_changed_twice_before_it_could_be_told_is_told_once_as_it_is(make_ris: MakeRis) -> None:
    ris = make_ris()
    ris.house.performed_steps.create("2.25.77", sent(cast_mpps("A1")), "CT1")
    ris.perform("COMPLETED")
    assert ris.told == ["ORM CM"]


@pytest.mark.parametrize(("control", "status"), [("XO", "CM"), ("XO", "IP"), ("CA", ""), ("SC", "CM"), ("NW", "IP")])
def test_nobody_is_told_what_they_said_themselves(make_ris: MakeRis, control: str, status: str) -> None:
    ris = make_ris()
    say(ris.house, order(PLAIN, "A1", control, at="20260302093000", status=status))
    ris.pass_time()
    ris.worker.run_due()
    assert ris.told == []
    assert ris.rows() == []


def test_what_its_sender_said_meanwhile_is_not_said_back_to_it(make_ris: MakeRis) -> None:
    ris = make_ris()
    ris.house.performed_steps.create("2.25.77", sent(cast_mpps("A1")), "CT1")
    say(ris.house, order(PLAIN, "A1", "SC", at="20260302100500", status="CM"))
    ris.pass_time()
    ris.worker.run_due()
    assert ris.told == []


def test_bound_images_are_told_once_they_are_whole_and_late_ones_tell_nothing_new(make_ris: MakeRis) -> None:
    ris = make_ris()
    ris.receive_images(whole=False)
    assert ris.told == []
    ris.pass_time(QUIET)
    ris.worker.run_due()
    assert ris.told == ["ORU A O"]
    assert ris.peer.field("OBX", 5) == [study_uid("A1")]
    ris.house.instances.receive(spooled(ris.house, image(PLAIN, "A1", 3), "CT1"))
    ris.pass_time(QUIET * 2)
    ris.worker.run_due()
    assert ris.told == ["ORU A O"]
    assert ris.timeline() == ["Images told to ris"]


def test_a_status_does_not_wait_for_the_images_it_comes_with(make_ris: MakeRis) -> None:
    ris = make_ris()
    ris.receive_images(whole=False)
    ris.perform("IN PROGRESS")
    assert ris.told == ["ORM IP"]
    ris.pass_time(QUIET * 2)
    ris.worker.run_due()
    assert ris.told == ["ORM IP", "ORU A O"]


def test_unbound_images_are_told_to_nobody(make_ris: MakeRis) -> None:
    ris = make_ris()
    wrong = image(PLAIN, "A1", 1)
    wrong.PatientName = "OTHER^PERSON"
    ris.house.instances.receive(spooled(ris.house, wrong, "CT1"))
    ris.pass_time(QUIET * 2)
    ris.worker.run_due()
    ris.perform("IN PROGRESS")
    assert ris.told == ["ORM IP"]


def test_images_that_were_told_and_are_in_doubt_are_withdrawn_and_told_again(make_ris: MakeRis) -> None:
    ris = make_ris()
    ris.receive_images()
    ris.rule("unbind")
    assert ris.told == ["ORU A O", "ORU A W"]
    ris.rule("bind", accession_number="A1")
    assert ris.told == ["ORU A O", "ORU A W", "ORU A O"]
    assert len(set(ris.peer.control_ids)) == 3
    assert ris.timeline() == ["Images told to ris", "Withdrawal of images told to ris", "Images told to ris"]


def test_images_of_another_patient_s_are_withdrawn_from_the_chart_they_were_told_about(make_ris: MakeRis) -> None:
    ris = make_ris()
    say(ris.house, order(STRANGER, "A2"))
    ris.receive_images()
    ris.rule("bind", accession_number="A2", patient=PatientIdentifier(STRANGER.patient_id, "RIVERSIDE"))
    assert sorted(ris.told) == ["ORU A O", "ORU A O", "ORU A W"]
    about = {
        (order_number.split("^")[0], patient.split("^")[0], said)
        for order_number, patient, said in zip(
            ris.peer.field("ORC", 2), ris.peer.field("PID", 3), ris.peer.field("OBX", 11), strict=True
        )
    }
    assert about == {
        ("PA1", PLAIN.patient_id, "O"),
        ("PA1", PLAIN.patient_id, "W"),
        ("PA2", STRANGER.patient_id, "O"),
    }


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_link_goes_with_the_images_and_is_taken_back_from_the_chart_that_had_it(make_ris: MakeRis) -> None:
    ris = make_ris(link="ST")
    say(ris.house, order(STRANGER, "A2"))
    ris.receive_images(whole=False)
    ris.rule("unbind")
    assert ris.told == []
    ris.rule("bind", accession_number="A1")
    ris.pass_time(QUIET * 2)
    ris.worker.run_due()
    ris.rule("bind", accession_number="A2", patient=PatientIdentifier(STRANGER.patient_id, "RIVERSIDE"))
    link = f"https://bridge.example.org/IHEInvokeImageDisplay?requestType=STUDY\\T\\studyUID={study_uid('A1')}"
    said = {
        (patient.split("^")[0], message.decode().split("OBX|2|ST|113014^DICOM Study^DCM|2|", 1)[1].split("|")[0])
        for patient, message in zip(ris.peer.field("PID", 3), ris.peer.received, strict=True)
    }
    assert said == {(PLAIN.patient_id, link), (PLAIN.patient_id, '""'), (STRANGER.patient_id, link)}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_after_a_merge_the_link_stays_and_is_not_said_again(make_ris: MakeRis) -> None:
    ris = make_ris(link="RP")
    ris.receive_images()
    say(ris.house, merge(STRANGER, PLAIN, at="20260302101000"))
    ris.pass_time(QUIET)
    ris.worker.run_due()
    assert ris.told == ["ORU A O"]


def test_without_oru_images_are_told_in_omg_and_with_orm_alone_not_at_all(make_ris: MakeRis) -> None:
    omg = make_ris(messages=["OMG^O19"])
    omg.perform("IN PROGRESS")
    omg.receive_images()
    assert omg.told == ["OMG IP", "OMG A O"]


def test_with_orm_alone_images_are_told_to_nobody(make_ris: MakeRis) -> None:
    ris = make_ris(messages=["ORM^O01"])
    ris.receive_images()
    assert ris.told == []


def test_only_the_orders_of_its_sites_are_told(make_ris: MakeRis) -> None:
    ris = make_ris(sites=["riverside"])
    ris.perform("IN PROGRESS")
    assert ris.told == ["ORM IP"]


def test_an_order_that_no_site_sent_is_told_to_those_who_hear_of_all(make_ris: MakeRis) -> None:
    typed = OrderDraft(
        "NW", accession_number="A5", study_instance_uid=study_uid("A5"), steps=(StepDraft(modality="CT"),)
    )
    for sites, told in ((["riverside"], []), ([], ["ORM IP"])):
        ris = make_ris(sites=sites)
        house = ris.house
        entry = Entry(house.store, house.clock, house.rules, house.destinations, house.stations_for)
        patient = PatientDraft((PatientIdentifier(PLAIN.patient_id, "RIVERSIDE"),))
        entry.enter_order(TypedOrder(typed, patient), "user:maria")
        ris.perform("IN PROGRESS", uid=f"2.25.{len(told)}", accession="A5")
        assert ris.told == told


def test_a_destination_of_a_site_that_nobody_knows_stops_the_start(make_ris: MakeRis) -> None:
    with pytest.raises(Misconfigured) as refused:
        prepare(make_ris(sites=["rivreside"]).house)
    assert "no site 'rivreside'" in str(refused.value)


def answers(*codes: str) -> Script:
    """Answer with *codes* in turn, then with the last; "" keeps silent."""

    def script(exchange: Exchange) -> None:
        code = codes[min(exchange.number, len(codes)) - 1]
        if code:
            exchange.say(ack(code, exchange.control_id))

    return script


def test_a_message_that_is_wrong_is_given_up_and_the_next_goes_on(make_ris: MakeRis) -> None:
    ris = make_ris(answers("AE", "AA"))
    ris.perform("IN PROGRESS")
    assert (ris.states(), ris.rows()[0].last_error) == (["dead"], "Status IP: answered AE")
    ris.perform("COMPLETED")
    assert ris.told == ["ORM IP", "ORM CM"]
    assert ris.states() == ["dead", "sent"]
    assert ris.timeline() == ["ris was not told: Status IP: answered AE", "Status CM told to ris"]


def test_what_was_refused_does_not_keep_the_images_back(make_ris: MakeRis) -> None:
    ris = make_ris(answers("AE", "AA"))
    ris.receive_images(whole=False)
    ris.perform("IN PROGRESS")
    ris.pass_time(QUIET * 2)
    ris.worker.run_due()
    assert ris.told == ["ORM IP", "ORU A O"]
    assert ris.states() == ["dead", "sent"]


def test_a_person_may_send_again_what_was_refused(make_ris: MakeRis) -> None:
    ris = make_ris(answers("AE", "AA"))
    ris.perform("IN PROGRESS")
    retry_delivery(ris.house.store, ris.house.clock, ris.rows()[0].key, "user:it")
    ris.worker.run_due()
    assert ris.states() == ["sent"]
    assert len(set(ris.peer.control_ids)) == 1


def test_a_rejected_message_comes_again_and_the_third_time_everything_rests(make_ris: MakeRis) -> None:
    ris = make_ris(answers("AR"))
    say(ris.house, order(STRANGER, "A2"))
    for _ in range(3):
        if ris.rows():
            ris.worker.run_due()
        else:
            ris.perform("IN PROGRESS")
        ris.pass_time(timedelta(seconds=10))
    (rejected,) = ris.rows()
    assert (rejected.state, rejected.last_error) == (DeliveryState.PENDING, "Status IP: answered AR")
    assert ris.told == ["ORM IP"] * 3
    assert len(set(ris.peer.control_ids)) == 1
    with ris.house.store.read() as tx:
        tried = [one.outcome for one in deliveries.attempts_of(tx, rejected.key)]
    assert tried == ["answered_ar"] * 3


def test_while_a_destination_rejects_everything_only_one_message_asks_again(make_ris: MakeRis) -> None:
    ris = make_ris(answers("AR", "AR", "AR", "AR", "AA"))
    say(ris.house, order(STRANGER, "A2"))
    ris.perform("IN PROGRESS")
    for _ in range(2):
        ris.pass_time(timedelta(seconds=10))
        ris.worker.run_due()
    ris.perform("IN PROGRESS", uid="2.25.78", accession="A2")
    assert ris.told == ["ORM IP"] * 3
    first, second = ris.rows()
    assert (second.state, second.attempts, second.next_at) == (DeliveryState.PENDING, 0, first.next_at)
    ris.pass_time(first.next_at - ris.house.clock.now())
    ris.worker.run_due()
    assert len(ris.told) == 4
    ris.pass_time(ris.rows()[0].next_at - ris.house.clock.now())
    ris.worker.run_due()
    assert ris.states() == ["sent", "sent"]
    assert ris.peer.field("ORC", 2) == ["PA1^RIVEHR"] * 5 + ["PA2^RIVEHR"]


def test_a_message_without_an_answer_comes_again_byte_for_byte(make_ris: MakeRis) -> None:
    ris = make_ris(answers("", "AA"), timeout_secs=2)
    ris.perform("IN PROGRESS")
    ris.pass_time(timedelta(seconds=30))
    ris.worker.run_due()
    first, again = ris.peer.received
    assert first == again
    assert ris.states() == ["sent"]


def test_what_overtakes_an_unanswered_message_is_another_message(make_ris: MakeRis) -> None:
    ris = make_ris(answers("", "AA"), timeout_secs=2)
    ris.perform("IN PROGRESS")
    ris.house.performed_steps.set("2.25.77", sent(cast_mpps("A1", "COMPLETED")), "CT1")
    ris.pass_time(timedelta(seconds=30))
    ris.worker.run_due()
    assert ris.told == ["ORM IP", "ORM CM"]
    assert len(set(ris.peer.control_ids)) == 2


def test_images_that_may_have_been_told_are_withdrawn_as_well(make_ris: MakeRis) -> None:
    ris = make_ris(answers("", "AA"), timeout_secs=2)
    ris.receive_images()
    assert (ris.told, ris.states()) == (["ORU A O"], ["pending"])
    ris.pass_time(timedelta(seconds=30))
    ris.rule("unbind")
    assert ris.told == ["ORU A O", "ORU A W"]


def test_images_of_a_worker_that_died_while_it_told_them_are_withdrawn_as_well(
    make_ris: MakeRis, monkeypatch: pytest.MonkeyPatch
) -> None:
    ris = make_ris()

    class Killed(BaseException):
        """The process is gone."""

    def send_and_die(parcel: NoticeParcel, still_wanted: StillWanted) -> NoticeReceipt:
        OrderStatusPublisher.send(told, parcel, still_wanted)
        raise Killed

    told = next(one for one in publishers(ris.house) if isinstance(one, OrderStatusPublisher))
    monkeypatch.setattr(told, "send", send_and_die)
    ris.worker = Worker(ris.house.store, ris.house.clock, [told], owner="one")
    with pytest.raises(Killed):
        ris.receive_images()
    assert ris.told == ["ORU A O"]
    ris.worker = Worker(ris.house.store, ris.house.clock, publishers(ris.house), owner="two")
    ris.pass_time(timedelta(minutes=1))
    ris.rule("unbind")
    assert ris.told == ["ORU A O", "ORU A W"]


def test_a_destination_that_takes_nothing_is_given_up_when_the_settings_say_so(make_ris: MakeRis) -> None:
    ris = make_ris(answers("AR"), max_attempts=2)
    ris.perform("IN PROGRESS")
    ris.pass_time(timedelta(seconds=10))
    ris.worker.run_due()
    assert ris.states() == ["dead"]
    assert ris.rows()[0].last_error == "given up after 2 tries: Status IP: answered AR"


def test_a_withdrawal_that_is_owed_cannot_be_dropped(make_ris: MakeRis) -> None:
    ris = make_ris(answers("AA", "AE"))
    ris.receive_images()
    ris.rule("unbind")
    dead = next(one for one in ris.rows() if one.state == DeliveryState.DEAD)
    with pytest.raises(Conflict) as refused:
        drop_delivery(ris.house.store, ris.house.clock, dead.key, "user:it")
    assert refused.value.code == "withdrawal_owed"
    ris.rule("bind", accession_number="A1")
    drop_delivery(ris.house.store, ris.house.clock, dead.key, "user:it")


def test_where_a_destination_stands_is_kept(make_ris: MakeRis) -> None:
    ris = make_ris()
    ris.perform("IN PROGRESS")
    ris.receive_images()
    with ris.house.store.read() as tx:
        stands = order_notices.of_order(tx, 1, "ris")
        study = studies.by_uid(tx, study_uid("A1"))
        assert study is not None
        assert order_notices.naming_study(tx, study.key) == [(1, "ris")]
    said = {subject: (one.said, one.is_certain, one.times_taken) for subject, one in stands.items()}
    assert said == {"status": ("IP", True, 1), study_uid("A1"): ("O", True, 1)}
    assert {one.control_id for one in stands.values()} == set(ris.peer.control_ids)
    assert all(len(one) == 20 for one in ris.peer.control_ids)


def test_a_destination_is_reached_by_a_check_that_sends_nothing(make_ris: MakeRis) -> None:
    ris = make_ris()
    (row,) = [one for one in check_peers(ris.house) if one["kind"] == "hl7"]
    assert (row["name"], row["ok"], row["answer"]) == ("ris", True, "answers")
    assert ris.peer.received == []
    away = make_ris(port=1)
    (row,) = [one for one in check_peers(away.house) if one["kind"] == "hl7"]
    assert (row["ok"], row["answer"]) == (False, "no connection: connection refused")


@pytest.mark.parametrize("version", ["2.3.1", "2.5.1"])
def test_a_listener_like_ours_takes_what_we_tell(make_ris: MakeRis, version: str) -> None:
    with open_door() as door:
        ris = make_ris(port=door.port, version=version, messages=["ORM^O01", "ORU^R01"])
        ris.perform("IN PROGRESS")
        ris.perform("COMPLETED")
        assert [one.detail for one in ris.rows()] == ["Status IP: answered AA", "Status CM: answered AA"]
        assert len(door.received) == 2


def test_many_orders_reach_every_destination_while_one_hangs(make_house: MakeHouse) -> None:
    with open_peer() as quick, open_peer(lambda exchange: None) as mute:
        doors = [("ris", quick.port), ("mute", mute.port)]
        destinations = [{"name": name, "host": "127.0.0.1", "port": port, "timeout_secs": 2} for name, port in doors]
        house = make_house(hl7={"destinations": destinations}, fhir={})
        say(house, adt(PLAIN), *(order(PLAIN, f"A{n}") for n in range(12)))
        worker = Worker(house.store, house.clock, publishers(house), owner="test")
        worker.start()
        try:
            for n in range(12):
                house.performed_steps.create(f"2.25.9{n}", sent(cast_mpps(f"A{n}")), "CT1")
            worker.notify()
            assert until(lambda: len(set(quick.control_ids)) == 12)
        finally:
            assert worker.stop(20)
    assert quick.connections == 1
    assert set(quick.field("ORC", 5)) == {"IP"}


def test_what_the_other_side_echoes_starts_nothing(make_ris: MakeRis) -> None:
    ris = make_ris()
    ris.perform("IN PROGRESS")
    for status in ("IP", "IP", "CM"):
        ris.pass_time()
        at = f"{ris.house.clock.now():%Y%m%d%H%M%S}"
        say(ris.house, order(PLAIN, "A1", "SC", at=at, status=status))
        ris.worker.run_due()
    assert ris.told == ["ORM IP"]


def test_images_that_came_before_their_order_are_told_when_it_comes(make_ris: MakeRis) -> None:
    ris = make_ris(sites=["riverside"])
    ris.house.instances.receive(spooled(ris.house, image(STRANGER, "A7"), "CT1"))
    ris.pass_time(QUIET * 2)
    ris.worker.run_due()
    assert ris.told == []
    say(ris.house, order(STRANGER, "A7"))
    ris.worker.run_due()
    assert (ris.told, ris.peer.field("OBX", 5)) == (["ORU A O"], [study_uid("A7")])


def test_a_merge_of_the_same_person_withdraws_nothing(make_ris: MakeRis) -> None:
    ris = make_ris()
    ris.receive_images()
    say(ris.house, merge(STRANGER, PLAIN, at="20260302101000"))
    ris.worker.run_due()
    assert ris.told == ["ORU A O"]


def test_over_tls_with_certificates_on_both_sides(make_ris: MakeRis, tmp_path: Path) -> None:
    theirs, ours = make_identity(tmp_path, "ris"), make_identity(tmp_path, "bridge")
    files = {"ca": str(theirs[0]), "certificate": str(ours[0]), "key": str(ours[1])}
    with open_peer(tls=server_context(theirs, client_ca=ours[0])) as peer:
        ris = make_ris(port=peer.port, tls=files, timeout_secs=5)
        ris.perform("IN PROGRESS")
        assert peer.field("ORC", 5) == ["IP"]
        assert ris.states() == ["sent"]


def test_python_hl7_s_server_takes_what_we_tell(make_ris: MakeRis) -> None:
    try:
        mllp = importlib.import_module("hl7.mllp")
    except ImportError:
        missing_peer("python-hl7", "install the development dependencies")
    taken: list[str] = []

    async def converse(reader: Any, writer: Any) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                received = await reader.readmessage()
                taken.append(str(received.segment("ORC")[5]))
                writer.writemessage(received.create_ack())
                await writer.drain()

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    opening = mllp.start_hl7_server(converse, "127.0.0.1", 0, encoding="utf-8")
    server = asyncio.run_coroutine_threadsafe(opening, loop).result(10)
    try:
        ris = make_ris(port=server.sockets[0].getsockname()[1], timeout_secs=5)
        ris.perform("IN PROGRESS")
        ris.perform("COMPLETED")
        ris.receive_images()
        assert taken == ["IP", "CM", "CM"]
        assert ris.states() == ["sent"] * 3
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
