"""A study: its series and pictures, what it says as received and as it leaves, and where every copy went."""

from __future__ import annotations

from functools import partial

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission, Role
from bridge.domain.study import Instance, Study
from bridge.errors import Refused
from bridge.flows.compare_tags import Comparison, compare_tags
from bridge.flows.explain_routes import explain_routes
from bridge.pictures.wish import Wish
from bridge.store import commitments, overlays, studies
from bridge.store.listings import study_page
from bridge.web import image_pages, picture_answers, reads, study_views
from bridge.web.access import caller, needs, services
from bridge.web.documents import blobs
from bridge.web.image_pages import Ways
from bridge.web.picture_answers import THUMBNAIL
from bridge.web.study_story import story_of

blueprint = Blueprint("studies", __name__)

_SHOWS = ("changed", "all")


@blueprint.get("/studies/<int:study_key>")
@needs(Permission.READ_STUDIES)
def study(study_key: int) -> str:
    """Show one study whole; to `it` its state and counts alone."""
    with services().store.read() as tx:
        view = study_views.read(tx, studies.get(tx, study_key).study_instance_uid, caller())
        shown = study_page.series_of(tx, study_key)
        copies = study_page.copies_of(tx, study_key)
        kept = {one.destination: one for one in commitments.of_study(tx, study_key)}
        story = story_of(view.decisions, overlays.of_study(tx, study_key))
        routed = explain_routes(tx, view.study, services().flows.hand_sender.routes)
    sees_all = caller().role != Role.IT
    reads.note("study_viewed", study_key=study_key, patient_key=view.study.patient_key if sees_all else None)
    compared = _compared(view.study, shown[0].shown) if shown and sees_all else None
    return render_template(
        "studies/study.html",
        view=view,
        shown=shown,
        copies=copies,
        kept=kept,
        story=story,
        only_said=[one for one in view.stated if one.ae_title not in {each.destination for each in copies}],
        says={one.ae_title: one for one in view.stated},
        routed=routed,
        places=services().flows.hand_sender.known,
        sent=request.args.get("sent", ""),
        sees_all=sees_all,
        compared=compared,
        first=shown[0].shown if shown else None,
    )


@blueprint.post("/studies/<int:study_key>/send")
@needs(Permission.SEND_STUDIES)
def send(study_key: int) -> Response:
    """Send a study to the place that was chosen."""
    with services().store.read() as tx:
        one = studies.get(tx, study_key)
    to = request.form.get("to", "")
    services().flows.hand_sender.send(one.study_instance_uid, to, caller().name)
    return redirect(url_for("studies.study", study_key=study_key, sent=to, _anchor="copies"), code=303)


@blueprint.get("/studies/<int:study_key>/images/<int:instance_key>")
@needs(Permission.READ_STUDIES)
def image(study_key: int, instance_key: int) -> str:
    """Show one image, frame by frame, with the windows there are."""
    one, instance = _open(study_key, instance_key)
    reads.note("image_viewed", study_key=study_key, patient_key=one.patient_key, detail={"instance": instance_key})
    ways = Ways(
        partial(url_for, "studies.image", study_key=study_key),
        partial(picture_answers.picture_url, study_key),
        url_for("studies.study", study_key=study_key),
    )
    return image_pages.show(one, instance, ways, "studies/image.html")


@blueprint.get("/studies/<int:study_key>/images/<int:instance_key>/tags")
@needs(Permission.READ_STUDIES)
def tags(study_key: int, instance_key: int) -> str:
    """Show every tag of one image as received beside what it is when it leaves."""
    one, instance = _open(study_key, instance_key)
    with services().store.read() as tx:
        beside = study_page.neighbours_of(tx, instance)
    reads.note("tags_viewed", study_key=study_key, patient_key=one.patient_key, detail={"instance": instance_key})
    show = request.args.get("show", "all")
    compared = _compared(one, instance)
    rows = compared.changed if show == _SHOWS[0] else compared.rows
    return render_template("studies/tags.html", study=one, beside=beside, compared=compared, rows=rows, show=show)


@blueprint.get("/studies/<int:study_key>/images/<int:instance_key>/picture")
@needs(Permission.READ_STUDIES)
def picture(study_key: int, instance_key: int) -> Response:
    """Hand out one frame, to a browser that was shown the study's page."""
    picture_answers.check_look(study_key)
    _, instance = _open(study_key, instance_key)
    return picture_answers.answer(*picture_answers.draw_instance(instance, picture_answers.wish()))


@blueprint.get("/studies/<int:study_key>/set-aside/<int:conflict_key>/picture")
@needs(Permission.DECIDE)
def set_aside_picture(study_key: int, conflict_key: int) -> Response:
    """Hand out the picture of an object that was kept aside, to those who decide about it."""
    picture_answers.check_look(study_key)
    with services().store.read() as tx:
        blob = study_page.set_aside_blob(tx, study_key, conflict_key)
    return picture_answers.answer(*picture_answers.draw(blob, Wish(width=THUMBNAIL, height=THUMBNAIL)))


def _open(study_key: int, instance_key: int) -> tuple[Study, Instance]:
    """Return a study and one of its instances. Raises: LookupError; Refused, for whom this caller may not look at."""
    with services().store.read() as tx:
        one = studies.get(tx, study_key)
        if not one.is_bound and not caller().sees_unbound:
            raise Refused("nobody has bound this study yet: ask the intake desk", code="unbound")
        if caller().role == Role.IT:
            raise Refused("your role does not include this", code="role")
        return one, study_page.instance_of(tx, study_key, instance_key)


def _compared(one: Study, instance: Instance) -> Comparison:
    here = services()
    return compare_tags(here.store, blobs(), one, instance)
