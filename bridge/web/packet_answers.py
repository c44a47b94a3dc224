"""A payer's packet as a file, the same on the console and under /api; its name tells nothing of the patient."""

from __future__ import annotations

from flask import Response, request

from bridge.domain.packet import PacketFile
from bridge.errors import Malformed
from bridge.flows.serve_packet import PacketShelf, WantedPacket
from bridge.web import documents
from bridge.web.access import caller, origin, services

_KINDS = {
    PacketFile.DOCUMENT: ("application/pdf", "pdf"),
    PacketFile.MANIFEST: ("application/json", "json"),
    PacketFile.KEY_OBJECTS: ("application/dicom", "dcm"),
}
_LONGEST = 6


def shelf() -> PacketShelf:
    """Return what hands packets out. Raises: Unavailable, where this process keeps no files."""
    here = services()
    return PacketShelf(here.store, documents.blobs(), here.clock)


def answer(authorization_key: int, attachment_key: int, kind: str) -> Response:
    """Return a file of a packet, of the version that the query names, else the newest. Source: RFC 6266."""
    if kind not in tuple(PacketFile):
        raise LookupError("no such file of a packet")
    version = request.args.get("version", "0")
    if not (version.isascii() and version.isdecimal() and len(version) <= _LONGEST):
        raise Malformed("a version is a whole number", where="version")
    wanted = WantedPacket(authorization_key, attachment_key, PacketFile(kind), int(version))
    opened = shelf().open(wanted, caller().name, origin())
    content_type, ending = _KINDS[wanted.kind]
    response = Response(opened.content, content_type=content_type)
    where = "inline" if wanted.kind == PacketFile.DOCUMENT else "attachment"
    name = f"packet-{attachment_key}-{opened.packet.version}.{ending}"
    response.headers["Content-Disposition"] = f'{where}; filename="{name}"'
    return response
