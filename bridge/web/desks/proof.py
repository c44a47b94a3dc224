"""What came of it all: claims and exams before and since a day, as a page that prints, and each table as CSV."""

from __future__ import annotations

import csv
import io

from flask import Blueprint, Response, make_response, render_template, request

from bridge.domain.accounts import Permission
from bridge.domain.proof import FEW, SPREADS, Measure, Proof
from bridge.errors import Malformed
from bridge.flows import show_proof
from bridge.mapping.order_lists import safe_cell
from bridge.store.listings.proof import Window
from bridge.web import proof_pictures
from bridge.web.access import needs, services

blueprint = Blueprint("proof", __name__)


@blueprint.get("/proof")
@needs(Permission.BILL)
def show() -> Response | str:
    """Show how claims and authorizations fared, before and since the day that the address names."""
    try:
        window, proof = read_proof()
    except Malformed as fault:
        return make_response(
            render_template("billing/proof.html", proof=None, sentence=fault.detail, asked=_asked()), 400
        )
    return render_template(
        "billing/proof.html",
        proof=proof,
        window=window,
        asked=_asked() | {"from": iso(window.begins), "to": iso(window.ends)},
        pictures=proof_pictures.pictures(proof),
        measures=Measure,
        spreads=SPREADS,
        words=show_proof,
        few=FEW,
    )


@blueprint.get("/proof/<name>.csv")
@needs(Permission.BILL)
def as_csv(name: str) -> Response:
    """Hand out one table. Raises: LookupError, for one that there is not."""
    window, proof = read_proof()
    table = next((one for one in show_proof.tables_of(proof) if one.name == name), None)
    if table is None:
        raise LookupError("no such table")
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(table.columns)
    rows.writerows([safe_cell(cell) if isinstance(cell, str) else cell for cell in row] for row in table.rows)
    answer = Response(text.getvalue().encode("utf-8-sig"), content_type="text/csv; charset=utf-8")
    named = f"proof-{name}-{window.since or window.ends}.csv"
    answer.headers["Content-Disposition"] = f'attachment; filename="{named}"'
    return answer


def read_proof() -> tuple[Window, Proof]:
    """Return what the address asks for. Raises: Malformed, for what is no day."""
    here, asked = services(), _asked()
    today = here.clock.now().astimezone(here.settings.time_zone).date()
    window = show_proof.window_of(asked["from"], asked["to"], asked["since"], today)
    return window, here.flows.billing.prover.prove(window)


def iso(day: str) -> str:
    """
    Return a day as addresses and forms have it.

    >>> iso("20260301"), iso("")
    ('2026-03-01', '')
    """
    return f"{day[:4]}-{day[4:6]}-{day[6:]}" if day else ""


def _asked() -> dict[str, str]:
    return {name: request.args.get(name, "").strip() for name in ("since", "from", "to")}
