"""How resources are answered with: bundles, versions, what a caller has already. Source: FHIR R4 and R5, 3.1."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

import orjson
from flask import Response, request

from bridge.codecs.fhir import server, subset
from bridge.domain.resource_query import Found
from bridge.web.fhir import asked
from bridge.web.fhir.asked import CONTENT, Searching, Shape
from bridge.web.fhir.kinds import Made

Json = dict[str, Any]


def searchset(
    release: str, kind: str, wanted: Searching, page: Found, shown: tuple[list[Made], list[Made]]
) -> Response:
    """Return a page. shown: what was found, and what is included with it."""
    found, included = shown
    base = asked.base(release)
    links = {"self": f"{base}/{kind}{_query(wanted)}"}
    if page.last is not None:
        links["next"] = f"{base}/{kind}?{urlencode({'cursor': asked.cursor(wanted, page.last)})}"
    resources = [subset.shown(one.resource, wanted.shape.summary, wanted.shape.elements) for one in found]
    with_them = [subset.shown(one.resource, wanted.shape.summary, ()) for one in included]
    bundle = server.searchset(base, resources, page.total, links, included=with_them, outcome=_left_out(wanted))
    return Response(orjson.dumps(bundle), content_type=CONTENT)


def resource(said: Json, shape: Shape = Shape()) -> Response:  # noqa: B008 - frozen
    """Return a resource with its version; nothing, where the caller has that already. Source: FHIR R4 3.1.0.5."""
    meta = said.get("meta", {})
    version, changed = meta.get("versionId"), meta.get("lastUpdated")
    if _has_already(version, changed):
        response = Response(status=304)
    else:
        response = Response(orjson.dumps(subset.shown(said, shape.summary, shape.elements)), content_type=CONTENT)
    if version:
        response.headers["ETag"] = f'W/"{version}"'
    if changed:
        response.headers["Last-Modified"] = format_datetime(_utc(changed), usegmt=True)
    return response


def plain(said: Json, status: int = 200) -> Response:
    """Return a resource that has no version."""
    return Response(orjson.dumps(said), status, content_type=CONTENT)


def history(release: str, place: str, versions: Sequence[Json], next_before: int | None) -> Response:
    """
    Return versions of a resource, newest first, each an entry of its own.

    place: "ImagingStudy/7". next_before: the number that the next page begins below. Source: FHIR R4 3.1.0.15.
    """
    base = asked.base(release)
    links = [{"relation": "self", "url": f"{base}/{place}/_history"}]
    if next_before is not None:
        links.append({"relation": "next", "url": f"{base}/{place}/_history?before={next_before}"})
    entries = [_version(base, place, one) for one in versions]
    bundle: Json = {"resourceType": "Bundle", "type": "history", "link": links}
    return plain(bundle | ({"entry": entries} if entries else {}))


def _version(base: str, place: str, said: Json) -> Json:
    number = said["meta"]["versionId"]
    is_first = number == "1"
    return {
        "fullUrl": f"{base}/{place}",
        "resource": said,
        "request": {"method": "POST" if is_first else "PUT", "url": place.partition("/")[0] if is_first else place},
        "response": {
            "status": "201" if is_first else "200",
            "etag": f'W/"{number}"',
            "lastModified": said["meta"]["lastUpdated"],
        },
    }


def _query(wanted: Searching) -> str:
    """Return the search as an address says it; one that names a person is only ours to read."""
    if wanted.personal:
        return "?" + urlencode({"cursor": asked.cursor(wanted, wanted.asked.after)})
    kept = [(name, value) for name, value in wanted.said if name not in ("cursor", *wanted.left_out)]
    return f"?{urlencode(kept)}" if kept else ""


def _left_out(wanted: Searching) -> Json | None:
    if not wanted.left_out:
        return None
    names = ", ".join(one[:40] for one in wanted.left_out[:10])
    return server.operation_outcome("not-supported", f"not served, and left out: {names}", "warning")


def _has_already(version: str | None, changed: str | None) -> bool:
    known = request.headers.get("If-None-Match")
    if known is not None:
        tags = {one.strip().removeprefix("W/").strip('"') for one in known.split(",")}
        return bool(version) and bool({version, "*"} & tags)
    since = request.headers.get("If-Modified-Since")
    if since is None or not changed:
        return False
    try:
        return _utc(changed).replace(microsecond=0) <= parsedate_to_datetime(since)
    except (ValueError, TypeError, IndexError):
        return False


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
