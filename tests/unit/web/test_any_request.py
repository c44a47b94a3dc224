"""No request breaks the server: thousands made of what REST and FHIR say of themselves, with values that nobody expects."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient

from bridge.domain.accounts import Role
from tests.fakes.console import Console
from tests.unit.web.test_api import UID, bind

# `make requests` asks for ten thousand; the run of every test for as many as a few seconds hold.
REQUESTS = int(os.environ.get("BRIDGE_REQUESTS", "150"))
SEED = int(os.environ.get("BRIDGE_REQUESTS_SEED", "7"))
pytestmark = [pytest.mark.parametrize("database_url", ["sqlite"], indirect=True), pytest.mark.timeout(7200)]

VALUES = (
    "", "1", "0", "-1", "9" * 18, "9" * 30, "1-2", "1-0", "order-1", "Patient/1", "ImagingStudy/1", "A1", "00041001", UID,
    "urn:dicom:uid|urn:oid:1.2", "|", "a|b|c", "\\", "a\\,b", ",", ",,,", "%00", "\x00", "\ud7ff", "\U0001f9b4", "é" * 300,
    "CT", "true", "false", "2026-03-02", "ge2026", "lt2026-02-30", "sa9999-12-31", "eb0001-01-01", "2026-03-02T25:00Z",
    "2026-03-02T12:00:00.123+14:00", "ap2026", "*", "ImagingStudy:patient", "Provenance:target", "-started", "started,_id",
    "application/fhir+json", "' OR 1=1 --", "../../etc", "<script>", "{}", "[" * 200, "x" * 5000,
)  # fmt: skip
HEADERS: tuple[dict[str, str], ...] = (
    {}, {}, {}, {"Accept": "application/fhir+xml"}, {"Accept": "*/*;q=oops"}, {"Prefer": "handling=strict"},
    {"Prefer": "return=minimal"}, {"If-None-Match": 'W/"1"'}, {"If-Modified-Since": "yesterday"}, {"If-Match": "oops"},
    {"If-None-Exist": "identifier=|"}, {"Content-Encoding": "gzip"}, {"Range": "bytes=5-1"},
)  # fmt: skip
BODIES: tuple[Any, ...] = (
    {}, [], None, 7, "text", {"resourceType": "Patient"}, {"resourceType": 5}, {"resourceType": "Parameters", "parameter": 3},
    {"resourceType": "ImagingStudy", "status": ["x"], "series": [{"uid": None}]}, {"action": "bind"}, {"limit": {}},
    {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": "Patient"}}, 4]},
    {"resourceType": "ServiceRequest", "status": "active", "intent": "order", "subject": {"reference": "Patient/1"}},
    {"a": {"b": {"c": [None] * 50}}},
)  # fmt: skip
TYPES = ("application/json", "application/fhir+json", "application/x-www-form-urlencoded", "text/plain", "")


class Asker:
    """Makes requests of a description. chance: the same for the same seed."""

    def __init__(self, api: FlaskClient, chance: random.Random) -> None:
        self._api = api
        self._chance = chance

    def described(self) -> Iterator[tuple[str, str, list[str]]]:
        """Return (method, path, parameters) of everything that REST and FHIR say can be asked."""
        document = self._api.get("/api/openapi.json").json
        assert document is not None
        for path, methods in document["paths"].items():
            for method, said in methods.items():
                names = [one["name"] for one in said.get("parameters", []) if one.get("in") == "query"]
                yield method.upper(), f"/api{path}", names
        for release in ("r4", "r5"):
            statement = self._api.get(f"/fhir/{release}/metadata").json
            assert statement is not None
            yield "POST", f"/fhir/{release}/", []
            yield "POST", f"/fhir/{release}/$validate", []
            for one in statement["rest"][0]["resource"]:
                yield from _of_resource(f"/fhir/{release}/{one['type']}", one)

    def ask(self, method: str, path: str, names: list[str]) -> int:
        """Send one request, with whatever values; return its status."""
        filled = "/".join(self._value() or "1" if part.startswith("{") else part for part in path.split("/"))
        named = self._chance.sample(names, min(len(names), self._chance.randint(0, 4)))
        query = [(name + self._modifier(), self._value()) for name in named]
        content_type = self._chance.choice(TYPES)
        body = orjson.dumps(self._chance.choice(BODIES)) if method in ("POST", "PUT", "PATCH") else b""
        if content_type == TYPES[2]:
            body = b"patient.identifier=00041001&_count=%31"
        answer = self._api.open(
            filled.replace("\x00", "%00").replace("?", "%3F").replace("#", "%23"),
            method=method,
            query_string=query,
            data=body or None,
            content_type=content_type or None,
            headers=self._chance.choice(HEADERS),
        )
        return answer.status_code

    def _value(self) -> str:
        return self._chance.choice(VALUES)

    def _modifier(self) -> str:
        return self._chance.choice(
            ("", "", "", "", ":not", ":missing", ":identifier", ":Patient", ":exact", ".identifier")
        )


def _of_resource(place: str, said: dict[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    shared = ["_count", "_sort", "_summary", "_elements", "_include", "_revinclude", "_total", "cursor", "_format"]
    names = [one["name"] for one in said.get("searchParam", [])] + shared
    codes = {one["code"] for one in said["interaction"]}
    asked = {
        "read": ("GET", f"{place}/{{id}}", ["_summary", "_elements", "_format"]),
        "vread": ("GET", f"{place}/{{id}}/_history/{{version}}", []),
        "history-instance": ("GET", f"{place}/{{id}}/_history", ["_since", "_count", "before"]),
        "search-type": ("GET", place, names),
        "create": ("POST", place, []),
        "update": ("PUT", f"{place}/{{id}}", []),
        "delete": ("DELETE", f"{place}/{{id}}", []),
    }
    yield from (request for code, request in asked.items() if code in codes)
    if "search-type" in codes:
        yield "POST", f"{place}/_search", names


def test_no_request_breaks_the_server(console: Console) -> None:
    console.order()
    bind(console)
    console.clock.at += timedelta(minutes=1)
    asker = Asker(console.machine(Role.ADMIN), chance := random.Random(SEED))
    described = sorted(asker.described())
    searches = [one for one in described if "_include" in one[2]]
    broken: dict[str, int] = {}
    for number in range(REQUESTS):
        # Searches have by far the most that can be said in them.
        method, path, names = chance.choice(searches if number % 2 else described)
        status = asker.ask(method, path, names)
        # 503 is an answer to whom something is not there for yet; a fault of ours is another number.
        if status >= 500 and status != 503:
            broken[f"{method} {path}"] = number
    assert broken == {}
