"""The worklist as a device would get it, why an order is or is not on it, and what devices asked."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.domain.worklist_reasons import refusal_words
from bridge.flows.explain_worklist import Explanation
from bridge.flows.sign_in import remember_search
from bridge.store import worklist_queries
from bridge.store.db import ReadTx
from bridge.store.listings import worklists
from bridge.web import paging, reads
from bridge.web.access import needs, services, session

blueprint = Blueprint("worklist", __name__)

_SHOWN_MAX = 500


@blueprint.get("/worklist")
@needs(Permission.READ_WORKLIST)
def show() -> str:
    """Show the live entries of one device, or of all."""
    title = request.args.get("as", "")
    with services().store.read() as tx:
        rows = worklists.items(tx, title, limit=_SHOWN_MAX)
        titles = _titles(tx)
        newest = worklist_queries.newest_of(tx, (title,), 1) if title else []
    reads.note("worklist_viewed", detail={"as": title, "count": len(rows)})
    return render_template("exams/worklist.html", rows=rows, titles=titles, title=title, newest=newest)


@blueprint.post("/worklist/explain")
@needs(Permission.EXPLAIN_WORKLIST)
def ask_why() -> Response:
    """Keep what was asked for with the session and go to the explanation: the address never holds it."""
    number, title = request.form.get("number", "").strip(), request.form.get("as", "").strip()
    if not number:
        return redirect(_address("worklist.show", title), 303)
    place = remember_search(services().store, session(), number)
    return redirect(_address("worklist.explained", title, number=place), 303)


@blueprint.get("/worklist/explain/<int:number>")
@needs(Permission.EXPLAIN_WORKLIST)
def explained(number: int) -> Response | str:
    """Say in words why a device shows what somebody looked for, or does not."""
    searches = session().searches
    if not 1 <= number <= len(searches):
        return make_response(render_template("exams/search_gone.html"), 410)
    return _explained(services().flows.explain_worklist(searches[number - 1], request.args.get("as", "")))


@blueprint.get("/worklist/explain/order-<int:order_key>")
@needs(Permission.EXPLAIN_WORKLIST)
def explained_order(order_key: int) -> str:
    """Say in words why a device shows an exam, or does not."""
    return _explained(services().flows.explain_order(order_key, request.args.get("as", "")))


@blueprint.get("/worklist/queries")
@needs(Permission.EXPLAIN_WORKLIST)
def queries() -> str:
    """Show what devices asked of the worklist, newest first."""
    title = request.args.get("as", "")
    with services().store.read() as tx:
        found = worklist_queries.listed(tx, title, limit=paging.LIMIT + 1, before=paging.before())
        titles = _titles(tx)
    rows, more = paging.cut(found, paging.LIMIT)
    reads.note("queries_listed", detail={"as": title, "count": len(rows)})
    asked = services().flows.read_queries(rows)
    return render_template(
        "exams/worklist_queries.html",
        rows=[(row, keys, refusal_words(row)) for row, keys in zip(rows, asked, strict=True)],
        title=title,
        titles=titles,
        keep_days=services().settings.dicom.keep_queries_days,
        older=paging.next_url(rows[-1].key if more else None, (), **{"as": title}),
    )


@blueprint.get("/worklist/queries/<int:query_key>")
@needs(Permission.EXPLAIN_WORKLIST)
def query(query_key: int) -> str:
    """Show one query: every key, and what was answered."""
    with services().store.read() as tx:
        row = worklist_queries.get(tx, query_key)
        sent = worklists.of_steps(tx, row.asked.step_keys)
    reads.note_each("query_viewed", (one.patient for one in sent))
    (keys,) = services().flows.read_queries([row])
    return render_template(
        "exams/worklist_query.html",
        row=row,
        keys=keys,
        refused=refusal_words(row),
        sent=sent,
        title=row.asked.calling_ae_title,
    )


def _address(endpoint: str, title: str, **values: Any) -> str:
    parameters: dict[str, Any] = values | ({"as": title} if title else {})
    return url_for(endpoint, **parameters)


def _explained(one: Explanation) -> str:
    reads.note_patients("worklist_explained", one.patient_keys)
    with services().store.read() as tx:
        titles = _titles(tx)
    listed = [(kept, keys, refusal_words(kept)) for kept, keys in one.queries]
    return render_template("exams/worklist_why.html", one=one, listed=listed, title=one.title, titles=titles)


def _titles(tx: ReadTx) -> list[str]:
    modalities = [p.ae_title for p in services().settings.dicom.peers if "modality" in p.roles]
    return sorted({*worklists.device_titles(tx), *modalities})
