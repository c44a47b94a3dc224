"""What an EHR's authorization server says to an app that it launches: where to ask, what was granted, who looks.

Source: HL7 SMART App Launch 2.2; RFC 6749 4.1, RFC 7636, RFC 9207; OpenID Connect Core 3.1.3.7.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from bridge.errors import Refused, Unavailable

# What an ID token may be signed with: never a secret that we know too, never nothing.
_ALGORITHMS: dict[str, type[RSAKey] | type[ECKey]] = {
    "RS256": RSAKey,
    "RS384": RSAKey,
    "PS256": RSAKey,
    "ES256": ECKey,
    "ES384": ECKey,
}
_LEEWAY_SECS = 60
_DEFAULT_LIFE_SECS = 900
_MAX_CHARS = 16_384
_MAX_STUDIES = 20
_MAX_KEYS = 50
_STUDY_SYSTEM = "urn:dicom:uid"
_REFERENCE = re.compile(r"[A-Za-z]{1,40}/[A-Za-z0-9\-.]{1,64}")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """
    Where an authorization server is asked. issuer, jwks: of its ID tokens. reads: how a scope says "read" there.

    names_itself: each of its answers to the browser says who it is. Source: RFC 9207 3.
    """

    authorize: str
    token: str
    issuer: str
    jwks: str
    reads: str
    names_itself: bool = False


@dataclass(frozen=True, slots=True)
class Granted:
    """What was granted. patient: the id of the EHR's Patient. studies: (reference, Study UID), either may be ""."""

    access_token: str
    id_token: str
    patient: str
    studies: tuple[tuple[str, str], ...]
    life_secs: float


@dataclass(frozen=True, slots=True)
class Expected:
    """What an ID token must say. nonce: ours, of this launch. base_url: the FHIR server's."""

    issuer: str
    client_id: str
    nonce: str
    base_url: str


def challenge_of(verifier: str) -> str:
    """
    Return the code challenge of a verifier. Source: RFC 7636 4.2 (S256).

    >>> challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
    """
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def read_configuration(said: Mapping[str, Any], base_url: str) -> Endpoints:
    """
    Return where to ask what the server at *base_url* says.

    Raises: Unavailable, with what is missing or unsafe there. Source: SMART App Launch 2.2, 7.2.
    """
    methods = said.get("code_challenge_methods_supported")
    if not isinstance(methods, list) or "S256" not in methods:
        raise Unavailable("the EHR does not offer PKCE with S256", code="no_pkce", source="SMART App Launch 2.2, 7.2.1")
    found = {}
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        found[name] = said.get(name)
        if not is_safe(found[name], base_url):
            raise Unavailable(f"the EHR names no {name} over https", code="no_endpoint")
    issuer, capabilities = said.get("issuer"), said.get("capabilities")
    if not isinstance(issuer, str) or not issuer:
        raise Unavailable("the EHR does not say who issues its ID tokens (issuer)", code="no_endpoint")
    is_old = isinstance(capabilities, list) and "permission-v2" not in capabilities
    return Endpoints(
        str(found["authorization_endpoint"]),
        str(found["token_endpoint"]),
        issuer,
        str(found["jwks_uri"]),
        "read" if is_old else "r",
        said.get("authorization_response_iss_parameter_supported") is True,
    )


def authorize_address(endpoints: Endpoints, asked: Mapping[str, str]) -> str:
    """Return where the browser is sent to ask for a code."""
    joint = "&" if urlsplit(endpoints.authorize).query else "?"
    return f"{endpoints.authorize}{joint}{urlencode(asked)}"


def read_grant(said: Mapping[str, Any]) -> Granted:
    """Return what was granted. Raises: Refused, without a patient, an ID token or a bearer token."""
    token, id_token, patient = said.get("access_token"), said.get("id_token"), said.get("patient")
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or len(token) > _MAX_CHARS:
        raise Refused("the EHR gave no token", code="no_token")
    if str(said.get("token_type", "")).lower() != "bearer":
        raise Refused("the EHR gave a token of a kind that is not known here", code="no_token")
    if not isinstance(id_token, str) or not 0 < len(id_token) <= _MAX_CHARS:
        raise Refused("the EHR does not say who looks (id_token)", code="no_id_token")
    if not isinstance(patient, str) or not is_reference(f"Patient/{patient}"):
        raise Refused("the EHR names no patient to look at", code="no_patient")
    said_secs = _number(said.get("expires_in"))
    life_secs = _DEFAULT_LIFE_SECS if said_secs is None else max(said_secs, 0)
    return Granted(token, id_token, patient, _studies(said.get("fhirContext")), life_secs)


def key_id_of(id_token: str) -> str:
    """Return which key an ID token says it is signed with, "" for none said. Raises: Refused."""
    said = _header(id_token).get("kid", "")
    return said if isinstance(said, str) else ""


def verify_id_token(id_token: str, key_set: object, expected: Expected, now: datetime) -> str:
    """
    Return who looks ("Practitioner/7"), as the EHR signed it for us.

    Raises: Refused, for a token that another one issued or signed, that is not for us, not of this launch, or over.
    Source: OpenID Connect Core 3.1.3.7; SMART App Launch 2.2, 3.0.7 (fhirUser).
    """
    header = _header(id_token)
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS or "crit" in header or "b64" in header:
        raise _refused("it is not signed in a way that is known here")
    claims = _verified(id_token, _keys(key_set, algorithm, header.get("kid")), algorithm)
    said_for = claims.get("aud")
    audience = said_for if isinstance(said_for, list) else [said_for]
    if claims.get("iss") != expected.issuer:
        raise _refused("another one issued it")
    if expected.client_id not in audience or (len(audience) > 1 and claims.get("azp") != expected.client_id):
        raise _refused("it is not for us")
    if claims.get("nonce") != expected.nonce:
        raise _refused("it is not of this launch")
    ends, began = _number(claims.get("exp")), _number(claims.get("iat"))
    if ends is None or ends + _LEEWAY_SECS <= now.timestamp() or began is None:
        raise _refused("it is over")
    if began > now.timestamp() + _LEEWAY_SECS:
        raise _refused("it is not good yet")
    who = claims.get("fhirUser")
    local = who.removeprefix(f"{expected.base_url}/") if isinstance(who, str) else ""
    if not is_reference(local):
        raise Refused("the EHR does not say who looks (fhirUser)", code="no_fhir_user")
    return local


def study_uid_of(said: Mapping[str, Any]) -> str:
    """Return the Study UID that an ImagingStudy has, "" for none."""
    identifiers = said.get("identifier")
    found = [_uid(one) for one in identifiers if isinstance(one, Mapping)] if isinstance(identifiers, list) else []
    return next(filter(None, found), "")


def is_reference(text: str) -> bool:
    """Say whether a text names a resource of a server, as "Patient/7" does."""
    return _REFERENCE.fullmatch(text) is not None


def is_safe(url: object, base_url: str) -> bool:
    """Say whether secrets may be sent to an address that a server names: over TLS, or on this machine if that is where it is."""
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or len(url) > 2000:
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    is_https = parts.scheme == "https" or (_is_here(url) and _is_here(base_url))
    return bool(parts.hostname) and not parts.fragment and "@" not in parts.netloc and is_https


def _is_here(url: str) -> bool:
    """Say whether an address is one of this machine, without TLS."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")


def _studies(context: object) -> tuple[tuple[str, str], ...]:
    """Return the ImagingStudies that a launch is about. Source: SMART App Launch 2.2, 3.0.4 (fhirContext)."""
    if context is None:
        return ()
    if not isinstance(context, list) or len(context) > 100:
        raise Refused("what the EHR wants shown (fhirContext) cannot be read", code="context")
    found = []
    for one in context:
        said = one if isinstance(one, Mapping) else {}
        reference, identifier = said.get("reference"), said.get("identifier")
        local = reference if isinstance(reference, str) else ""
        is_study = said.get("type") == "ImagingStudy" or "ImagingStudy/" in local
        if is_study and said.get("role", "launch") == "launch":
            found.append((local, _uid(identifier) if isinstance(identifier, Mapping) else ""))
    if len(found) > _MAX_STUDIES or any(not reference and not uid for reference, uid in found):
        raise Refused("what the EHR wants shown (fhirContext) cannot be read", code="context")
    return tuple(found)


def _uid(identifier: Mapping[str, Any]) -> str:
    value = identifier.get("value")
    is_one = identifier.get("system") == _STUDY_SYSTEM and isinstance(value, str)
    return str(value).removeprefix("urn:oid:") if is_one else ""


def _keys(key_set: object, algorithm: str, key_id: object) -> Sequence[RSAKey | ECKey]:
    """Return the keys of a set that may have signed: the one that is named, else those of its kind."""
    said = key_set.get("keys") if isinstance(key_set, Mapping) else None
    kind: type[RSAKey] | type[ECKey] = _ALGORITHMS[algorithm]
    fitting = [
        one
        for one in (said if isinstance(said, list) else [])[:_MAX_KEYS]
        if isinstance(one, dict)
        and one.get("kty") == ("RSA" if kind is RSAKey else "EC")
        and one.get("use", "sig") == "sig"
        and (key_id is None or one.get("kid") == key_id)
    ]
    found: list[RSAKey | ECKey] = []
    for one in fitting:
        try:
            found.append(kind.import_key(dict(one)))
        except (JoseError, ValueError, TypeError, KeyError, AttributeError):
            continue
    return found


def _verified(id_token: str, keys: Sequence[RSAKey | ECKey], algorithm: str) -> dict[str, Any]:
    for key in keys:
        try:
            claims = orjson.loads(jws.deserialize_compact(id_token, key, algorithms=[algorithm]).payload)
        except (JoseError, ValueError, TypeError):
            continue
        if isinstance(claims, dict):
            return claims
    raise _refused("its signature does not fit")


def _header(id_token: str) -> dict[str, Any]:
    first = id_token.split(".")[0]
    try:
        said = orjson.loads(base64.urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    except ValueError:
        said = None
    if id_token.count(".") != 2 or not isinstance(said, dict):
        raise _refused("it is none")
    return said


def _number(said: object) -> float | None:
    is_one = isinstance(said, int | float) and not isinstance(said, bool) and abs(said) < 1e11
    return float(said) if is_one and isinstance(said, int | float) else None


def _refused(why: str) -> Refused:
    return Refused(f"the EHR's word for who looks (id_token) is not taken: {why}", code="id_token")
