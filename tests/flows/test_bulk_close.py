"""Many cases are closed as one, by the worker, one study in one transaction; one undo lets each wait as it did."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select

from bridge.building.bulk import bulk_queue
from bridge.clock import FixedClock
from bridge.domain.bulk import BulkState
from bridge.domain.study import Study, StudyState
from bridge.errors import Conflict, Incomplete
from bridge.flows import work_bulk
from bridge.flows.bulk_cases import BulkDesk
from bridge.flows.resolve_mismatch import MismatchResolver, Ruling
from bridge.store import bulk_jobs, decisions
from bridge.store.tables import audit_rows, mismatches
from bridge.wiring import House
from tests.cast import PLAIN, STRANGER, adt, image, order, spooled, study_uid
from tests.fakes.clinic import AT
from tests.flows.asking import say, study_of

MARIA = "user:maria"
NUMBERS = ("X1", "X2", "X3")


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    """A house in whose queue three studies of an unknown person wait."""
    house = make_house(FixedClock(AT))
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    for number in NUMBERS:
        house.instances.receive(spooled(house, image(STRANGER, number)))
    return house


def desk(house: House) -> BulkDesk:
    return BulkDesk(house.store, house.clock)


def close(house: House, *numbers: str) -> int:
    return desk(house).close([study_of(house, number).key for number in numbers], "a phantom", MARIA)


def resolve(house: House, number: str, ruling: Ruling) -> None:
    MismatchResolver(house.store, house.clock, house.rules, house.destinations).resolve(study_uid(number), ruling)


def tally(house: House, key: int) -> dict[str, int]:
    with house.store.read() as tx:
        return bulk_jobs.tally(tx, bulk_jobs.get(tx, key))


def state(house: House, key: int) -> BulkState:
    with house.store.read() as tx:
        return bulk_jobs.get(tx, key).state


def open_cases(house: House) -> int:
    with house.store.read() as tx:
        return len(tx.execute(select(mismatches.c.key).where(mismatches.c.closed_at.is_(None))).all())


def test_the_chosen_cases_are_closed_with_the_reason_and_the_rest_waits(house: House) -> None:
    key = close(house, "X1", "X2")
    assert open_cases(house) == 3
    assert bulk_queue(house).work()
    assert [study_of(house, number).closed_reason for number in NUMBERS] == ["a phantom", "a phantom", ""]
    assert open_cases(house) == 1
    assert (state(house, key), tally(house, key)["changed"]) == (BulkState.APPLIED, 2)
    assert not bulk_queue(house).work()


def test_one_undo_lets_each_wait_as_it_did(house: House) -> None:
    before = [study_of(house, number) for number in NUMBERS]
    key = close(house, *NUMBERS)
    bulk_queue(house).work()
    desk(house).undo(key, "they are ours", MARIA)
    bulk_queue(house).work()
    after = [study_of(house, number) for number in NUMBERS]
    named = ("state", "rule", "sentence", "decided_by", "held_from_patient_key", "closed_reason")
    assert [[getattr(one, name) for name in named] for one in after] == [
        [getattr(one, name) for name in named] for one in before
    ]
    assert (state(house, key), open_cases(house)) == (BulkState.UNDONE, 3)
    with house.store.read() as tx:
        made = decisions.of_study(tx, after[0].key)
        actions = set(tx.execute(select(audit_rows.c.action)).scalars())
    assert [(one.actor, one.reason) for one in made[:2]] == [(MARIA, "they are ours"), (MARIA, "a phantom")]
    assert {"bulk_close_asked", "study_bulk_applied", "bulk_undo_asked", "study_bulk_undone"} <= actions


def test_a_held_study_is_still_held_from_the_same_patient_after_the_undo(house: House) -> None:
    house.instances.receive(spooled(house, image(PLAIN, "A1")))
    resolve(house, "A1", Ruling("unbind", "not hers", MARIA))
    held = study_of(house, "A1").held_from_patient_key
    assert held is not None
    key = close(house, "A1")
    bulk_queue(house).work()
    desk(house).undo(key, "it was hers", MARIA)
    bulk_queue(house).work()
    assert study_of(house, "A1").held_from_patient_key == held
    assert not study_of(house, "A1").is_bound


def test_a_case_that_somebody_decided_meanwhile_is_left_alone(house: House) -> None:
    key = close(house, "X1", "X2")
    resolve(house, "X1", Ruling("reject", "not ours", "user:ana"))
    bulk_queue(house).work()
    assert study_of(house, "X1").closed_reason == "not ours"
    assert (tally(house, key)["kept"], tally(house, key)["changed"]) == (1, 1)
    resolve(house, "X2", Ruling("reopen", "look again", "user:ana"))
    desk(house).undo(key, "sorry", MARIA)
    bulk_queue(house).work()
    assert study_of(house, "X1").closed_reason == "not ours"
    assert study_of(house, "X2").state in (StudyState.REVIEW, StudyState.QUARANTINE)
    assert tally(house, key) == {"total": 1, "done": 1, "changed": 0, "same": 0, "kept": 1, "failed": 0}


def test_after_a_kill_another_process_goes_on_behind_the_last_study(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = close(house, *NUMBERS)
    real, done = work_bulk.close, list[int]()

    def dying(tx: object, study: Study, *rest: object) -> Study:
        if done:
            raise KeyboardInterrupt
        done.append(study.key)
        return real(tx, study, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(work_bulk, "close", dying)
    with pytest.raises(KeyboardInterrupt):
        bulk_queue(house).work()
    monkeypatch.setattr(work_bulk, "close", real)
    assert (state(house, key), tally(house, key)["done"]) == (BulkState.APPLYING, 1)
    bulk_queue(house).work()
    assert (state(house, key), tally(house, key)["changed"]) == (BulkState.APPLIED, 3)
    with house.store.read() as tx:
        assert [one.reason for one in decisions.of_study(tx, done[0])].count("a phantom") == 1


def test_one_that_fails_is_counted_and_the_others_go_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    key = close(house, *NUMBERS)
    real, spoilt = work_bulk.close, study_of(house, "X2").key

    def failing(tx: object, study: Study, *rest: object) -> Study:
        after = real(tx, study, *rest)  # type: ignore[arg-type]
        if study.key == spoilt:
            raise RuntimeError("a fault of ours")
        return after

    monkeypatch.setattr(work_bulk, "close", failing)
    bulk_queue(house).work()
    assert (tally(house, key)["failed"], tally(house, key)["changed"]) == (1, 2)
    assert study_of(house, "X2").closed_reason == ""


def test_taken_back_in_the_middle_only_what_was_done_is_undone(house: House) -> None:
    key = close(house, *NUMBERS)
    desk(house).undo(key, "wrong ones", MARIA)
    bulk_queue(house).work()
    assert (state(house, key), tally(house, key)["total"]) == (BulkState.UNDONE, 0)
    assert open_cases(house) == 3


def test_what_cannot_be_meant_is_refused(house: House) -> None:
    for chosen, reason in (([], "why"), ([study_of(house, "X1").key], "  ")):
        with pytest.raises(Incomplete):
            desk(house).close(chosen, reason, MARIA)
    with pytest.raises(LookupError):
        desk(house).close([999], "why", MARIA)
    key = close(house, "X1")
    bulk_queue(house).work()
    with pytest.raises(Incomplete):
        desk(house).undo(key, "", MARIA)
    desk(house).undo(key, "why", MARIA)
    with pytest.raises(Conflict):
        desk(house).undo(key, "why", MARIA)
