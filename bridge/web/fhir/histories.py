"""Versions of studies as they were served: `_history` and vread. Source: FHIR R4 and R5, 3.1.0.3, 3.1.0.15."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, request

from bridge.codecs.fhir import search_terms
from bridge.domain.accounts import Permission
from bridge.domain.chart import OWN, ChartVersion
from bridge.domain.resource_query import DEFAULT_COUNT, MOST_COUNT
from bridge.errors import Malformed
from bridge.store import chart_versions
from bridge.store.db import ReadTx
from bridge.web.access import needs, services
from bridge.web.fhir import allowed, answers, asked, imaging_studies
from bridge.web.fhir.interactions import note_read, read_one
from bridge.web.fhir.kinds import Serving

blueprint = Blueprint("fhir_histories", __name__, url_prefix="/fhir/<any(r4,r5):release>")

Json = dict[str, Any]
KEPT = imaging_studies.KIND.name


@blueprint.get(f"/{KEPT}/<resource_id>/_history")
@needs(Permission.READ_FHIR)
def history(release: str, resource_id: str) -> Response:
    """Return every version of a study as it was served, newest first."""
    asked.negotiate()
    allowed.check(KEPT, "r")
    since, before, count = _since(), _number("before"), _number("_count") or DEFAULT_COUNT
    with services().store.read() as tx:
        serving = asked.serving(tx, release)
        standing = read_one(tx, imaging_studies.KIND, resource_id, serving)
        place = f"{KEPT}/{resource_id}"
        limit = min(count, MOST_COUNT)
        rows = chart_versions.of_resource(tx, OWN, place, since=since, before=before, limit=limit + 1)
        kept = _said(tx, rows[:limit], serving)
        shown = kept if rows or before is not None or since is not None else [standing.resource]
    note_read(standing)
    return answers.history(release, place, shown, rows[limit - 1].number if len(rows) > limit else None)


@blueprint.get(f"/{KEPT}/<resource_id>/_history/<version_id>")
@needs(Permission.READ_FHIR)
def read_version(release: str, resource_id: str, version_id: str) -> Response:
    """Return one version of a study as it was served."""
    asked.negotiate()
    allowed.check(KEPT, "r")
    with services().store.read() as tx:
        serving = asked.serving(tx, release)
        standing = read_one(tx, imaging_studies.KIND, resource_id, serving)
        found = [standing.resource] if standing.resource["meta"]["versionId"] == version_id else []
        if not found and version_id.isascii() and version_id.isdecimal() and len(version_id) < 10:
            row = chart_versions.get(tx, OWN, f"{KEPT}/{resource_id}", int(version_id))
            found = _said(tx, [row] if row is not None else [], serving)
    if not found:
        raise LookupError("no such version")
    note_read(standing)
    return answers.resource(found[0])


def _said(tx: ReadTx, rows: list[ChartVersion], serving: Serving) -> list[Json]:
    """
    Return what versions said; one whose words are kept no more says that it was.

    So does one of a study that is in that chart no more: readers learn that they were shown it, not what it was again.
    """
    since = imaging_studies.told_since(tx, rows[0].resource_id) if rows else None
    told = [one.key for one in rows if since is not None and one.at > since]
    said = chart_versions.said_by(tx, told)
    return [imaging_studies.as_kept(one, said.get(one.key, {}).get(serving.version)) for one in rows]


def _since() -> datetime | None:
    text = request.args.get("_since", "")
    return (
        search_terms.moment_span(text, services().settings.time_zone, "_since").begin.astimezone(UTC) if text else None
    )


def _number(name: str) -> int | None:
    text = request.args.get(name, "")
    if text and not (text.isascii() and text.isdecimal() and 0 < len(text) < 10 and int(text)):
        raise Malformed("a number is wanted", where=name)
    return int(text) if text else None
