"""A report's document is opened: the bytes that came, or none at all."""

from __future__ import annotations

from bridge.domain.identifiers import digest_of
from bridge.domain.report import ReportDocument
from bridge.errors import Unavailable
from bridge.store.blobs import Blobs


def read_document(blobs: Blobs, document: ReportDocument) -> bytes:
    """
    Return the bytes of *document*.

    Raises: Unavailable, if they are not there or no longer what came: a report with a changed bit is nobody's report.
    """
    try:
        with blobs.at_hand(document.digest) as path:
            content = path.read_bytes()
    except OSError:
        raise Unavailable("the document cannot be read", code="document_missing") from None
    if digest_of(content) != document.digest:
        raise Unavailable("the document is damaged", code="document_damaged")
    return content
