"""What would go to a payer, what a person let go, and what the payer answered."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from bridge.domain.accounts import Permission
from bridge.errors import Malformed
from bridge.flows.release_attachment import Release
from bridge.store import authorizations, packets, submissions
from bridge.web import answer_files, bodies, reads
from bridge.web.access import caller, needs, origin, services
from bridge.web.api import authorization_shapes as shaped
from bridge.web.api.authorizations import attachment_rows

blueprint = Blueprint(
    "api_submissions",
    __name__,
    url_prefix="/api/authorizations/<int:authorization_key>/attachments/<int:attachment_key>",
)


@blueprint.get("/outgoing")
@needs(Permission.BILL)
def preview_outgoing(authorization_key: int, attachment_key: int) -> Response:
    """Return exactly what would leave if the attachment were released now."""
    with services().store.read() as tx:
        billing = services().flows.billing
        found, outgoing = billing.releases.outgoing(tx, authorization_key, attachment_key)
        missing = billing.evidence.missing(tx, found.authorization, services().clock.now())
    patient_key = found.authorization.patient_key
    reads.note("release_previewed", patient_key=patient_key, study_key=found.study.key)
    return jsonify(shaped.outgoing(found.attachment, found.packet, outgoing) | {"missing": list(missing)})


@blueprint.post("/release")
@needs(Permission.BILL)
def release_attachment(authorization_key: int, attachment_key: int) -> Response:
    """Let a waiting attachment go to the payer. version, digest: of the packet and of what is said beside it, as they were looked at."""
    body = bodies.only(bodies.json_object(), "reason", "version", "digest")
    version = body.get("version", 0)
    if not isinstance(version, int) or isinstance(version, bool) or version < 0:
        raise Malformed("a version is a whole number", where="version")
    reason, digest = bodies.text(body, "reason", required=True), bodies.text(body, "digest")
    said = Release(reason, caller().name, version, origin(), digest)
    made = services().flows.billing.releases.release(authorization_key, attachment_key, said)
    return jsonify(attachment_rows([made])[0])


@blueprint.post("/settle")
@needs(Permission.BILL)
def settle_submission(authorization_key: int, attachment_key: int) -> Response:
    """Say whether the payer has what nobody knows to be there; what is not there is sent again."""
    body = bodies.only(bodies.json_object(), "is_there", "reason")
    is_there = body.get("is_there")
    if not isinstance(is_there, bool):
        raise Malformed("true or false is wanted", where="is_there")
    said = Release(bodies.text(body, "reason", required=True), caller().name, origin=origin())
    made = services().flows.billing.releases.settle_unclear(
        authorization_key, attachment_key, is_there=is_there, said=said
    )
    return jsonify(attachment_rows([made])[0])


@blueprint.get("/submissions")
@needs(Permission.BILL)
def list_submissions(authorization_key: int, attachment_key: int) -> Response:
    """Return every release of an attachment with what the payer answered, newest first."""
    rows: list[dict[str, Any]] = []
    with services().store.read() as tx:
        attachment = authorizations.get_attachment(tx, attachment_key)
        if attachment.authorization_key != authorization_key:
            raise LookupError("no such attachment")
        past = submissions.of_attachments(tx, [attachment_key])
        answers = submissions.answers_of(tx, [one.key for one in past])
        versions = {one.key: one.version for one in packets.versions(tx, attachment_key)}
        patient_key = authorizations.get(tx, authorization_key).patient_key
    for one in past:
        mine = [each for each in answers if each.submission_key == one.key]
        rows.append(shaped.submission(attachment, one, versions[one.packet_key], mine))
    reads.note("submissions_viewed", patient_key=patient_key, study_key=attachment.study_key)
    return jsonify(submissions=rows, next=None)


@blueprint.get("/answers/<int:answer_key>")
@needs(Permission.BILL)
def read_answer(authorization_key: int, attachment_key: int, answer_key: int) -> Response:
    """Return what a payer answered, as it came."""
    return answer_files.answer(authorization_key, attachment_key, answer_key)
