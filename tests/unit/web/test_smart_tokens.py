"""Access tokens for programs that sign who they are: given for good assertions alone, narrowed, short, used and ended."""

from __future__ import annotations

import base64
import hashlib
import hmac
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey
from werkzeug.test import TestResponse

from bridge.clock import FixedClock
from bridge.errors import Incomplete, Malformed, Refused
from bridge.flows import manage_users
from bridge.flows.give_access import Asking, ClientKeys, add_client
from bridge.store import audit, users
from bridge.store.tables import access_tokens
from tests.fakes.console import Console

TOKEN = "/fhir/r4/auth/token"
EC = ECKey.generate_key("P-384", {"kid": "ec-1"})
OTHER_EC = ECKey.generate_key("P-384", {"kid": "ec-1"})
RSA = RSAKey.generate_key(2048, {"kid": "rsa-1"})
SMALL_RSA = RSAKey.generate_key(1024, {"kid": "rsa-1"})
JWKS = {"keys": [EC.as_dict(private=False), RSA.as_dict(private=False)]}
SCOPES = ("system/ImagingStudy.rs", "system/Patient.r", "dicomweb")


class Program:
    """A registered program that asks for tokens. endpoint: as the server itself names it."""

    def __init__(self, console: Console, *scopes: str) -> None:
        self.console = console
        self.client = console.app.test_client()
        self.client_id = add_client(
            console.store, console.clock, "bi", scopes=scopes or SCOPES, keys=ClientKeys(JWKS), actor="system"
        )
        said = self.client.get("/fhir/r4/.well-known/smart-configuration").json
        assert said is not None
        self.endpoint = said["token_endpoint"]

    def claims(self, **other: Any) -> dict[str, Any]:
        now = self.console.clock.now().timestamp()
        said = {"iss": self.client_id, "sub": self.client_id, "aud": self.endpoint, "exp": int(now) + 240, "jti": "1"}
        return {name: value for name, value in (said | other).items() if value is not None}

    def signed(self, key: Any = EC, algorithm: str = "ES384", header: Any = None, **other: Any) -> str:
        head = {"alg": algorithm, "kid": key.kid, "typ": "JWT"} | (header or {})
        return jws.serialize_compact(head, orjson.dumps(self.claims(**other)), key, algorithms=[algorithm])

    def ask(self, assertion: str, scope: str = "system/ImagingStudy.rs", **other: Any) -> TestResponse:
        form = {
            "grant_type": "client_credentials",
            "scope": scope,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion,
        }
        return self.client.post(TOKEN, data=form | other)

    def holder(self, **claims: Any) -> FlaskClient:
        """Return a program that sends the token it was given."""
        answer = self.ask(self.signed(**claims), " ".join(SCOPES))
        assert answer.json is not None
        assert answer.status_code == 200
        client = self.console.app.test_client()
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {answer.json['access_token']}"
        return client


@pytest.fixture
def program(console: Console) -> Program:
    return Program(console)


one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def advance(console: Console, **by: float) -> None:
    assert isinstance(console.clock, FixedClock)
    console.clock.at += timedelta(**by)


@one_database
@pytest.mark.parametrize("release", ["r4", "r5"])
def test_the_configuration_names_the_endpoint_and_nothing_that_is_not_there(console: Console, release: str) -> None:
    said = console.app.test_client().get(f"/fhir/{release}/.well-known/smart-configuration").json
    assert said is not None
    assert said["token_endpoint"].endswith(f"/fhir/{release}/auth/token")
    assert said["token_endpoint_auth_signing_alg_values_supported"] == ["ES384", "RS384"]
    assert "authorization_endpoint" not in said
    assert not any("launch" in one for one in said["capabilities"])
    for scope in said["scopes_supported"]:
        program = Program(console, scope)
        assert program.ask(program.signed(), scope).status_code == 200, scope


@pytest.mark.parametrize(("key", "algorithm"), [(EC, "ES384"), (RSA, "RS384")])
def test_a_signed_assertion_gives_a_token_that_fhir_and_dicomweb_take(
    program: Program, key: Any, algorithm: str
) -> None:
    answer = program.ask(program.signed(key, algorithm), "system/*.cruds dicomweb hl7")
    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json["token_type"] == "bearer"
    assert answer.json["expires_in"] == 300
    assert answer.json["scope"] == "system/ImagingStudy.rs system/Patient.r dicomweb"
    headers = {"Authorization": f"Bearer {answer.json['access_token']}"}
    assert program.client.get("/fhir/r5/ImagingStudy", headers=headers).status_code == 200
    assert program.client.get("/dicom-web/studies", headers=headers).status_code in (200, 204)
    assert program.client.get("/fhir/r4/ServiceRequest", headers=headers).status_code == 403
    assert program.client.get("/fhir/r4/Patient", headers=headers).status_code == 403
    assert program.client.post("/api/hl7", data=b"x", headers=headers).status_code == 403


def test_an_assertion_is_good_once(program: Program) -> None:
    assertion = program.signed()
    assert program.ask(assertion).status_code == 200
    again = program.ask(assertion)
    assert again.status_code == 401
    assert again.json is not None
    assert again.json["error"] == "invalid_client"
    assert program.ask(program.signed(jti="2")).status_code == 200


def test_an_assertion_that_is_shown_many_times_at_once_gives_one_token(program: Program) -> None:
    assertion = program.signed()

    def show(_: int) -> int:
        asking = Asking(assertion, ("system/ImagingStudy.rs",), program.endpoint, "192.0.2.7")
        try:
            return program.console.services.peers.access.give(asking).life_secs
        except Refused:
            return 0

    with ThreadPoolExecutor(6) as threads:
        assert sorted(threads.map(show, range(6))) == [0, 0, 0, 0, 0, 300]


def test_a_token_ends_after_five_minutes_and_is_forgotten_with_its_assertion(program: Program) -> None:
    holder, console = program.holder(), program.console
    advance(console, seconds=299)
    assert holder.get("/fhir/r4/ImagingStudy").status_code == 200
    advance(console, seconds=2)
    assert holder.get("/fhir/r4/ImagingStudy").status_code == 401
    manage_users.forget_ended_sessions(console.store, console.clock, timedelta(minutes=15))
    with console.store.read() as tx:
        assert tx.execute(access_tokens.select()).all() == []


def test_ending_a_program_ends_its_tokens_at_once(program: Program) -> None:
    holder, console = program.holder(), program.console
    with console.store.read() as tx:
        key = users.every_token(tx)[0].key
    manage_users.revoke_token(console.store, console.clock, key, "system")
    assert holder.get("/fhir/r4/ImagingStudy").status_code == 401
    assert program.ask(program.signed(jti="2")).status_code == 401


@one_database
def test_an_export_goes_on_with_the_next_token(program: Program) -> None:
    def client(jti: str) -> FlaskClient:
        return bearer(program, program.ask(program.signed(jti=jti), "system/*.rs"))

    asked = client("a").get("/fhir/r4/$export?_type=ImagingStudy", headers={"Prefer": "respond-async"})
    assert asked.status_code == 202
    where = asked.headers["Content-Location"].partition("/fhir/")[2]
    assert client("b").get(f"/fhir/{where}").status_code == 202


def bearer(program: Program, answer: TestResponse) -> FlaskClient:
    assert answer.json is not None
    client = program.console.app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {answer.json['access_token']}"
    return client


WRONG: tuple[dict[str, Any], ...] = (
    {"aud": "https://elsewhere.example.org/token"}, {"aud": None}, {"aud": 5}, {"sub": "somebody"}, {"sub": None},
    {"iss": "nobody"}, {"iss": {"a": 1}}, {"iss": None}, {"jti": None}, {"jti": ""}, {"jti": "x" * 300}, {"jti": 5}, {"exp": None},
    {"exp": "soon"}, {"exp": True}, {"exp": 1}, {"exp": 1e300}, {"iat": 9e9}, {"nbf": 9e9}, {"nbf": "now"},
)  # fmt: skip


@one_database
def test_an_assertion_that_says_something_else_is_refused(program: Program) -> None:
    for wrong in WRONG:
        advance(program.console, minutes=16)
        answer = program.ask(program.signed(**wrong))
        assert answer.json is not None
        assert (answer.status_code, answer.json["error"]) == (401, "invalid_client"), wrong
    advance(program.console, minutes=16)
    assert program.ask(program.signed()).status_code == 200


@one_database
def test_an_assertion_lasts_five_minutes_at_most(program: Program) -> None:
    now = int(program.console.clock.now().timestamp())
    assert program.ask(program.signed(exp=now + 331, jti="far")).status_code == 401
    assert program.ask(program.signed(exp=now + 300, jti="near")).status_code == 200


def part(said: Any) -> str:
    return base64.urlsafe_b64encode(said if isinstance(said, bytes) else orjson.dumps(said)).rstrip(b"=").decode()


def by_secret(said: str, secret: bytes, digest: Any) -> str:
    """Sign with what everybody knows: the public key, taken for a secret."""
    return f"{said}.{part(hmac.new(secret, said.encode(), digest).digest())}"


@one_database
def test_no_other_key_and_no_other_algorithm_will_do(program: Program) -> None:
    head, body = {"kid": "ec-1", "typ": "JWT"}, part(program.claims())
    known = EC.as_pem(private=False)
    forged = [
        program.signed(OTHER_EC),
        program.signed(SMALL_RSA, "RS384"),
        program.signed(RSA, "RS384", {"kid": "ec-1"}),
        program.signed(RSA, "RS256"),
        by_secret(f"{part(head | {'alg': 'HS256'})}.{body}", known, hashlib.sha256),
        by_secret(f"{part(head | {'alg': 'HS384'})}.{body}", known, hashlib.sha384),
        program.signed(header={"kid": "ec-2"}),
        f"{part(head | {'alg': 'none'})}.{body}.",
        f"{part(head | {'alg': 'ES384'})}.{body}.",
        f"{part(head | {'alg': ['ES384']})}.{body}.AAAA",
        f"{part(head | {'alg': 'ES384', 'crit': ['x'], 'x': 1})}.{body}.AAAA",
    ]
    for one in forged:
        advance(program.console, minutes=16)
        assert program.ask(one).status_code == 401, one[:40]


@one_database
def test_what_is_no_assertion_is_refused(program: Program) -> None:
    deep = f"{part(b'[' * 3000)}.{part({})}.AA"
    for one in ("", "a", "a.b.c", "..", "é.b.c", "x" * 9000, f"{part([1])}.{part([1])}.AA", deep):
        advance(program.console, minutes=16)
        assert program.ask(one).status_code in (400, 401), one[:20]


@one_database
def test_the_form_is_looked_at_before_anything_else(program: Program) -> None:
    def error(answer: TestResponse) -> object:
        assert answer.json is not None
        return answer.json["error"]

    signed = program.signed()
    assert error(program.ask(signed, grant_type="password")) == "unsupported_grant_type"
    assert error(program.ask(signed, client_assertion_type="other")) == "invalid_client"
    assert error(program.ask(signed, scope=["a", "b"])) == "invalid_request"
    assert error(program.ask(signed, scope="x" * 5000)) == "invalid_request"
    advance(program.console, minutes=16)
    signed = program.signed()
    for scope in ("", "system/Claim.rs", "patient/ImagingStudy.rs", "system/ImagingStudy.rs?patient=1", "hl7"):
        assert error(program.ask(signed, scope)) == "invalid_scope", scope
    advance(program.console, minutes=16)
    assert program.ask(program.signed()).status_code == 200, "what was refused for its scope used nothing up"


@one_database
def test_refusals_slow_their_address_down_and_leave_others_alone(program: Program) -> None:
    statuses = [program.ask("a.b.c").status_code for _ in range(8)]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    assert "Retry-After" in program.ask(program.signed()).headers
    program.client.environ_base["REMOTE_ADDR"] = "192.0.2.7"
    assert program.ask(program.signed()).status_code == 200


@one_database
def test_what_is_given_and_refused_is_audited_without_secrets(program: Program) -> None:
    program.ask(program.signed())
    program.ask(program.signed(OTHER_EC, jti="2"))
    with program.console.store.read() as tx:
        rows = [one for one in audit.recent(tx, limit=20) if one.action in ("client_added", "access_token_given")]
    assert sorted((one.action, one.actor, one.outcome) for one in rows) == [
        ("access_token_given", "token:bi", ""),
        ("access_token_given", "token:bi", "refused"),
        ("client_added", "system", ""),
    ]


@one_database
def test_only_keys_that_verify_something_are_registered(console: Console) -> None:
    def add(scopes: tuple[str, ...] = SCOPES, **keys: Any) -> str:
        return add_client(console.store, console.clock, "bi", scopes=scopes, keys=ClientKeys(**keys), actor="system")

    p256 = ECKey.generate_key("P-256", {"kid": "a"}).as_dict(private=False)
    nameless = {name: value for name, value in EC.as_dict(private=False).items() if name != "kid"}
    for keys in ([], [p256], [nameless], [SMALL_RSA.as_dict(private=False)], [EC.as_dict(private=True)], [5], [{}]):
        with pytest.raises(Malformed):
            add(jwks={"keys": keys})
    for key in ({"use": "enc"}, {"alg": "RS384"}, {"alg": ["ES384"]}, {"key_ops": ["sign"]}, {"x": "!"}):
        with pytest.raises(Malformed):
            add(jwks={"keys": [EC.as_dict(private=False) | key]})
    with pytest.raises(Malformed):
        add(jwks_url="http://bi.example.org/jwks.json")
    for scopes in ((), ("patient/1|RIVERSIDE",), ("user/*.rs",)):
        with pytest.raises(Incomplete):
            add(scopes, jwks=JWKS)
    with pytest.raises(Incomplete):
        add(jwks=JWKS, jwks_url="https://bi.example.org/jwks.json")
    assert add(jwks_url="https://bi.example.org/jwks.json").startswith("ib-client-")
