"""The pages of a view: one person's studies, or some of them, and nothing else. Each view has addresses of its own.

A view's cookie is sent to its own addresses alone and counts nowhere else; no other session counts there. So two charts
that are open side by side never mix, and whoever is signed in to the console stays who they are.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from bridge.domain.accounts import Permission
from bridge.domain.study import Instance
from bridge.errors import BridgeError
from bridge.flows import open_view
from bridge.store.listings import exam_detail, study_page
from bridge.store.listings.people import Person, by_key
from bridge.store.listings.people_images import ShownStudy
from bridge.web import access, image_pages, picture_answers, problems, reads, study_views
from bridge.web.access import needs, services
from bridge.web.image_pages import Ways

blueprint = Blueprint("views", __name__, url_prefix="/view/<view_name>")


@blueprint.get("/")
@needs(Permission.SIGNED_IN)
def studies(view_name: str) -> AnyResponse | str:
    """Show the studies there are; the only one at once."""
    whose, found = _shown()
    reads.note("view_looked_at", patient_key=whose.key, detail=_said())
    if len(found) == 1:
        return redirect(url_for("views.study", view_name=view_name, study_key=found[0].study.key), code=303)
    return render_template("views/studies.html", view=access.view(), whose=whose, found=found)


@blueprint.get("/studies/<int:study_key>")
@needs(Permission.SIGNED_IN)
def study(view_name: str, study_key: int) -> str:
    """Show one study's series."""
    whose, one = _one(study_key)
    with services().store.read() as tx:
        shown = study_page.series_of(tx, study_key)
        on_exam = exam_detail.study_on_exam(tx, one.study)
    reads.note("study_viewed", study_key=study_key, patient_key=whose.key, detail=_said())
    return render_template(
        "views/study.html",
        view=access.view(),
        whose=whose,
        one=one,
        shown=shown,
        ways=_ways(view_name, study_key),
        warnings=study_views.warnings_in_words(on_exam, None),
    )


@blueprint.get("/studies/<int:study_key>/images/<int:instance_key>")
@needs(Permission.SIGNED_IN)
def image(view_name: str, study_key: int, instance_key: int) -> str:
    """Show one image, frame by frame."""
    whose, one = _one(study_key)
    instance = _instance(study_key, instance_key)
    reads.note("image_viewed", study_key=study_key, patient_key=whose.key, detail=_said() | {"instance": instance_key})
    ways = _ways(view_name, study_key)
    return image_pages.show(one.study, instance, ways, "views/image.html", view=access.view(), whose=whose)


@blueprint.get("/studies/<int:study_key>/images/<int:instance_key>/picture")
@needs(Permission.SIGNED_IN)
def picture(view_name: str, study_key: int, instance_key: int) -> Response:
    """Hand out one frame, to a browser that was shown the study's page in this view."""
    picture_answers.check_look(study_key)
    _one(study_key)
    instance = _instance(study_key, instance_key)
    return picture_answers.answer(*picture_answers.draw_instance(instance, picture_answers.wish()))


@blueprint.post("/close")
@needs(Permission.SIGNED_IN)
def close(view_name: str) -> Response:
    """Close the view."""
    services().viewing.views.close(access.view(), access.origin())
    response = closed("Images closed", "nothing of this patient is shown here any more", 200)
    cookie = access.view_cookie(view_name)
    response.delete_cookie(cookie, path=f"/view/{view_name}", secure="Secure" in cookie, httponly=True, samesite="Lax")
    return response


def closed(title: str, sentence: str, status: int, *, code: str = "", to_do: str = "") -> Response:
    """Return a page that shows nothing of anybody."""
    return make_response(
        render_template("views/closed.html", title=title, sentence=sentence, code=code, to_do=to_do), status
    )


def enter(opened: open_view.OpenedView) -> AnyResponse:
    """Hand a new view to its browser, and go there."""
    response = redirect(url_for("views.studies", view_name=opened.name), code=303)
    cookie = access.view_cookie(opened.name)
    response.set_cookie(
        cookie,
        opened.secret,
        max_age=int(opened.life.total_seconds()),
        path=f"/view/{opened.name}",
        secure="Secure" in cookie,
        httponly=True,
        samesite="Lax",
    )
    return response


@blueprint.errorhandler(HTTPException)
def _not_served(error: HTTPException) -> Response:
    if error.code == 401:
        to_do = "Open them again from the chart, or ask for a new link."
        return closed("These images are closed", "this view has ended, or it is another browser's", 401, to_do=to_do)
    return closed("Nothing here", "there is nothing here by that name", error.code or 404)


@blueprint.errorhandler(LookupError)
def _not_shown(_: LookupError) -> Response:
    return closed("Nothing here", "this is not among the images that were opened", 404)


@blueprint.errorhandler(BridgeError)
def _at_fault(error: BridgeError) -> Response:
    problem = problems.of_error(error)
    return closed("That did not work", problem.detail, problem.status, code=problem.code)


def _shown(study_key: int | None = None) -> tuple[Person, list[ShownStudy]]:
    """Return whose studies this view shows, and which, of one or of all. Raises: Conflict, LookupError."""
    view = access.view()
    with services().store.read() as tx:
        person = open_view.person_of(tx, view.record_keys)
        return by_key(tx, [person])[person], open_view.shown_in(tx, view, study_key)


def _one(study_key: int) -> tuple[Person, ShownStudy]:
    """Return one of the view's studies. Raises: LookupError, for any other."""
    whose, found = _shown(study_key)
    if not found:
        raise LookupError("not among what was opened")
    return whose, found[0]


def _instance(study_key: int, instance_key: int) -> Instance:
    with services().store.read() as tx:
        return study_page.instance_of(tx, study_key, instance_key)


def _ways(view_name: str, study_key: int) -> Ways:
    token = picture_answers.look_token(study_key)
    place: dict[str, Any] = {"view_name": view_name, "study_key": study_key}
    return Ways(
        partial(url_for, "views.image", **place),
        partial(url_for, "views.picture", look=token, **place),
        url_for("views.study", **place),
    )


def _said() -> dict[str, Any]:
    view = access.view()
    return {"view": view.key} | ({"issuer": view.issuer} if view.issuer else {})
