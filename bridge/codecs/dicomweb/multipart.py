"""Objects as a multipart/related body, one part after another from disk. Source: PS3.18 8.6.1.2.1, RFC 2387."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bridge.domain.study import Outgoing

_CHUNK_BYTES = 256 << 10


def content_type(boundary: str) -> str:
    """Return the header's value."""
    return f'multipart/related; type="application/dicom"; boundary={boundary}'


def body(objects: Iterable[Outgoing], boundary: str) -> Iterator[bytes]:
    """Return the body piece by piece; no object is ever whole in memory."""
    for one in objects:
        head = f"--{boundary}\r\nContent-Type: application/dicom; transfer-syntax={one.transfer_syntax_uid}\r\n\r\n"
        with one.at_hand() as path, path.open("rb") as file:
            yield head.encode("ascii")
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode("ascii")
