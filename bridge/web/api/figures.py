"""How the intake desk gets on, as JSON."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from bridge.domain.accounts import Permission
from bridge.store.listings.mismatch_queue import AGES
from bridge.web.access import needs
from bridge.web.desks.figures import read_figures

blueprint = Blueprint("api_figures", __name__, url_prefix="/api")


@blueprint.get("/figures")
@needs(Permission.READ_FIGURES)
def show_figures() -> Response:
    """Return what waits, what was closed by whom and how fast; `window`: day, week or month."""
    window, found = read_figures()
    waiting = found.waiting
    return jsonify(
        window=window,
        waiting={
            "total": waiting.total,
            "rules": dict(waiting.rules),
            "ages": dict(zip((name for name, _ in AGES), waiting.ages, strict=True)),
        },
        studies=found.studies,
        share_untouched=found.share_untouched,
        closed={"by_rule": found.by_rule, "by_person": found.by_person},
        share_by_rule=found.share_by_rule,
        person_secs={"median": found.person_median_secs, "p90": found.person_slow_secs},
        rule_secs={"median": found.rule_median_secs, "p90": found.rule_slow_secs},
        taken_back=found.taken_back,
        days=[{"day": one.day.isoformat(), "by_rule": one.by_rule, "by_person": one.by_person} for one in found.days],
        devices=[{"ae_title": one.ae_title, "cases": one.cases, "rules": dict(one.rules)} for one in found.devices],
    )
