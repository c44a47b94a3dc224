"""What a FHIR server answers besides resources: CapabilityStatement, OperationOutcome, searchset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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


def capability_statement(
    version: str,
    base_url: str,
    software: Software,
    search: Mapping[str, Mapping[str, str]],
    taken: Mapping[str, tuple[str, ...]] | None = None,
) -> Json:
    """
    Return what the server offers.

    version: "R4" or "R5". search: resource type to its search parameters, each with its type ("token", "reference",
    "date"); without any it is only read. taken: resource type to what may be done with it besides ("create", "update",
    "read" …). Source: FHIR R4 CapabilityStatement, 3.1.0.9.
    """
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": software.date,
        "kind": "instance",
        "software": {"name": software.name, "version": software.version},
        "implementation": {"description": software.name, "url": base_url},
        "fhirVersion": FHIR_VERSIONS[version],
        "format": ["application/fhir+json"],
        "rest": [
            {
                "mode": "server",
                "security": {"service": [{"coding": [{"system": _SECURITY_SERVICES, "code": "OAuth"}]}]},
                "resource": [
                    *(_served(name, parameters) for name, parameters in search.items()),
                    *(_taken(name, codes) for name, codes in (taken or {}).items()),
                ],
                **({"interaction": [{"code": "transaction"}, {"code": "batch"}]} if taken else {}),
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
    total: int,
    links: Mapping[str, str],
    included: Iterable[Json] = (),
) -> Json:
    """
    Return a search's answer.

    base_url: without a slash at its end; entries' full URLs are built from it. links: "self", and "next" if there is
    more. included: what _include added; it does not count in *total*. Source: FHIR R4 Bundle, 3.1.1.
    """
    entries = [_entry(base_url, one, "match") for one in matches] + [
        _entry(base_url, one, "include") for one in included
    ]
    bundle: Json = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": total,
        "link": [{"relation": relation, "url": url} for relation, url in links.items()],
    }
    return bundle | ({"entry": entries} if entries else {})


def _entry(base_url: str, resource: Json, mode: str) -> Json:
    return {
        "fullUrl": f"{base_url}/{resource['resourceType']}/{resource['id']}",
        "resource": resource,
        "search": {"mode": mode},
    }


def _served(name: str, parameters: Mapping[str, str]) -> Json:
    # A chained parameter is the reference's, not one of its own.
    searched = [{"name": parameter, "type": kind} for parameter, kind in parameters.items() if "." not in parameter]
    return {
        "type": name,
        "interaction": [{"code": code} for code in ("read", *(("search-type",) if parameters else ()))],
        "versioning": "versioned",
        **({"searchParam": searched} if searched else {}),
    }


def _taken(name: str, codes: tuple[str, ...]) -> Json:
    return {
        "type": name,
        "interaction": [{"code": code} for code in codes],
        "versioning": "versioned-update" if "read" in codes else "no-version",
        "updateCreate": "update" in codes,
        "conditionalCreate": "read" in codes,
    }
