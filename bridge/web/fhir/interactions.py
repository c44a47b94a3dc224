"""Read, search and history of every resource. Source: FHIR R4 and R5, 3.1.0.1 to 3.1.0.15."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from flask import Blueprint, Response, request

from bridge.domain.accounts import Permission
from bridge.domain.resource_query import Found, Total
from bridge.store.db import ReadTx
from bridge.web import reads
from bridge.web.access import needs, services
from bridge.web.fhir import allowed, answers, asked, endpoints, included
from bridge.web.fhir.asked import Searching
from bridge.web.fhir.kinds import Kind, Made, Serving
from bridge.web.fhir.registry import KINDS

blueprint = Blueprint("fhir_interactions", __name__, url_prefix="/fhir/<any(r4,r5):release>")

_JUDGED_MOST = 500
_KIND = f"<any({','.join(KINDS)}):kind>"


@blueprint.get("/Endpoint")
@needs(Permission.READ_FHIR)
def search_endpoints(release: str) -> Response:
    """Return the ways to the images that answer to what is asked."""
    return _search_endpoints(release)


@blueprint.post("/Endpoint/_search")
@needs(Permission.READ_FHIR)
def search_endpoints_by_form(release: str) -> Response:
    """Return the ways to the images that answer to what the form asks."""
    return _search_endpoints(release)


@blueprint.get("/Endpoint/<resource_id>")
@needs(Permission.READ_FHIR)
def read_endpoint(release: str, resource_id: str) -> Response:
    """Return a way to the images."""
    asked.negotiate()
    allowed.check("Endpoint", "r")
    with services().store.read() as tx:
        serving = asked.serving(tx, release)
    found = {one.resource["id"]: one.resource for one in endpoints.made(serving)}
    if resource_id not in found:
        raise LookupError(resource_id)
    return answers.resource(found[resource_id], _shape())


@blueprint.get(f"/{_KIND}")
@needs(Permission.READ_FHIR)
def search(release: str, kind: str) -> Response:
    """Find resources."""
    return _search(release, kind)


@blueprint.post(f"/{_KIND}/_search")
@needs(Permission.READ_FHIR)
def search_by_form(release: str, kind: str) -> Response:
    """Find resources by what stands in no address."""
    return _search(release, kind)


@blueprint.get(f"/{_KIND}/<resource_id>")
@needs(Permission.READ_FHIR)
def read(release: str, kind: str, resource_id: str) -> Response:
    """Return one resource as it stands."""
    return _read(release, kind, resource_id)


def _search(release: str, name: str) -> Response:
    asked.negotiate()
    allowed.check(name, "s")
    kind, given = _kind(release, name), asked.given()
    with services().store.read() as tx:
        serving = asked.serving(tx, release)
        wanted = asked.searching(tx, kind, given)
        page, found = find(tx, kind, wanted, serving)
        with_them = included.of(tx, kind, wanted, found, serving)
    _note("fhir_searched", (*found, *with_them))
    return answers.searchset(release, name, wanted, page, (found, with_them))


def _kind(release: str, name: str) -> Kind:
    """Return a resource that a release has. Raises: LookupError."""
    if release not in KINDS[name].releases:
        raise LookupError(f"{release} has no {name}")
    return KINDS[name]


def find(tx: ReadTx, kind: Kind, wanted: Searching, serving: Serving) -> tuple[Found, list[Made]]:
    """Return a page of what is found, as it is shown."""
    page = kind.search.find(tx, wanted.asked, serving.search)
    if kind.is_judged and page.total:
        page = replace(page, total=_shown_of(tx, kind, wanted, serving, page.total))
    return page, kind.make(tx, page.keys, serving)


def _shown_of(tx: ReadTx, kind: Kind, wanted: Searching, serving: Serving, total: int) -> int | None:
    """Return how many of all that is found may be shown; None where that would be too many to judge."""
    if total > _JUDGED_MOST:
        return None
    every = replace(wanted.asked, count=total, after=None, total=Total.NONE)
    return len(kind.make(tx, kind.search.find(tx, every, serving.search).keys, serving))


def _read(release: str, name: str, resource_id: str) -> Response:
    asked.negotiate()
    allowed.check(name, "r")
    kind = _kind(release, name)
    with services().store.read() as tx:
        serving = asked.serving(tx, release)
        one = read_one(tx, kind, resource_id, serving)
    note_read(one)
    return answers.resource(one.resource, _shape())


def read_one(tx: ReadTx, kind: Kind, resource_id: str, serving: Serving) -> Made:
    """Return a resource that may be shown. Raises: LookupError."""
    key = kind.key_of(tx, resource_id, serving)
    found: Sequence[Made] = kind.make(tx, [key], serving) if key is not None else ()
    if not found:
        raise LookupError(f"no {kind.name} of that id")
    # Who placed an order reads it by its own name for it.
    return replace(found[0], resource=found[0].resource | {"id": resource_id})


def _search_endpoints(release: str) -> Response:
    asked.negotiate()
    allowed.check("Endpoint", "s")
    given = asked.given()
    with services().store.read() as tx:
        serving = asked.serving(tx, release)
        wanted = asked.searching(tx, endpoints.KIND, given)
    terms = wanted.asked.terms
    found = [one for one in endpoints.made(serving) if all(endpoints.answers_to(one, term) for term in terms)]
    total = None if wanted.asked.total == Total.NONE else len(found)
    shown = found[: wanted.asked.count] if wanted.asked.after is None else []
    return answers.searchset(release, "Endpoint", wanted, Found((), total, None), (shown, []))


def _shape() -> asked.Shape:
    return asked.shape(request.args.get("_summary", ""), request.args.get("_elements", ""))


def note_read(one: Made) -> None:
    """Write down who read a resource."""
    reads.note("fhir_read", patient_key=one.patient_key, study_key=one.study_key, order_key=one.order_key)


def _note(action: str, shown: Iterable[Made]) -> None:
    reads.note_patients(action, [one.patient_key for one in shown])
