"""Pages of lists: an opaque cursor in the address, `{"<plural>": [...], "next": url or null}` in the answer.

What a caller searched for may be a patient's number or name, and addresses are logged on their way: the cursor of such a
list holds the rows that it led to instead.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from flask import request

from bridge.errors import Malformed

LIMIT = 50
_LIMIT_MAX = 200
# A search leads to so many rows at most: each is in the cursor, and an address must not outgrow a request line.
MATCHES_MAX = 500


def only(*known: str) -> None:
    """Raises: Malformed, if the caller asks for something that is none of *known*: a filter that is passed over lies."""
    for name in request.args:
        if name not in (*known, "limit", "cursor"):
            raise Malformed(
                f"only {', '.join((*known, 'limit', 'cursor'))} can be asked for", code="unknown_key", where=name[:40]
            )


def limit() -> int:
    """Return how many rows the caller wants, 50 unless it says. Raises: Malformed."""
    text = request.args.get("limit", str(LIMIT))
    if not text.isdecimal() or not 1 <= int(text[:6]) <= _LIMIT_MAX:
        raise Malformed(f"a number from 1 to {_LIMIT_MAX} is wanted", where="limit")
    return int(text)


def before() -> int | None:
    """Return the row key where the page before ended, None on the first page. Raises: Malformed."""
    cursor = _cursor()
    return cursor[0] if cursor else None


def narrowed() -> tuple[int, ...] | None:
    """Return the rows that the search of the first page led to, None where the cursor holds none. Raises: Malformed."""
    return _cursor()[1:] or None


def place() -> tuple[int, ...]:
    """Return where the page before ended, as `next_url` was told it; () on the first page. Raises: Malformed."""
    return _cursor()


def next_url(last_key: int | None, of: Sequence[int] = (), **parameters: str) -> str | None:
    """
    Return the address of the next page, None on the last; only *parameters* and the cursor are in it.

    of: the rows that a search led to, which the next page reads with `narrowed`.
    """
    if last_key is None:
        return None
    cursor = base64.urlsafe_b64encode(".".join(map(str, (last_key, *of))).encode()).decode().rstrip("=")
    known = {key: value for key, value in parameters.items() if value}
    size = {"limit": request.args["limit"]} if "limit" in request.args else {}
    return f"{request.path}?{urlencode({**known, **size, 'cursor': cursor})}"


def after(keys: Sequence[int], size: int) -> list[int]:
    """Return the first *size* of *keys*, newest first, after the page before."""
    end = before()
    return [key for key in sorted(keys, reverse=True) if end is None or key < end][:size]


def _cursor() -> tuple[int, ...]:
    text = request.args.get("cursor", "")
    if not text:
        return ()
    try:
        numbers = base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)).decode("ascii").split(".")
    except (ValueError, UnicodeError):
        numbers = [""]
    if not all(one.isdecimal() and len(one) <= 18 for one in numbers):
        raise Malformed("not a cursor of ours", where="cursor")
    return tuple(int(one) for one in numbers)


def cut(rows: Sequence[Any], size: int) -> tuple[list[Any], bool]:
    """Return the first *size* of *rows* and whether there are more: ask the store for size + 1."""
    return list(rows[:size]), len(rows) > size
