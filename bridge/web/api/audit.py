"""Who saw what, for the auditor."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, Response, jsonify, request

from bridge.domain.accounts import Permission
from bridge.errors import Malformed
from bridge.store import audit
from bridge.store.listings.people import by_key, keys_by_number
from bridge.web import paging, reads
from bridge.web.access import needs, services
from bridge.web.api import shapes

blueprint = Blueprint("api_audit", __name__, url_prefix="/api")


@blueprint.get("/audit")
@needs(Permission.READ_AUDIT)
def list_audit() -> Response:
    """Return one row for each access, newest first; patient_id= and since= narrow it."""
    patient_id, size = request.args.get("patient_id", "").strip(), paging.limit()
    since = instant_argument("since")
    with services().store.read() as tx:
        keys = paging.narrowed() or (tuple(keys_by_number(tx, patient_id)) if patient_id else ())
        nobody = bool(patient_id) and not keys
        found = [] if nobody else audit.recent(
            tx, patient_keys=keys, since=since, before=paging.before(), limit=size + 1
        )  # fmt: skip
        rows, more = paging.cut(found, size)
        people = by_key(tx, (row.patient_key for row in rows))
    reads.note("audit_viewed", patient_key=keys[0] if keys else None)
    following = paging.next_url(rows[-1].key if more else None, keys, since=request.args.get("since", ""))
    return jsonify(audit=[shapes.audit_row(row, people.get(row.patient_key or 0)) for row in rows], next=following)


def instant_argument(name: str) -> datetime | None:
    """Return an ISO 8601 parameter as an instant, None if it is absent; without an offset it is UTC. Raises: Malformed."""
    text = request.args.get(name, "").strip()
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Malformed("an ISO 8601 date or time is wanted", where=name) from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
