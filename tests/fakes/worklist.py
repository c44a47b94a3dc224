"""Entries put straight on a store's worklist, and what a query finds of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from pydicom.dataset import Dataset

from bridge.codecs.dicom.worklist_item import WorklistEntry, encode
from bridge.codecs.dicom.worklist_query import to_worklist_query
from bridge.codecs.dicom.worklist_values import values_of
from bridge.store import orders, patients, worklist
from bridge.store.db import Store, WriteTx
from tests.flows.asking import IMPLICIT, encode_query

_AT = datetime(2026, 1, 1, tzinfo=UTC)


def put(tx: WriteTx, entry: WorklistEntry) -> int:
    """Store an entry's patient, order and step; return the step's key."""
    patient = patients.add(tx, replace(entry.patient, identifiers=()), _AT)
    order = orders.add(tx, replace(entry.order, patient_key=patient.key, ordered_at=_AT), _AT)
    step = orders.add_step(tx, replace(entry.step, order_key=order.key))
    encoded = encode(replace(entry, order=order, step=step))
    worklist.put(tx, step, encoded, values_of(encoded))
    return step.key


def found(store: Store, query: Dataset | bytes, most: int = 500) -> list[int]:
    """Return the keys of the steps that *query* finds, in the order of the answers."""
    identifier = query if isinstance(query, bytes) else encode_query(query)
    search = to_worklist_query(identifier, IMPLICIT).search
    with store.read() as tx:
        return [one.step_key for one in worklist.find(tx, search, most)]
