"""Exams."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from bridge.domain.accounts import Permission
from bridge.store.listings import exams
from bridge.web import paging, reads
from bridge.web.access import caller, needs, services
from bridge.web.api import shapes

blueprint = Blueprint("api_exams", __name__, url_prefix="/api")


@blueprint.get("/exams")
@needs(Permission.READ_EXAMS)
def list_exams() -> Response:
    """Find exams by any number or name; without q the newest."""
    text = request.args.get("q", "").strip()
    if text:
        found = reads.find_exams(text)
        return jsonify(exams=[shapes.exam_row(row) for row in found.exams], next=None, recognised=found.recognised)
    size = paging.limit()
    with services().store.read() as tx:
        rows, more = paging.cut(
            exams.recent(tx, before=paging.before(), limit=size + 1, unbound=caller().sees_unbound), size
        )
    reads.note("exams_listed", detail={"count": len(rows)})
    last = rows[-1].order_key if more else None
    return jsonify(exams=[shapes.exam_row(row) for row in rows], next=paging.next_url(last))


@blueprint.get("/exams/<reference>")
@needs(Permission.READ_EXAMS)
def read_exam(reference: str) -> Response:
    """Return one exam with its timeline, by accession number or row id."""
    return jsonify(shapes.exam(reads.read_exam(reference)))


@blueprint.get("/documents/<int:document_key>")
@needs(Permission.READ_EXAMS)
def read_document(document_key: int) -> Response:
    """Return a document of a report that stands, as a file."""
    return reads.open_document(document_key)
