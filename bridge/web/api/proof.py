"""What came of it all, as JSON."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from bridge.domain.accounts import Permission
from bridge.domain.proof import SHARES, Compared, Figures, Measure, Proof
from bridge.flows.show_proof import MEANINGS, NAMES, periods, tables_of
from bridge.web.access import needs
from bridge.web.desks.proof import iso, read_proof

blueprint = Blueprint("api_proof", __name__, url_prefix="/api")


@blueprint.get("/proof")
@needs(Permission.BILL)
def show_proof() -> Response:
    """Return how claims and exams fared before and since a day; `since`, `from`, `to`: YYYY-MM-DD, both ends within."""
    window, proof = read_proof()
    period = {"since": iso(window.since) or None, "from": iso(window.begins), "to": iso(window.ends)}
    tables = {one.name: [dict(zip(one.columns, row, strict=True)) for row in one.rows] for one in tables_of(proof)}
    del tables["measures"]
    return jsonify(period | {"measures": _measures(proof, proof.overall), "undated_claims": proof.undated} | tables)


def _measures(proof: Proof, group: Compared) -> list[dict[str, Any]]:
    return [
        {"measure": one.value, "name": NAMES[one], "meaning": MEANINGS[one]}
        | {period: _measured(figures, one) for period, figures in periods(proof, group)}
        for one in Measure
    ]


def _measured(figures: Figures, measure: Measure) -> dict[str, Any]:
    if measure in SHARES:
        share = figures.share(measure)
        return {"part": share.part, "whole": share.whole, "share": None if share.is_few else share.value}
    took = figures.spread(measure)
    return {"of": took.number, "half": took.half, "nine_in_ten": None if took.is_few else took.most}
