"""The worklist: what a device gets, why it does not, and what it asked."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from bridge.domain.accounts import Permission
from bridge.flows.explain_worklist import Explanation
from bridge.store import worklist_queries
from bridge.web import paging, reads
from bridge.web.access import needs, services
from bridge.web.api import shapes, worklist_shapes
from bridge.web.bodies import required_argument

blueprint = Blueprint("api_worklist", __name__, url_prefix="/api/worklist")


@blueprint.get("")
@needs(Permission.READ_WORKLIST)
def worklist() -> Response:
    """Return what a device would get (as=AE title), or every live entry."""
    title, size, start = request.args.get("as", ""), paging.limit(), paging.before() or 0
    rows, more = paging.cut(services().flows.list_worklist(title, limit=size + 1, after=start), size)
    reads.note("worklist_viewed", detail={"as": title, "count": len(rows)})
    following = paging.next_url(start + size if more else None, (), **{"as": title})
    return jsonify(items=[shapes.worklist_row(row) for row in rows], next=following)


@blueprint.get("/explain")
@needs(Permission.EXPLAIN_WORKLIST)
def explain() -> Response:
    """Say in words why a device is shown an accession number or a patient id, or is not."""
    number = request.args.get("accession_number", "").strip() or required_argument("patient_id")
    explanation = services().flows.explain_worklist(number, request.args.get("as", ""))
    note_explained(explanation)
    return jsonify(worklist_shapes.explanation(explanation))


@blueprint.get("/queries")
@needs(Permission.EXPLAIN_WORKLIST)
def list_queries() -> Response:
    """Return what devices asked, newest first (as=AE title: one of them)."""
    title, size = request.args.get("as", "").strip(), paging.limit()
    with services().store.read() as tx:
        found = worklist_queries.listed(tx, title, limit=size + 1, before=paging.before())
    rows, more = paging.cut(found, size)
    reads.note("queries_listed", detail={"as": title, "count": len(rows)})
    following = paging.next_url(rows[-1].key if more else None, (), **{"as": title})
    asked = zip(rows, services().flows.read_queries(rows), strict=True)
    return jsonify(queries=[worklist_shapes.query(row, keys) for row, keys in asked], next=following)


@blueprint.get("/queries/<int:query_key>")
@needs(Permission.EXPLAIN_WORKLIST)
def read_query(query_key: int) -> Response:
    """Return one query with its keys."""
    with services().store.read() as tx:
        row = worklist_queries.get(tx, query_key)
    reads.note("query_viewed", detail={"query": query_key})
    (keys,) = services().flows.read_queries([row])
    return jsonify(worklist_shapes.query(row, keys))


def note_explained(explanation: Explanation) -> None:
    """Write the audit rows of an explanation: one for each patient it speaks of."""
    reads.note_patients("worklist_explained", explanation.patient_keys)
