"""Read what callers send: one JSON loader for every route, and the form fields.

Flask's own loader takes NaN, answers 500 to deep nesting and passes lists to views that expect an object.
"""

from __future__ import annotations

import re
from typing import Any

import orjson
from flask import request

from bridge.errors import Incomplete, Malformed, Unsupported

_MAX_BYTES = 1 << 20
_MAX_DEPTH = 64
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


def json_object() -> dict[str, Any]:
    """
    Return the request's body as a JSON object.

    Raises: Unsupported (another content type, or compressed), Malformed (no JSON, not an object, too large, too deep).
    Source: RFC 8259.
    """
    value = parsed_json(raw_body("application/json", "application/fhir+json"))
    if not isinstance(value, dict):
        raise Malformed("a JSON object is wanted")
    return value


def raw_body(*media_types: str, limit: int = _MAX_BYTES) -> bytes:
    """Return the request's body. Raises: Unsupported, if it is of another type or compressed; Malformed, if too large."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Unsupported("compressed bodies are not read", where="Content-Encoding")
    if request.mimetype not in media_types:
        raise Unsupported(f"send {media_types[0]}", where="Content-Type")
    raw = request.get_data(cache=False)
    if len(raw) > limit:
        raise Malformed(f"more than {limit} bytes", code="too_long")
    return raw


def check_depth(raw: bytes) -> bytes:
    """Return *raw* if its brackets do not nest too deep. Raises: Malformed."""
    if _depth(raw) > _MAX_DEPTH:
        raise Malformed(f"nested deeper than {_MAX_DEPTH}", code="too_deep")
    return raw


def parsed_json(raw: bytes) -> object:
    """Return what *raw* says. Raises: Malformed, if it is no JSON or nested too deep. Source: RFC 8259."""
    try:
        value: object = orjson.loads(check_depth(raw))
    except orjson.JSONDecodeError as fault:
        raise Malformed("not JSON", where=f"line {fault.lineno} column {fault.colno}", source="RFC 8259") from None
    return value


def only(body: dict[str, Any], *known: str) -> dict[str, Any]:
    """Return *body* if it has no other keys than *known*. Raises: Malformed, naming the first that is unknown."""
    unknown = sorted(set(body) - set(known))
    if unknown:
        raise Malformed(f"unknown key; known are {', '.join(known)}", code="unknown_key", where=unknown[0][:40])
    return body


def text(body: dict[str, Any], key: str, *, required: bool = False, limit: int = 400) -> str:
    """Return a string of *body*, trimmed; "" if absent. Raises: Malformed if it is none, Incomplete if required and empty."""
    value = body.get(key)
    if value is None:
        value = ""
    if not isinstance(value, str) or len(value) > limit or "\x00" in value:
        raise Malformed(f"a text of at most {limit} characters is wanted", where=key)
    if required and not value.strip():
        raise Incomplete("required", code="missing", where=key)
    return value.strip()


def texts(body: dict[str, Any], key: str, *, limit: int = 1000) -> list[str]:
    """Return a list of strings of *body*; [] if absent. Raises: Malformed."""
    value = body.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > limit or not all(isinstance(item, str) for item in value):
        raise Malformed("a list of texts is wanted", where=key)
    return value


def objects(body: dict[str, Any], key: str, *, limit: int = 100) -> list[dict[str, Any]]:
    """Return a list of objects of *body*; [] if absent. Raises: Malformed."""
    value = body.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > limit or not all(isinstance(item, dict) for item in value):
        raise Malformed("a list of objects is wanted", where=key)
    return value


def patient_reference(body: dict[str, Any], key: str = "patient") -> tuple[str, str] | None:
    """Return (patient_id, issuer_of_patient_id) of the object *key*, None if absent. Raises: Malformed, Incomplete."""
    value = body.get(key)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise Malformed("an object with patient_id is wanted", where=key)
    return text(value, "patient_id", required=True, limit=64), text(value, "issuer_of_patient_id", limit=64)


def _depth(raw: bytes) -> int:
    """Return how deep the brackets of *raw* nest, strings aside; the parser has not seen it yet."""
    deepest = depth = 0
    for byte in _STRINGS.sub(b"", raw):
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
            if deepest > _MAX_DEPTH:
                return deepest
        elif byte in b"]}":
            depth -= 1
    return deepest


def required_argument(name: str) -> str:
    """Return a parameter of the address. Raises: Incomplete, if it is missing or empty."""
    value = request.args.get(name, "").strip()
    if not value:
        raise Incomplete("required", code="missing", where=name)
    return value
