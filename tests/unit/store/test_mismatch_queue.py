"""The intake desk's queue: its order, what narrows it, who is at a case; and that its statements read indexes only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import insert

from bridge.clock import FixedClock
from bridge.domain.case_risk import CaseRisk
from bridge.flows.attend_case import LEASE, attend_case, leave_case
from bridge.store import decisions
from bridge.store.listings.mismatch_queue import QueueFilter, read_queue, tally_queue
from bridge.store.tables import mismatches
from bridge.wiring import House
from tests.fakes.clinic import AT
from tests.fakes.console import Console
from tests.unit.store.test_listings import statements

NOW = AT


@pytest.fixture
def console(make_house: Callable[..., House]) -> Console:
    return Console(make_house(FixedClock(AT)))


def opened(console: Console, uid: str, rule: str = "V06", risk: CaseRisk = CaseRisk.ROUTINE, hours: float = 0) -> int:
    """Let a case wait since *hours* ago; returns its study's row."""
    study = console.clinic.study(uid)
    with console.store.write() as tx:
        decisions.open_mismatch(tx, study.key, rule, "Somebody must look.", NOW - timedelta(hours=hours), risk=risk)
    return study.key


def listed(console: Console, wanted: QueueFilter) -> list[int]:
    """Return what the queue shows, page by page of two rows."""
    found: list[int] = []
    after: tuple[int, ...] = ()
    with console.store.read() as tx:
        while rows := read_queue(tx, wanted, after=after, limit=2):
            found += [row.case.study_key for row in rows]
            after = rows[-1].place
    return found


def test_the_riskiest_stand_first_and_of_these_the_longest_waiting(console: Console) -> None:
    routine = opened(console, "1.2.1", hours=9)
    safety = opened(console, "1.2.2", risk=CaseRisk.SAFETY)
    urgent = opened(console, "1.2.3", risk=CaseRisk.URGENT, hours=3)
    later = opened(console, "1.2.4", hours=1)
    withdrawn = opened(console, "1.2.5", risk=CaseRisk.WITHDRAWN)
    assert listed(console, QueueFilter(NOW)) == [safety, withdrawn, urgent, routine, later]
    assert listed(console, QueueFilter(NOW, sort="oldest")) == [routine, safety, urgent, later, withdrawn]
    assert listed(console, QueueFilter(NOW, sort="newest")) == [withdrawn, later, urgent, safety, routine]


def test_the_queue_is_narrowed_by_reason_risk_device_and_age(console: Console) -> None:
    fresh = opened(console, "1.2.1", "V06")
    old = opened(console, "1.2.2", "V08", CaseRisk.URGENT, hours=100)
    noon = opened(console, "1.2.3", "V08", hours=2)
    every = QueueFilter(NOW)
    assert listed(console, replace(every, rule="V08")) == [old, noon]
    assert listed(console, replace(every, risk=CaseRisk.URGENT)) == [old]
    assert listed(console, replace(every, age="1h")) == [fresh]
    assert listed(console, replace(every, age="4h")) == [noon]
    assert listed(console, replace(every, age="old")) == [old]
    with console.store.read() as tx:
        device = read_queue(tx, every, limit=1)[0].case.source_ae_title
        tally = tally_queue(tx, NOW)
    assert listed(console, replace(every, device=device)) == [old, fresh, noon]
    assert listed(console, replace(every, device="ELSEWHERE")) == []
    assert (tally.total, tally.rules, tally.ages) == (3, {"V06": 1, "V08": 2}, (1, 1, 0, 0, 1))
    assert tally.risks == {CaseRisk.URGENT: 1, CaseRisk.ROUTINE: 2}
    assert tally.devices == {device: 3}


def test_what_was_decided_is_listed_by_when_and_by_whom(console: Console) -> None:
    keys = [opened(console, f"1.2.{number}") for number in range(3)]
    with console.store.write() as tx:
        for hours, (study_key, actor) in enumerate(zip(keys, ("user:ann", "B01", "user:ann"), strict=True)):
            decisions.close_mismatch(tx, study_key, actor, "BIND", NOW - timedelta(hours=hours))
    decided = QueueFilter(NOW, is_closed=True)
    assert listed(console, decided) == keys
    assert listed(console, replace(decided, decided_by="user:ann")) == [keys[0], keys[2]]
    assert listed(console, QueueFilter(NOW)) == []


def test_who_has_a_case_open_is_seen_until_they_leave_or_the_lease_runs_out(console: Console) -> None:
    one, other = opened(console, "1.2.1"), opened(console, "1.2.2")
    assert attend_case(console.store, console.clock, one, "user:ann") == []
    (ann,) = attend_case(console.store, console.clock, one, "user:ben")
    assert (ann.actor, ann.since) == ("user:ann", NOW)
    asked = QueueFilter(NOW, actor="user:ann")
    assert listed(console, replace(asked, open_by="me")) == [one]
    assert listed(console, replace(asked, open_by="others")) == [one]
    assert listed(console, replace(asked, open_by="nobody")) == [other]
    leave_case(console.store, one, "user:ben")
    assert listed(console, replace(asked, open_by="others")) == []
    late = QueueFilter(NOW + LEASE + timedelta(seconds=1), actor="user:ann", open_by="me")
    assert listed(console, late) == []


def test_a_lease_that_is_renewed_keeps_since_when(console: Console) -> None:
    study_key = opened(console, "1.2.1")
    for minutes in (0, 2, 4):
        attend_case(console.store, FixedClock(NOW + timedelta(minutes=minutes)), study_key, "user:ann")
    (ann,) = attend_case(console.store, FixedClock(NOW + timedelta(minutes=5)), study_key, "user:ben")
    assert ann.since == NOW


@pytest.fixture
def year(console: Console) -> Console:
    """A queue after a year: thousands were decided, a few are open."""
    study_key = opened(console, "1.2.1")
    decided = [
        {"study_key": study_key, "rule": "V07", "opened_at": NOW - timedelta(hours=n), "closed_at": NOW, "risk": 4}
        for n in range(4000)
    ]
    with console.store.write() as tx:
        tx.execute(insert(mismatches), decided)
        tx.exec_driver_sql("ANALYZE mismatches")
    return console


def test_a_page_of_a_years_queue_begins_at_an_index(year: Console) -> None:
    pages: tuple[tuple[QueueFilter, tuple[int, ...]], ...] = (
        (QueueFilter(NOW), ()),
        (QueueFilter(NOW), (900, 3)),
        (QueueFilter(NOW, rule="V08", age="1d", device="CT1", risk=CaseRisk.URGENT), ()),
        (QueueFilter(NOW, open_by="nobody"), ()),
        (QueueFilter(NOW, sort="oldest"), (3,)),
        (QueueFilter(NOW, sort="newest"), (3,)),
        (QueueFilter(NOW, is_closed=True), ()),
        (QueueFilter(NOW, is_closed=True), (900, 1_772_000_000_000_000)),
    )
    with statements(year.store) as seen, year.store.read() as tx:
        for wanted, after in pages:
            read_queue(tx, wanted, after=after, limit=51)
        tally_queue(tx, NOW)
    of_queue = [one for one in seen if "FROM mismatches" in one[0] and "JOIN" not in one[0]]
    assert len(of_queue) == len(pages) + 2
    explain = "EXPLAIN QUERY PLAN" if year.store.is_sqlite else "EXPLAIN"
    with year.store.read() as tx:
        plans = [(sql, str(tx.exec_driver_sql(f"{explain} {sql}", said).all())) for sql, said in of_queue]
    assert [one for one in plans if "mismatches_" not in one[1] or "Seq Scan on mismatches" in one[1]] == []
