"""One writer in front of many senders: order kept, company shared, nobody left without an answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from bridge.flows import message_queue
from bridge.flows.message_queue import MessageQueue
from bridge.flows.receive_message import Received


class Receiver:
    """Answers each message with itself, and can be held up."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.may_go = threading.Event()
        self.began = threading.Event()

    def receive(self, batch: Sequence[Received]) -> list[bytes]:
        self.batches.append([one.raw for one in batch])
        self.began.set()
        self.may_go.wait(10)
        if b"break" in self.batches[-1]:
            raise RuntimeError("broken")
        return [one.raw for one in batch]

    def turn_away(self, received: Received) -> bytes:
        return b"later"


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


def start(receiver: Receiver) -> MessageQueue:
    queue = MessageQueue(receiver)  # type: ignore[arg-type]
    queue.start()
    return queue


def test_what_comes_during_a_commit_shares_the_next_one_in_order(receiver: Receiver) -> None:
    queue = start(receiver)
    first = queue.submit(Received(b"0", "p"))
    assert receiver.began.wait(10)
    rest = [queue.submit(Received(str(n).encode(), "p")) for n in range(1, 6)]
    receiver.may_go.set()
    assert [future.result(10) for future in [first, *rest]] == [b"0", b"1", b"2", b"3", b"4", b"5"]
    queue.stop()
    assert receiver.batches == [[b"0"], [b"1", b"2", b"3", b"4", b"5"]]


def test_a_writer_that_breaks_tells_its_senders_and_goes_on(receiver: Receiver) -> None:
    receiver.may_go.set()
    queue = start(receiver)
    with pytest.raises(RuntimeError):
        queue.submit(Received(b"break", "p")).result(10)
    assert queue.submit(Received(b"fine", "p")).result(10) == b"fine"
    queue.stop()


def test_too_many_are_turned_away_with_an_answer(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_queue, "_WAITING_MAX", 1)
    queue = start(receiver)
    queue.submit(Received(b"in work", "p"))
    assert receiver.began.wait(10)
    waiting = queue.submit(Received(b"waits", "p"))
    assert queue.submit(Received(b"too many", "p")).result(1) == b"later"
    receiver.may_go.set()
    assert waiting.result(10) == b"waits"
    queue.stop()


def test_stopping_answers_what_waits(receiver: Receiver) -> None:
    queue = start(receiver)
    futures = [queue.submit(Received(b"x", "p")) for _ in range(3)]
    receiver.may_go.set()
    queue.stop()
    assert [future.result(0) for future in futures] == [b"x"] * 3


def test_an_event_loop_hears_every_answer_and_every_fault_of_a_commit(receiver: Receiver) -> None:
    async def ask() -> list[object]:
        asked = [queue.submit_from_loop(Received(str(n).encode(), "p")) for n in range(5)]
        asked[2].cancel()
        receiver.may_go.set()
        answers: list[object] = list(await asyncio.gather(*asked, return_exceptions=True))
        answers += await asyncio.gather(queue.submit_from_loop(Received(b"break", "p")), return_exceptions=True)
        return answers

    queue = start(receiver)
    answers = asyncio.run(asyncio.wait_for(ask(), 10))
    queue.stop()
    assert [answers[0], answers[1], *answers[3:5]] == [b"0", b"1", b"3", b"4"]
    assert isinstance(answers[2], asyncio.CancelledError)
    assert isinstance(answers[5], RuntimeError)


def test_a_loop_that_has_ended_keeps_nobody_from_an_answer(receiver: Receiver) -> None:
    async def ask() -> None:
        queue.submit_from_loop(Received(b"gone", "p"))

    queue = start(receiver)
    asyncio.run(ask())
    other = queue.submit(Received(b"here", "p"))
    receiver.may_go.set()
    assert other.result(10) == b"here"
    assert queue.submit(Received(b"next", "p")).result(10) == b"next"
    queue.stop()
