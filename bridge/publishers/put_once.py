"""Making a resource so that making it again makes no second one, by the best way that its server offers.

| the server                          | the resource is made by                                                    |
|-------------------------------------|----------------------------------------------------------------------------|
| lets clients choose ids             | PUT to an id that follows from what it is: any number of times, one resource |
| updates on a condition, or may      | PUT on its identifier                                                      |
| does neither                        | POST, with If-None-Exist; whoever makes it looks afterwards whether it is alone |

Source: FHIR R4 3.1.0.1.10.2 (update as create), 3.1.0.4.3 (conditional update), 3.1.0.8.1 (conditional create).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bridge.codecs.fhir.references import token
from bridge.errors import Malformed, Unavailable, Unsupported
from bridge.publishers.fhir_client import GONE, NOT_SERVED, FhirClient, Found

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Made:
    """What stands now. is_alone: no second one can have been made beside it."""

    found: Found
    is_alone: bool


def put_once(client: FhirClient, resource: Json, identifier: Json, ids: Iterable[str]) -> Made:
    """
    Make *resource*, or replace the one that is found by *identifier*.

    ids: those it may have where the server lets clients choose, the first that was not deleted there is taken.
    """
    kind = resource["resourceType"]
    if not client.offers.of(kind).takes_ids:
        return _put_where(client, resource, identifier)
    for resource_id in ids:
        try:
            return Made(client.update(resource | {"id": resource_id}, ""), is_alone=True)
        except Unavailable as fault:
            if fault.code == GONE:
                continue
            if fault.code != NOT_SERVED:
                raise
            break
        except (Malformed, Unsupported):
            break
    made = _put_where(client, resource, identifier)
    client.offers.note_refused_id(kind)
    return made


def _put_where(client: FhirClient, resource: Json, identifier: Json) -> Made:
    where = {"identifier": token(identifier)}
    if client.offers.of(resource["resourceType"]).conditional_update is not False:
        try:
            return Made(client.update_where(resource, where), is_alone=False)
        except Unsupported:
            pass
    return Made(client.create_unless(resource, where), is_alone=False)
