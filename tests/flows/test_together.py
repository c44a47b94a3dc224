"""Images, messages and people at the same moment: every count is exact, and nobody waits for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from bridge.flows.resolve_mismatch import MismatchResolver, Ruling
from bridge.store import arrivals, studies
from bridge.store.tables import deliveries
from bridge.wiring import House
from tests import cast
from tests.cast import PLAIN, STRANGER, adt, image, order, spooled, study_uid
from tests.flows.asking import say

_ACCESSIONS = ("A1", "A2", "A3")
_IMAGES = 8


def test_many_senders_at_once_lose_and_double_nothing(make_house: Callable[..., House]) -> None:
    house = make_house()
    say(house, adt(PLAIN), adt(STRANGER), *(order(PLAIN, accession) for accession in _ACCESSIONS))
    faults: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            try:
                work()
            except BaseException as fault:
                faults.append(fault)

        return run

    def send(accession: str, odd: bool) -> Callable[[], None]:
        def work() -> None:
            for number in range(1, _IMAGES + 1):
                if number % 2 == odd:
                    house.instances.receive(
                        spooled(house, image(PLAIN, accession, number, pixels=bytes([number]) * 64))
                    )

        return work

    def tell() -> None:
        for minute in range(10, 30):
            say(
                house,
                adt(PLAIN, "A08", at=f"2026030209{minute}00"),
                order(PLAIN, "A1", "XO", at=f"2026030209{minute}30"),
            )

    def decide() -> None:
        resolver = MismatchResolver(house.store, house.clock, house.rules, house.destinations)
        for _ in range(5):
            for action in ("unbind", "bind"):
                try:
                    resolver.resolve(study_uid("A2"), Ruling(action, "to and fro", "user:maria", accession_number="A2"))
                except Exception as fault:
                    # Not there yet, or in that state already: a person would see so and go on.
                    if type(fault).__name__ not in ("LookupError", "Conflict"):
                        raise

    work = [send(accession, odd) for accession in _ACCESSIONS for odd in (False, True)]
    threads = [threading.Thread(target=guarded(one)) for one in [*work, tell, decide]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert not any(thread.is_alive() for thread in threads)
    assert faults == []
    with house.store.read() as tx:
        found = {accession: studies.by_uid(tx, study_uid(accession)) for accession in _ACCESSIONS}
        counts = {a: studies.count_instances(tx, study.key) for a, study in found.items() if study is not None}
    assert counts == dict.fromkeys(_ACCESSIONS, _IMAGES)
    assert all(found[accession] is not None and found[accession].is_bound for accession in ("A1", "A3"))  # type: ignore[union-attr]


def test_an_image_that_comes_while_a_message_binds_its_study_is_not_left_held(
    make_house: Callable[..., House], monkeypatch: pytest.MonkeyPatch
) -> None:
    house = make_house()
    if house.store.is_sqlite:
        pytest.skip("SQLite has one writer: nothing comes in between")
    late = cast.Person("00049999", "LINDQVIST^ASTRID", "19470223", "F")
    house.instances.receive(spooled(house, image(late, "A5")))
    read, bound = threading.Event(), threading.Event()
    look = arrivals.known

    def pause(*asked: Any) -> Any:
        if threading.current_thread().name == "second":
            read.set()
            assert bound.wait(30)
        return look(*asked)

    monkeypatch.setattr(arrivals, "known", pause)
    second = spooled(house, image(late, "A5", 2))
    sender = threading.Thread(target=house.instances.receive, args=[second], name="second")
    sender.start()
    assert read.wait(30)
    say(house, adt(late, at="20260302110000"), order(late, "A5", at="20260302110100"))
    with house.store.write() as tx:
        tx.execute(deliveries.delete())
    bound.set()
    sender.join(timeout=60)
    with house.store.read() as tx:
        query = deliveries.select().where(deliveries.c.destination == "ehr")
        assert [row.state for row in tx.execute(query)] == ["pending"]
