"""What a packet for a payer holds, to be looked at before it is handed on; and its files."""

from __future__ import annotations

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from bridge.domain.accounts import Permission
from bridge.flows.serve_packet import WantedPacket
from bridge.flows.share_study import Asker
from bridge.store import authorizations, packets, studies
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
        payer = authorizations.get(tx, authorization_key)
    return render_template(
        "billing/packet.html",
        attachment=attachment,
        kept=kept,
        said=said,
        keys=keys,
        versions=versions,
        share_days=services().flows.billing.shares.days(payer),
        links=services().flows.billing.shares.links(authorization_key, attachment_key)[1],
    )


@blueprint.post("/share")
@needs(Permission.BILL)
def share(authorization_key: int, attachment_key: int) -> AnyResponse:
    """Let the payer look at the whole study, for a reason; or end that."""
    shares, asker = services().flows.billing.shares, Asker(caller().name, origin())
    if "end" in request.form:
        shares.end(authorization_key, attachment_key, asker)
    else:
        shares.share(authorization_key, attachment_key, request.form.get("reason", ""), asker)
    place = url_for("billing.authorization", authorization_key=authorization_key)
    return redirect(f"{place}#attached", 303)


@blueprint.get("/<kind>")
@needs(Permission.BILL)
def file(authorization_key: int, attachment_key: int, kind: str) -> Response:
    """Hand out a file of the packet; it counts as exported."""
    return packet_answers.answer(authorization_key, attachment_key, kind)
