"""A day's list from a file: hand it in, look at what each row would do, apply it, read what became of it."""

from __future__ import annotations

import csv
import io
from pathlib import PurePath

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.domain.order_list import ListState, RowOutcome
from bridge.errors import Conflict, Incomplete, Malformed
from bridge.mapping.order_lists import BYTES_MAX, DATE_FORMS, ListRow, OrderList, safe_cell
from bridge.store import order_lists
from bridge.web import reads
from bridge.web.access import caller, needs, services

blueprint = Blueprint("lists", __name__)

_LISTED_MAX = 30
_SHOWN_MAX = 200
_REFUSED_MAX = 500


@blueprint.get("/exams/lists")
@needs(Permission.ENTER_ORDERS)
def listed() -> str:
    """Ask for a file, and show the newest lists."""
    return _listed("")


@blueprint.post("/exams/lists")
@needs(Permission.ENTER_ORDERS)
def hand_in() -> Response | str:
    """Keep a file and go on to what it would do."""
    file = request.files.get("file")
    raw = file.stream.read(BYTES_MAX + 1) if file is not None else b""
    try:
        if not raw or file is None:
            raise Incomplete("choose a file", where="file")
        if len(raw) > BYTES_MAX:
            raise Malformed(f"the file is larger than {BYTES_MAX >> 20} MB", where="file")
        name = PurePath((file.filename or "list.csv").replace("\\", "/")).name
        key = services().flows.order_lists.hand_in(name, raw, caller().name)
    except (Incomplete, Malformed) as fault:
        return make_response(_listed(fault.detail), 422)
    return redirect(url_for("lists.one", list_key=key), 303)


@blueprint.get("/exams/lists/<int:list_key>")
@needs(Permission.ENTER_ORDERS)
def one(list_key: int) -> str:
    """Show what a list would do, how far it has come, or what became of it."""
    return _one(list_key, request.args.get("dates", ""), "")


@blueprint.post("/exams/lists/<int:list_key>/apply")
@needs(Permission.ENTER_ORDERS)
def apply(list_key: int) -> Response | str:
    """Let the rows become orders; those with faults stay out, and are listed."""
    date_form = request.form.get("dates", "")
    try:
        services().flows.order_lists.apply(list_key, _known_form(date_form), caller().name)
    except (Conflict, Incomplete, Malformed) as fault:
        return make_response(_one(list_key, date_form, fault.detail), 422)
    return redirect(url_for("lists.one", list_key=list_key), 303)


@blueprint.post("/exams/lists/<int:list_key>/stop")
@needs(Permission.ENTER_ORDERS)
def stop(list_key: int) -> Response:
    """Stop a list; what was applied stays."""
    services().flows.order_lists.stop(list_key, caller().name)
    return redirect(url_for("lists.one", list_key=list_key), 303)


@blueprint.get("/exams/lists/<int:list_key>/refused.csv")
@needs(Permission.ENTER_ORDERS)
def refused(list_key: int) -> Response:
    """Return the rows that were left out, each with what is wrong: to be mended and handed in again."""
    with services().store.read() as tx:
        kept = order_lists.get(tx, list_key)
        done = order_lists.rows_of(tx, list_key, kept.total or 1, only=RowOutcome.REFUSED)
    found = services().flows.order_lists.read(list_key, kept.date_form)
    said = {row.number: row.faults for row in done}
    if kept.state == ListState.LOOKED_AT:
        said = {row.number: row.faults for row in found.rows if row.faults}
    reads.note("list_viewed", detail={"list": list_key, "count": len(said)})
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*map(safe_cell, found.header), "what is wrong"])
    for row in found.rows:
        if row.number in said:
            cells = [*row.cells, *[""] * (len(found.header) - len(row.cells))]
            writer.writerow([*map(safe_cell, cells), safe_cell(_words(said[row.number]))])
    headers = {"Content-Disposition": f'attachment; filename="left-out-{list_key}.csv"'}
    return Response(out.getvalue().encode("utf-8-sig"), content_type="text/csv; charset=utf-8", headers=headers)


def _words(faults: tuple[tuple[str, str], ...]) -> str:
    return "; ".join(f"{column}: {sentence}" if column else sentence for column, sentence in faults)


def _known_form(date_form: str) -> str:
    if date_form not in DATE_FORMS:
        raise Incomplete("no such form of dates", where="dates")
    return date_form


def _listed(sentence: str) -> str:
    with services().store.read() as tx:
        rows = order_lists.recent(tx, _LISTED_MAX)
    return render_template("exams/lists.html", rows=rows, sentence=sentence)


def _one(list_key: int, date_form: str, sentence: str) -> str:
    with services().store.read() as tx:
        kept = order_lists.get(tx, list_key)
        counted = order_lists.counted(tx, list_key)
        refused = order_lists.rows_of(tx, list_key, _REFUSED_MAX, only=RowOutcome.REFUSED)
        done = order_lists.rows_of(tx, list_key, _SHOWN_MAX)
    reads.note("list_viewed", detail={"list": list_key})
    asks_form, found = False, None
    is_new = kept.state == ListState.LOOKED_AT
    try:
        found = services().flows.order_lists.read(list_key, _known_form(date_form if is_new else kept.date_form))
    except (Incomplete, Malformed) as fault:
        sentence, asks_form = sentence or fault.detail, fault.code == "date_form"
    cells = {row.number: row for row in found.rows} if found is not None else {}
    return render_template(
        "exams/list.html",
        kept=kept,
        found=found,
        is_new=is_new,
        date_form=date_form,
        date_forms=DATE_FORMS,
        asks_form=asks_form,
        sentence=sentence,
        wrong=[row for row in found.rows if row.faults] if found is not None else [],
        outlook=_outlook(found) if found is not None and is_new else [],
        counted={outcome.value: number for outcome, number in counted.items()},
        refused=refused,
        done=[row for row in done if row.outcome != RowOutcome.REFUSED],
        cells=cells,
        shown_max=_SHOWN_MAX,
    )


def _outlook(found: OrderList) -> list[object]:
    good: list[ListRow] = [row for row in found.rows if row.typed is not None]
    return list(services().flows.order_lists.outlook(good[:_SHOWN_MAX]))
