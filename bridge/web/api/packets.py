"""Packets for payers: the PDF, the manifest for machines, the key object document, and every version there is."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from bridge.domain.accounts import Permission
from bridge.domain.packet import PacketFile
from bridge.flows.serve_packet import standing
from bridge.store import packets
from bridge.web import packet_answers, reads
from bridge.web.access import needs, services
from bridge.web.api import authorization_shapes as shaped

blueprint = Blueprint("api_packets", __name__, url_prefix="/api/authorizations/<int:authorization_key>/attachments")


@blueprint.get("/<int:attachment_key>/packet")
@needs(Permission.BILL)
def read_packet(authorization_key: int, attachment_key: int) -> Response:
    """Return the packet's PDF; it counts as exported."""
    return packet_answers.answer(authorization_key, attachment_key, PacketFile.DOCUMENT)


@blueprint.get("/<int:attachment_key>/packet/<kind>")
@needs(Permission.BILL)
def read_packet_file(authorization_key: int, attachment_key: int, kind: str) -> Response:
    """Return the packet's manifest, its key-objects or its document; it counts as exported."""
    return packet_answers.answer(authorization_key, attachment_key, kind)


@blueprint.get("/<int:attachment_key>/packet/versions")
@needs(Permission.BILL)
def list_packet_versions(authorization_key: int, attachment_key: int) -> Response:
    """Return every version of an attachment's packet, newest first."""
    with services().store.read() as tx:
        attachment = standing(tx, authorization_key, attachment_key)
        found = packets.versions(tx, attachment_key)
    reads.note("packet_viewed", study_key=attachment.study_key, detail={"attachment": attachment_key})
    return jsonify(packets=[shaped.packet(attachment, one) for one in found], next=None)
