"""What a payer would get is looked at and let go; what became of it, and what the payer answered."""

from __future__ import annotations

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.domain.records import replace
from bridge.domain.submission import SubmissionState
from bridge.errors import BridgeError, Conflict, Incomplete, Unavailable, Unsupported
from bridge.flows.release_attachment import Release
from bridge.store import authorizations, packets, submissions
from bridge.store.listings.people import by_key
from bridge.web import answer_files, reads
from bridge.web.access import caller, needs, origin, services
from bridge.web.desks.attaching import KIND_WORDS

blueprint = Blueprint(
    "releases", __name__, url_prefix="/authorizations/<int:authorization_key>/attachments/<int:attachment_key>"
)

STATE_WORDS = {
    SubmissionState.READY: "waits to be sent",
    SubmissionState.SENDING: "is being sent",
    SubmissionState.UNCLEAR: "nobody knows whether it is there",
    SubmissionState.SENT: "handed over, its answer is to come",
    SubmissionState.ACCEPTED: "accepted",
    SubmissionState.REFUSED: "refused",
    SubmissionState.TAKEN_BACK: "taken back before it had left",
}


@blueprint.get("/release")
@needs(Permission.BILL)
def preview(authorization_key: int, attachment_key: int) -> str:
    """Show exactly what would leave, and what became of what left before."""
    return _page(authorization_key, attachment_key, "")


@blueprint.post("/release")
@needs(Permission.BILL)
def release(authorization_key: int, attachment_key: int) -> Response | str:
    """Let a waiting attachment go to the payer."""
    version = request.form.get("version", "0")
    said = _said(int(version) if version.isascii() and version.isdecimal() and len(version) < 7 else 0)
    said = replace(said, content=request.form.get("content", ""))
    try:
        services().flows.billing.releases.release(authorization_key, attachment_key, said)
    except (Incomplete, Conflict, Unsupported, Unavailable) as fault:
        return make_response(_page(authorization_key, attachment_key, fault.detail), 422)
    return _back(authorization_key)


@blueprint.post("/settle")
@needs(Permission.BILL)
def settle(authorization_key: int, attachment_key: int) -> Response | str:
    """Note what a person found out at the payer."""
    is_there = request.form.get("is_there") == "yes"
    desk = services().flows.billing.releases
    try:
        desk.settle_unclear(authorization_key, attachment_key, is_there=is_there, said=_said())
    except (Incomplete, Conflict) as fault:
        return make_response(_page(authorization_key, attachment_key, fault.detail), 422)
    return _back(authorization_key)


@blueprint.get("/answers/<int:answer_key>")
@needs(Permission.BILL)
def answer(authorization_key: int, attachment_key: int, answer_key: int) -> Response:
    """Hand out what a payer answered, as it came."""
    return answer_files.answer(authorization_key, attachment_key, answer_key)


def _said(version: int = 0) -> Release:
    return Release(request.form.get("reason", "").strip(), caller().name, version, origin())


def _back(authorization_key: int) -> Response:
    place = url_for("billing.authorization", authorization_key=authorization_key)
    return redirect(f"{place}#attached", 303)


def _page(authorization_key: int, attachment_key: int, sentence: str) -> str:
    here = services()
    with here.store.read() as tx:
        on = authorizations.get(tx, authorization_key)
        attachment = authorizations.get_attachment(tx, attachment_key)
        if attachment.authorization_key != authorization_key:
            raise LookupError("no such attachment")
        patient = by_key(tx, [on.patient_key]).get(on.patient_key)
        found, outgoing, why_not = None, None, ""
        try:
            found, outgoing = here.flows.billing.releases.outgoing(tx, authorization_key, attachment_key)
        except BridgeError as fault:
            why_not = fault.detail
        missing = here.flows.billing.evidence.missing(tx, on, here.clock.now())
        past = submissions.of_attachments(tx, [attachment_key])
        answers = submissions.answers_of(tx, [one.key for one in past])
        versions = {one.key: one.version for one in packets.versions(tx, attachment_key)}
    reads.note("release_previewed", patient_key=on.patient_key, study_key=attachment.study_key)
    return render_template(
        "billing/release.html",
        on=on,
        patient=patient,
        attachment=attachment,
        found=found,
        outgoing=outgoing,
        missing=missing,
        why_not=why_not,
        past=past,
        answers=answers,
        versions=versions,
        kinds=KIND_WORDS,
        how_far=STATE_WORDS,
        sentence=sentence,
    )
