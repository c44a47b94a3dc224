"""The keys that we sign our assertions with, and what of them others may see. Source: RFC 7517, HL7 SMART App Launch 2.0 (backend services)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from bridge.errors import Misconfigured

SigningKey = RSAKey | ECKey
# Of a key these alone leave the house, whatever else it holds. Source: RFC 7518 6.2.1, 6.3.1.
_PUBLIC = ("kty", "crv", "x", "y", "n", "e")


def read_signing_key(path: Path) -> SigningKey:
    """Return the private key in a PEM file: RSA, or EC of the curve P-384. Raises: Misconfigured."""
    try:
        pem = path.read_bytes()
    except OSError as fault:
        raise Misconfigured([f"auth.key: {fault.strerror or 'cannot be read'}"]) from None
    for kind in (RSAKey, ECKey):
        try:
            key: SigningKey = kind.import_key(pem)
        except (JoseError, ValueError, TypeError):
            continue
        if isinstance(key, ECKey) and key.curve_name != "P-384":
            raise Misconfigured(["auth.key: an EC key must be of the curve P-384 (ES384)"])
        return key
    raise Misconfigured(["auth.key: no RSA or EC private key in PEM"])


def algorithm_of(key: SigningKey) -> str:
    """Return what is signed with: RS384 or ES384."""
    return "RS384" if isinstance(key, RSAKey) else "ES384"


def key_id_of(key: SigningKey, key_id: str = "") -> str:
    """Return what the key is called: *key_id*, else its thumbprint. Source: RFC 7638."""
    return key_id or key.thumbprint()


def public_key(key: SigningKey, key_id: str = "") -> dict[str, Any]:
    """Return the public part of a key as a JWK that verifies what we sign."""
    said = key.as_dict(private=False)
    public = {name: said[name] for name in _PUBLIC if name in said}
    named = {"kid": key_id_of(key, key_id), "alg": algorithm_of(key), "use": "sig", "key_ops": ["verify"]}
    return public | named
