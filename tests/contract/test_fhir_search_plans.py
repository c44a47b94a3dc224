"""Every search of a study goes by an index on both databases: nobody walks all images, series, orders or patients for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event

from bridge.domain.resource_query import Asked, Order, Span, Target, Term, Token, Words
from bridge.store.db import Store
from bridge.store.searches import announced, appointments, charts, imaging_studies, key_objects
from bridge.store.searches.conditions import House, Search
from bridge.store.searches.orders import ORDERS
from bridge.store.searches.patients import SEARCH as PATIENTS
from bridge.store.tables import series
from tests.fakes.clinic import Clinic

AT = datetime(2026, 3, 2, tzinfo=UTC)
HOUSE = House(issuers=lambda _: ("RIVERSIDE",), quiet_since=AT.replace(year=2027), at=AT)
SPAN = Span("eq", AT, AT.replace(day=3))


def token(name: str, code: str) -> Term:
    return Term(name, (Token(code, "x"), Token(code)))


STUDIES = [
    Term("_id", (Token("1"),)),
    token("identifier", "1.2.3"),
    Term("patient", (Target("Patient", "1"),)),
    token("patient.identifier", "1"),
    token("modality", "CT"),
    token("bodysite", "CHEST"),
    token("series", "1.2.3"),
    token("instance", "1.2.3"),
    token("dicom-class", "1.2.3"),
    token("basedon.identifier", "A1"),
    Term("basedon", (Target("", "order-1"),)),
    Term("encounter", (Target("", "1"),)),
    Term("started", (SPAN,)),
    Term("_lastUpdated", (SPAN,)),
    Term("status", (Token("available"),)),
    Term("encounter", is_missing=False),
    token("referrer.identifier", "7"),
    Term("referrer", is_missing=False),
    token("reason", "R05"),
    Term("reason", is_missing=True),
]
ORDERED = [
    Term("_id", (Token("order-1"),)),
    token("identifier", "A1"),
    token("code", "71260"),
    token("requester.identifier", "7"),
    Term("patient", (Target("Patient", "1"),)),
    Term("encounter", (Target("Encounter", "1"),)),
    Term("occurrence", (SPAN,)),
    Term("_lastUpdated", (SPAN,)),
    Term("status", (Token("active"),)),
    Term("requester", is_missing=True),
]
PEOPLE = [
    token("identifier", "1"),
    Term("family", (Words("lind"),)),
    Term("name", (Words("lind per"),)),
    Term("birthdate", (SPAN,)),
    Term("link", (Target("Patient", "1"),)),
]
SELECTIONS = [
    Term("_id", (Token("1"),)),
    token("identifier", "1.2.3"),
    Term("patient", (Target("Patient", "1"),)),
    Term("derived-from", (Target("ImagingStudy", "1"),)),
    token("study-uid", "1.2.3"),
    Term("status", (Token("available"),)),
]
OF_EXAMS = [
    (charts.REPORTS, Term("_lastUpdated", (SPAN,))),
    (charts.REPORTS, Term("encounter", (Target("Encounter", "1"),))),
    (charts.DOCUMENTS, Term("_lastUpdated", (SPAN,))),
    (charts.PROCEDURES, Term("_lastUpdated", (SPAN,))),
    (charts.PROCEDURES, Term("encounter", (Target("Encounter", "1"),))),
    (appointments.SEARCH, token("identifier", "AP1")),
    (appointments.SEARCH, Term("date", (SPAN,))),
    (appointments.SEARCH, Term("_lastUpdated", (SPAN,))),
    (appointments.SEARCH, Term("based-on", (Target("ServiceRequest", "order-1"),))),
]
# What is walked from its newest row until a page is full, the rows that are counted, and what people took out of every
# chart, which is not much; of everything else only an index is.
WALKED = {"studies", "study_placements", "announced_studies", "key_objects", "anon_1", "chart_withdrawals"}
# Of orders most have these in common: the walk ends when its page is full.
ORDERS_WALKED = {"status", "requester"}


@pytest.mark.parametrize(
    ("search", "term"),
    [(announced.SEARCH, one) for one in STUDIES]
    + [(ORDERS, one) for one in ORDERED]
    + [(PATIENTS, one) for one in PEOPLE]
    + [(key_objects.SEARCH, one) for one in SELECTIONS]
    + OF_EXAMS,
    ids=[f"study-{one.name}" for one in STUDIES]
    + [f"order-{one.name}" for one in ORDERED]
    + [f"patient-{one.name}" for one in PEOPLE]
    + [f"selection-{one.name}" for one in SELECTIONS]
    + [f"exam-{number}-{one.name}" for number, (_, one) in enumerate(OF_EXAMS)],
)
def test_a_search_goes_by_an_index(store: Store, search: Search, term: Term) -> None:
    keys_by_index(store, search, term)


@pytest.mark.parametrize(
    ("search", "name"),
    [(announced.SEARCH, "started"), (announced.SEARCH, "_lastUpdated"), (key_objects.SEARCH, "_lastUpdated")],
    ids=["studies-started", "studies-updated", "selections-updated"],
)
def test_what_is_sorted_is_walked_alone(store: Store, search: Search, name: str) -> None:
    keys_by_index(store, search, Term("_lastUpdated", (SPAN,)), Order(name))


def keys_by_index(store: Store, search: Search, term: Term, sort: Order | None = None) -> tuple[int, ...]:
    """Return what is found, having looked at how."""
    seen: list[tuple[str, Any]] = []

    def noted(_: Any, __: Any, statement: str, bound: Any, *___: Any) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            seen.append((statement, bound))

    with store.read() as tx:
        event.listen(tx, "before_cursor_execute", noted)
        found = search.find(tx, Asked((term,), sort), HOUSE)
    assert seen
    walked = {each for plan in plans(store, seen) for each in plan}
    # Of an empty database PostgreSQL reads the orders to know which reports are of their own patient's.
    of_reports = search in (charts.REPORTS, charts.DOCUMENTS) and not store.is_sqlite
    may_be = WALKED | ({"orders"} if of_reports or (search is ORDERS and term.name in ORDERS_WALKED) else set())
    assert walked - may_be == set(), term.name
    return found.keys


@pytest.mark.parametrize(
    "term", [token("modality", "CT"), token("bodysite", "CHEST"), Term("bodysite", is_missing=False)]
)
def test_a_study_of_many_alike_is_found_among_its_own_series(
    store: Store, term: Term, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic = Clinic(store)
    study = clinic.bind(clinic.study("1.2.3", 2, 1), clinic.patient("P1"))
    clinic.bind(clinic.study("1.2.4", 1, 1), clinic.patient("P2"))
    with store.write() as tx:
        tx.execute(series.update().where(series.c.study_key != study.key).values(modality="MR", body_part_examined=""))
    found = {}
    for few in (5000, 0):
        monkeypatch.setattr(imaging_studies, "_FEW_SERIES", few)
        found[few] = keys_by_index(store, imaging_studies.SEARCH, term)
    assert found[0] == found[5000]
    assert len(found[0]) == 1


def plans(store: Store, seen: list[tuple[str, Any]]) -> list[set[str]]:
    """Return which tables each statement walks row by row. PostgreSQL is told that this costs more than any index."""
    found = []
    with store.read() as tx:
        if not store.is_sqlite:
            tx.exec_driver_sql("SET LOCAL enable_seqscan = off")
        for statement, bound in seen:
            explain = "EXPLAIN QUERY PLAN" if store.is_sqlite else "EXPLAIN"
            rows = [str(row) for row in tx.exec_driver_sql(f"{explain} {statement}", bound)]
            found.append({name for row in rows if (name := walked_by(row))})
    return found


def walked_by(row: str) -> str:
    """Return the table that a line of a plan walks without an index, "" for none."""
    for mark in ("SCAN ", "Seq Scan on "):
        if mark in row and "USING" not in row and "CONSTANT" not in row and "(subquery" not in row:
            return row.partition(mark)[2].split()[0].strip("',)")
    return ""
