"""Who may speak to the strict EHR: a fixed bearer token, or tokens given for a signed assertion (SMART Backend Services)."""

from __future__ import annotations

import secrets
import threading
import time
import urllib.parse
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

Json = dict[str, Any]

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Door:
    """token: one that is always valid. client_id, key: a client that may fetch tokens, by its public key."""

    def __init__(self, token: str = "", client_id: str = "", key: RSAKey | ECKey | None = None) -> None:
        self._tokens = {token} if token else set()
        self._client_id = client_id
        self._key = key
        self._used: set[str] = set()
        self._lock = threading.Lock()

    def forget_tokens(self) -> None:
        """Make every token that was given invalid."""
        with self._lock:
            self._tokens.clear()

    def lets_in(self, authorization: str) -> bool:
        """Say whether the header holds a valid token."""
        with self._lock:
            return authorization.startswith("Bearer ") and authorization.removeprefix("Bearer ") in self._tokens

    def answer(self, method: str, path: str, raw: bytes, base_url: str) -> tuple[int, Json] | None:
        """Answer the two requests that need no token, None for any other."""
        token_url = f"{base_url}/token"
        if path.endswith("/.well-known/smart-configuration"):
            return 200, {"token_endpoint": token_url, "capabilities": ["client-confidential-asymmetric"]}
        if path.endswith("/token") and method == "POST":
            return self._give(raw, token_url)
        return None

    def _give(self, raw: bytes, token_url: str) -> tuple[int, Json]:
        form = dict(urllib.parse.parse_qsl(raw.decode("ascii", "replace")))
        if form.get("grant_type") != "client_credentials" or form.get("client_assertion_type") != _ASSERTION_TYPE:
            return 400, {"error": "unsupported_grant_type"}
        if self._key is None or not self._is_sound(form.get("client_assertion", ""), token_url):
            return 401, {"error": "invalid_client"}
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._tokens.add(token)
        return 200, {"access_token": token, "token_type": "bearer", "expires_in": 300, "scope": form.get("scope", "")}

    def _is_sound(self, assertion: str, token_url: str) -> bool:
        if self._key is None:
            return False
        try:
            said = jwt.decode(assertion, self._key, algorithms=["RS384", "ES384"]).claims
        except (JoseError, ValueError):
            return False
        now, jti = time.time(), str(said.get("jti", ""))
        with self._lock:
            is_new = bool(jti) and jti not in self._used
            self._used.add(jti)
        who = said.get("iss") == said.get("sub") == self._client_id and said.get("aud") == token_url
        return is_new and who and now < float(said.get("exp", 0)) <= now + 300
