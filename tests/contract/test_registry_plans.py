"""Every look-up of a decision goes by an index on both databases, however many patients there are."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.patient import Patient
from bridge.domain.reconcile import decide
from bridge.domain.study import RequestAttributes
from bridge.flows.register_patient import refresh_keys
from bridge.store import patients, prepared
from bridge.store.db import Store, WriteTx
from bridge.store.registry import StoredRegistry
from tests.unit.domain.hospital import NOON, OURS, RULES, THEIRS, evidence, typed

FOREIGN = typed("PEREZ^LUZ", "771", "19800511", "F", issuer_of_patient_id=THEIRS)
SLIPPED = typed(
    "PERES^LUZ",
    "MRN-12345",
    "19801105",
    accession_number="A100",
    request_attributes=(RequestAttributes("RP1", "SPS1", "A100", "1.2.3.1"),),
)


def plans(tx: WriteTx, seen: list[tuple[str, Any]], is_sqlite: bool) -> dict[str, str]:
    """Return how the database would run each statement. PostgreSQL is told that a scan costs more than any index."""
    cursor = tx.connection.cursor()
    if not is_sqlite:
        cursor.execute("SET LOCAL enable_seqscan = off")
    found = {}
    for text, bound in seen:
        cursor.execute(f"{'EXPLAIN QUERY PLAN' if is_sqlite else 'EXPLAIN'} {text}", bound)
        found[text] = " / ".join(str(row) for row in cursor.fetchall())
    return found


def test_every_look_up_goes_by_an_index(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    execute = prepared._execute

    def noted(tx: Any, form: Any, bound: Any, *, many: bool = False) -> Any:
        seen.setdefault(form.text, bound)
        return execute(tx, form, bound, many=many)

    with store.write() as tx:
        for number in ("00012345", "00012346", "00054321"):
            luz = Patient(0, (PatientIdentifier(number, OURS),), "Perez^Luz", "19800511", "F")
            refresh_keys(tx, patients.add(tx, luz, NOON).key)
        monkeypatch.setattr(prepared, "_execute", noted)
        for header in (FOREIGN, SLIPPED):
            assert decide(evidence(header), StoredRegistry(tx), RULES).candidates
        monkeypatch.undo()
        found = plans(tx, list(seen.items()), store.is_sqlite)
    tables = (
        "patient_keys",
        "patient_identifiers",
        "cross_references",
        "patient_aliases",
        "orders",
        "steps",
        "signals",
    )
    assert all(any(f"FROM {table}" in text or f"{table}." in text for text in found) for table in tables)
    # A constant, or the studies that a part was split off: nothing that grows.
    scanned = {text: plan.replace("SCAN CONSTANT ROW", "").replace("SCAN wholes", "") for text, plan in found.items()}
    assert {text: plan for text, plan in scanned.items() if "SCAN" in plan or "Seq Scan" in plan} == {}
