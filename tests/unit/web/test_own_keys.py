"""Servers find our public keys at our address, and nothing of a private one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from bridge.clock import FixedClock
from bridge.codecs.signing_keys import public_key, read_signing_key
from bridge.publishers.smart import signed_assertion
from bridge.wiring import House
from tests.fakes.clinic import AT
from tests.fakes.console import Console

MakeHouse = Callable[..., House]
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


def server(name: str, key: Path, **more: str) -> dict[str, Any]:
    auth = {"kind": "smart-backend", "client_id": "bridge", "key": str(key), **more}
    return {"name": name, "base_url": f"https://{name}.example.org/fhir", "auth": auth}


def test_the_public_part_of_each_key_is_published_once_and_verifies_what_we_sign(
    make_house: MakeHouse, tmp_path: Path
) -> None:
    rsa, ec = tmp_path / "rsa.pem", tmp_path / "ec.pem"
    rsa.write_bytes(RSAKey.generate_key(2048).as_pem(private=True))
    ec.write_bytes(ECKey.generate_key("P-384").as_pem(private=True))
    asked = [server("one", rsa), server("two", rsa), server("three", ec, key_id="bridge-2026"), server("no", tmp_path)]
    console = Console(make_house(FixedClock(AT), fhir={"servers": asked}))
    answer = console.app.test_client().get("/.well-known/jwks.json")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/jwk-set+json")
    keys = answer.get_json(force=True)["keys"]
    assert [(one["kty"], one["alg"], one["use"]) for one in keys] == [("RSA", "RS384", "sig"), ("EC", "ES384", "sig")]
    assert keys[1]["kid"] == "bridge-2026"
    assert not any(PRIVATE & one.keys() for one in keys)
    published = KeySet.import_key_set({"keys": keys})
    for path, key_id in ((rsa, ""), (ec, "bridge-2026")):
        key, place = read_signing_key(path), "https://one.example.org/token"
        signed = signed_assertion(key, "bridge", key_id, place, FixedClock(AT))["client_assertion"]
        assert jwt.decode(signed, published, algorithms=["RS384", "ES384"]).claims["iss"] == "bridge"


def test_without_a_key_the_set_is_empty(make_house: MakeHouse) -> None:
    console = Console(make_house(FixedClock(AT), fhir={}))
    assert console.app.test_client().get("/.well-known/jwks.json").get_json(force=True) == {"keys": []}


def test_the_next_key_is_published_before_it_signs_and_the_last_one_after(
    make_house: MakeHouse, tmp_path: Path
) -> None:
    files = [tmp_path / "one.pem", tmp_path / "two.pem"]
    for one in files:
        one.write_bytes(ECKey.generate_key("P-384").as_pem(private=True))
    keys = [public_key(read_signing_key(one)) for one in files]
    auth, app = {"also_published": [str(files[1]), str(tmp_path / "none.pem")]}, {"client_id": "app"}
    launch = app | {"key": str(files[0]), "also_published": [str(files[1])]}
    plain = server("one", files[0])
    for asked in (plain | {"auth": plain["auth"] | auth}, {**plain, "auth": {"kind": "none"}, "launch": launch}):
        console = Console(make_house(FixedClock(AT), fhir={"servers": [asked]}))
        assert console.app.test_client().get("/.well-known/jwks.json").get_json(force=True) == {"keys": keys}
