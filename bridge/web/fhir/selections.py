"""ImagingSelection: images that somebody marked, in R5. Source: FHIR R5 ImagingSelection."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Any

import orjson

from bridge.codecs.fhir import endpoint, imaging_selection
from bridge.codecs.fhir.endpoint import Connection
from bridge.codecs.fhir.references import Links
from bridge.domain.chart import SELECTION
from bridge.domain.identifiers import digest_of
from bridge.leaving.studies import ORDER_ID
from bridge.store import key_objects, orders, patients, placements, studies
from bridge.store.db import ReadTx
from bridge.store.searches import key_objects as search
from bridge.store.searches import updated
from bridge.web.fhir.kinds import ID, LAST_UPDATED, NUMBER, PATIENT, SUBJECT, Kind, Made, Serving, both, rows_of

Json = dict[str, Any]

_VERSION_CHARS = 16


def make(tx: ReadTx, keys: Sequence[int], serving: Serving) -> list[Made]:
    """Return marked images as their studies show them now; none of a study that is in no chart."""
    return [made for key in keys if (made := _made(tx, key, serving)) is not None]


def _made(tx: ReadTx, key: int, serving: Serving) -> Made | None:
    selection = key_objects.get(tx, key)
    placed = placements.current(tx, selection.study_key)
    if placed is None:
        return None
    study = studies.get(tx, selection.study_key)
    order = orders.get(tx, study.order_key) if study.order_key is not None else None
    links = Links(
        subject=f"Patient/{patients.survivor(tx, placed.patient_key).key}",
        service_request=f"ServiceRequest/{ORDER_ID}{order.key}" if order is not None else "",
        endpoints=(f"Endpoint/{endpoint.IDS[Connection.WADO_RS]}",),
    )
    said = imaging_selection.r5(selection, f"ImagingStudy/{placed.resource_id}", order, links, serving.house)
    # In another chart it is another resource, as its study is.
    resource_id = f"{key}" if placed.number == 1 else f"{key}-{placed.number}"
    changed = updated.updated_at(tx, [placed.key])[placed.key].astimezone(UTC).isoformat()
    meta = {"versionId": digest_of(orjson.dumps(said))[:_VERSION_CHARS], "lastUpdated": changed}
    return Made(said | {"id": resource_id, "meta": meta}, placed.patient_key, study.key, study.order_key)


KIND = Kind(
    SELECTION,
    search.SEARCH,
    (
        ID,
        LAST_UPDATED,
        NUMBER,
        PATIENT,
        SUBJECT,
        both("based-on", "reference", "ServiceRequest"),
        both("code", "token"),
        both("derived-from", "reference", "ImagingStudy"),
        both("status", "token"),
        both("study-uid", "token"),
    ),
    make,
    rows_of(search.SEARCH),
    includes={
        "patient": "subject",
        "subject": "subject",
        "based-on": "basedOn",
        "derived-from": "derivedFrom",
    },
    releases=("r5",),
)
