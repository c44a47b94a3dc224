"""A thin FHIR client: read, search, conditional and version-aware writing, and one table from statuses to our errors.

| answer                                               | becomes                                                       |
|------------------------------------------------------|---------------------------------------------------------------|
| 400, 413, 422                                        | Malformed, with the issues' codes and places, never their text |
| 401 after one new token, 403                         | Refused                                                       |
| 404, 410 of a resource that is read                  | None                                                          |
| 405, 501                                             | Unsupported                                                   |
| 409, 412 to a write                                  | Conflict, code "version": look again                          |
| 408, 425, 429, 5xx, other 4xx                        | Unavailable, with Retry-After                                 |
| nobody there, or no answer three times in a row      | Unavailable, code "destination_down": nothing else goes there |
| a redirect, HTML, an empty, cut, huge or other body  | Unavailable: nobody knows what happened, so look before writing |
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import orjson

from bridge.clock import Clock
from bridge.codecs.fhir.offered import Offered, read_statement
from bridge.codecs.fhir.outcome import words_in
from bridge.errors import BridgeError, Conflict, Malformed, Refused, Unavailable, Unsupported
from bridge.outbox.retry import DESTINATION_DOWN, FORBIDDEN, THROTTLED
from bridge.publishers.http_answer import (
    NO_ANSWER,
    UNKNOWN_OUTCOME,
    Answer,
    Limits,
    clock_ahead_secs,
    exchange,
    retry_after,
)
from bridge.publishers.server_offers import ServerOffers
from bridge.publishers.smart import authorization_for
from bridge.publishers.turns import Turns
from bridge.sections.fhir import FhirServer
from bridge.store.lanes import VERSION_CONFLICT

Json = dict[str, Any]

MEDIA_TYPE = "application/fhir+json"
# What is written to was deleted there, or is of a kind that is not served there.
GONE = "gone"
NOT_SERVED = "no_such_endpoint"
FOREIGN_REFERENCE = "foreign_reference"
MAX_ANSWER_BYTES = 16 << 20
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_PATIENCE = 3
_SILENT_AT = 3


@dataclass(frozen=True, slots=True)
class Found:
    """A resource as it stands on the server. version: for If-Match, "" if the server does not say."""

    resource: Json
    version: str

    @property
    def reference(self) -> str:
        return f"{self.resource['resourceType']}/{self.resource['id']}"


class FhirClient:
    """
    One FHIR server. Thread-safe; keeps its connections.

    tls: how it is called, None for the system's own certificates. Raises everywhere: the classes of the table above.
    """

    def __init__(self, server: FhirServer, clock: Clock, tls: ssl.SSLContext | None = None) -> None:
        self.name = server.name
        self.version = server.version
        self._base_url = server.base_url.rstrip("/")
        self.clock = clock
        self._limits = Limits(MAX_ANSWER_BYTES, server.timeout_secs * _PATIENCE)
        self._http = httpx2.Client(
            timeout=server.timeout_secs,
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=server.connections),
            verify=tls or True,
            follow_redirects=False,
            trust_env=False,
            headers={"Accept": MEDIA_TYPE, "Accept-Encoding": "identity", "User-Agent": "imaging-bridge"},
        )
        self._turns = Turns(server.connections, server.rate_per_sec)
        self._sni = {"sni_hostname": server.tls.server_name} if server.tls and server.tls.server_name else {}
        self._silences = 0
        self._authorization = authorization_for(server.auth, self._base_url, self._http, clock)
        self.offers = ServerOffers(server.name, self.metadata, clock)

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def read(self, reference: str) -> Found | None:
        """Return the resource at *reference* ("Patient/7"), None if it is gone or never was."""
        kind, _, resource_id = reference.partition("/")
        if not _ID.fullmatch(resource_id):
            raise Malformed("not a reference to a resource of this server", code=FOREIGN_REFERENCE)
        answer = self._ask("GET", reference)
        return None if answer.status in (404, 410) else self._found(answer, kind, resource_id)

    def version_at(self, reference: str) -> str | None:
        """Return the version of the resource at *reference*, "" if the server does not say, None if nothing stands there."""
        found = self.read(reference)
        return None if found is None else found.version

    def is_gone(self, reference: str) -> bool:
        """Say whether what stood at *reference* was deleted, as the server remembers it."""
        return self._ask("GET", reference).status == 410

    def delete(self, found: Found) -> None:
        """Delete a resource, if its version is still the one that was read; one that is gone already is no fault."""
        headers = {"If-Match": f'W/"{found.version}"'} if found.version else {}
        self._ask("DELETE", found.reference, headers=headers)

    def search(self, kind: str, parameters: Mapping[str, str]) -> list[Found]:
        """Return what a search finds on its first page; the caller checks that each one really fits."""
        answer = self._ask("GET", kind, parameters=parameters)
        if answer.status in (404, 410):
            raise Unavailable(f"the server answers {answer.status} to a search for {kind}", code=NOT_SERVED)
        bundle = self._json(answer)
        if bundle.get("resourceType") != "Bundle":
            raise _unknown("the answer to a search is no Bundle")
        found = []
        for entry in bundle.get("entry") or []:
            resource = entry.get("resource") if isinstance(entry, dict) else None
            if isinstance(resource, dict) and resource.get("resourceType") == kind and _has_id(resource):
                found.append(Found(resource, _version_of(resource, "")))
        return found

    def page(self, address: str) -> tuple[list[Json], str]:
        """
        Return the resources on a page of a search, what it includes too, and the address of the next one, "" at its end.

        address: relative to the server's. Raises: Conflict, if the next page leads elsewhere: no token follows it.
        """
        answer = self._ask("GET", address)
        if answer.status in (404, 410):
            raise Unavailable(f"the server answers {answer.status} to a search", code=NOT_SERVED)
        bundle = self._json(answer)
        if bundle.get("resourceType") != "Bundle":
            raise _unknown("the answer to a search is no Bundle")
        entries = [one for one in bundle.get("entry") or [] if isinstance(one, dict)]
        resources = [one["resource"] for one in entries if isinstance(one.get("resource"), dict)]
        links = [one for one in bundle.get("link") or [] if isinstance(one, dict)]
        following = next((one.get("url") for one in links if one.get("relation") == "next"), "")
        return resources, self._own_address(following) if isinstance(following, str) else ""

    def _own_address(self, url: str) -> str:
        plain = url.removeprefix(self._base_url)
        if url and (plain == url and "//" in url):
            raise Conflict("the next page leads out of the server", code=FOREIGN_REFERENCE)
        return plain.removeprefix("/")

    def update(self, resource: Json, version: str) -> Found:
        """Replace a resource by its id, if its version is still *version*; "" replaces whatever stands."""
        headers = {"If-Match": f'W/"{version}"'} if version else {}
        reference = f"{resource['resourceType']}/{resource['id']}"
        return self._written(self._ask("PUT", reference, body=resource, headers=headers), resource)

    def update_where(self, resource: Json, parameters: Mapping[str, str]) -> Found:
        """Replace the one resource that *parameters* find, or create it. Source: FHIR R4 3.1.0.4.3."""
        answer = self._ask("PUT", resource["resourceType"], parameters=parameters, body=resource)
        return self._written(answer, resource)

    def create(self, resource: Json) -> Found:
        """Create a resource, whatever stands."""
        return self._written(self._ask("POST", resource["resourceType"], body=resource), resource)

    def create_unless(self, resource: Json, parameters: Mapping[str, str]) -> Found:
        """Create a resource unless *parameters* find one. Source: FHIR R4 3.1.0.8.1."""
        query = str(httpx2.QueryParams(dict(parameters)))
        headers = {"If-None-Exist": query}
        return self._written(self._ask("POST", resource["resourceType"], body=resource, headers=headers), resource)

    def invoke(self, operation: str, parameters: Json) -> Json:
        """
        Call an operation ("Patient/$match", "Claim/$submit") and return its answer. Source: FHIR R4 3.2.0.

        Raises: Unsupported, where the server does not offer it.
        """
        answer = self._ask("POST", operation, body=parameters)
        if answer.status in (404, 410):
            raise Unsupported(f"the server answers {answer.status} to {operation}", code=f"http_{answer.status}")
        return self._json(answer)

    def post(self, operation: str, body: Json) -> Answer:
        """
        Call an operation and return its answer as it came, whatever its status: for what must be kept.

        Raises: Unavailable alone, where none came: code "destination_down" only where nobody could have read it.
        `check_answer` says what its status means.
        """
        return self._answered("POST", operation, body=body)

    def authorize(self) -> None:
        """Have what shows who we are at hand. Raises: Refused, Unavailable."""
        self._authorization.header(False)

    def metadata(self) -> Json:
        """Return the server's CapabilityStatement."""
        return self._json(self._ask("GET", "metadata"))

    def introduce(self) -> tuple[Offered, float | None]:
        """Return what the server says that it offers, and how far its clock is ahead of ours, None if it does not say."""
        answer = self._ask("GET", "metadata")
        return read_statement(self._json(answer)), clock_ahead_secs(answer, self.clock)

    def own_reference(self, said: str, kind: str) -> str:
        """
        Return *said* as a relative reference to a *kind* on this server, without a version.

        Raises: Conflict, if it points elsewhere: a token for this server must not follow it.
        """
        plain = said.removeprefix(f"{self._base_url}/").split("/_history/")[0]
        if not re.fullmatch(rf"{kind}/{_ID.pattern}", plain):
            raise Conflict("a reference leads out of the server", code=FOREIGN_REFERENCE)
        return plain

    def _written(self, answer: Answer, resource: Json) -> Found:
        if answer.status in (404, 410):
            code = GONE if answer.status == 410 else NOT_SERVED
            raise Unavailable(f"the server answers {answer.status} to a write", code=code)
        return self._found(answer, resource["resourceType"], resource.get("id"))

    def _found(self, answer: Answer, kind: str, resource_id: str | None) -> Found:
        said = self._json(answer)
        if said.get("resourceType") != kind or not _has_id(said):
            raise _unknown("the answer is another kind of resource")
        if resource_id is not None and said["id"] != resource_id:
            raise _unknown("the answer is another resource")
        return Found(said, _version_of(said, answer.headers.get("ETag", "")))

    def _json(self, answer: Answer) -> Json:
        try:
            said = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            raise _unknown(f"the server answers {answer.status} with no readable JSON") from None
        if not isinstance(said, dict):
            raise _unknown(f"the server answers {answer.status} with something else than a resource")
        return said

    def _ask(
        self,
        method: str,
        path: str,
        *,
        parameters: Mapping[str, str] | None = None,
        body: Json | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """
        Ask, and read what the answer's status means.

        Raises: Unavailable, code "destination_down" once a server that could be reached has kept silent several times.
        """
        try:
            answer = self._answered(method, path, parameters=parameters, body=body, headers=headers)
        except Unavailable as fault:
            self._silences += fault.code == NO_ANSWER
            if fault.code == NO_ANSWER and self._silences >= _SILENT_AT:
                raise Unavailable(fault.detail, code=DESTINATION_DOWN) from None
            raise
        self._silences = 0
        check_answer(answer, method, self.clock)
        return answer

    def _answered(
        self,
        method: str,
        path: str,
        *,
        parameters: Mapping[str, str] | None = None,
        body: Json | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask once; once more with a new token, if the first was refused."""
        said = dict(headers or {})
        content = None
        if body is not None:
            content = orjson.dumps(body)
            said |= {"Content-Type": MEDIA_TYPE, "Prefer": "return=representation"}
        url = f"{self._base_url}/{path}"
        for renew in (False, True):
            value = self._authorization.header(renew)
            request = self._http.build_request(
                method,
                url,
                params=dict(parameters) if parameters else None,
                content=content,
                headers=said | ({"Authorization": value} if value else {}),
                extensions=self._sni,
            )
            with self._turns.turn():
                answer = exchange(self._http, request, self._limits)
            if answer.status != 401 or not self._authorization.is_renewable:
                break
        return answer


def check_answer(answer: Answer, method: str, clock: Clock) -> None:
    """Raise what *answer*'s status means, unless the caller reads it himself (2xx, and 404 or 410)."""
    status = answer.status
    if 200 <= status < 300 or status in (404, 410):
        return
    if status in (401, 403):
        raise Refused(f"the server answers {status}", code="unauthorized" if status == 401 else FORBIDDEN)
    if status in (400, 413, 422):
        said = words_in(answer.body)
        raise Malformed(f"the server answers {status}{f': {said}' if said else ''}", code=f"http_{status}")
    if status in (405, 501):
        raise Unsupported(f"the server answers {status} to {method}", code=f"http_{status}")
    if status in (409, 412) and method != "GET":
        raise Conflict(f"the server answers {status}", code=VERSION_CONFLICT)
    if 300 <= status < 400:
        raise _unknown(f"the server answers {status}: redirects are not followed")
    asked = retry_after(answer, clock)
    code = THROTTLED if status in (429, 503) and asked else f"http_{status}"
    raise Unavailable(f"the server answers {status}", code=code, retry_after_secs=asked)


def _has_id(resource: Json) -> bool:
    return isinstance(resource.get("id"), str) and _ID.fullmatch(resource["id"]) is not None


def _version_of(resource: Json, etag: str) -> str:
    meta = resource.get("meta")
    said = meta.get("versionId") if isinstance(meta, dict) else None
    return said if isinstance(said, str) else etag.removeprefix("W/").strip('"')


def _unknown(detail: str) -> BridgeError:
    return Unavailable(detail, code=UNKNOWN_OUTCOME)
