"""Bulk export: kick-off, progress, manifest, files, and taking it back. Source: Bulk Data Access 2.0."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from flask import Blueprint, Response, request

from bridge.codecs.fhir.server import operation_outcome
from bridge.domain.accounts import Permission
from bridge.errors import Conflict, Malformed, Refused
from bridge.flows.export_resources import exported, own
from bridge.store import exports
from bridge.store.exports import DONE, FAILED, Export
from bridge.web import reads
from bridge.web.access import caller, needs, origin, services
from bridge.web.fhir import allowed, asked, export_pages

blueprint = Blueprint("fhir_exports", __name__, url_prefix="/fhir/<any(r4,r5):release>")

Json = dict[str, Any]
NDJSON = "application/fhir+ndjson"
_FORMATS = (NDJSON, "application/ndjson", "ndjson")
_PARTS_OF_FILE = 50
_KNOWN = {"_type", "_since", "_outputFormat"}


@blueprint.get("/$export")
@needs(Permission.EXPORT)
def export_everything(release: str) -> Response:
    """Ask for everything of some kinds."""
    return _ask(release)


@blueprint.get("/Patient/$export")
@needs(Permission.EXPORT)
def export_patients(release: str) -> Response:
    """Ask for everything that patients have: the same, as nothing here is without one but the way to the images."""
    return _ask(release)


@blueprint.get("/$export-status/<int:key>")
@needs(Permission.EXPORT)
def status(release: str, key: int) -> Response:
    """Say how far an export is; its manifest, once it is done."""
    with services().store.read() as tx:
        one = own(tx, key, caller())
        made = exports.parts(tx, key)
    if one.state == FAILED:
        raise Conflict("the export could not be made: ask for it again", code="export_failed")
    if one.state != DONE:
        count = sum(part.lines for part in made)
        at = one.types[min(one.at_type, len(one.types) - 1)]
        progress = f"{count} resources, at {at}"
        return _under_way(progress, {"X-Progress": progress, "Retry-After": "2"})
    files: dict[tuple[str, int], int] = {}
    for part in made:
        place = (part.resource_type, 1 + (part.number - 1) // _PARTS_OF_FILE)
        files[place] = files.get(place, 0) + part.lines
    manifest = {
        "transactionTime": one.asked_at.astimezone(UTC).isoformat(),
        "request": one.request,
        "requiresAccessToken": True,
        "output": [
            {"type": kind, "url": f"{one.base}/$export-file/{key}/{kind}-{number}.ndjson", "count": lines}
            for (kind, number), lines in files.items()
        ],
        "error": [],
    }
    response = Response(orjson.dumps(manifest), content_type="application/json")
    if one.ends_at is not None:
        response.headers["Expires"] = one.ends_at.astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    return response


@blueprint.delete("/$export-status/<int:key>")
@needs(Permission.EXPORT)
def cancel(release: str, key: int) -> Response:
    """Stop an export and forget its files."""
    services().peers.exports.remove(key, caller())
    return Response(status=202)


@blueprint.get("/$export-file/<int:key>/<name>")
@needs(Permission.EXPORT)
def file(release: str, key: int, name: str) -> Response:
    """Return a file, part by part."""
    kind, _, rest = name.partition("-")
    number = rest.removesuffix(".ndjson")
    if not (number.isascii() and number.isdecimal() and len(number) < 7 and rest != number):
        raise LookupError(name)
    with services().store.read() as tx:
        one = own(tx, key, caller())
        numbers = [part.number for part in exports.parts(tx, key) if part.resource_type == kind]
    first = (int(number) - 1) * _PARTS_OF_FILE
    wanted = [each for each in numbers if first < each <= first + _PARTS_OF_FILE]
    if one.state != DONE or not wanted:
        raise LookupError(name)
    allowed.check(kind, "r")
    reads.note("export_read", patient_key=one.patient_key, detail={"export": key, "type": kind})
    return Response(_streamed(one, kind, wanted), content_type=NDJSON)


def _address(release: str) -> str:
    query = request.query_string.decode("ascii", "replace")
    path = request.path.partition(f"/fhir/{release}")[2]
    return f"{asked.base(release)}{path}{'?' if query else ''}{query}"


def _ask(release: str) -> Response:
    asked.version_of(release)
    if "respond-async" not in request.headers.get("Prefer", ""):
        raise Malformed("send Prefer: respond-async", where="Prefer", source="Bulk Data Access 2.0")
    unknown = sorted(set(request.args) - _KNOWN)
    # To leave out what narrows an export would hand over more than was asked for: only who says so gets that.
    if unknown and not asked.is_lenient():
        raise Malformed("this parameter is not served", where=unknown[0][:40], code="not_supported")
    if request.args.get("_outputFormat", NDJSON).replace(" ", "+") not in _FORMATS:
        raise Malformed(f"only {NDJSON} is made", where="_outputFormat")
    wanted = Export(
        key=0,
        release=release,
        base=asked.base(release),
        request=_address(release),
        types=_types(release),
        since=_since(),
        patient_key=caller().only_patient_key,
        owner="",
        owner_name="",
        state="",
        at_type=0,
        after=None,
        asked_at=services().clock.now(),
    )
    key = services().peers.exports.ask(wanted, caller(), origin())
    place = f"{asked.base(release)}/$export-status/{key}"
    return _under_way("asked for: see how far it is at Content-Location", {"Content-Location": place})


def _under_way(words: str, headers: Mapping[str, str]) -> Response:
    body = orjson.dumps(operation_outcome("informational", words, "information"))
    return Response(body, 202, dict(headers), content_type=asked.CONTENT)


def _types(release: str) -> tuple[str, ...]:
    every = exported(release)
    named = [one for value in request.args.getlist("_type") for one in value.split(",") if one]
    if set(named) - set(every):
        raise Malformed(f"exported are {', '.join(every)}", where="_type", code="not_supported")
    for one in named:
        allowed.check(one, "r")
    found = tuple(one for one in every if (one in named if named else allowed.may(one, "r")))
    if not found:
        raise Refused("your scopes do not include anything that is exported", code="scope")
    return found


def _since() -> datetime | None:
    text = request.args.get("_since", "").replace(" ", "+")
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Malformed("an instant is wanted", where="_since") from None
    if found.tzinfo is None:
        raise Malformed("an instant needs its zone", where="_since")
    return found


def _streamed(one: Export, kind: str, numbers: list[int]) -> Iterator[bytes]:
    here = services()

    def parts() -> Iterator[bytes]:
        for number in numbers:
            with here.store.read() as tx:
                body = exports.body(tx, one.key, kind, number)
                shown = export_pages.as_shown_now(tx, one, kind, body, here.settings, here.clock.now())
            yield shown

    return parts()
