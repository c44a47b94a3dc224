"""A strict EHR that launches apps: SMART App Launch 2.2 with PKCE, OpenID Connect, and two kinds of resources to read.

It signs in nobody: whoever comes to /authorize is `user`. What is asked wrongly is refused with the reason; what is answered
can be altered (`claims`, `grant`, `configuration`), so that tests may see what an app believes.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

Json = dict[str, Any]

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass
class App:
    """A registered app. secret or key (its public one): how it shows who it is, neither for a public one."""

    client_id: str
    redirect_uri: str
    secret: str = ""
    key: RSAKey | ECKey | None = None


@dataclass
class LaunchingEhr:
    """
    The EHR, in a thread of its own between `start` and `stop`.

    context: what each launch is about, as the token's answer says it. resources: by reference. now: its clock.
    """

    app: App
    user: str = "Practitioner/7"
    now: Callable[[], float] = time.time
    context: dict[str, Json] = field(default_factory=dict)
    resources: dict[str, Json] = field(default_factory=dict)
    claims: Json = field(default_factory=dict)
    grant: Json = field(default_factory=dict)
    configuration: Json = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "ehr-1", "use": "sig"}))
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.signing_key, self.algorithm = self.key, "RS256"
        self._codes: dict[str, Json] = {}
        self._tokens: set[str] = set()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def base_url(self) -> str:
        return f"{self.address}/fhir"

    def start(self) -> LaunchingEhr:
        """Begin to answer."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop answering."""
        self._http.shutdown()
        self._http.server_close()

    def answer(self, method: str, path: str, query: Json, form: Json, authorization: str) -> tuple[int, Json | str]:
        """Answer a request; a text is an address to go to."""
        self.requests.append(f"{method} {path}")
        if path == "/fhir/.well-known/smart-configuration":
            return 200, self._configuration() | self.configuration
        if path == "/jwks":
            return 200, {"keys": [self.key.as_dict(private=False)]}
        if path == "/authorize":
            return self._authorize(query)
        if path == "/token" and method == "POST":
            return self._token(form, authorization)
        if authorization.removeprefix("Bearer ") not in self._tokens:
            return 401, _outcome("login")
        found = self.resources.get(path.removeprefix("/fhir/"))
        return (200, found) if found is not None else (404, _outcome("not-found"))

    def _configuration(self) -> Json:
        return {
            "issuer": self.base_url,
            "authorization_endpoint": f"{self.address}/authorize",
            "token_endpoint": f"{self.address}/token",
            "jwks_uri": f"{self.address}/jwks",
            "code_challenge_methods_supported": ["S256"],
            "capabilities": ["launch-ehr", "context-ehr-patient", "sso-openid-connect", "permission-v2"],
        }

    def _authorize(self, query: Json) -> tuple[int, Json | str]:
        scopes = str(query.get("scope", "")).split()
        wanted = {
            "response_type": query.get("response_type") == "code",
            "client_id": query.get("client_id") == self.app.client_id,
            "redirect_uri": query.get("redirect_uri") == self.app.redirect_uri,
            "aud": query.get("aud") == self.base_url,
            "state": len(str(query.get("state", ""))) >= 22,
            "nonce": len(str(query.get("nonce", ""))) >= 22,
            "scope": {"launch", "openid", "fhirUser"} <= set(scopes),
            "code_challenge": query.get("code_challenge_method") == "S256" and bool(query.get("code_challenge")),
            "launch": query.get("launch") in self.context,
        }
        wrong = [name for name, is_right in wanted.items() if not is_right]
        if wrong:
            return 400, {"error": "invalid_request", "error_description": ", ".join(wrong)}
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        said = urllib.parse.urlencode({"code": code, "state": query["state"], "iss": self.base_url})
        return 302, f"{query['redirect_uri']}?{said}"

    def _token(self, form: Json, authorization: str) -> tuple[int, Json]:
        asked = self._codes.pop(str(form.get("code", "")), None)
        if not self._knows(form, authorization):
            return 401, {"error": "invalid_client"}
        if asked is None or form.get("grant_type") != "authorization_code":
            return 400, {"error": "invalid_grant"}
        digest = hashlib.sha256(str(form.get("code_verifier", "")).encode()).digest()
        proof = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if proof != asked["code_challenge"] or form.get("redirect_uri") != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        token = secrets.token_urlsafe(24)
        self._tokens.add(token)
        said = {"access_token": token, "token_type": "Bearer", "expires_in": 600, "scope": asked["scope"]}
        said |= {"id_token": self._id_token(asked)} | self.context[asked["launch"]] | self.grant
        return 200, {name: value for name, value in said.items() if value is not None}

    def _knows(self, form: Json, authorization: str) -> bool:
        app = self.app
        if app.secret:
            pair = f"{app.client_id}:{app.secret}".encode()
            return authorization == "Basic " + base64.b64encode(pair).decode()
        if app.key is None:
            return form.get("client_id") == app.client_id and not authorization
        try:
            said = jwt.decode(form.get("client_assertion", ""), app.key, algorithms=["RS384", "ES384"]).claims
        except (JoseError, ValueError):
            return False
        who = said.get("iss") == said.get("sub") == app.client_id and said.get("aud") == f"{self.address}/token"
        return who and form.get("client_assertion_type") == _ASSERTION_TYPE and self.now() < said["exp"]

    def _id_token(self, asked: Json) -> str:
        now = int(self.now())
        claims = {
            "iss": self.base_url,
            "sub": "u-7",
            "aud": self.app.client_id,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            "fhirUser": f"{self.base_url}/{self.user}",
        }
        said = {name: value for name, value in (claims | self.claims).items() if value is not None}
        header = {"alg": self.algorithm, "kid": self.key.kid, "typ": "JWT"}
        return jwt.encode(header, said, self.signing_key, algorithms=[self.algorithm])


def _outcome(code: str) -> Json:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": code}]}


def _handler_of(ehr: LaunchingEhr) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Keep quiet."""

        def _run(self) -> None:
            url = urllib.parse.urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, said = ehr.answer(
                self.command,
                url.path,
                dict(urllib.parse.parse_qsl(url.query)),
                dict(urllib.parse.parse_qsl(raw.decode("ascii", "replace"))),
                self.headers.get("Authorization", ""),
            )
            body = b"" if isinstance(said, str) else orjson.dumps(said)
            self.send_response(status)
            if isinstance(said, str):
                self.send_header("Location", said)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _run

    return Handler
