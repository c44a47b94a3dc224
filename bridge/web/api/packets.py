"""Packets for payers: the PDF, the manifest for machines, the key object document, and every version there is."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from bridge.domain.accounts import Permission
from bridge.domain.packet import PacketFile
from bridge.flows.serve_packet import standing
from bridge.flows.share_study import Asker
from bridge.store import packets
from bridge.web import bodies, packet_answers, reads
from bridge.web.access import caller, needs, origin, services
from bridge.web.api import authorization_shapes as shaped
from bridge.web.api.shapes import instant

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


@blueprint.get("/<int:attachment_key>/share")
@needs(Permission.BILL)
def read_share(authorization_key: int, attachment_key: int) -> Response:
    """Return whether its payer may look at the whole study, why, and every link of it; never a link's address."""
    return _shared(authorization_key, attachment_key)


@blueprint.post("/<int:attachment_key>/share")
@needs(Permission.BILL)
def share_study(authorization_key: int, attachment_key: int) -> Response:
    """Let the payer look at the whole study: the packet is made anew, with a link."""
    reason = bodies.text(bodies.only(bodies.json_object(), "reason"), "reason", required=True, limit=500)
    asker = Asker(caller().name, origin())
    services().flows.billing.shares.share(authorization_key, attachment_key, reason, asker)
    return _shared(authorization_key, attachment_key)


@blueprint.delete("/<int:attachment_key>/share")
@needs(Permission.BILL)
def end_share(authorization_key: int, attachment_key: int) -> Response:
    """End every link to the study, and what they opened."""
    services().flows.billing.shares.end(authorization_key, attachment_key, Asker(caller().name, origin()))
    return _shared(authorization_key, attachment_key)


def _shared(authorization_key: int, attachment_key: int) -> Response:
    attachment, links = services().flows.billing.shares.links(authorization_key, attachment_key)
    reads.note("packet_viewed", study_key=attachment.study_key, detail={"attachment": attachment_key})
    rows = [
        {
            "id": one.key,
            "made_at": instant(one.made_at),
            "ends_at": instant(one.ends_at),
            "first_opened_at": instant(one.opened_at),
            "revoked_at": instant(one.revoked_at),
        }
        for one in links
    ]
    since, reason = instant(attachment.shared_at), attachment.shared_because or None
    return jsonify(shared_at=since, reason=reason, links=rows)
