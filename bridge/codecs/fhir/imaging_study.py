"""An ImagingStudy before it is written in a version of FHIR, what is kept of one that stands, and its withdrawal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta, timezone, tzinfo
from typing import Any, NamedTuple

from bridge.codecs.fhir import codings
from bridge.codecs.fhir.elements import clean, concept, date_time, display_name, local_time, shown, unsigned
from bridge.codecs.fhir.people import performers_by_series, practitioner, referrer
from bridge.codecs.fhir.references import (
    PLACEMENT_SYSTEM,
    STUDY_SYSTEM,
    Links,
    SystemOf,
    accession_identifier,
    encounter_reference,
    order_reference,
    reasons_of,
    study_identifier,
)
from bridge.domain.code import Code
from bridge.domain.order import Order
from bridge.domain.order_people import Person
from bridge.domain.performed import PerformedStep
from bridge.domain.study import Instance, Series, StudyContents

Json = dict[str, Any]

REGISTERED = "registered"
AVAILABLE = "available"
ENTERED_IN_ERROR = "entered-in-error"
CANCELLED = "cancelled"

# A study with more instances is told by its counts; a list of thousands passes the size that proxies let through.
MAX_LISTED_INSTANCES = 2000
_OFFSET = re.compile(r"([+-])(\d{2})(\d{2})")
# What we say of a study; every other element of a resource that stands is its server's and stays. What a server knows of
# who reads it (interpreter, note) stays too, unless we say it ourselves.
_OURS = frozenset(
    {"resourceType", "identifier", "status", "modality", "subject", "encounter", "started", "basedOn", "partOf", "referrer",
     "endpoint", "numberOfSeries", "numberOfInstances", "procedureReference", "procedureCode", "procedure", "location",
     "reasonCode", "reason", "description", "series", "text"}
)  # fmt: skip
# What of a study nobody is to read any more: of what is withdrawn, and of what was in the wrong chart besides.
_OF_IMAGES = frozenset({"endpoint", "text", "series", "numberOfSeries", "numberOfInstances"})
_OF_EXAM = frozenset(
    {"description", "note", "partOf", "procedure", "procedureCode", "procedureReference", "reason", "reasonCode"}
)


@dataclass(frozen=True, slots=True)
class House:
    """
    What is the same for all studies.

    zone: of devices that name no offset. system_of: issuer to Identifier.system. organization: who makes the images.
    listed_max: a study with more instances is told by its counts. has_viewer: people reach our pages from where they are.
    """

    zone: tzinfo
    system_of: SystemOf
    organization: str = ""
    listed_max: int = MAX_LISTED_INSTANCES
    has_viewer: bool = False


class InstanceEntry(NamedTuple):
    """One object of a series; a tuple, since a study has thousands of them."""

    uid: str
    sop_class: Json
    number: int | None
    title: str


@dataclass(frozen=True, slots=True)
class SeriesEntry:
    """
    One series; modality, body_site and laterality as Coding, performers and specimens as Reference.

    instances is empty where they are not listed. endpoint: "" unless it is found elsewhere than its study.
    """

    uid: str
    number: int | None
    modality: Json
    description: str
    body_site: Json | None
    laterality: Json | None
    started: str
    instance_count: int
    instances: tuple[InstanceEntry, ...]
    endpoint: str = ""
    performers: tuple[Json, ...] = ()
    specimens: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class ImagingStudyContent:
    """
    What both versions say. started: a FHIR dateTime, "" for none.

    procedure_codes, reasons: CodeableConcepts; procedures, endpoints: "Procedure/2"; all others in Json are References.
    instance_count: None while nobody knows it.
    """

    status: str
    identifiers: tuple[Json, ...]
    subject: str
    started: str
    based_on: Json | None
    referrer: Json
    description: str
    modalities: tuple[Json, ...]
    series: tuple[SeriesEntry, ...] = ()
    instance_count: int | None = None
    endpoints: tuple[str, ...] = ()
    encounter: Json | None = None
    interpreters: tuple[Json, ...] = ()
    procedures: tuple[str, ...] = ()
    procedure_codes: tuple[Json, ...] = ()
    location: Json = field(default_factory=dict)
    reasons: tuple[Json, ...] = ()


def build(
    contents: StudyContents,
    order: Order | None,
    links: Links,
    house: House,
    corrected: Mapping[str, str] | None = None,
    *,
    performed: Sequence[Mapping[str, Any]] = (),
) -> ImagingStudyContent:
    """
    Return what is said of a bound study that is whole, as it is now.

    corrected: what its objects leave with, DICOM keyword to value. performed: what its performed steps sent, DICOM JSON.
    Counts are counted, never taken from a header. The accession number is the order's, not the header's: what leaves
    carries the binding's identity. Source: FHIR R4 ImagingStudy, PS3.3 C.7.2.1, C.7.3.1.
    """
    listed = contents.instance_count <= house.listed_max
    zone = offset_of(contents.study.received.timezone_offset_from_utc) or house.zone
    acting = performers_by_series(performed, house.system_of)
    series = tuple(
        _series(one, contents.instances[one.key], _Around(zone, links, house, acting), listed)
        for one in contents.series
        if contents.instances.get(one.key)
    )
    return replace(
        begun(contents, order, links, house, corrected),
        status=AVAILABLE,
        modalities=_distinct([one.modality for one in series]),
        series=series,
        instance_count=contents.instance_count,
        endpoints=links.endpoints,
        interpreters=_people(contents.study.received.details.reading_physicians, house),
    )


def begun(
    contents: StudyContents, order: Order | None, links: Links, house: House, corrected: Mapping[str, str] | None = None
) -> ImagingStudyContent:
    """
    Return what is said of a bound study whose images still come: that it is registered, and nothing that every image
    would change.
    """
    received, leaving = contents.study.received, corrected or {}
    ordered = order.requested_procedure_description if order else ""
    zone = offset_of(received.timezone_offset_from_utc) or house.zone
    first = codings.modality(received.modality)
    return replace(
        _ordered(contents.study.study_instance_uid, order, links, house),
        started=date_time(received.study_date, received.study_time, zone),
        referrer=_referrer(order, received.referring_physician_name, leaving.get("ReferringPhysicianName"), house),
        description=clean(leaving.get("StudyDescription", received.study_description) or ordered),
        modalities=(first,),
        procedure_codes=_procedure_codes(received.details.procedure_code, order),
        location=shown("Location", received.details.department),
    )


def announced(step: PerformedStep, order: Order, links: Links, house: House) -> ImagingStudyContent:
    """Return what is said of an order's study that its modality has begun and of which no image is here: no instance."""
    return replace(
        _ordered(step.study_instance_uid or order.study_instance_uid, order, links, house),
        started=local_time(step.started_local, house.zone),
        modalities=(codings.modality(step.modality),) if step.modality else (),
        procedure_codes=_procedure_codes(Code(), order),
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
    Return a resource that stands, marked as entered in error or cancelled, without its images and any way to them.

    Its subject stays: whoever read it in the wrong chart must learn of it there. What was an error says nothing more of
    the exam there, which may be somebody else's.
    """
    left_out = _OF_IMAGES | (_OF_EXAM if status == ENTERED_IN_ERROR else frozenset())
    return {name: value for name, value in standing.items() if name not in left_out} | {"status": status}


def same_content(one: Json, other: Json) -> bool:
    """Say whether two resources differ in nothing but what a server writes by itself."""
    return _comparable(one) == _comparable(other)


@dataclass(frozen=True, slots=True)
class _Around:
    """What a series is told with. acting: who performed each, by its UID, as performed steps say."""

    zone: tzinfo
    links: Links
    house: House
    acting: Mapping[str, tuple[Json, ...]]


def _ordered(study_instance_uid: str, order: Order | None, links: Links, house: House) -> ImagingStudyContent:
    """Return what a binding alone says of a study."""
    return ImagingStudyContent(
        status=REGISTERED,
        identifiers=_identifiers(study_instance_uid, order, links, house),
        subject=links.subject,
        started="",
        based_on=None if order is None else order_reference(order, links, house.system_of),
        referrer=referrer(order, house.system_of) if order is not None else {},
        description=clean(order.requested_procedure_description) if order else "",
        modalities=(),
        encounter=None if order is None else encounter_reference(order, links, house.system_of),
        procedures=links.procedures,
        reasons=reasons_of(order) if order else (),
    )


def _series(one: Series, instances: tuple[Instance, ...], around: _Around, listed: bool) -> SeriesEntry:
    uid, details, house = one.series_instance_uid, one.details, around.house
    people = _people((*details.performing_physicians, *details.operators), house)
    acting = (*people, *around.acting.get(uid, ()))
    return SeriesEntry(
        uid=uid,
        number=unsigned(one.series_number),
        modality=codings.modality(one.modality),
        description=clean(one.series_description),
        body_site=codings.region(details.anatomic_region) or codings.body_site(clean(one.body_part_examined)),
        laterality=codings.laterality(one.laterality or _side_of_all(instances)),
        started=date_time(one.series_date, one.series_time, around.zone),
        instance_count=len(instances),
        instances=tuple(_instance(each) for each in instances) if listed else (),
        endpoint=around.links.series_endpoints.get(uid, ""),
        performers=tuple({one["display"]: one for one in acting}.values()),
        specimens=tuple({"type": "Specimen", "identifier": {"value": clean(each)}} for each in details.specimens),
    )


def _side_of_all(instances: tuple[Instance, ...]) -> str:
    """Return Image Laterality where all images of a series have the same, "" otherwise. Source: PS3.3 C.7.3.1.1.2."""
    sides = {one.image_laterality for one in instances}
    return sides.pop() if len(sides) == 1 else ""


def _people(names: Iterable[str], house: House) -> tuple[Json, ...]:
    references = (practitioner(Person(name), house.system_of) for name in names)
    return tuple(one for one in references if one)


def _procedure_codes(said: Code, order: Order | None) -> tuple[Json, ...]:
    """Return what was performed, as the images say it, else as it was ordered."""
    found = concept(said or (order.requested_procedure_code if order else Code()))
    return (found,) if found else ()


def _instance(one: Instance) -> InstanceEntry:
    return InstanceEntry(
        one.sop_instance_uid,
        codings.sop_class(one.sop_class_uid),
        unsigned(one.instance_number),
        clean(one.content_label) if one.content_label else "",
    )


def _identifiers(study_instance_uid: str, order: Order | None, links: Links, house: House) -> tuple[Json, ...]:
    found = [study_identifier(study_instance_uid)]
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


def _referrer(order: Order | None, received: str, corrected: str | None, house: House) -> Json:
    """Return who the order says, with their number, else who the images say; what a person corrected is told before both."""
    own = referrer(order, house.system_of) if order is not None else {}
    if corrected is None:
        return own or shown("Practitioner", display_name(received))
    said = shown("Practitioner", display_name(corrected))
    return own if said and own.get("display") == said["display"] else said


def _distinct(codes: list[Json]) -> tuple[Json, ...]:
    return tuple({str(one["code"]): one for one in codes}.values())


def offset_of(timezone_offset_from_utc: str) -> tzinfo | None:
    """Return (0008,0201) as a zone, None if it is absent or no offset. Source: PS3.3 C.12.1.1.8."""
    found = _OFFSET.fullmatch(timezone_offset_from_utc.strip())
    if found is None:
        return None
    minutes = int(found[2]) * 60 + int(found[3])
    if minutes > 14 * 60:
        return None
    return timezone(timedelta(minutes=-minutes if found[1] == "-" else minutes))
