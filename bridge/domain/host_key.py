"""A host's public key, as SSH writes it. Source: RFC 4253 6.6."""

from __future__ import annotations

import base64
from itertools import pairwise


def read_host_key(text: str) -> tuple[str, bytes]:
    """
    Return the type of a key, and the key.

    text: a line of ssh-keyscan, of known_hosts or of a .pub file: type and Base64, whatever stands beside them.
    Raises: ValueError, if there is none in it.
    """
    for kind, key in pairwise(text.split()):
        if (content := _key_of(kind, key)) is not None:
            return kind, content
    raise ValueError("write the host's line of ssh-keyscan: its key's type, and the key")


def _key_of(kind: str, key: str) -> bytes | None:
    """Return a key in Base64, if it says itself that it is of that kind."""
    try:
        content = base64.b64decode(key, validate=True)
    except ValueError:
        return None
    size = int.from_bytes(content[:4], "big")
    return content if content[4 : 4 + size] == kind.encode() and len(content) > 4 + size else None
