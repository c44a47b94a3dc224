"""When a study began, by the clock of the device that says its offset, else by the hospital's; on both databases."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update

from bridge.codecs.fhir import search_terms
from bridge.domain.resource_query import Asked
from bridge.store import tables
from bridge.store.db import Store
from bridge.store.searches.conditions import House
from bridge.store.searches.imaging_studies import SEARCH
from tests.fakes.clinic import AT, Clinic

NEW_YORK = ZoneInfo("America/New_York")
HOUSE = House(
    issuers=lambda _: (),
    quiet_since=AT + timedelta(days=1),
    at=AT,
    local=lambda at: at.astimezone(NEW_YORK),
)
HOSPITALS, JAPANS, NEPALS, DATED, ODD = "2.25.1", "2.25.2", "2.25.3", "2.25.4", "2.25.5"


@pytest.fixture
def began(store: Store) -> dict[int, str]:
    """Five studies of 2026-03-02, 10:15:30 by some clock; one without a time, one with an offset that is none."""
    clinic = Clinic(store)
    said = {HOSPITALS: "", JAPANS: "+0900 ", NEPALS: "+0545", DATED: "+0900", ODD: "noon"}
    found = {}
    for uid, offset in said.items():
        study = clinic.bind(clinic.study(uid, 1, 1), clinic.patient(f"P{uid}"))
        found[study.key] = uid
        with store.write() as tx:
            c = tables.studies.c
            row = tx.execute(c.received.table.select().where(c.key == study.key)).one()
            changed = {"received": row.received | {"timezone_offset_from_utc": offset}}
            if uid == DATED:
                changed["study_time"] = ""
            tx.execute(update(tables.studies).where(c.key == study.key).values(**changed))
    return found


CASES: list[tuple[str, set[str]]] = [
    # 10:15:30 in Tokyo is 01:15:30 in Greenwich, 20:15:30 of the day before in New York.
    ("2026-03-02T01:15:30Z", {JAPANS}),
    ("2026-03-02T10:15:30+09:00", {JAPANS}),
    ("2026-03-02T10:15+05:45", {NEPALS}),
    ("2026-03-02T15:15:30Z", {HOSPITALS, ODD}),
    ("2026-03-01", {JAPANS, NEPALS}),
    ("2026-03-02", {HOSPITALS, DATED, ODD}),
    ("lt2026-03-02", {JAPANS, NEPALS}),
    ("ge2026-03-02", {HOSPITALS, DATED, ODD}),
    ("gt2026-03-02T01:15:30Z", {HOSPITALS, NEPALS, DATED, ODD}),
    ("sa2026-03-02T04:30:30Z", {HOSPITALS, DATED, ODD}),
    ("eb2026-03-02T04:30:30Z", {JAPANS}),
    ("le2026-03-02T04:30:30Z", {JAPANS, NEPALS}),
    ("ne2026-03-02", {JAPANS, NEPALS}),
    ("2026-03", {HOSPITALS, JAPANS, NEPALS, DATED, ODD}),
    ("2026-02", set()),
    ("ge0001", {HOSPITALS, JAPANS, NEPALS, DATED, ODD}),
    ("lt9999-12-30", {HOSPITALS, JAPANS, NEPALS, DATED, ODD}),
]


def test_a_time_is_compared_by_the_clock_it_was_read_from(store: Store, began: dict[int, str]) -> None:
    for asked, expected in CASES:
        term = search_terms.term("started", "date", asked, NEW_YORK)
        with store.read() as tx:
            found = SEARCH.find(tx, Asked((term,)), HOUSE).keys
            rows = tx.execute(tables.study_placements.select().where(tables.study_placements.c.key.in_(found)))
            assert {began[row.study_key] for row in rows} == expected, asked
