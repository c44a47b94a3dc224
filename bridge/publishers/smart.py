"""The Authorization header: none, basic, bearer, or a SMART Backend Services token that is fetched and kept.

Source: HL7 SMART App Launch 2.0, backend services; RFC 7523 (client assertion), RFC 6749 4.4.
"""

from __future__ import annotations

import base64
import threading
from datetime import datetime, timedelta
from typing import Any, Protocol

import httpx2
import orjson
from joserfc import jwt

from bridge.clock import Clock
from bridge.codecs.fhir.smart_launch import is_safe
from bridge.codecs.signing_keys import SigningKey, algorithm_of, key_id_of, read_signing_key
from bridge.errors import Refused, Unavailable
from bridge.publishers.http_answer import Limits, exchange
from bridge.sections.remote import Auth, BasicAuth, BearerAuth, SmartBackendAuth

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_LIFE = timedelta(minutes=4)
# A token is renewed this long before it ends, so that it does not end on its way.
_MARGIN = timedelta(seconds=20)
_DEFAULT_LIFE_SECS = 300
_LIMITS = Limits(max_bytes=1 << 20, deadline_secs=30)


class Authorization(Protocol):
    """Where the Authorization header comes from."""

    @property
    def is_renewable(self) -> bool:
        """Whether asking again after a 401 may help."""

    def header(self, renew: bool) -> str:
        """Return the header's value, "" for none. renew: the last one was refused."""


def authorization_for(auth: Auth, base_url: str, http: httpx2.Client, clock: Clock) -> Authorization:
    """Return what *auth* configures for the server at *base_url*. Raises: Misconfigured, if a key cannot be read."""
    if isinstance(auth, BasicAuth):
        pair = f"{auth.username}:{auth.password.get_secret_value()}".encode()
        return Static("Basic " + base64.b64encode(pair).decode("ascii"))
    if isinstance(auth, BearerAuth):
        return Static("Bearer " + auth.token.get_secret_value())
    if isinstance(auth, SmartBackendAuth):
        return SmartToken(auth, base_url, http, clock)
    return Static("")


def signed_assertion(key: SigningKey, client_id: str, key_id: str, token_url: str, clock: Clock) -> dict[str, str]:
    """Return the form fields by which a client shows a token endpoint who it is. Source: RFC 7523 2.2."""
    algorithm = algorithm_of(key)
    header = {"alg": algorithm, "typ": "JWT", "kid": key_id_of(key, key_id)}
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": token_url,
        "exp": int((clock.now() + _ASSERTION_LIFE).timestamp()),
        "jti": clock.new_id(),
    }
    assertion = jwt.encode(header, claims, key, algorithms=[algorithm])
    return {"client_assertion_type": _ASSERTION_TYPE, "client_assertion": assertion}


class Static:
    """A header that never changes."""

    is_renewable = False

    def __init__(self, value: str) -> None:
        self._value = value

    def header(self, renew: bool) -> str:
        return self._value


class SmartToken:
    """An access token, fetched with a signed assertion when there is none, it ends soon, or it was refused."""

    is_renewable = True

    def __init__(self, auth: SmartBackendAuth, base_url: str, http: httpx2.Client, clock: Clock) -> None:
        self._auth = auth
        self._base_url = base_url
        self._http = http
        self._clock = clock
        self._key = read_signing_key(auth.key)
        self._lock = threading.Lock()
        self._token = ""
        self._ends_at: datetime | None = None

    def header(self, renew: bool) -> str:
        with self._lock:
            now = self._clock.now()
            if renew or not self._token or self._ends_at is None or now >= self._ends_at - _MARGIN:
                self._token, life_secs = self._fetch()
                self._ends_at = now + timedelta(seconds=life_secs)
            return f"Bearer {self._token}"

    def _fetch(self) -> tuple[str, float]:
        token_url = self._auth.token_url or self._discover()
        form = {
            "grant_type": "client_credentials",
            "scope": self._auth.scope,
            **signed_assertion(self._key, self._auth.client_id, self._auth.key_id, token_url, self._clock),
        }
        said = self._ask(self._http.build_request("POST", token_url, data=form, headers={"Accept": "application/json"}))
        token, life_secs = said.get("access_token"), said.get("expires_in")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise Unavailable("the token endpoint gave no token", code="no_token")
        return token, float(life_secs) if isinstance(life_secs, int | float) else _DEFAULT_LIFE_SECS

    def _discover(self) -> str:
        """Return the token endpoint that the server names; an assertion leaves over TLS, or to loopback."""
        url = f"{self._base_url}/.well-known/smart-configuration"
        found = self._ask(self._http.build_request("GET", url, headers={"Accept": "application/json"}))
        endpoint = found.get("token_endpoint")
        if not isinstance(endpoint, str) or not is_safe(endpoint, self._base_url):
            raise Unavailable("the server names no token endpoint that may be used", code="no_token_endpoint")
        return endpoint

    def _ask(self, request: httpx2.Request) -> dict[str, Any]:
        answer = exchange(self._http, request, _LIMITS)
        if answer.status in (400, 401, 403):
            raise Refused(f"the token endpoint answers {answer.status}", code="no_token")
        try:
            said = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            said = None
        if answer.status != 200 or not isinstance(said, dict):
            raise Unavailable(f"the token endpoint answers {answer.status}", code="no_token")
        return said
