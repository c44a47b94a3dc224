"""What our server offers besides reading: subscriptions with their topics, exports, and where tokens come from."""

from __future__ import annotations

from typing import Any

from bridge.codecs.fhir.subscription import TOPIC_EXTENSION
from bridge.domain.subscription import TOPICS

Json = dict[str, Any]

_BULK = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/"
_BULK_SERVER = "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"
_SUBSCRIBED = ("create", "read", "update", "delete", "search-type")


def with_offers(statement: Json, base: str) -> Json:
    """Return a CapabilityStatement that says so, too. Source: Subscriptions R5 Backport 1.1 (R4 discovery); Bulk Data Access 2.0."""
    rest = statement["rest"][0]
    topics = [{"url": TOPIC_EXTENSION, "valueCanonical": f"{base}/SubscriptionTopic/{name}"} for name in TOPICS]
    operations = "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-"
    told: Json = {
        "extension": topics,
        "type": "Subscription",
        "interaction": [{"code": code} for code in _SUBSCRIBED],
        "versioning": "versioned-update",
        "updateCreate": False,
        "searchParam": [{"name": "status", "type": "token"}, {"name": "url", "type": "uri"}],
        "operation": [
            {"name": "status", "definition": f"{operations}status"},
            {"name": "events", "definition": f"{operations}events"},
        ],
    }
    offered: Json = {
        "type": "SubscriptionTopic",
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "searchParam": [{"name": "url", "type": "uri"}],
    }
    # SubscriptionTopic is no resource of R4: there the extension alone lists the topics.
    more = [told] if statement["fhirVersion"].startswith("4.") else [told, offered]
    whole = [{"name": "export", "definition": f"{_BULK}export"}]
    resources = [_exported(one) if one["type"] == "Patient" else one for one in rest["resource"]]
    offers = {"instantiates": [_BULK_SERVER], "rest": [rest | {"resource": [*resources, *more], "operation": whole}]}
    return statement | offers


def _exported(patients: Json) -> Json:
    exported = {"name": "export", "definition": f"{_BULK}patient-export"}
    return patients | {"operation": [*patients["operation"], exported]}
