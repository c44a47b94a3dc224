"""A day of traffic under a wrong mapping is read again under the right one: in order, in small steps, once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bridge.clock import FixedClock
from bridge.domain.message import MessageFilter, MessageState, ReplayState
from bridge.errors import Conflict, Incomplete, Malformed
from bridge.flows.receive_message import MessageReceiver, Received
from bridge.flows.replay_messages import ReplayQueue, ask_replay, cancel_replay
from bridge.store import leases, messages, orders, replays
from bridge.store.replays import Replay
from bridge.store.tables import audit_rows
from bridge.store.tables import messages as messages_table
from bridge.wiring import House
from tests.conftest import ROOT
from tests.fakes.clinic import AT
from tests.fakes.console import ORDER, Console

REFUSED = MessageFilter(state="refused")
WRONG = '\n[requested_procedure.accession]\nfrom = "ZOR-2"\nrequired = true\nbecause = "what somebody thought"\n'


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    folder = tmp_path / "mappings"
    shutil.copytree(ROOT / "samples" / "mappings", folder)
    return folder


@pytest.fixture
def console(make_house: Callable[..., House], overlay: Path, tmp_path: Path) -> Console:
    bridge = {"data": tmp_path / "data", "mappings": overlay, "time_zone": "UTC"}
    return Console(make_house(FixedClock(AT), bridge=bridge))


@pytest.fixture
def site(overlay: Path) -> Path:
    return overlay / "sites" / "riverside" / "site.toml"


def send(console: Console, *numbers: str) -> list[bytes]:
    texts = (
        ORDER.format(number=number, name="HALVORSEN^INGRID", patient_id="00041001", control_id=f"C{number}")
        for number in numbers
    )
    return console.house.receiver.receive([Received(text.encode(), "127.0.0.1") for text in texts])


def refuse(console: Console, site: Path, *numbers: str) -> str:
    """Send orders under a mapping that looks for the accession number where there is none; return the right mapping."""
    right = site.read_text()
    site.write_text(right.replace("policy    = { ", 'policy = { missing_accession = "reject", ') + WRONG)
    assert console.house.live_mappings.look()
    assert all(b"|AE|" in answer for answer in send(console, *numbers))
    return right


def read(console: Console, key: int) -> Replay:
    with console.store.read() as tx:
        return replays.get(tx, key)


def ask(console: Console, wanted: MessageFilter = REFUSED, *, dry_run: bool = False) -> int:
    return ask_replay(console.store, console.clock, wanted, "user:it", dry_run=dry_run)


def states(console: Console) -> list[str]:
    with console.store.read() as tx:
        return [row.state for row in tx.execute(messages_table.select().order_by(messages_table.c.key))]


def test_what_a_wrong_mapping_refused_is_applied_by_the_right_one(console: Console, site: Path) -> None:
    numbers = [f"A{n}" for n in range(45)]
    right = refuse(console, site, *numbers)
    site.write_text(right)
    key = ask(console)
    assert console.house.replays.work()
    done = read(console, key)
    assert (done.state, done.total, done.done, done.applied, done.changed) == (ReplayState.DONE, 45, 45, 45, 45)
    assert set(states(console)) == {"applied"}
    with console.store.read() as tx:
        kept = messages.get(tx, 45)
        assert (kept.answer_code, kept.error_code, kept.error_detail) == ("AA", "", "")
        assert len(orders.of_patient(tx, 1)) == 45
        by = {row.actor for row in tx.execute(audit_rows.select().where(audit_rows.c.action == "message_applied"))}
    assert by == {"user:it"}
    assert not console.house.replays.work()


def test_a_dry_run_counts_what_would_change_and_writes_nothing(console: Console, site: Path) -> None:
    right = refuse(console, site, "A1", "A2")
    key = ask(console, dry_run=True)
    console.house.replays.work()
    assert (read(console, key).refused, read(console, key).changed) == (2, 0)
    site.write_text(right)
    key = ask(console, dry_run=True)
    console.house.replays.work()
    assert (read(console, key).applied, read(console, key).changed) == (2, 2)
    assert states(console) == ["refused", "refused"]


def test_what_was_applied_is_read_again_without_harm(console: Console) -> None:
    send(console, "A1")
    console.clock.at += timedelta(hours=1)
    later = ORDER.replace("ORC|NW", "ORC|CA").replace("20260302140000", "20260302150000")
    text = later.format(number="A1", name="HALVORSEN^INGRID", patient_id="00041001", control_id="CA1-2")
    console.house.receiver.receive([Received(text.encode(), "127.0.0.1")])
    with console.store.read() as tx:
        before, answers = orders.of_patient(tx, 1), [messages.get(tx, key).answer for key in (1, 2)]
    key = ask(console, MessageFilter(message_type="OMG"))
    console.house.replays.work()
    assert (read(console, key).applied, read(console, key).changed) == (2, 0)
    with console.store.read() as tx:
        assert [one.status for one in orders.of_patient(tx, 1)] == [one.status for one in before]
        assert [messages.get(tx, key).answer for key in (1, 2)] == answers


def test_messages_are_read_in_the_order_they_came_and_none_that_came_later(console: Console, site: Path) -> None:
    site.write_text(refuse(console, site, "A1", "A2"))
    key = ask(console)
    refuse(console, site, "A3")
    console.house.replays.work()
    assert (read(console, key).done, read(console, key).cursor) == (2, 2)


def test_who_takes_over_goes_on_behind_the_last_message(console: Console, site: Path) -> None:
    right = refuse(console, site, *(f"A{n}" for n in range(30)))
    site.write_text(right)
    key = ask(console)
    queue = console.house.replays
    with console.store.write() as tx:
        assert leases.take(tx, "replays", "a node that died", console.clock.now(), timedelta(seconds=15))
        replays.note(tx, key, 20, {"done": 20, "applied": 20}, console.clock.now())
    assert not queue.work()
    console.clock.at += timedelta(seconds=16)
    assert queue.work()
    done = read(console, key)
    assert (done.state, done.done, done.applied) == (ReplayState.DONE, 30, 30)
    assert states(console) == ["refused"] * 20 + ["applied"] * 10


def test_a_cancelled_replay_touches_nothing_more(console: Console, site: Path) -> None:
    right = refuse(console, site, "A1")
    site.write_text(right)
    key = ask(console)
    cancel_replay(console.store, console.clock, key, "user:it")
    assert not console.house.replays.work()
    assert states(console) == ["refused"]
    assert read(console, key).state == ReplayState.CANCELLED
    with pytest.raises(Conflict):
        cancel_replay(console.store, console.clock, key, "user:it")


def test_a_replay_that_is_cancelled_under_way_keeps_nothing_of_the_step_it_was_in(console: Console, site: Path) -> None:
    right = refuse(console, site, "A1")
    site.write_text(right)
    key = ask(console)

    class Interrupted(MessageReceiver):
        def read_again(self, *args: object, **kwargs: object) -> list[MessageState]:
            cancel_replay(console.store, console.clock, key, "user:it")
            return console.house.receiver.read_again(*args, **kwargs)  # type: ignore[arg-type]

    house = console.house
    receiver = Interrupted(house.store, house.clock, house.mappings, house.defaults, house.applier)
    queue = ReplayQueue(house.store, house.clock, receiver, house.live_mappings.look, owner="one")
    assert queue.work()
    assert states(console) == ["refused"]


def test_one_message_that_breaks_its_transaction_keeps_nobody_else_from_it(console: Console, site: Path) -> None:
    right = refuse(console, site, "A1", "A2", "A3")
    site.write_text(right)
    key = ask(console)
    house = console.house

    class Breaking(MessageReceiver):
        def read_again(self, journalled, actor, also=lambda tx, states: None):  # type: ignore[no-untyped-def]
            if any(message.control_id == "CA2" for message in journalled):
                raise RuntimeError("more than a savepoint holds")
            return house.receiver.read_again(journalled, actor, also)

    receiver = Breaking(house.store, house.clock, house.mappings, house.defaults, house.applier)
    assert ReplayQueue(house.store, house.clock, receiver, house.live_mappings.look, owner="one").work()
    assert states(console) == ["applied", "refused", "applied"]
    done = read(console, key)
    assert (done.done, done.applied, done.failed) == (3, 2, 1)


def test_a_message_that_the_wire_cut_is_not_made_whole_by_a_mapping(console: Console) -> None:
    text = ORDER.format(number="A1", name="HALVORSEN^INGRID", patient_id="00041001", control_id="C1")
    fault = Malformed("bytes that start no frame follow", code="cut_frame")
    console.house.receiver.receive([Received(text.encode(), "127.0.0.1", fault)])
    ask(console)
    console.house.replays.work()
    assert states(console) == ["refused"]


def test_everything_at_once_is_asked_for_by_nobody(console: Console) -> None:
    with pytest.raises(Incomplete):
        ask(console, MessageFilter())


def test_what_was_asked_for_is_kept_as_asked(console: Console) -> None:
    wanted = replace(REFUSED, since=AT, until=AT + timedelta(days=1), is_test=False, patient_id="1^^^RIVERSIDE")
    assert read(console, ask(console, wanted)).wanted == wanted


def test_the_thread_does_what_was_asked_and_ends(console: Console, site: Path) -> None:
    right = refuse(console, site, "A1")
    site.write_text(right)
    queue = console.house.replays
    queue.start()
    try:
        key = ask(console)
        for _ in range(200):
            if not read(console, key).is_open:
                break
            queue._stopping.wait(0.05)
        assert read(console, key).state == ReplayState.DONE
        assert queue.is_alive
    finally:
        queue.stop()
    assert not queue.is_alive
