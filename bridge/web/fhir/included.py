"""What comes with what was found: `_include` and `_revinclude`. Source: FHIR R4 and R5, 3.1.1.5.4."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bridge.domain.resource_query import Asked, Target, Term, Total
from bridge.errors import Malformed
from bridge.store.db import ReadTx
from bridge.web.fhir import allowed, endpoints
from bridge.web.fhir.asked import Searching
from bridge.web.fhir.kinds import Json, Kind, Made, Serving
from bridge.web.fhir.registry import KINDS

_MOST = 1000


def of(tx: ReadTx, kind: Kind, wanted: Searching, found: Sequence[Made], serving: Serving) -> list[Made]:
    """Return what was asked to come with *found*, each once. Raises: Malformed, for what cannot be followed."""
    known = {one.reference: one for one in found}
    added: dict[str, Made] = {}
    for text in wanted.include:
        for one in _pointed_to(tx, kind, text, found, serving):
            if one.reference not in known and len(added) < _MOST:
                added.setdefault(one.reference, one)
    for text in wanted.revinclude:
        for one in _pointing(tx, kind, text, found, serving):
            if one.reference not in known and len(added) < _MOST:
                added.setdefault(one.reference, one)
    return list(added.values())


def _pointed_to(tx: ReadTx, kind: Kind, text: str, found: Iterable[Made], serving: Serving) -> Iterator[Made]:
    source, _, rest = text.partition(":")
    name = rest.partition(":")[0]
    if source != kind.name and source != "*":
        raise _not_followed("_include")
    if "*" in (name, source):
        elements = set(kind.includes.values())
    else:
        known = kind.parameter(name)
        if known is None or known.name not in kind.includes:
            raise _not_followed("_include")
        elements = {kind.includes[known.name]}
    for reference in dict.fromkeys(each for one in found for each in _references(one.resource, elements)):
        yield from _read(tx, reference, serving)


def _references(resource: Json, elements: Iterable[str]) -> Iterator[str]:
    for name in sorted(elements):
        value = resource.get(name)
        for one in value if isinstance(value, list) else [value]:
            held: Json = one if isinstance(one, dict) else {}
            said = held.get("other") or held.get("actor") or held
            if isinstance(said.get("reference"), str):
                yield said["reference"].partition("/_history/")[0]


def _read(tx: ReadTx, reference: str, serving: Serving) -> Iterator[Made]:
    name, _, resource_id = reference.partition("/")
    if not allowed.may(name, "r"):
        return
    if name == "Endpoint":
        yield from (one for one in endpoints.made(serving) if one.reference == reference)
    elif name in KINDS:
        key = KINDS[name].key_of(tx, resource_id, serving)
        yield from KINDS[name].make(tx, [key], serving) if key is not None else ()


def _pointing(tx: ReadTx, kind: Kind, text: str, found: Sequence[Made], serving: Serving) -> list[Made]:
    source, _, rest = text.partition(":")
    name = rest.partition(":")[0]
    other = KINDS.get(source)
    known = other.parameter(name) if other is not None else None
    if (
        other is None
        or known is None
        or serving.release not in other.releases
        or (source, known.name) not in kind.revincludes
    ):
        raise _not_followed("_revinclude")
    if not found or not allowed.may(source, "s"):
        return []
    targets = tuple(Target(kind.name, str(one.resource["id"])) for one in found)
    wanted = Asked((Term(known.name, targets),), count=_MOST, total=Total.NONE)
    return other.make(tx, other.search.find(tx, wanted, serving.search).keys, serving)


def _not_followed(where: str) -> Malformed:
    return Malformed("this cannot be followed from here", where=where, source="FHIR R4 3.1.1.5.4")
