"""Pages of lists: an opaque cursor in the address, `{"<plural>": [...], "next": url or null}` in the answer."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from flask import request

from bridge.errors import Malformed

LIMIT = 50
_LIMIT_MAX = 200


def limit() -> int:
    """Return how many rows the caller wants, 50 unless it says. Raises: Malformed."""
    text = request.args.get("limit", str(LIMIT))
    if not text.isdecimal() or not 1 <= int(text[:6]) <= _LIMIT_MAX:
        raise Malformed(f"a number from 1 to {_LIMIT_MAX} is wanted", where="limit")
    return int(text)


def before() -> int | None:
    """Return the row key where the page before ended, None on the first page. Raises: Malformed."""
    text = request.args.get("cursor", "")
    if not text:
        return None
    try:
        number = base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)).decode("ascii")
    except (ValueError, UnicodeError):
        number = ""
    if not number.isdecimal() or len(number) > 18:
        raise Malformed("not a cursor of ours", where="cursor")
    return int(number)


def next_url(last_key: int | None, **parameters: str) -> str | None:
    """Return the address of the next page, None on the last; only *parameters* and the cursor are in it."""
    if last_key is None:
        return None
    cursor = base64.urlsafe_b64encode(str(last_key).encode()).decode().rstrip("=")
    known = {key: value for key, value in parameters.items() if value}
    size = {"limit": request.args["limit"]} if "limit" in request.args else {}
    return f"{request.path}?{urlencode({**known, **size, 'cursor': cursor})}"


def cut(rows: Sequence[Any], size: int) -> tuple[list[Any], bool]:
    """Return the first *size* of *rows* and whether there are more: ask the store for size + 1."""
    return list(rows[:size]), len(rows) > size
