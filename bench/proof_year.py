"""A year of an invented clinic's claims and exams, put straight into the tables that the proof counts, and read.

    python -m bench.proof_year [--postgresql] [--exams N] [--claims N] [--into URL]

A SQLite file of its own is filled and removed; with --postgresql a server of its own is started. --into: fill that
database, which the bridge has made, and read nothing: for a look at a full page.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Table, insert, text

from bench.reconcile.lookups import own_server
from bridge.clock import Clock
from bridge.domain.claim_outcome import ReasonCategory
from bridge.flows.count_claims import ExamCounter
from bridge.flows.prove import Prover
from bridge.store import schema
from bridge.store.db import Store, WriteTx
from bridge.store.listings.proof import Window
from bridge.store.tables import (
    attachments,
    authorization_links,
    authorization_warnings,
    authorizations,
    claim_denials,
    claim_figures,
    figure_months,
    orders,
    patients,
    studies,
)

DAYS = 365
_PAYERS = (
    *(("60054", "Acme Health Plan"), ("EAST01", "Eastplan Health"), ("HARB2", "Harbor Mutual")),
    *(("NORTH", "Northern Care"), ("PINE7", "Pine Tree HMO"), ("MEDX", "Statewide Medicaid")),
)
_DEVICES = ("CT1", "CT2", "MR1", "MR2", "MR3", "US1", "US2", "MG1", "CR1", "PT1")
_OTHER = (
    *((ReasonCategory.AUTHORIZATION, "CO-197"), (ReasonCategory.CODING, "CO-4"), (ReasonCategory.NECESSITY, "CO-50")),
    *((ReasonCategory.ELIGIBILITY, "CO-27"), (ReasonCategory.DUPLICATE, "CO-18"), (ReasonCategory.BUNDLED, "CO-97")),
)
_DOCUMENTS = ("CO-252", "CO-16", "CO-226")
_AT_ONCE = 5_000

Row = dict[str, Any]


def fill(store: Store, exams: int, claims: int, last: date, seed: int = 8) -> None:
    """Write a year up to *last*: the half of all exams is under an authorization; since the middle of it less is amiss."""
    chance = random.Random(seed)
    days = [last - timedelta(days=DAYS - 1 - number * DAYS // exams) for number in range(exams)]
    middle = last - timedelta(days=DAYS // 2)
    with store.write() as tx:
        now = datetime.now(UTC)
        tx.execute(insert(patients), [{"key": 1, "created_at": now, "updated_at": now}])
        tx.execute(insert(figure_months), [{"month": one} for one in sorted({f"{day:%Y%m}" for day in days})])
    for begins in range(0, exams, _AT_ONCE):
        numbers = range(begins, min(begins + _AT_ONCE, exams))
        with store.write() as tx:
            _put(tx, _exam_rows(numbers, days, middle, chance))
            _put(
                tx,
                _claim_rows(
                    [n for n in numbers if n * claims // exams != (n + 1) * claims // exams], days, middle, chance
                ),
            )
    with store.write() as tx:
        if not store.is_sqlite:
            for table in ("patients", "orders", "studies", "authorizations", "claim_figures"):
                tx.execute(
                    text(f"SELECT setval(pg_get_serial_sequence('{table}', 'key'), (SELECT max(key) FROM {table}))")
                )


def _put(tx: WriteTx, rows: dict[Table, list[Row]]) -> None:
    for table, each in rows.items():
        if each:
            tx.execute(insert(table), each)


def _exam_rows(numbers: range, days: list[date], middle: date, chance: random.Random) -> dict[Table, list[Row]]:
    found: dict[Table, list[Row]] = {
        each: [] for each in (orders, studies, authorizations, authorization_links, authorization_warnings, attachments)
    }
    for number in numbers:
        day, key = days[number], number + 1
        at = datetime(day.year, day.month, day.day, 8, tzinfo=UTC) + timedelta(minutes=chance.randrange(600))
        said = {"updated_at": at, "version": 1}
        found[orders].append(
            {"key": key, "patient_key": 1, "accession_number": f"Y{key}", "status": "COMPLETED", "ordered_at": at}
            | said
        )
        found[studies].append(
            {"key": key, "study_instance_uid": f"2.25.7.{key}", "state": "bound", "received": {}, "patient_key": 1}
            | {"order_key": key, "source_ae_title": _DEVICES[number % len(_DEVICES)], "study_date": f"{day:%Y%m%d}"}
            | {
                "first_instance_at": at,
                "last_instance_at": at + timedelta(minutes=12),
                "version": 1,
                "entry_version": 1,
            }
        )
        if number % 2 == 0:
            for table, row in _authorized(key, at, day >= middle, chance):
                found[table].append(row)
    return found


def _authorized(key: int, at: datetime, is_later: bool, chance: random.Random) -> Iterator[tuple[Table, Row]]:
    payer_id, payer_name = _PAYERS[key % len(_PAYERS)]
    asked = at - timedelta(days=5)
    yield (
        authorizations,
        {"key": key, "number": f"PA{key}", "payer_id": payer_id, "payer_name": payer_name, "patient_key": 1}
        | {"status": "approved", "urgency": "standard", "created_at": asked, "updated_at": asked},
    )
    yield authorization_links, {"authorization_key": key, "order_key": key, "rule": "number", "linked_at": asked}
    if chance.random() < 0.08:
        in_time = chance.random() < (0.93 if is_later else 0.35)
        opened = at - timedelta(days=1) if in_time else at + timedelta(days=9)
        yield (
            authorization_warnings,
            {
                "authorization_key": key,
                "order_key": key,
                "kind": "code_not_covered",
                "opened_at": opened,
                "closed_at": None,
            },
        )
    if chance.random() < 0.6:
        hours = chance.expovariate(1 / (2 if is_later else 60))
        sent = at + timedelta(minutes=12, hours=hours)
        yield (
            attachments,
            {"authorization_key": key, "study_key": key, "kind": "claim", "state": "sent", "sent_at": sent}
            | {"attached_at": sent, "updated_at": sent},
        )


def _claim_rows(numbers: list[int], days: list[date], middle: date, chance: random.Random) -> dict[Table, list[Row]]:
    found: dict[Table, list[Row]] = {claim_figures: [], claim_denials: []}
    for number in numbers:
        claim = _claim(number, days[number], middle, days[-1], chance)
        found[claim_figures].append(claim)
        if claim["category"]:
            documents = claim["category"] == ReasonCategory.DOCUMENTATION.value
            code = chance.choice(_DOCUMENTS) if documents else dict(_OTHER)[ReasonCategory(claim["category"])]
            said = {"service_on": claim["service_on"], "category": claim["category"], "code": code}
            found[claim_denials].append(said | {"claim_figure_key": claim["key"]})
    return found


def _claim(number: int, day: date, middle: date, last: date, chance: random.Random) -> Row:
    is_later, dice = day >= middle, chance.random()
    documents = dice < (0.018 if is_later else 0.064)
    is_denied = documents or dice > 0.93
    answered = max(5, round(chance.gauss(19 if is_later else 24, 5)))
    took = answered + (30 if is_denied else 0)
    is_answered, is_paid = (day + timedelta(days=each) <= last for each in (answered, took))
    why = ReasonCategory.DOCUMENTATION if documents else chance.choice(_OTHER)[0]
    payer_id, payer_name = _PAYERS[(number + 1) % len(_PAYERS)]
    return {
        "key": number + 1,
        "claim_number": f"Y{number + 1}",
        "service_on": f"{day:%Y%m%d}",
        "payer": payer_id,
        "payer_name": payer_name,
        "device": _DEVICES[number % len(_DEVICES)],
        "order_key": number + 1,
        "was_returned": chance.random() < 0.03,
        "was_asked": documents,
        "first": "none" if not is_answered else "denied" if is_denied else "paid",
        "is_void": is_answered and dice > 0.998,
        "category": why.value if is_denied and is_answered else "",
        "days_to_payment": took if is_paid else None,
    }


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m bench.proof_year")
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--exams", type=int, default=200_000)
    parser.add_argument("--claims", type=int, default=120_000)
    parser.add_argument("--into", default="")
    asked = parser.parse_args(arguments)
    today = date.today()
    if asked.into:
        store = Store(asked.into)
        fill(store, asked.exams, asked.claims, today)
        ExamCounter(store, Clock(), UTC).count_all()
        return 0
    with tempfile.TemporaryDirectory(prefix="imaging-bridge-bench-") as folder:
        if not asked.postgresql:
            _measure(f"sqlite:///{Path(folder) / 'bridge.db'}", asked.exams, asked.claims, today)
            return 0
        with own_server(Path(folder)) as url:
            _measure(url, asked.exams, asked.claims, today)
    return 0


def _measure(url: str, exams: int, claims: int, today: date) -> None:
    store = Store(url)
    schema.migrate(store)
    fill(store, exams, claims, today)
    with store.write() as tx:
        tx.execute(text("ANALYZE"))
    counter = ExamCounter(store, Clock(), UTC)
    print("every exam counted:", _timed(counter.count_all))
    print("again, nothing changed:", _timed(counter.count_all))
    print("those of 30 days:", _timed(counter.count_recent))
    since = today - timedelta(days=DAYS // 2)
    window = Window(f"{today - timedelta(days=731):%Y%m%d}", f"{today:%Y%m%d}", f"{since:%Y%m%d}")
    prover = Prover(store)
    for name in ("figures, nothing read yet:", "figures, read before:", "figures, read before:"):
        print(name, _timed(lambda: prover.prove(window)))
    moved = Window(window.begins, window.ends, f"{since + timedelta(days=40):%Y%m%d}")
    print("figures, another day compared with:", _timed(lambda: prover.prove(moved)))
    store.dispose()


def _timed(work: Callable[[], object]) -> str:
    began, used = time.perf_counter(), time.process_time()
    work()
    clock, processor = (time.perf_counter() - began) * 1000, (time.process_time() - used) * 1000
    return f"{processor:.0f} ms of our processor, {clock:.0f} ms by the clock"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
