"""What our server offers besides reading: subscriptions with their topics, exports, and where tokens come from."""

from __future__ import annotations

from typing import Any

from bridge.codecs.fhir.subscription import PROFILE_R4, TOPIC_EXTENSION
from bridge.domain.subscription import TOPICS

Json = dict[str, Any]

_BULK = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/"
_BULK_SERVER = "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"
_BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/"
_BACKPORT_SERVER = f"{_BACKPORT}CapabilityStatement/backport-subscription-server-r4"
# What R5 has of its own, R4 has by the backport.
_R5_OPERATIONS = "http://hl7.org/fhir/OperationDefinition/Subscription-"
_SUBSCRIBED = ("create", "read", "update", "delete", "search-type")


def with_offers(statement: Json, base: str) -> Json:
    """Return a CapabilityStatement that says so, too. Source: Subscriptions R5 Backport 1.1 (R4 discovery); Bulk Data Access 2.0."""
    rest = statement["rest"][0]
    topics = [{"url": TOPIC_EXTENSION, "valueCanonical": f"{base}/SubscriptionTopic/{name}"} for name in TOPICS]
    is_r4 = statement["fhirVersion"].startswith("4.")
    operations = f"{_BACKPORT}OperationDefinition/backport-subscription-" if is_r4 else _R5_OPERATIONS
    told: Json = {
        "extension": topics,
        "type": "Subscription",
        **({"supportedProfile": [PROFILE_R4]} if is_r4 else {}),
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
    more = [told] if is_r4 else [told, offered]
    followed = [_BULK_SERVER, _BACKPORT_SERVER] if is_r4 else [_BULK_SERVER]
    whole = [{"name": "export", "definition": f"{_BULK}export"}]
    resources = [_exported(one) if one["type"] == "Patient" else one for one in rest["resource"]]
    offers = {"instantiates": followed, "rest": [rest | {"resource": [*resources, *more], "operation": whole}]}
    return statement | offers


def _exported(patients: Json) -> Json:
    exported = {"name": "export", "definition": f"{_BULK}patient-export"}
    return patients | {"operation": [*patients["operation"], exported]}
