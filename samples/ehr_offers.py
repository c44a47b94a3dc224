"""What the strict EHR offers, and its CapabilityStatement, which may promise more than it keeps. Source: FHIR R4 CapabilityStatement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

_KINDS = (
    "Claim", "DiagnosticReport", "DocumentReference", "Endpoint", "ImagingSelection", "ImagingStudy", "Patient",
    "Procedure", "Provenance", "ServiceRequest",
)  # fmt: skip


@dataclass(frozen=True)
class Offers:
    """client_ids: whoever creates may choose the id. conditional_create: If-None-Exist is honoured, not passed over."""

    client_ids: bool = True
    conditional_create: bool = True
    conditional_update: bool = True
    creates: bool = True
    deletes: bool = True
    transactions: bool = True

    def statement(self, fhir_version: str, base_url: str) -> Json:
        """Return the CapabilityStatement that says so."""
        verbs = ["read", "vread", "update", "search-type", "history-instance"]
        verbs += ["create"] if self.creates else []
        verbs += ["delete"] if self.deletes else []
        resources = [
            {
                "type": kind,
                "interaction": [{"code": verb} for verb in verbs],
                "versioning": "versioned-update",
                "updateCreate": self.client_ids,
                "conditionalCreate": self.conditional_create,
                "conditionalUpdate": self.conditional_update,
            }
            for kind in _KINDS
        ]
        rest: Json = {"mode": "server", "resource": resources}
        if self.transactions:
            rest["interaction"] = [{"code": "transaction"}]
        return {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": "2026-01-01",
            "kind": "instance",
            "software": {"name": "strict EHR"},
            "implementation": {"description": "strict EHR", "url": base_url},
            "fhirVersion": fhir_version,
            "format": ["application/fhir+json"],
            "rest": [rest],
        }


# Three kinds of server, as they are met: one that lets clients choose ids, one that updates on a condition, one that does neither.
BY_ID = Offers()
BY_CONDITION = Offers(client_ids=False)
BY_SEARCH = Offers(client_ids=False, conditional_create=False, conditional_update=False, transactions=False)
