"""One case of the intake desk: what the images say, whom they may belong to, what was decided, and who is at it."""

from __future__ import annotations

from flask import make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission
from bridge.errors import Conflict, Incomplete, Malformed
from bridge.store import overlays, studies
from bridge.store.listings import study_page
from bridge.web import reads, study_views
from bridge.web.access import caller, needs, services
from bridge.web.desks import intake
from bridge.web.study_story import story_of

# One desk, two files: its pages' names in addresses stay.
blueprint = intake.blueprint


@blueprint.get("/mismatches/study/<int:study_key>")
@needs(Permission.DECIDE)
def study(study_key: int) -> str:
    """Show one case: what the images say, whom they may belong to, what will happen."""
    return _case(study_key, "", "")


@blueprint.post("/mismatches/study/<int:study_key>")
@needs(Permission.DECIDE)
def decide(study_key: int) -> Response | str:
    """Bind, unbind, reject or read again; a lost race keeps the typed reason."""
    with services().store.read() as tx:
        uid = studies.get(tx, study_key).study_instance_uid
    form = request.form
    action, _, choice = form.get("action", "").partition(":")
    reason = form.get("reason", "").strip()
    try:
        if action == "read_again":
            reason = reason or "read again by the device's rules"
        if not reason:
            raise Incomplete("say why, in a few words: it stays with the study", where="reason")
        accession_number, patient = _chosen(choice, study_key)
        services().flows.decide_study(
            study_instance_uid=uid,
            action=action,
            accession_number=accession_number,
            patient=patient,
            reason=reason,
            actor=caller().name,
        )
    except (Incomplete, Malformed, Conflict) as fault:
        return make_response(_case(study_key, fault.detail, reason), 422)
    following = "intake.study" if action == "read_again" else "intake.decided"
    return redirect(url_for(following, study_key=study_key), 303)


@blueprint.get("/mismatches/study/<int:study_key>/decided")
@needs(Permission.DECIDE)
def decided(study_key: int) -> str:
    """Say what was done, offer to undo it, and lead to the next case."""
    with services().store.read() as tx:
        view = study_views.read(tx, studies.get(tx, study_key).study_instance_uid, caller())
        following = intake.next_case(tx, study_key)
    reads.note("study_viewed", study_key=study_key, patient_key=view.study.patient_key)
    return render_template("intake/decided.html", view=view, following=following)


def _case(study_key: int, sentence: str, reason: str) -> str:
    with services().store.read() as tx:
        view = study_views.read(tx, studies.get(tx, study_key).study_instance_uid, caller())
        shown = study_page.series_of(tx, study_key)
        story = story_of(view.decisions, overlays.of_study(tx, study_key))
    reads.note("study_viewed", study_key=study_key, patient_key=view.study.patient_key)
    return render_template("intake/case.html", view=view, shown=shown, story=story, sentence=sentence, reason=reason)


def _chosen(choice: str, study_key: int) -> tuple[str | None, tuple[str, str] | None]:
    """Return the accession number or patient that a button named: a candidate by its place, or what was typed."""
    if choice == "typed":
        number, patient_id = (request.form.get(key, "").strip() for key in ("accession_number", "patient_id"))
        if not number and not patient_id:
            raise Incomplete("name an accession number or a patient number", where="accession_number")
        return number or None, (patient_id, request.form.get("issuer", "").strip()) if patient_id else None
    if not choice:
        return None, None
    with services().store.read() as tx:
        view = study_views.read(tx, studies.get(tx, study_key).study_instance_uid, caller())
    known = {str(one.patient.key): one for one in view.candidates}
    if choice not in known:
        raise Conflict("the case has changed meanwhile: look again", code="case_changed")
    one = known[choice]
    return one.accession_number or None, (one.patient.patient_id, one.patient.issuer_of_patient_id)
