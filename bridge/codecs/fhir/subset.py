"""Parts of a resource: `_summary` and `_elements`. Source: FHIR R4 and R5, 3.1.1.5.7, 3.1.1.5.8."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

Json = dict[str, Any]

_SUBSETTED: Json = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
    "display": "subsetted",
}
# What a resource may not lack. Source: FHIR R4 and R5, cardinality 1..1 and modifiers.
_ALWAYS = frozenset({"resourceType", "id", "meta", "implicitRules"})
_MANDATORY = frozenset(
    {
        "status", "subject", "code", "intent", "patient", "target", "recorded", "agent", "use", "created", "type",
        "insurer", "provider", "priority", "insurance", "outcome", "connectionType", "payloadType", "address", "content",
        "class", "source", "active",
    }
)  # fmt: skip
# What summaries leave out: the lists that make a resource long, and texts. Source: the elements' summary flag.
_LONG = frozenset(
    {"text", "contained", "presentedForm", "conclusion", "item", "supportingInfo", "note", "photo", "entity", "contact"}
)


def shown(resource: Json, summary: str, elements: Collection[str]) -> Json:
    """
    Return *resource* as it was asked for, marked as a part if it is one.

    summary: "true", "text", "data", "count" or "" for all of it. elements: these, with what may not lack; () for all.
    """
    if elements:
        wanted = _ALWAYS | _MANDATORY | set(elements)
        return _marked({name: value for name, value in resource.items() if name in wanted})
    if summary == "true":
        return _marked(_without_instances({name: one for name, one in resource.items() if name not in _LONG}))
    if summary == "text":
        return _marked({name: one for name, one in resource.items() if name in _ALWAYS | _MANDATORY | {"text"}})
    if summary == "data":
        return _marked({name: one for name, one in resource.items() if name != "text"})
    return resource


def _without_instances(resource: Json) -> Json:
    """Return an ImagingStudy with its series, without their instances; any other resource as it is."""
    if resource.get("resourceType") != "ImagingStudy" or "series" not in resource:
        return resource
    return resource | {
        "series": [{name: one for name, one in each.items() if name != "instance"} for each in resource["series"]]
    }


def _marked(resource: Json) -> Json:
    meta = resource.get("meta", {})
    return resource | {"meta": meta | {"tag": [*meta.get("tag", []), _SUBSETTED]}}
