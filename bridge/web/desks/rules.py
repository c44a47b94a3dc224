"""What a changed reconcile.toml would decide, beside the one in use."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from bridge.domain.accounts import Permission, Role
from bridge.errors import Misconfigured
from bridge.web import reads
from bridge.web.access import caller, needs, services

blueprint = Blueprint("rules", __name__)

_DAYS = (1, 7, 14, 30, 90)


@blueprint.get("/rules")
@needs(Permission.TRY_RULES)
def tried() -> str:
    """Show the studies that the changed file would decide otherwise; who may see no patients sees rules and outcomes."""
    asked = request.args.get("days", "")
    days = int(asked) if asked.isdecimal() and int(asked) in _DAYS else 14
    trial, faults = None, list[str]()
    try:
        trial = services().flows.studies.try_next_rules(days)
    except Misconfigured as fault:
        faults = list(fault.faults)
    reads.note("rules_tried", detail={"count": len(trial.changed) if trial is not None else 0})
    return render_template(
        "it/rules.html", trial=trial, faults=faults, days=days, choices=_DAYS, named=caller().role != Role.IT
    )
