"""Follow an EHR's launch: find its authorization server, send the browser there, redeem the code, read whose chart it is.

Source: HL7 SMART App Launch 2.2; RFC 6749 4.1, RFC 7636.
"""

from __future__ import annotations

import base64
import secrets
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx2
import orjson

from bridge.clock import Clock
from bridge.codecs.fhir import smart_launch
from bridge.codecs.fhir.smart_launch import Endpoints, Expected, Granted
from bridge.codecs.signing_keys import read_signing_key
from bridge.domain.view import Begun, Launched
from bridge.errors import BridgeError, Misconfigured, Refused, Unavailable
from bridge.publishers.client_keys import PublishedKeys
from bridge.publishers.http_answer import Limits, exchange
from bridge.publishers.smart import signed_assertion
from bridge.sections.fhir import FhirServer, LaunchSection

Json = dict[str, Any]

_LIMITS = Limits(max_bytes=1 << 20, deadline_secs=15)
_TIMEOUT_SECS = 8.0
_KEPT = timedelta(minutes=5)
# An EHR that does not answer takes few of the threads that serve everybody, and is left alone for a moment.
_AT_ONCE = 4
_LEFT_ALONE = timedelta(seconds=10)
_LAUNCH_MAX = 4000


class LaunchClient:
    """
    The EHRs that may launch us. Thread-safe; keeps its connections. Only what the settings name is ever asked.

    tls_of: how a server is called, None for the system's own certificates. Raises: Misconfigured, for a key that cannot be
    read, or two servers at one address.
    """

    def __init__(
        self,
        servers: Sequence[FhirServer],
        clock: Clock,
        tls_of: Callable[[FhirServer], ssl.SSLContext | None],
    ) -> None:
        made = [_Ehr(one, one.launch, clock, tls_of(one)) for one in servers if one.launch is not None]
        self._ehrs = {one.base_url: one for one in made}
        if len(self._ehrs) < len(made):
            raise Misconfigured(["fhir.servers: two of them launch from one base_url"])

    def close(self) -> None:
        """Close its connections."""
        for one in self._ehrs.values():
            one.close()

    def begin(self, issuer: str, launch: str, redirect_to: Callable[[str], str]) -> tuple[Begun, str]:
        """
        Return a launch and the address that the browser is sent to. redirect_to: where it comes back, by the EHR's name.

        Raises: Refused, for an issuer that the settings do not name; Unavailable, if it cannot be asked or does not offer
        what is wanted.
        """
        ehr = self._ehr(issuer)
        if not 0 < len(launch) <= _LAUNCH_MAX:
            raise Refused("the EHR does not say what it launches (launch)", code="no_launch")
        begun = Begun(
            ehr.name, ehr.base_url, secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48)
        )
        with ehr.asked():
            endpoints = ehr.endpoints()
        reads = endpoints.reads
        asked = {
            "response_type": "code",
            "client_id": ehr.settings.client_id,
            "redirect_uri": redirect_to(ehr.name),
            "launch": launch,
            "scope": f"launch openid fhirUser patient/Patient.{reads} patient/ImagingStudy.{reads}",
            "state": begun.state,
            "nonce": begun.nonce,
            "aud": ehr.base_url,
            "code_challenge": smart_launch.challenge_of(begun.verifier),
            "code_challenge_method": "S256",
        }
        return begun, smart_launch.authorize_address(endpoints, asked)

    def finish(self, begun: Begun, code: str, issuer: str, redirect_uri: str) -> Launched:
        """
        Redeem *code* and return what the EHR says, verified. issuer: what the answer itself names, "" for nothing.

        Raises: Refused, Unavailable, Malformed. Source: RFC 9207 2.4.
        """
        ehr = self._ehr(begun.issuer)
        with ehr.asked():
            endpoints = ehr.endpoints()
            if issuer != endpoints.issuer and (issuer or endpoints.names_itself):
                raise Refused("another authorization server answered", code="mixed_up")
            granted = ehr.redeem(code, begun.verifier, redirect_uri)
            user = ehr.who_looks(granted, begun.nonce)
            patient = ehr.read(f"Patient/{granted.patient}", granted)
            studies = tuple(ehr.named(reference, uid, granted) for reference, uid in granted.studies)
        return Launched(ehr.name, ehr.base_url, user, patient, studies, granted.life_secs)

    def _ehr(self, issuer: str) -> _Ehr:
        """Return the EHR at a base URL: nothing is ever asked that the settings do not name."""
        found = self._ehrs.get(issuer.rstrip("/"))
        if found is None:
            raise Refused("this EHR may not launch us: the settings do not name it", code="unknown_issuer")
        return found


class _Ehr:
    """One EHR."""

    def __init__(self, server: FhirServer, settings: LaunchSection, clock: Clock, tls: ssl.SSLContext | None) -> None:
        self.name = server.name
        self.base_url = server.base_url.rstrip("/")
        self.settings = settings
        self._clock = clock
        self._tls = tls
        self._opened: tuple[httpx2.Client, PublishedKeys] | None = None
        self._key = read_signing_key(settings.key) if settings.key is not None else None
        self._lock, self._opening = threading.Lock(), threading.Lock()
        self._free = threading.BoundedSemaphore(_AT_ONCE)
        self._known: tuple[Endpoints, datetime] | None = None
        self._failed: tuple[BridgeError, datetime] | None = None

    def close(self) -> None:
        if self._opened is not None:
            self._opened[0].close()

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Ask it something meanwhile. Raises: Unavailable, if as many ask it already as may."""
        if not self._free.acquire(blocking=False):
            raise Unavailable("the EHR answers slowly, and others wait for it", code="busy", retry_after_secs=5)
        try:
            yield
        finally:
            self._free.release()

    def endpoints(self) -> Endpoints:
        """Return where it is asked, as it said within the last minutes. Raises: what it failed with a moment ago."""
        with self._lock:
            now = self._clock.now()
            if self._known is not None and now - self._known[1] < _KEPT:
                return self._known[0]
            if self._failed is not None and now - self._failed[1] < _LEFT_ALONE:
                failed = self._failed[0]
                raise type(failed)(failed.detail, code=failed.code)
            try:
                said = self._ask("GET", f"{self.base_url}/.well-known/smart-configuration")
                found = smart_launch.read_configuration(said, self.base_url)
            except BridgeError as fault:
                self._failed = fault, self._clock.now()
                raise
            self._known, self._failed = (found, now), None
            return found

    def redeem(self, code: str, verifier: str, redirect_uri: str) -> Granted:
        endpoint, client_id = self.endpoints().token, self.settings.client_id
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        headers = {}
        secret = self.settings.secret.get_secret_value()
        if self._key is not None:
            form |= signed_assertion(self._key, client_id, self.settings.key_id, endpoint, self._clock)
        elif secret:
            pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}".encode()
            headers["Authorization"] = "Basic " + base64.b64encode(pair).decode("ascii")
        else:
            form["client_id"] = client_id
        return smart_launch.read_grant(self._ask("POST", endpoint, headers, form))

    def who_looks(self, granted: Granted, nonce: str) -> str:
        endpoints = self.endpoints()
        key_set = self._connections()[1].keys_at(endpoints.jwks, smart_launch.key_id_of(granted.id_token))
        expected = Expected(endpoints.issuer, self.settings.client_id, nonce, self.base_url)
        return smart_launch.verify_id_token(granted.id_token, key_set, expected, self._clock.now())

    def read(self, reference: str, granted: Granted) -> Json:
        """Return a resource of the chart. Raises: Refused, Unavailable."""
        headers = {"Authorization": f"Bearer {granted.access_token}"}
        said = self._ask("GET", f"{self.base_url}/{reference}", headers)
        kind, _, resource_id = reference.partition("/")
        if said.get("resourceType") != kind or said.get("id") != resource_id:
            raise Unavailable("the EHR answers with another resource than was asked for", code="wrong_resource")
        return said

    def named(self, reference: str, uid: str, granted: Granted) -> tuple[str, str]:
        """Return a study that is to be shown, by its reference here and its UID as far as the EHR tells it."""
        local = reference.removeprefix(f"{self.base_url}/")
        if uid or not smart_launch.is_reference(local):
            return local, uid
        try:
            return local, smart_launch.study_uid_of(self.read(local, granted))
        except BridgeError:
            # What we published there ourselves is known by its reference.
            return local, ""

    def _connections(self) -> tuple[httpx2.Client, PublishedKeys]:
        """Return what it is asked with, made when it is first needed: reading the authorities it trusts is slow."""
        with self._opening:
            if self._opened is None:
                verify = self._tls or True
                http = httpx2.Client(timeout=_TIMEOUT_SECS, verify=verify, follow_redirects=False, trust_env=False)
                self._opened = http, PublishedKeys(self._clock, http)
            return self._opened

    def _ask(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, form: Mapping[str, str] | None = None
    ) -> Json:
        accept = {"Accept": "application/json, application/fhir+json"} | dict(headers or {})
        http = self._connections()[0]
        answer = exchange(http, http.build_request(method, url, headers=accept, data=form), _LIMITS)
        if answer.status in (400, 401, 403, 404):
            raise Refused(f"the EHR refuses ({answer.status})", code="refused_there")
        try:
            said = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            said = None
        if answer.status != 200 or not isinstance(said, dict):
            raise Unavailable(f"the EHR answers {answer.status}, and nothing that can be read", code="no_answer")
        return said
