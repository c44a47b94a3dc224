"""A report's document as a file that a browser stores and never shows: it is another system's, and may be anything."""

from __future__ import annotations

from flask import Response

from bridge.domain.report import ReportDocument
from bridge.errors import Unavailable
from bridge.store.blobs import Blobs
from bridge.web.access import services

_ENDINGS = {
    "application/pdf": "pdf",
    "text/plain": "txt",
    "application/rtf": "rtf",
    "application/xml": "xml",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/tiff": "tiff",
    "image/gif": "gif",
}


def blobs() -> Blobs:
    """Return where documents are kept. Raises: Unavailable, where this process serves none."""
    found = services().blobs
    if found is None:
        raise Unavailable("documents are not served here", code="no_documents")
    return found


def as_file(document: ReportDocument, content: bytes) -> Response:
    """Return *content* to be stored. Its name tells nothing of the patient. Source: RFC 6266."""
    response = Response(content, content_type=document.content_type)
    ending = _ENDINGS.get(document.content_type, "bin")
    response.headers["Content-Disposition"] = f'attachment; filename="report-{document.key}.{ending}"'
    return response
