"""Authorizations, and the studies attached to them."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from bridge.domain.accounts import Permission
from bridge.domain.attachment import AttachmentKind, ClaimAttachment
from bridge.errors import Incomplete, Malformed
from bridge.store import authorizations, studies
from bridge.store.db import ReadTx
from bridge.store.listings import exam_reports, queues
from bridge.web import bodies, paging, reads
from bridge.web.access import caller, needs, services
from bridge.web.api import shapes

blueprint = Blueprint("api_authorizations", __name__, url_prefix="/api")


@blueprint.get("/authorizations")
@needs(Permission.BILL)
def list_authorizations() -> Response:
    """Find authorizations by number, exam or patient; without q the newest."""
    text, size = request.args.get("q", "").strip(), paging.limit()
    with services().store.read() as tx:
        matches = _matches(tx, text)
        if matches:
            found = queues.authorizations_by_key(tx, paging.after(matches, size + 1))
        else:
            found = [] if text else queues.authorization_rows(tx, "", before=paging.before(), limit=size + 1)
    rows, more = paging.cut(found, size)
    reads.note_each("authorizations_listed", (row.patient for row in rows))
    following = paging.next_url(rows[-1].authorization.key if more else None, matches)
    return jsonify(authorizations=[shapes.authorization_row(row) for row in rows], next=following)


def _matches(tx: ReadTx, text: str) -> list[int]:
    """Return what the search leads to, as the first page found it; [] without a search."""
    known = paging.narrowed()
    if known is not None:
        return list(known)
    return queues.authorization_keys(tx, text, limit=paging.MATCHES_MAX) if text else []


@blueprint.post("/authorizations")
@needs(Permission.BILL)
def enter_authorization() -> tuple[Response, int]:
    """Write down an authorization by hand."""
    body = bodies.only(bodies.json_object(), "number", "payer", "patient", "accession_number", "lines")
    patient = bodies.patient_reference(body)
    if patient is None:
        raise Incomplete("required", code="missing", where="patient")
    lines = [
        {"code": bodies.text(line, "code", required=True, limit=20), "description": bodies.text(line, "description")}
        for line in bodies.objects(body, "lines")
    ]
    key = services().flows.enter_authorization(
        number=bodies.text(body, "number", required=True, limit=64),
        payer=bodies.text(body, "payer", required=True, limit=80),
        patient=patient,
        accession_number=bodies.text(body, "accession_number", limit=64) or None,
        lines=lines,
        actor=caller().name,
    )
    with services().store.read() as tx:
        return jsonify(shapes.authorization_row(queues.authorizations_by_key(tx, [key])[0])), 201


@blueprint.get("/authorizations/<int:authorization_key>")
@needs(Permission.BILL)
def read_authorization(authorization_key: int) -> Response:
    """Return one authorization, with the reports that a packet for it could hold."""
    with services().store.read() as tx:
        row = queues.authorizations_by_key(tx, [authorization_key])[0]
        material = exam_reports.for_authorization(tx, row.authorization)
    reads.note("authorization_viewed", patient_key=row.authorization.patient_key)
    return jsonify(shapes.authorization_row(row) | {"reports": [shapes.report(one) for one in material]})


@blueprint.get("/authorizations/<int:authorization_key>/attachments")
@needs(Permission.BILL)
def list_attachments(authorization_key: int) -> Response:
    """Return what is attached to an authorization."""
    with services().store.read() as tx:
        patient_key = authorizations.get(tx, authorization_key).patient_key
        found = authorizations.attachments_of(tx, authorization_key)
    reads.note("attachments_viewed", patient_key=patient_key)
    return jsonify(attachments=_rows(found), next=None)


@blueprint.post("/authorizations/<int:authorization_key>/attachments")
@needs(Permission.BILL)
def attach_images(authorization_key: int) -> tuple[Response, int]:
    """Attach a bound study of the same patient, in one way or several."""
    body = bodies.only(bodies.json_object(), "study_instance_uid", "instances", "as", "payer")
    kinds = bodies.texts(body, "as", limit=len(AttachmentKind)) or [AttachmentKind.CLAIM.value]
    unknown = sorted(set(kinds) - set(AttachmentKind))
    if unknown:
        raise Malformed(f"any of {', '.join(AttachmentKind)} is wanted", code="not_in_table", where="as")
    attached = services().flows.attach_images(
        authorization_key=authorization_key,
        study_instance_uid=bodies.text(body, "study_instance_uid", required=True, limit=64),
        kinds=kinds,
        instances=bodies.texts(body, "instances", limit=5000),
        payer=bodies.text(body, "payer", limit=80),
        actor=caller().name,
    )
    return jsonify(attachments=_rows(attached), next=None), 201


@blueprint.post("/authorizations/<int:authorization_key>/attachments/<int:attachment_key>/release")
@needs(Permission.BILL)
def release_attachment(authorization_key: int, attachment_key: int) -> Response:
    """Let a waiting attachment go to the payer."""
    body = bodies.only(bodies.json_object(), "reason")
    services().flows.release_attachment(
        authorization_key=authorization_key,
        attachment_key=attachment_key,
        reason=bodies.text(body, "reason", required=True),
        actor=caller().name,
    )
    with services().store.read() as tx:
        found = authorizations.get_attachment(tx, attachment_key)
    return jsonify(_rows([found])[0])


def _rows(found: list[ClaimAttachment]) -> list[dict[str, Any]]:
    with services().store.read() as tx:
        return [shapes.attachment(one, studies.get(tx, one.study_key).study_instance_uid) for one in found]
