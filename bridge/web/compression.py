"""Large FHIR answers are compressed for programs that take it. Source: RFC 9110 8.4, 12.5.3.

Only for whoever came with a token. A browser sends its cookie along with whatever another site makes it ask, and the length of
a compressed answer tells such a site about its content (BREACH); a token is sent by nobody but its owner.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator

from flask import Response, request

from bridge.web.access import known_caller

_KINDS = ("application/fhir+json", "application/fhir+ndjson")
_WORTH_BYTES = 4 << 10
_LEVEL = 5
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


def compress(response: Response) -> None:
    """Compress an answer that is worth it, in place."""
    if not request.path.startswith("/fhir/") or response.status_code != 200 or response.mimetype not in _KINDS:
        return
    response.vary.add("Accept-Encoding")
    caller = known_caller()
    if caller is None or caller.is_person or request.accept_encodings["gzip"] <= 0:
        return
    if response.is_streamed:
        response.response = _compressed(response.iter_encoded())
    elif len(body := response.get_data()) < _WORTH_BYTES:
        return
    else:
        response.set_data(gzip.compress(body, _LEVEL, mtime=0))
    response.content_encoding = "gzip"


def _compressed(parts: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(_LEVEL, wbits=_GZIP_WINDOW)
    for part in parts:
        yield packer.compress(part) + packer.flush(zlib.Z_SYNC_FLUSH)
    yield packer.flush()
