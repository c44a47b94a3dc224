"""What a FHIR server answers besides resources: CapabilityStatement, OperationOutcome, searchset."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

FHIR_VERSIONS = {"R4": "4.0.1", "R5": "5.0.0"}
_SECURITY_SERVICES = "http://terminology.hl7.org/CodeSystem/restful-security-service"


@dataclass(frozen=True, slots=True)
class Software:
    """Who answers. date: of this statement, "YYYY-MM-DD"."""

    name: str
    version: str
    date: str


@dataclass(frozen=True, slots=True)
class Offer:
    """
    What may be done with one resource. interactions: "read", "search-type", "create" …; search: parameter to its type.

    includes, revincludes: what can come with an answer ("ImagingStudy:patient").
    """

    resource_type: str
    interactions: tuple[str, ...]
    search: Mapping[str, str] = field(default_factory=dict)
    includes: tuple[str, ...] = ()
    revincludes: tuple[str, ...] = ()
    operations: Mapping[str, str] = field(default_factory=dict)


def capability_statement(version: str, base_url: str, software: Software, offers: Iterable[Offer]) -> Json:
    """
    Return what the server offers.

    version: "R4" or "R5". Source: FHIR R4 and R5 CapabilityStatement, 3.1.0.9.
    """
    served = list(offers)
    writes = any("create" in one.interactions for one in served)
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": software.date,
        "kind": "instance",
        "software": {"name": software.name, "version": software.version},
        "implementation": {"description": software.name, "url": base_url},
        "fhirVersion": FHIR_VERSIONS[version],
        "format": ["application/fhir+json", "json"],
        "rest": [
            {
                "mode": "server",
                "security": {"service": [{"coding": [{"system": _SECURITY_SERVICES, "code": "OAuth"}]}]},
                "resource": [_resource(one) for one in served],
                **({"interaction": [{"code": "transaction"}, {"code": "batch"}]} if writes else {}),
            }
        ],
    }


def operation_outcome(code: str, diagnostics: str, severity: str = "error", expression: str = "") -> Json:
    """
    Return one issue. code: of value set issue-type ("invalid", "not-found", "forbidden", "exception", "throttled"…).

    diagnostics: a sentence without patient data.
    """
    issue: Json = {"severity": severity, "code": code, "diagnostics": diagnostics}
    if expression:
        issue["expression"] = [expression]
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def searchset(
    base_url: str,
    matches: Iterable[Json],
    total: int | None,
    links: Mapping[str, str],
    *,
    included: Iterable[Json] = (),
    outcome: Json | None = None,
) -> Json:
    """
    Return a search's answer.

    base_url: without a slash at its end; entries' full URLs are built from it. links: "self", and "next" if there is
    more. total: None where nobody counted. included: what _include added; it does not count in *total*. outcome: what is to be
    said of the search itself. Source: FHIR R4 Bundle, 3.1.1.
    """
    entries = [_entry(base_url, one, "match") for one in matches] + [
        _entry(base_url, one, "include") for one in included
    ]
    if outcome is not None:
        # R5 wants an address of every entry, which an outcome has nowhere (bdl-15).
        address = uuid.uuid5(uuid.NAMESPACE_URL, links.get("self", base_url)).urn
        entries.append({"fullUrl": address, "resource": outcome, "search": {"mode": "outcome"}})
    bundle: Json = {
        "resourceType": "Bundle",
        "type": "searchset",
        **({"total": total} if total is not None else {}),
        "link": [{"relation": relation, "url": url} for relation, url in links.items()],
    }
    return bundle | ({"entry": entries} if entries else {})


def _entry(base_url: str, resource: Json, mode: str) -> Json:
    return {
        "fullUrl": f"{base_url}/{resource['resourceType']}/{resource['id']}",
        "resource": resource,
        "search": {"mode": mode},
    }


def _resource(offer: Offer) -> Json:
    writes = "create" in offer.interactions
    said: Json = {
        "type": offer.resource_type,
        "interaction": [{"code": code} for code in offer.interactions],
        "versioning": "versioned" if "vread" in offer.interactions else "no-version" if writes else "versioned",
        "searchInclude": list(offer.includes),
        "searchRevInclude": list(offer.revincludes),
        "searchParam": [{"name": name, "type": kind} for name, kind in offer.search.items()],
        "operation": [{"name": name, "definition": url} for name, url in offer.operations.items()],
    }
    if writes:
        reads = "read" in offer.interactions
        said |= {
            "versioning": "versioned-update" if reads else "no-version",
            "updateCreate": "update" in offer.interactions,
            "conditionalCreate": reads,
        }
    return {name: value for name, value in said.items() if value != []}
