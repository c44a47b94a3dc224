"""A FHIR body as what it asks for: one resource, or the entries of a Bundle, in the order in which they are done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from bridge.errors import Incomplete, Malformed
from bridge.mapping.fhir_fields import Json, Resource

ENTRIES_MAX = 500
TAKEN = ("ServiceRequest", "Appointment", "Task")
# What is read where an order refers to it, and not kept by itself.
_AROUND = frozenset(
    [
        "Patient",
        "Encounter",
        "Practitioner",
        "PractitionerRole",
        "Organization",
        "Location",
        "Device",
        "Coverage",
        "ClaimResponse",
        "Condition",
        "DocumentReference",
        "HealthcareService",
        "RelatedPerson",
        "Provenance",
        "Slot",
        "Schedule",
        "Observation",
    ]
)


@dataclass(frozen=True, slots=True)
class FhirRequest:
    """
    One call. source: who sends it ("token:ehr", or a server's name). resource_id: in the address of a PUT, "" for a POST.
    if_none_exist: the identifier of a conditional create; if_match: the version that the caller has seen. heard_at: when it
    came first, None for now.
    """

    raw: bytes
    source: str
    peer: str = ""
    resource_type: str = ""
    resource_id: str = ""
    if_none_exist: str = ""
    if_match: str = ""
    replay_of: int | None = None
    actor: str = ""
    heard_at: datetime | None = None

    @property
    def control_id(self) -> str:
        """By what the journal knows it: what its sender calls the resource."""
        return f"{self.resource_type}/{self.resource_id}" if self.resource_id else ""


@dataclass(slots=True)
class FhirEntry:
    """One resource and what is asked of it. place: its entry in the Bundle, "" where there is none; heard_at: as the call's."""

    resource: Resource
    place: str = ""
    is_put: bool = False
    if_none_exist: str = ""
    if_match: str = ""
    heard_at: datetime | None = None

    @property
    def is_taken(self) -> bool:
        return self.resource.kind in TAKEN


@dataclass(slots=True)
class FhirBody:
    """What a body holds. is_batch: each entry stands by itself."""

    entries: list[FhirEntry] = field(default_factory=list)
    kind: str = ""
    is_batch: bool = False


def read_fhir(request: FhirRequest) -> FhirBody:
    """
    Return the entries of a call.

    Raises: Malformed, Incomplete, each with its expression. Source: FHIR R4 3.1.0.11 (batch, transaction).
    """
    try:
        said = orjson.loads(request.raw)
    except orjson.JSONDecodeError as fault:
        raise Malformed("not JSON", where=f"line {fault.lineno} column {fault.colno}", source="RFC 8259") from None
    if not isinstance(said, dict):
        raise Malformed("not a FHIR resource", where="resourceType")
    resource = Resource(said)
    if request.resource_type and resource.kind != request.resource_type:
        raise Malformed(f"a {request.resource_type} is wanted here", where="resourceType", source="FHIR R4 3.1.0.8")
    if resource.kind == "Bundle":
        return _of_bundle(resource)
    if not request.resource_type and request.replay_of is None:
        raise Malformed("a Bundle is wanted here", where="resourceType")
    if request.resource_id and resource.id != request.resource_id:
        raise Malformed("the id is another than in the address", where=f"{resource.kind}.id", source="FHIR R4 3.1.0.4")
    entry = FhirEntry(
        resource, "", bool(request.resource_id), if_none_exist=request.if_none_exist, if_match=request.if_match
    )
    return FhirBody([_checked(entry)], resource.kind)


def _of_bundle(bundle: Resource) -> FhirBody:
    kind = bundle.text("type", required=True)
    if kind not in ("transaction", "batch", "collection", "searchset", "message"):
        raise Incomplete("transaction and batch are served", code="not_supported", where="Bundle.type")
    said = bundle.said.get("entry") or []
    if not isinstance(said, list) or not all(isinstance(one, Mapping) for one in said):
        raise Malformed("a list of entries is wanted", where="Bundle.entry")
    if len(said) > ENTRIES_MAX:
        raise Malformed(f"more than {ENTRIES_MAX} entries", code="too_long", where="Bundle.entry")
    around = _around(said)
    entries = [_entry(one, number, around) for number, one in enumerate(said) if one.get("resource") is not None]
    return FhirBody(entries, "Bundle", is_batch=kind == "batch")


def _around(said: list[Mapping[str, Any]]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for one in said:
        resource = one.get("resource")
        if not isinstance(resource, Mapping):
            continue
        address, name = one.get("fullUrl"), f"{resource.get('resourceType')}/{resource.get('id')}"
        is_elsewhere = isinstance(address, str) and address.startswith(("http://", "https://"))
        for known in (address, name, *([] if is_elsewhere else [f"*/{name}"])):
            if isinstance(known, str):
                found.setdefault(known, resource)
    return found


def _entry(said: Mapping[str, Any], number: int, around: Mapping[str, Json]) -> FhirEntry:
    place = f"Bundle.entry[{number}]"
    resource = said.get("resource")
    if not isinstance(resource, Mapping):
        raise Malformed("an object is wanted", where=f"{place}.resource")
    asked = said.get("request") or {}
    if not isinstance(asked, Mapping):
        raise Malformed("an object is wanted", where=f"{place}.request")
    method = asked.get("method", "POST")
    if method not in ("POST", "PUT"):
        raise Incomplete("POST and PUT are served", code="not_supported", where=f"{place}.request.method")
    entry = FhirEntry(
        Resource(resource, around),
        place,
        method == "PUT",
        if_none_exist=str(asked.get("ifNoneExist") or ""),
        if_match=str(asked.get("ifMatch") or ""),
    )
    return _checked(entry)


def _checked(entry: FhirEntry) -> FhirEntry:
    if not entry.is_taken and (entry.resource.kind not in _AROUND or not entry.place):
        where = f"{entry.place}.resource" if entry.place else "resourceType"
        raise Incomplete(f"{', '.join(TAKEN)} are taken here", code="not_supported", where=where)
    return entry
