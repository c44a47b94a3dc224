"""Appointment: what scheduling systems said, with an order or waiting for one."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.codecs.fhir.appointment import STATUSES
from bridge.domain.resource_query import Term
from bridge.store.db import ReadTx
from bridge.store.searches import conditions, imaging_studies
from bridge.store.searches.charts import by_order, limited, of_patient
from bridge.store.searches.conditions import Condition, House, Search
from bridge.store.tables import appointments

_c = appointments.c
_NUMBERS = ("placer_appointment_id", "filler_appointment_id")


def _standing(_: ReadTx, __: Sequence[Term], house: House) -> list[Condition]:
    return limited(_c.patient_key, house)


SEARCH = Search(
    rows=appointments,
    key=_c.key,
    standing=_standing,
    terms={
        "_id": conditions.keys(_c.key),
        "_lastUpdated": conditions.within(_c.updated_at),
        "identifier": conditions.numbered((_c[name], _c[f"issuer_of_{name}"]) for name in _NUMBERS),
        **of_patient(_c.patient_key),
        "based-on": by_order(_c.order_key),
        "based-on.identifier": lambda _, term, house: _c.order_key.in_(imaging_studies.orders_numbered(term, house)),
        "date": conditions.within(_c.starts_at),
        "status": conditions.coded(
            _c.state,
            {said: (state.value,) for state, said in STATUSES.items()},
            ("http://hl7.org/fhir/appointmentstatus",),
        ),
    },
    sorts={"_id": _c.key, "_lastUpdated": _c.updated_at, "date": _c.starts_at},
)
