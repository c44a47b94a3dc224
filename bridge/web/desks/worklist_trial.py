"""Test as a device: ask for the worklist in its place, and see what it would get and what not."""

from __future__ import annotations

import re

from flask import Blueprint, make_response, render_template, request
from werkzeug.wrappers import Response

from bridge.codecs.dicom.query_identifier import TRIED
from bridge.domain.accounts import Permission
from bridge.errors import Malformed
from bridge.flows.try_worklist import Wanted
from bridge.store.listings import worklists
from bridge.web import reads
from bridge.web.access import needs, services

blueprint = Blueprint("worklist_trial", __name__)
_ROW = re.compile(r"[0-9]{1,18}")


@blueprint.get("/worklist/test")
@needs(Permission.EXPLAIN_WORKLIST)
def usual() -> Response:
    """Ask as a device usually asks, or as it asked in one query."""
    text = request.args.get("query", "")
    if text and not _ROW.fullmatch(text):
        raise Malformed("the row of a query is wanted", where="query")
    return _tried(services().flows.usual_query(request.args.get("as", "").strip(), int(text) if text else None))


@blueprint.post("/worklist/test")
@needs(Permission.EXPLAIN_WORKLIST)
def changed() -> Response:
    """Ask as a device, with the values of the form."""
    base = request.form.get("base", "")
    values = {keyword: request.form.get(keyword, "").strip() for keyword in TRIED}
    wanted = Wanted(request.form.get("as", "").strip(), values, int(base) if _ROW.fullmatch(base) else None)
    return _tried(wanted)


def _tried(wanted: Wanted) -> Response:
    trial = services().flows.try_worklist(wanted)
    rows = [one.row for one in trial.items if one.row is not None] + [one.row for one in trial.left_out]
    reads.note_each("worklist_tried", (row.patient for row in rows))
    with services().store.read() as tx:
        known = worklists.device_titles(tx)
    titles = sorted({*known, *(p.ae_title for p in services().settings.dicom.peers if "modality" in p.roles)})
    page = render_template("exams/worklist_test.html", trial=trial, title=wanted.title, titles=titles)
    return make_response(page, 422 if trial.fault else 200)
