"""A study goes onto an authorization in two clicks, from either side: choose, see what it would be, attach."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.domain.attachment import TO_PAYER, AttachmentKind, AttachmentState, ClaimAttachment
from bridge.errors import Conflict, Incomplete, Malformed, Unsupported
from bridge.leaving.packet_pictures import MOST_CHOSEN
from bridge.store import authorizations, studies
from bridge.store.listings import authorizations as listing
from bridge.store.listings import study_page
from bridge.web import reads
from bridge.web.access import caller, needs, services
from bridge.web.picture_choice import series_to_pick
from bridge.web.study_views import uid_of

blueprint = Blueprint("attaching", __name__)

KIND_WORDS = {
    AttachmentKind.CLAIM: "Reference on the claim in our own record system",
    AttachmentKind.PDF: "Packet as PDF",
    AttachmentKind.NARRATIVE: "Line of text for the claim",
    AttachmentKind.CDEX: "To the payer, by CDex",
    AttachmentKind.PAS: "To the payer, with the authorization request",
    AttachmentKind.X12_275: "To the payer, by clearinghouse (X12 275)",
}


@blueprint.get("/authorizations/<int:authorization_key>/studies/<int:study_key>")
@needs(Permission.BILL)
def preview(authorization_key: int, study_key: int) -> str:
    """Show what attaching a study would be: whose images, which, how they fit, what is beside them."""
    return _page(authorization_key, study_key, "")


@blueprint.post("/authorizations/<int:authorization_key>/studies/<int:study_key>")
@needs(Permission.BILL)
def attach(authorization_key: int, study_key: int) -> Response | str:
    """Attach the study that was looked at; or show more of its images to choose from."""
    if "show" in request.form:
        return _page(authorization_key, study_key, "")
    uid = uid_of(study_key)
    try:
        services().flows.attach_images(
            authorization_key=authorization_key,
            study_instance_uid=uid,
            kinds=request.form.getlist("kind"),
            instances=request.form.getlist("instance"),
            payer="",
            actor=caller().name,
        )
    except (Malformed, Incomplete, Conflict, Unsupported) as fault:
        return make_response(_page(authorization_key, study_key, fault.detail), 422)
    place = url_for("billing.authorization", authorization_key=authorization_key)
    return redirect(f"{place}#attached", 303)


def _page(authorization_key: int, study_key: int, sentence: str) -> str:
    here = services()
    kinds = (request.form if request.method == "POST" else request.args).getlist("kind")
    with here.store.read() as tx:
        row = listing.by_keys(tx, [authorization_key])[0]
        chosen = here.flows.billing.evidence.study_for(tx, row.authorization, study_key)
        series = study_page.series_of(tx, study_key)
        contents = studies.contents(tx, study_key)
        reached = here.flows.billing.releases.reaches(tx, authorization_key)
        attached = [one for one in authorizations.attachments_of(tx, authorization_key) if one.study_key == study_key]
        ticked = _ticked(attached, kinds)
        packet = here.flows.billing.evidence.packet_for(
            tx, row.authorization, chosen.study, here.clock.now(), instances=tuple(ticked)
        )
    reads.note("attachment_previewed", patient_key=chosen.study.patient_key, study_key=study_key)
    order_key = chosen.study.order_key
    offered = [kind for kind in KIND_WORDS if kind not in TO_PAYER or kind in reached]
    return render_template(
        "billing/attach.html",
        row=row,
        chosen=chosen,
        series=series,
        packet=packet,
        images=sum(one.instance_count for one in series),
        attached=attached,
        kinds=kinds,
        ticked=ticked,
        to_pick=series_to_pick(contents, ticked, request.form.get("show", "")),
        most_chosen=MOST_CHOSEN,
        warnings=[one for one in row.warnings if one.order_key in (None, order_key)],
        offered={kind: KIND_WORDS[kind] for kind in offered},
        proposed=_proposed(offered, attached),
        needs_release=TO_PAYER,
        sentence=sentence,
    )


def _proposed(offered: Sequence[AttachmentKind], attached: Sequence[ClaimAttachment]) -> AttachmentKind:
    """Return the way that is ticked at first: to a payer before any other, and one that was not gone yet."""
    ways = sorted(offered, key=lambda kind: kind not in TO_PAYER)
    gone = {one.kind for one in attached if one.state in (AttachmentState.RELEASED, AttachmentState.SENT)}
    return next((kind for kind in ways if kind not in gone), ways[0])


def _ticked(attached: Sequence[ClaimAttachment], kinds: Collection[str]) -> frozenset[str]:
    """Return the images that are chosen: as the form says, else as the packet that is to be changed has them."""
    if request.method == "POST":
        return frozenset(request.form.getlist("instance"))
    return frozenset(uid for one in attached if one.kind.value in kinds for uid in one.instances)
