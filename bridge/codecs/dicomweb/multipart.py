"""multipart/related bodies, one part after another. Source: PS3.18 8.6.1.2, RFC 2046 5.1, RFC 2387."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an answer. media_type: with its parameters; location: where it is found alone, "" for nowhere."""

    media_type: str
    content: Iterable[bytes]
    location: str = ""


def content_type(boundary: str, media_type: str) -> str:
    """Return the header's value. media_type: of the parts, without parameters."""
    return f'multipart/related; type="{media_type}"; boundary={boundary}'


def body(parts: Iterable[Part], boundary: str) -> Iterator[bytes]:
    """
    Yield the body piece by piece; no part is ever whole in memory.

    A part that fails ends the body without its last boundary, so that nobody takes it for whole.
    """
    for part in parts:
        pieces = iter(part.content)
        # What keeps a part from leaving is met before its head is written.
        first = next(pieces, b"")
        location = f"Content-Location: {part.location}\r\n" if part.location else ""
        yield f"--{boundary}\r\nContent-Type: {part.media_type}\r\n{location}\r\n".encode("ascii") + first
        yield from pieces
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode("ascii")
