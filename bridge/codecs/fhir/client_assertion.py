"""What a program signs to show who it is, and the public keys it is verified with.

Source: SMART App Launch 2.2, client authentication: asymmetric; RFC 7515, 7517, 7523.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from bridge.errors import Malformed, Refused

PublicKey = RSAKey | ECKey

# Signatures alone: a secret that both sides know, or no signature at all, proves nothing here.
KINDS = {"RS384": "RSA", "ES384": "EC"}
MAX_CHARS = 8192
NOT_KNOWN = "invalid_client"
_LIFE = timedelta(minutes=5)
_LEEWAY = timedelta(seconds=30)
_MAX_KEYS = 20
_MAX_ID = 200
_RSA_BITS = range(2048, 8193)
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


@dataclass(frozen=True, slots=True)
class Claimed:
    """What an assertion says of itself before anything is verified. client_id: whose it claims to be."""

    client_id: str
    algorithm: str
    key_id: str


@dataclass(frozen=True, slots=True)
class Verified:
    """An assertion that its client signed for us. jti: its number, good once. ends_at: from then on it is refused anyway."""

    jti: str
    ends_at: datetime


def claimed(assertion: str) -> Claimed:
    """Return what an assertion says of itself. Raises: Refused, if it is none that could ever be verified."""
    parts = assertion.split(".") if len(assertion) <= MAX_CHARS else []
    if len(parts) != 3 or not assertion.isascii():
        raise Refused("that is no signed assertion", code=NOT_KNOWN)
    header, claims = _json_of(parts[0]), _json_of(parts[1])
    algorithm, key_id, client_id = header.get("alg"), header.get("kid"), claims.get("iss")
    if not isinstance(algorithm, str) or algorithm not in KINDS:
        raise Refused("assertions are signed with RS384 or ES384", code=NOT_KNOWN)
    if "crit" in header or "b64" in header:
        raise Refused("the assertion's header asks for what is not understood", code=NOT_KNOWN)
    if not _is_id(key_id) or not _is_id(client_id):
        raise Refused("the assertion names no key (kid) or no client (iss)", code=NOT_KNOWN)
    return Claimed(str(client_id), algorithm, str(key_id))


def read_key_set(raw: bytes) -> dict[str, Any]:
    """Return a key set. Raises: Malformed, if it is no JSON object."""
    try:
        said = orjson.loads(raw)
    except orjson.JSONDecodeError:
        said = None
    if not isinstance(said, dict):
        raise Malformed("not a key set in JSON", where="jwks", source="RFC 7517 5")
    return said


def public_keys(said: object) -> dict[tuple[str, str], PublicKey]:
    """
    Return the keys of a key set that verify here, by kind ("RSA", "EC") and kid; others in it are left out.

    Raises: Malformed, if it is no key set, holds a private key, or has no key for RS384 or ES384.
    """
    keys = said.get("keys") if isinstance(said, dict) else None
    if not isinstance(keys, list) or len(keys) > _MAX_KEYS or not all(isinstance(one, dict) for one in keys):
        raise Malformed(f"a key set with at most {_MAX_KEYS} keys is wanted", where="jwks", source="RFC 7517 5")
    if any(_PRIVATE & one.keys() for one in keys):
        raise Malformed("the key set holds a private key: keep that, and send the public one", where="jwks")
    found = {(one["kty"], one["kid"]): key for one in keys if (key := _public_key(one)) is not None}
    if not found:
        raise Malformed("no key with a kid for RS384 (RSA, 2048 bits or more) or ES384 (EC, P-384)", where="jwks")
    return found


def verify(
    assertion: str, keys: Mapping[tuple[str, str], PublicKey], client_id: str, audience: str, now: datetime
) -> Verified:
    """
    Return the number of an assertion that the holder of one of *keys* signed for *audience*, at most five minutes ahead.

    Raises: Refused, for every other one. Source: SMART App Launch 2.2; RFC 7523 3.
    """
    said = claimed(assertion)
    key = keys.get((KINDS[said.algorithm], said.key_id))
    if key is None:
        raise Refused("the client has no such key", code=NOT_KNOWN)
    try:
        payload = jws.deserialize_compact(assertion, key, algorithms=[said.algorithm]).payload
        claims = orjson.loads(payload)
    except (JoseError, ValueError, TypeError):
        raise Refused("the signature does not fit", code=NOT_KNOWN) from None
    if not isinstance(claims, dict) or claims.get("iss") != client_id or claims.get("sub") != client_id:
        raise Refused("iss and sub are both the client's id", code=NOT_KNOWN)
    said_for = claims.get("aud")
    if audience not in (said_for if isinstance(said_for, list) else [said_for]):
        raise Refused("the assertion is not for this token endpoint (aud)", code=NOT_KNOWN)
    if not _is_id(claims.get("jti")):
        raise Refused("the assertion has no number (jti)", code=NOT_KNOWN)
    return Verified(claims["jti"], _end(claims, now))


def _end(claims: Mapping[str, Any], now: datetime) -> datetime:
    """Return until when an assertion could be shown, by our clock."""
    left = _secs_from(now, claims.get("exp"))
    leeway = _LEEWAY.total_seconds()
    if left is None or not -leeway < left <= _LIFE.total_seconds() + leeway:
        raise Refused("the assertion has ended, or does not end within five minutes (exp)", code=NOT_KNOWN)
    for name in ("iat", "nbf"):
        ahead = _secs_from(now, claims[name]) if name in claims else 0
        if ahead is None or ahead > leeway:
            raise Refused("the assertion is not good yet (iat, nbf)", code=NOT_KNOWN)
    return now + timedelta(seconds=left) + _LEEWAY


def _secs_from(now: datetime, said: object) -> float | None:
    if isinstance(said, bool) or not isinstance(said, int | float) or not abs(said) < 1e11:
        return None
    return said - now.timestamp()


def _public_key(said: Mapping[str, Any]) -> PublicKey | None:
    kind, key_id = said.get("kty"), said.get("kid")
    if not _is_id(key_id) or not _is_for_verifying(said):
        return None
    try:
        if kind == "RSA":
            rsa = RSAKey.import_key(dict(said))
            return rsa if rsa.public_key.key_size in _RSA_BITS else None
        if kind == "EC" and said.get("crv") == "P-384":
            return ECKey.import_key(dict(said))
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return None


def _is_for_verifying(said: Mapping[str, Any]) -> bool:
    """Whether a key says nothing else of what it is for. Source: RFC 7517 4.2 to 4.4."""
    operations, algorithm, kind = said.get("key_ops", ["verify"]), said.get("alg"), said.get("kty")
    suits = algorithm is None or (isinstance(algorithm, str) and KINDS.get(algorithm) == kind)
    return suits and said.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations


def _is_id(said: object) -> bool:
    return isinstance(said, str) and 0 < len(said) <= _MAX_ID and said.isprintable()


def _json_of(part: str) -> dict[str, Any]:
    try:
        said = orjson.loads(base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        said = None
    if not isinstance(said, dict):
        raise Refused("that is no signed assertion", code=NOT_KNOWN)
    return said
