"""How the intake desk gets on, in figures without a patient in them: a page, and the same as CSV."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

from flask import Blueprint, Response, render_template, request

from bridge.domain.accounts import Permission
from bridge.mapping.order_lists import safe_cell
from bridge.store.listings import body_parts
from bridge.store.listings.intake_figures import IntakeFigures, intake_figures
from bridge.web import case_words
from bridge.web.access import needs, services

blueprint = Blueprint("figures", __name__)

WINDOWS = {"day": 1, "week": 7, "month": 30}


@blueprint.get("/figures")
@needs(Permission.READ_FIGURES)
def figures() -> str:
    """Show what waits, what was decided by whom, how long it took, and which devices make the cases."""
    window, found = read_figures()
    with services().store.read() as tx:
        uncoded = body_parts.without_code(tx)
    most = max((day.by_rule + day.by_person for day in found.days), default=0)
    return render_template(
        "intake/figures.html",
        window=window,
        windows=WINDOWS,
        found=found,
        most=most or 1,
        words=case_words,
        span=span,
        uncoded=uncoded,
    )


@blueprint.get("/figures.csv")
@needs(Permission.READ_FIGURES)
def as_csv() -> Response:
    """Hand out the days and the devices as a table."""
    _, found = read_figures()
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(("kind", "name", "reason", "by_rule", "by_person", "cases"))
    rows.writerows(("day", one.day.isoformat(), "", one.by_rule, one.by_person, "") for one in found.days)
    for device in found.devices:
        rows.writerows(("device", safe_cell(device.ae_title), rule, "", "", number) for rule, number in device.rules)
    answer = Response(text.getvalue(), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = 'attachment; filename="figures.csv"'
    return answer


def read_figures() -> tuple[str, IntakeFigures]:
    """Return the window that the address asks for, a week if none, and its figures."""
    here = services()
    window = request.args.get("window", "")
    window = window if window in WINDOWS else "week"
    now = here.clock.now()
    with here.store.read() as tx:
        return window, intake_figures(tx, now - timedelta(days=WINDOWS[window]), now, here.settings.time_zone)


def span(secs: float | None) -> str:
    """
    Return how long something took.

    >>> span(None), span(40), span(5400), span(200000)
    ('—', '40 s', '1.5 h', '2.3 days')
    """
    if secs is None:
        return "—"
    if secs < 120:
        return f"{secs:.0f} s"
    if secs < 3600:
        return f"{secs / 60:.0f} min"
    return f"{secs / 3600:.1f} h" if secs < 172_800 else f"{secs / 86400:.1f} days"
