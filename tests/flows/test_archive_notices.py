"""What an archive's ADT door is told, by a worker that speaks to a door on a real socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from bridge.building.destinations import publishers
from bridge.clock import FixedClock
from bridge.domain.incident import TOLD_AS_ONE, DisclosureKind
from bridge.flows.change_delivery import retry_delivery
from bridge.flows.resolve_mismatch import Ruling
from bridge.flows.undo_merge import MergeUndoer
from bridge.outbox.enqueue import ADT, ARCHIVE
from bridge.outbox.worker import Worker
from bridge.store import deliveries, events, incidents, publications
from bridge.store.deliveries import Delivery
from bridge.store.tables import merges
from bridge.wiring import House
from tests.cast import PLAIN, STRANGER, Person, adt, image, merge, order, renamed, study_uid
from tests.fakes.mllp_peer import Exchange, Peer, Script, accept, ack, open_peer
from tests.flows.asking import say, study_of
from tests.flows.registration import mrg, resent, tell
from tests.flows.test_images import receive, resolver

MakeHouse = Callable[..., House]
AT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)

# PLAIN again, under other numbers.
TWICE = replace(PLAIN, patient_id="00041011")
THRICE = replace(PLAIN, patient_id="00041012")
TYPED_OVER = Ruling("restore", "typed over the wrong record", "user:maria")


class Pacs:
    """A house with an archive that takes ADT, and a worker which tells it."""

    def __init__(self, house: House, peer: Peer) -> None:
        self.house, self.peer = house, peer
        told = [one for one in publishers(house) if one.topic == ADT]
        self.worker = Worker(house.store, house.clock, told, owner="test", jitter=lambda: 0.5)

    def hear(self, *said: bytes) -> None:
        """Let registration say it a minute later; nothing leaves yet."""
        assert isinstance(self.house.clock, FixedClock)
        self.house.clock.at += timedelta(minutes=1)
        say(self.house, *said)

    def run(self, times: int = 1) -> None:
        assert isinstance(self.house.clock, FixedClock)
        for _ in range(times):
            self.house.clock.at += timedelta(minutes=20)
            self.worker.run_due()

    def hold(self, accession: str = "A1", place: str = "PACS") -> None:
        """Let the archive have the images of a bound study."""
        study, now = study_of(self.house, accession), self.house.clock.now()
        with self.house.store.write() as tx:
            keys = publications.owed_instances(tx, study.key, place, study.binding_version)
            sent = [(one, "0000", now) for one in keys]
            publications.put_forwards(tx, study.key, place, study.binding_version, sent)

    def undo_last(self) -> None:
        assert isinstance(self.house.clock, FixedClock)
        self.house.clock.at += timedelta(minutes=1)
        with self.house.store.read() as tx:
            key = tx.execute(select(merges.c.key).order_by(merges.c.key.desc())).scalars().first()
        assert key is not None
        house = self.house
        MergeUndoer(house.store, house.clock, house.rules, house.destinations).undo(key, "two people", "user:maria")

    @property
    def told(self) -> list[str]:
        """The event, the number that ended and the one that lives on, of every message that came."""
        kinds = [kind.split("^")[1] for kind in self.peer.field("MSH", 8)]
        prior, lives = self.peer.field("MRG", 1), self.peer.field("PID", 3)
        lines = zip(kinds, (one.split("^")[0] for one in prior), (one.split("^")[0] for one in lives), strict=True)
        return [" ".join(filter(None, line)) for line in lines]

    def rows(self, topic: str = ADT) -> list[Delivery]:
        with self.house.store.read() as tx:
            return [one for one in deliveries.search(tx) if one.topic == topic][::-1]

    def states(self) -> list[str]:
        return [one.state.value for one in self.rows()]

    def timeline(self) -> list[str]:
        with self.house.store.read() as tx:
            lines = events.timeline(tx, [], [study_of(self.house, "A1").key])
        return [line.what for line in lines if "ADT" in line.what]

    def tasks(self) -> list[str]:
        with self.house.store.read() as tx:
            found = incidents.tasks(tx, is_open=True, limit=9)
        return [one.what for one in found if one.what.startswith(TOLD_AS_ONE) and one.destination == "PACS"]


MakePacs = Callable[..., Pacs]


@pytest.fixture
def make_pacs(make_house: MakeHouse) -> Iterator[MakePacs]:
    """Build a house with one bound study of PLAIN's, which the archive holds, and the archive's ADT door."""
    with ExitStack() as stack:

        def make(script: Script = accept, is_held: bool = True, **destination: object) -> Pacs:
            peer = stack.enter_context(open_peer(script))
            door = {"name": "pacs-adt", "host": "127.0.0.1", "port": peer.port, "timeout_secs": 10}
            door |= {"messages": ["ADT"], "archive": "PACS"}
            archive = {"ae_title": "PACS", "host": "127.0.0.1", "port": 1, "roles": ["archive"]}
            ct = {"ae_title": "CT1", "host": "127.0.0.1", "port": 1, "roles": ["modality"], "modality": "CT"}
            house = make_house(
                FixedClock(AT), hl7={"destinations": [door | destination]}, dicom={"peers": [ct, archive]}, fhir={}
            )
            say(house, adt(PLAIN), adt(STRANGER), adt(TWICE), order(PLAIN, "A1"), order(STRANGER, "A2"))
            receive(house, image(PLAIN, "A1", 1), image(PLAIN, "A1", 2))
            pacs = Pacs(house, peer)
            if is_held:
                pacs.hold()
            return pacs

        yield make


def updated(person: Person, at: str = "20260302093000") -> bytes:
    return adt(person, "A08", at=at)


def renumbered(now: Person, prior: Person, at: str = "20260302093000") -> bytes:
    return tell("A47", now.pid, mrg(prior), at=at)


def test_a_merge_is_told_once_and_the_images_are_sent_again_all_the_same(make_pacs: MakePacs) -> None:
    pacs = make_pacs()
    pacs.hear(merge(TWICE, PLAIN))
    pacs.hear(resent(merge(TWICE, PLAIN), at="20260302094500"))
    pacs.run(2)
    assert pacs.told == ["A40 00041001 00041011"]
    assert pacs.states() == ["sent"]
    assert pacs.timeline() == ["PACS was told by ADT (A40) that one of the patient's numbers ended in another"]
    assert [one.destination for one in pacs.rows(ARCHIVE) if one.state.value == "pending"] == ["PACS"]


def test_a_changed_number_and_a_corrected_name_are_told_as_such(make_pacs: MakePacs) -> None:
    pacs = make_pacs()
    pacs.hear(renumbered(THRICE, PLAIN))
    pacs.run()
    pacs.hear(updated(renamed(THRICE, "HALVORSEN^INGRID^MARIE"), "20260302094000"))
    pacs.hear(updated(renamed(THRICE, "HALVORSEN^INGRID^MARIE"), "20260302095000"))
    pacs.run()
    assert pacs.told == ["A47 00041001 00041012", "A08 00041012"]
    assert pacs.peer.field("PID", 5)[1] == "HALVORSEN^INGRID^MARIE^^^^L"


def test_corrections_that_came_before_one_could_be_told_are_told_as_what_holds_by_then(make_pacs: MakePacs) -> None:
    pacs = make_pacs()
    pacs.hear(updated(renamed(PLAIN, "HALVORSEN^INGRIT"), "20260302093000"))
    pacs.hear(updated(renamed(PLAIN, "HALVORSEN^INGRID^M"), "20260302094000"))
    pacs.run()
    assert pacs.peer.field("PID", 5) == ["HALVORSEN^INGRID^M^^^^L"]


def test_an_archive_without_the_patient_s_images_is_told_nothing(make_pacs: MakePacs) -> None:
    pacs = make_pacs(is_held=False)
    pacs.hear(updated(renamed(PLAIN, "HALVORSEN^INGRID^M")), merge(TWICE, PLAIN, "20260302094000"))
    pacs.run()
    assert (pacs.told, pacs.rows()) == ([], [])


def test_the_survivor_s_own_images_make_no_merge_of_the_archive_s(make_pacs: MakePacs) -> None:
    pacs = make_pacs()
    pacs.hear(merge(PLAIN, TWICE))
    pacs.run()
    assert pacs.rows() == []


def test_images_given_to_another_patient_are_never_told_as_a_merge(make_pacs: MakePacs) -> None:
    pacs = make_pacs()
    ruling = Ruling("bind", "asked the ward", "user:maria", accession_number="A2")
    resolver(pacs.house).resolve(study_uid("A1"), ruling)
    pacs.run()
    assert pacs.rows() == []
    with pacs.house.store.read() as tx:
        assert [one.destination for one in incidents.tasks(tx, is_open=True, limit=9)] == ["PACS"]


def test_a_test_message_is_no_event_for_an_archive(make_pacs: MakePacs) -> None:
    pacs = make_pacs()
    pacs.hear(merge(TWICE, PLAIN).replace(b"|P|2.3.1", b"|T|2.3.1"))
    pacs.run()
    assert pacs.rows() == []


def test_a_chain_of_merges_is_told_in_order_though_the_first_was_not_answered(make_pacs: MakePacs) -> None:
    def slow_at_first(exchange: Exchange) -> None:
        if exchange.number > 1:
            accept(exchange)

    pacs = make_pacs(slow_at_first, timeout_secs=2)
    pacs.hear(adt(THRICE), merge(TWICE, PLAIN))
    pacs.hear(merge(THRICE, TWICE, "20260302094000"))
    pacs.run(3)
    assert pacs.told == ["A40 00041001 00041011"] * 2 + ["A40 00041011 00041012"]
    assert pacs.peer.control_ids[0] == pacs.peer.control_ids[1] != pacs.peer.control_ids[2]


def test_who_may_be_another_person_by_now_is_told_to_nobody_until_a_person_says(make_pacs: MakePacs) -> None:
    pacs = make_pacs()
    pacs.hear(updated(replace(PLAIN, name="OKONKWO^ADA", birth_date="19910101", sex="M")))
    pacs.run()
    assert pacs.told == []
    assert pacs.states() == ["pending"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("ruling", "name"),
    [(Ruling("bind", "passport seen", "user:maria", "A1"), "OKONKWO^ADA"), (TYPED_OVER, "HALVORSEN^INGRID")],
)
def test_once_a_person_has_said_who_it_is_the_archive_is_told_that_name(
    make_pacs: MakePacs, ruling: Ruling, name: str
) -> None:
    pacs = make_pacs()
    pacs.hear(updated(replace(PLAIN, name="OKONKWO^ADA", birth_date="19910101", sex="M")))
    pacs.run()
    assert pacs.told == []
    resolver(pacs.house).resolve(study_uid("A1"), ruling)
    pacs.run(2)
    assert pacs.told == ["A08 00041001"]
    assert pacs.peer.field("PID", 5)[0].startswith(name)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_changed_number_that_is_taken_back_after_it_was_told_is_a_task_and_its_correction_is_told_by_the_old_one(
    make_pacs: MakePacs,
) -> None:
    pacs = make_pacs()
    pacs.hear(renumbered(THRICE, PLAIN))
    pacs.run()
    pacs.undo_last()
    (task,) = pacs.tasks()
    assert task.startswith("it was told by ADT (A47, message")
    pacs.hear(updated(renamed(PLAIN, "HALVORSEN^INGRID^MARIE"), "20260302235900"))
    pacs.run()
    assert pacs.told == ["A47 00041001 00041012", "A08 00041001"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_changed_number_that_is_taken_back_before_it_was_told_is_not_told(make_pacs: MakePacs) -> None:
    pacs = make_pacs()
    pacs.hear(renumbered(THRICE, PLAIN))
    pacs.undo_last()
    pacs.run()
    assert (pacs.told, pacs.tasks()) == ([], [])


def test_a_merge_undone_before_it_was_told_is_not_told(make_pacs: MakePacs) -> None:
    pacs = make_pacs()
    pacs.hear(merge(TWICE, PLAIN))
    pacs.undo_last()
    pacs.run()
    assert (pacs.told, pacs.states(), pacs.tasks()) == ([], ["sent"], [])


def test_a_merge_undone_after_it_was_told_is_a_task_that_says_what_was_told(make_pacs: MakePacs) -> None:
    pacs = make_pacs()
    pacs.hear(merge(TWICE, PLAIN))
    pacs.run()
    (control_id,) = pacs.peer.control_ids
    pacs.undo_last()
    pacs.run()
    assert len(pacs.told) == 1
    (task,) = pacs.tasks()
    assert task.startswith(f"it was told by ADT (A40, message {control_id}: it was told) what was taken back here")
    assert any(line.startswith("To be done at PACS: it was told by ADT (A40") for line in pacs.timeline())
    with pacs.house.store.read() as tx:
        found = incidents.of_study(tx, study_of(pacs.house, "A1").key)
    told = [one for incident in found for one in incident.disclosures if one.kind == DisclosureKind.NOTICE]
    assert [(one.recipient, one.what) for one in told] == [("pacs-adt", f"A40 for PACS, message {control_id}")]


def test_merged_again_it_is_told_again_and_nobody_is_asked_to_part_them(make_pacs: MakePacs) -> None:
    pacs = make_pacs()
    pacs.hear(merge(TWICE, PLAIN))
    pacs.run()
    pacs.undo_last()
    assert len(pacs.tasks()) == 1
    pacs.hear(merge(TWICE, PLAIN, "20260302235900"))
    pacs.run()
    assert pacs.told == ["A40 00041001 00041011"] * 2
    assert pacs.tasks() == []


def test_a_merge_undone_while_its_bytes_are_on_the_way_is_a_task_too(make_pacs: MakePacs) -> None:
    pacs = make_pacs(lambda exchange: None, timeout_secs=2)
    pacs.hear(merge(TWICE, PLAIN))
    pacs.run()
    pacs.undo_last()
    pacs.run()
    assert len(pacs.told) == 1
    (task,) = pacs.tasks()
    assert "it may have been told" in task


def test_an_archive_that_refuses_is_a_delivery_for_a_person_and_holds_up_no_later_news(make_pacs: MakePacs) -> None:
    def refuse_first(exchange: Exchange) -> None:
        exchange.say(ack("AE" if exchange.number == 1 else "AA", exchange.control_id))

    pacs = make_pacs(refuse_first)
    pacs.hear(updated(renamed(PLAIN, "HALVORSEN^INGRIT"), "20260302093000"))
    pacs.run()
    assert pacs.states() == ["dead"]
    assert [line.partition(":")[0] for line in pacs.timeline()] == ["PACS was not told by ADT (A08)"]
    pacs.hear(updated(renamed(PLAIN, "HALVORSEN^INGRID^M"), "20260302094000"))
    pacs.run()
    assert pacs.states() == ["dead", "sent"]
    retry_delivery(pacs.house.store, pacs.house.clock, pacs.rows()[0].key, "user:maria")
    pacs.run()
    assert pacs.states() == ["sent", "sent"]
    assert pacs.peer.field("PID", 5)[1:] == ["HALVORSEN^INGRID^M^^^^L"] * 2


@pytest.mark.parametrize(
    "wrong", [{"archive": ""}, {"archive": "NOBODY"}, {"messages": ["ORM^O01"]}], ids=["none", "unknown", "no ADT"]
)
def test_a_door_names_the_archive_that_it_tells(make_pacs: MakePacs, wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        make_pacs(**wrong)
