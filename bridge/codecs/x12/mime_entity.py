"""A MIME entity of one part, as payers want documents wrapped: its type, its name, its bytes in Base64.

Source: RFC 2045, RFC 2183.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

MAX_HEADER_BYTES = 4096
_LINE = 76
_NAME_LEFT_OUT = frozenset('"\\\r\n;')


@dataclass(frozen=True, slots=True)
class MimeEntity:
    """content: the bytes. media_type: "" where nothing tells it. name: its file name."""

    content: bytes
    media_type: str = ""
    name: str = ""


def as_entity(document: MimeEntity) -> bytes:
    """Return a document as a MIME entity in ASCII; signs that a file name cannot have are left out of it."""
    name = "".join(sign for sign in document.name if sign.isascii() and sign not in _NAME_LEFT_OUT)
    head = [f"Content-Type: {document.media_type}", "Content-Transfer-Encoding: base64"]
    head += [f'Content-Disposition: attachment; filename="{name}"'] if name else []
    encoded = base64.b64encode(document.content)
    lines = [encoded[at : at + _LINE] for at in range(0, len(encoded), _LINE)]
    return b"\r\n".join([*(line.encode("ascii") for line in head), b"", *lines, b""])


def from_entity(raw: bytes) -> MimeEntity:
    """
    Return the document in *raw*, or *raw* itself where it is no MIME entity of one part.

    Raises: ValueError for Base64 that is none.
    """
    head, body = _parted(raw)
    headers = dict(_header(line) for line in head.splitlines() if ":" in line)
    media_type, given = _value_of(headers.get("content-type", ""))
    if not media_type or media_type.startswith("multipart/"):
        return MimeEntity(raw, media_type)
    _, disposed = _value_of(headers.get("content-disposition", ""))
    name = disposed.get("filename") or given.get("name", "")
    if headers.get("content-transfer-encoding", "").lower() == "base64":
        body = base64.b64decode(b"".join(body.split()), validate=True)
    return MimeEntity(body, media_type, name)


def _parted(raw: bytes) -> tuple[str, bytes]:
    """Return header and body; a header of nothing where none begins it."""
    begins = raw[:MAX_HEADER_BYTES]
    if not begins.lstrip().lower().startswith((b"content-", b"mime-version:")):
        return "", raw
    for blank in (b"\r\n\r\n", b"\n\n"):
        at = begins.find(blank)
        if at >= 0:
            folded = begins[:at].replace(b"\r\n", b"\n").replace(b"\n ", b" ").replace(b"\n\t", b" ")
            return folded.decode("latin-1"), raw[at + len(blank) :]
    return "", raw


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()


def _value_of(text: str) -> tuple[str, dict[str, str]]:
    value, *parameters = text.split(";")
    pairs = (one.partition("=") for one in parameters)
    return value.strip().lower(), {name.strip().lower(): said.strip().strip('"') for name, _, said in pairs}
