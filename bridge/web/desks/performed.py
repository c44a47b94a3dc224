"""What devices report that needs a person: an exam of no order, a reason to cancel one."""

from __future__ import annotations

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.errors import Incomplete
from bridge.store import orders, performed
from bridge.web.access import caller, needs, services

blueprint = Blueprint("performed", __name__)


@blueprint.post("/performed/<int:performed_step_key>/proposal")
@needs(Permission.ENTER_ORDERS)
def answer(performed_step_key: int) -> Response:
    """Cancel the order as the device proposes, or leave it as it is."""
    reason, answers = _reason(), services().flows.exam_proposals
    if request.form.get("action") == "cancel":
        answers.cancel(performed_step_key, caller().name, reason)
    else:
        answers.decline(performed_step_key, caller().name, reason)
    with services().store.read() as tx:
        steps = orders.get_steps(tx, performed.get(tx, performed_step_key).step_keys)
    return redirect(url_for("exams.exam", reference=f"order-{steps[0].order_key}"), 303)


@blueprint.post("/performed/<int:performed_step_key>/link")
@needs(Permission.DECIDE)
def link(performed_step_key: int) -> Response:
    """Say of which order an exam was that named none."""
    reason, accession_number = _reason(), request.form.get("accession_number", "").strip()
    with services().store.read() as tx:
        uid = performed.get(tx, performed_step_key).sop_instance_uid
        found = orders.by_accession(tx, accession_number) if accession_number else []
    if len(found) != 1:
        raise Incomplete("no order, or several, have this accession number", where="accession_number")
    services().flows.exam_links.link(uid, found[0].key, caller().name, reason)
    return redirect(url_for("exams.exam", reference=f"order-{found[0].key}"), 303)


def _reason() -> str:
    reason = request.form.get("reason", "").strip()[:400]
    if not reason:
        raise Incomplete("say why, in a few words: it stays with the exam", where="reason")
    return reason
