"""What a packet for a payer holds, to be looked at before it is handed on; and its files."""

from __future__ import annotations

from flask import Blueprint, Response, render_template

from bridge.domain.accounts import Permission
from bridge.flows.serve_packet import WantedPacket
from bridge.store import packets, studies
from bridge.web import packet_answers
from bridge.web.access import caller, needs, origin, services

blueprint = Blueprint(
    "packets", __name__, url_prefix="/authorizations/<int:authorization_key>/attachments/<int:attachment_key>/packet"
)


@blueprint.get("")
@needs(Permission.BILL)
def packet(authorization_key: int, attachment_key: int) -> str:
    """Show what the newest packet holds, page by page in short."""
    wanted = WantedPacket(authorization_key, attachment_key)
    attachment, kept, said = packet_answers.shelf().look(wanted, caller().name, origin())
    with services().store.read() as tx:
        uids = [one["sop_instance_uid"] for one in said["pictures"]]
        keys = {uid: one.key for uid in uids if (one := studies.instance_by_uid(tx, uid)) is not None}
        versions = packets.versions(tx, attachment_key)
    return render_template(
        "billing/packet.html", attachment=attachment, kept=kept, said=said, keys=keys, versions=versions
    )


@blueprint.get("/<kind>")
@needs(Permission.BILL)
def file(authorization_key: int, attachment_key: int, kind: str) -> Response:
    """Hand out a file of the packet; it counts as exported."""
    return packet_answers.answer(authorization_key, attachment_key, kind)
