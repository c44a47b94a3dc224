"""A bound study as our own server says it: made of the rows as they are now, by whoever reads it or keeps a version of it."""

from __future__ import annotations

from typing import Any

from bridge.codecs.fhir import endpoint, r4, r5
from bridge.codecs.fhir import imaging_study as codec
from bridge.codecs.fhir.imaging_study import House
from bridge.codecs.fhir.references import Links
from bridge.domain.order import Order
from bridge.domain.study import StudyContents
from bridge.leaving import procedures
from bridge.settings import Settings
from bridge.store import orders, overlays, patients, performed, visits
from bridge.store.db import ReadTx

Json = dict[str, Any]

ORDER_ID = "order-"  # what our own names of orders begin with


def house_of(settings: Settings) -> House:
    """Return what is the same for all studies, as the settings name it."""
    return House(
        settings.time_zone,
        settings.identity.system_of,
        settings.bridge.organization,
        settings.publish.list_instances,
        has_viewer=bool(settings.http.public_url),
    )


def endpoint_ids(settings: Settings) -> tuple[str, ...]:
    """Return what our own server calls the ways to the images."""
    return _endpoint_ids(bool(settings.http.public_url))


def visit_of(tx: ReadTx, order: Order) -> str:
    """Return what our own server calls the visit of an order, "" where none is known."""
    visit = visits.of_order(tx, order)
    return f"Encounter/{visit.key}" if visit is not None else ""


def served(
    tx: ReadTx, contents: StudyContents, patient_key: int, house: House, *, is_whole: bool = True
) -> dict[str, Json]:
    """
    Return what is said of a study in the chart of *patient_key*, by FHIR release.

    is_whole: False while its images still come: then it is registered, and nothing is said that each image would change.
    """
    study = contents.study
    order = orders.get(tx, study.order_key) if study.order_key is not None else None
    live = patients.survivor(tx, patient_key).key
    links = Links(
        subject=f"Patient/{live}",
        procedures=procedures.of_study(tx, study.study_instance_uid, live),
        service_request=f"ServiceRequest/{ORDER_ID}{order.key}" if order is not None else "",
        endpoints=tuple(f"Endpoint/{one}" for one in _endpoint_ids(house.has_viewer)),
        encounter=visit_of(tx, order) if order is not None else "",
    )
    corrected = overlays.current(tx, study).values
    if is_whole:
        attributes = performed.attributes_of_study(tx, study.study_instance_uid)
        content = codec.build(contents, order, links, house, corrected, performed=attributes)
    else:
        content = codec.begun(contents, order, links, house, corrected)
    return {"R4": r4.imaging_study(content), "R5": r5.imaging_study(content)}


def _endpoint_ids(has_viewer: bool) -> tuple[str, ...]:
    return tuple(endpoint.IDS[way] for way in endpoint.ways("", has_viewer=has_viewer))
