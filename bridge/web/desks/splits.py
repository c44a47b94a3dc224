"""Parting a study that holds two patients, and joining it again."""

from __future__ import annotations

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.domain.study import Study
from bridge.errors import Conflict, Incomplete, Malformed
from bridge.store import studies
from bridge.store.case_proposals import CaseProposal
from bridge.store.listings import study_page
from bridge.web import reads, study_views
from bridge.web.access import caller, needs, services
from bridge.web.split_views import other_parts
from bridge.web.study_views import uid_of

blueprint = Blueprint("splits", __name__)


@blueprint.get("/studies/<int:study_key>/split")
@needs(Permission.DECIDE)
def form(study_key: int) -> str:
    """Show what a study holds, to choose what is another patient's; and what was split off it before."""
    return _page(study_key, "", "")


@blueprint.post("/studies/<int:study_key>/split")
@needs(Permission.DECIDE)
def split(study_key: int) -> Response:
    """Split what was chosen off; lead to the new study's case."""
    singly = [uid for said in request.form.getlist("instances") for uid in said.split()]
    chosen = [*request.form.getlist("series"), *singly]
    reason = request.form.get("reason", "").strip()[:1000]
    try:
        new = services().flows.studies.second_person.split(uid_of(study_key), chosen, reason, caller().name)
    except (Incomplete, Malformed, Conflict) as fault:
        return make_response(_page(study_key, fault.detail, reason), 422)
    return redirect(url_for("intake.study", study_key=study_key_of(new)), 303)


@blueprint.post("/splits/<int:split_key>/join")
@needs(Permission.DECIDE)
def join(split_key: int) -> Response:
    """Let what was split off stand where it was; lead to the case of the whole study."""
    reason = request.form.get("reason", "").strip()[:1000]
    study = services().flows.studies.second_person.join(split_key, reason, caller().name)
    return redirect(url_for("intake.study", study_key=study_key_of(study)), 303)


def study_key_of(made: Study | CaseProposal) -> int:
    """Return whose case to go on with: the study that was made, or the one that waits for a second person."""
    return made.study_key if isinstance(made, CaseProposal) else made.key


def _page(study_key: int, sentence: str, reason: str) -> str:
    with services().store.read() as tx:
        view = study_views.read(tx, studies.get(tx, study_key).study_instance_uid, caller())
        shown = study_page.series_of(tx, study_key)
        made = other_parts(tx, study_key)
    named = services().flows.studies.parts.named(view.study, [one.series.series_instance_uid for one in shown])
    reads.note("study_viewed", study_key=study_key, patient_key=view.study.patient_key)
    return render_template(
        "studies/split.html", view=view, shown=shown, named=named, splits=made, sentence=sentence, reason=reason
    )
