"""Appointment: when and where an exam is to be done, as a scheduling system said. Source: FHIR R4 and R5."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.codecs.fhir import appointment
from bridge.store import appointments, orders
from bridge.store.db import ReadTx
from bridge.store.searches import appointments as search
from bridge.store.searches.imaging_studies import ORDER_ID
from bridge.web.fhir.kinds import (
    ID,
    LAST_UPDATED,
    NUMBER,
    PATIENT,
    Kind,
    Made,
    Parameter,
    Serving,
    both,
    mark_of,
    meta_of,
    rows_of,
)


def make(tx: ReadTx, keys: Sequence[int], serving: Serving) -> list[Made]:
    """Return appointments of the patients under whom they are filed."""
    found = appointments.many(tx, keys)
    tests = orders.tests_among(tx, [one.order_key for one, _ in found.values() if one.order_key is not None])
    made = []
    for one, changed in (found[key] for key in keys if key in found):
        order = f"ServiceRequest/{ORDER_ID}{one.order_key}" if one.order_key is not None else ""
        content = appointment.build(one, f"Patient/{one.patient_key}", order, serving.house)
        said = appointment.r4(content) if serving.release == "r4" else appointment.r5(content)
        meta = meta_of(said, "", changed) | mark_of(one.order_key in tests)
        made.append(Made(said | {"id": str(one.key), "meta": meta}, one.patient_key, None, one.order_key))
    return made


KIND = Kind(
    "Appointment",
    search.SEARCH,
    (
        ID,
        LAST_UPDATED,
        NUMBER,
        PATIENT,
        Parameter("subject", "reference", "", "subject", ("Patient",)),
        both("based-on", "reference", "ServiceRequest"),
        both("date", "date"),
        both("status", "token"),
    ),
    make,
    rows_of(search.SEARCH),
    includes={"patient": "participant", "subject": "participant", "based-on": "basedOn"},
)
