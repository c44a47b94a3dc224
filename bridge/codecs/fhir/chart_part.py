"""What makes a resource of ours ours on a server: which thing it is, in whose chart, and how it is taken back."""

from __future__ import annotations

from typing import Any

from bridge.codecs.fhir.imaging_study import ENTERED_IN_ERROR
from bridge.codecs.fhir.references import PLACEMENT_SYSTEM
from bridge.domain.identifiers import derive_uid

Json = dict[str, Any]

# What a resource is about, whosever chart it stands in.
PART_SYSTEM = "urn:imaging-bridge:part"
_OWN_SYSTEMS = (PART_SYSTEM, PLACEMENT_SYSTEM)
_KEPT_META = ("profile", "security", "tag")
# What of a resource nobody is to read any more once it is withdrawn.
_CONTENT = ("text", "conclusion", "presentedForm", "imagingStudy", "study", "note", "instance", "seriesUid", "endpoint")


def part_identifier(kind: str, identity: str, server: str) -> Json:
    """Return the identifier that a resource of ours has on *server* wherever it stands. identity: of the thing it is about."""
    return {"system": PART_SYSTEM, "value": derive_uid(kind, identity, server)}


def placement_identifier(kind: str, identity: str, server: str, chart: str) -> Json:
    """Return the identifier that a resource of ours has in one chart alone."""
    return {"system": PLACEMENT_SYSTEM, "value": derive_uid(kind, identity, server, chart)}


def is_withdrawn(resource: Json) -> bool:
    """Say whether a resource stands for nothing any more."""
    return resource.get("status") == ENTERED_IN_ERROR


def withdrawn(standing: Json) -> Json:
    """
    Return a resource that stands, as entered in error and without what it said.

    Its subject stays: whoever read it in the wrong chart must learn of it there.
    """
    left = {name: value for name, value in standing.items() if name not in _CONTENT}
    if "content" in left:
        left["content"] = [{"attachment": {"title": "withdrawn"}}]
    return left | {"status": ENTERED_IN_ERROR}


def laid_over(standing: Json, ours: Json) -> Json:
    """Return *ours* under the id that stands, with what others put into its meta and the numbers they gave it."""
    said = standing.get("meta")
    meta = {name: said[name] for name in _KEPT_META if name in said} if isinstance(said, dict) else {}
    given = standing.get("identifier")
    known = {(one["system"], one["value"]) for one in ours["identifier"]}
    others = [
        one
        for one in (given if isinstance(given, list) else [])
        if isinstance(one, dict)
        and one.get("system") not in _OWN_SYSTEMS
        and (one.get("system"), one.get("value")) not in known
    ]
    return (
        ours | {"id": standing["id"], "identifier": [*ours["identifier"], *others]} | ({"meta": meta} if meta else {})
    )
