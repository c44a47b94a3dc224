"""An ImagingStudy before it is written in a version of FHIR, what is kept of one that stands, and its withdrawal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta, timezone, tzinfo
from typing import Any

from bridge.codecs.fhir import codings
from bridge.codecs.fhir.elements import clean, date_time, display_name, unsigned
from bridge.codecs.fhir.references import (
    PLACEMENT_SYSTEM,
    STUDY_SYSTEM,
    Links,
    SystemOf,
    accession_identifier,
    order_reference,
    study_identifier,
)
from bridge.domain.order import Order
from bridge.domain.study import Instance, Series, StudyContents

Json = dict[str, Any]

AVAILABLE = "available"
ENTERED_IN_ERROR = "entered-in-error"
CANCELLED = "cancelled"

# A study with more instances is told by its counts; a list of thousands passes the size that proxies let through.
MAX_LISTED_INSTANCES = 2000
_OFFSET = re.compile(r"([+-])(\d{2})(\d{2})")
# What we say of a study; every other element of a resource that stands is its server's and stays.
_OURS = frozenset(
    {"resourceType", "identifier", "status", "modality", "subject", "started", "basedOn", "referrer", "endpoint",
     "numberOfSeries", "numberOfInstances", "description", "series", "text"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class House:
    """What is the same for all studies. zone: of devices that name no offset. system_of: issuer to Identifier.system."""

    zone: tzinfo
    system_of: SystemOf


@dataclass(frozen=True, slots=True)
class InstanceEntry:
    """One object of a series."""

    uid: str
    sop_class: Json
    number: int | None
    title: str


@dataclass(frozen=True, slots=True)
class SeriesEntry:
    """One series; modality, body_site and laterality as Coding. instances is empty where they are not listed."""

    uid: str
    number: int | None
    modality: Json
    description: str
    body_site: Json | None
    laterality: Json | None
    started: str
    instance_count: int
    instances: tuple[InstanceEntry, ...]


@dataclass(frozen=True, slots=True)
class ImagingStudyContent:
    """What both versions say. referrer: a name to show, "" for none. started: a FHIR dateTime, "" for none."""

    status: str
    identifiers: tuple[Json, ...]
    subject: str
    started: str
    based_on: Json | None
    referrer: str
    endpoint: str
    description: str
    modalities: tuple[Json, ...]
    series: tuple[SeriesEntry, ...]
    instance_count: int


def build(
    contents: StudyContents, order: Order | None, links: Links, house: House, corrected: Mapping[str, str] | None = None
) -> ImagingStudyContent:
    """
    Return what is said of a bound study, as it is now. corrected: what its objects leave with, DICOM keyword to value.

    Counts are counted, never taken from a header. The accession number is the order's, not the header's: what leaves
    carries the binding's identity. Source: FHIR R4 ImagingStudy, PS3.3 C.7.2.1, C.7.3.1.
    """
    received, leaving = contents.study.received, corrected or {}
    ordered = order.requested_procedure_description if order else ""
    listed = contents.instance_count <= MAX_LISTED_INSTANCES
    zone = _offset_of(received.timezone_offset_from_utc) or house.zone
    series = tuple(
        _series(one, contents.instances.get(one.key, ()), zone, listed)
        for one in contents.series
        if contents.instances.get(one.key)
    )
    return ImagingStudyContent(
        status=AVAILABLE,
        identifiers=_identifiers(contents, order, links, house),
        subject=links.subject,
        started=date_time(received.study_date, received.study_time, zone),
        based_on=None if order is None else order_reference(order, links, house.system_of),
        referrer=display_name(
            leaving.get("ReferringPhysicianName", _referrer(order) or received.referring_physician_name)
        ),
        endpoint=links.endpoint,
        description=clean(leaving.get("StudyDescription", received.study_description) or ordered),
        modalities=_distinct([one.modality for one in series]),
        series=series,
        instance_count=contents.instance_count,
    )


def laid_over(standing: Json, ours: Json) -> Json:
    """
    Return *ours* with what else the server or others put into the resource that stands.

    Kept: its id, other elements, and identifiers of other systems; ours of before are replaced.
    """
    kept = {name: value for name, value in standing.items() if name not in _OURS}
    meta = standing.get("meta")
    kept["meta"] = {n: v for n, v in (meta or {}).items() if n in ("profile", "security", "tag")}
    if not kept["meta"]:
        del kept["meta"]
    identifiers = [*ours["identifier"], *(one for one in standing.get("identifier", []) if _is_foreign(one, ours))]
    return kept | ours | {"identifier": identifiers}


def withdrawn(standing: Json, status: str = ENTERED_IN_ERROR) -> Json:
    """
    Return a resource that stands, marked as entered in error or cancelled, without any way to the images.

    Its subject stays: whoever read it in the wrong chart must learn of it there.
    """
    resource = {name: value for name, value in standing.items() if name not in ("endpoint", "text")}
    resource["status"] = status
    if "series" in resource:
        resource["series"] = [{n: v for n, v in one.items() if n != "endpoint"} for one in resource["series"]]
    return resource


def same_content(one: Json, other: Json) -> bool:
    """Say whether two resources differ in nothing but what a server writes by itself."""
    return _comparable(one) == _comparable(other)


def _series(one: Series, instances: tuple[Instance, ...], zone: tzinfo, listed: bool) -> SeriesEntry:
    return SeriesEntry(
        uid=one.series_instance_uid,
        number=unsigned(one.series_number),
        modality=codings.modality(one.modality),
        description=clean(one.series_description),
        body_site=codings.body_site(clean(one.body_part_examined)),
        laterality=codings.laterality(one.laterality),
        started=date_time(one.series_date, one.series_time, zone),
        instance_count=len(instances),
        instances=tuple(_instance(each) for each in instances) if listed else (),
    )


def _instance(one: Instance) -> InstanceEntry:
    return InstanceEntry(
        uid=one.sop_instance_uid,
        sop_class=codings.sop_class(one.sop_class_uid),
        number=unsigned(one.instance_number),
        title=clean(one.content_label),
    )


def _identifiers(contents: StudyContents, order: Order | None, links: Links, house: House) -> tuple[Json, ...]:
    found = [study_identifier(contents.study.study_instance_uid)]
    accession = accession_identifier(order, house.system_of) if order is not None else None
    if accession is not None:
        found.append(accession)
    if links.placement:
        found.append({"system": PLACEMENT_SYSTEM, "value": links.placement})
    return tuple(found)


def _is_foreign(identifier: Json, ours: Json) -> bool:
    if identifier.get("system") == PLACEMENT_SYSTEM:
        return all(one.get("system") != PLACEMENT_SYSTEM for one in ours["identifier"])
    if identifier.get("system") == STUDY_SYSTEM:
        return False
    codes = {coding.get("code") for coding in (identifier.get("type") or {}).get("coding", [])}
    return "ACSN" not in codes


def _comparable(resource: Json) -> Json:
    return {name: value for name, value in resource.items() if name not in ("meta", "id", "text")}


def _referrer(order: Order | None) -> str:
    return "" if order is None else order.referring_physician_name or order.requesting_physician


def _distinct(codes: list[Json]) -> tuple[Json, ...]:
    return tuple({str(one["code"]): one for one in codes}.values())


def _offset_of(timezone_offset_from_utc: str) -> tzinfo | None:
    """Return (0008,0201) as a zone, None if it is absent or no offset. Source: PS3.3 C.12.1.1.8."""
    found = _OFFSET.fullmatch(timezone_offset_from_utc.strip())
    if found is None:
        return None
    minutes = int(found[2]) * 60 + int(found[3])
    if minutes > 14 * 60:
        return None
    return timezone(timedelta(minutes=-minutes if found[1] == "-" else minutes))
