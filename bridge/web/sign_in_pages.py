"""Sign in, sign out, and the one-time links that make the first administrator."""

from __future__ import annotations

import hmac
import re
from typing import cast

from flask import (
    Blueprint,
    Response,
    current_app,
    g,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)

from bridge.domain.accounts import Permission, Role
from bridge.errors import BridgeError, Conflict, Incomplete, Malformed, Refused
from bridge.flows import sign_in as flow
from bridge.flows.sign_in import SignedIn
from bridge.web import access, bodies
from bridge.web.access import needs, services
from bridge.web.throttle import Throttle

blueprint = Blueprint("sign_in", __name__)

_SENTENCE = "User name or password is wrong."
_PAGE_OF_OURS = re.compile(r"/[A-Za-z0-9][A-Za-z0-9/_.-]*(\?[A-Za-z0-9=&%+_.:,^-]{1,2000})?")
_HOME = {
    Role.INTAKE: "intake.mismatches",
    Role.BILLING: "billing.authorizations",
    Role.IT: "messages.listed",
}


@blueprint.get("/")
@needs(Permission.SIGNED_IN)
def home() -> Response:
    """Go to the desk of the caller's role."""
    return _see(url_for(_HOME.get(access.caller().role, "board.today")))


@blueprint.get("/sign-in")
@needs(Permission.OPEN)
def show_form() -> Response:
    """Show the sign-in form."""
    if g.get("session") is not None:
        return _see(url_for("sign_in.home"))
    return _form("", 200)


@blueprint.post("/sign-in")
@needs(Permission.OPEN)
def sign_in() -> Response:
    """Sign in by name and password, from the form or as JSON."""
    wants_json = request.mimetype == "application/json"
    name, password = _credentials(wants_json)
    here, address = services(), access.origin()
    throttle = _throttle()
    wait = throttle.wait_secs(name, address, here.clock.now())
    if wait:
        return _refused(wants_json, f"Too many tries. Wait {wait} seconds, then try again.", 429, wait)
    try:
        found = flow.sign_in(here.store, here.clock, name, password, address)
    except Refused:
        throttle.failed(name, address, here.clock.now())
        return _refused(wants_json, _SENTENCE, 401)
    throttle.succeeded(name, address)
    if wants_json:
        access.end_session()
        return access.set_session_cookie(jsonify(user=found.user.name, role=found.user.role.value), found.session_id)
    return _enter(found, request.form.get("next", ""))


@blueprint.get("/sign-in/<link>")
@needs(Permission.OPEN)
def show_link(link: str) -> Response:
    """Show what a one-time link offers; looking does not use it up, since mail scanners look too."""
    here = services()
    offer = flow.read_link(here.store, here.clock, link)
    if offer is None:
        return _page("shell/link_used.html", 410)
    return _page("shell/link.html", 200, offer=offer, link=link, sentence="", typed="")


@blueprint.post("/sign-in/<link>")
@needs(Permission.OPEN)
def use_link(link: str) -> Response:
    """Use a link: sign in, or choose name and password."""
    _check_sign_in_form()
    here, form = services(), request.form
    offer = flow.read_link(here.store, here.clock, link)
    if offer is None:
        return _page("shell/link_used.html", 410)
    try:
        if offer.trusted:
            return _enter(flow.sign_in_by_link(here.store, here.clock, link, access.origin()), "")
        if form.get("password", "") != form.get("again", ""):
            raise Malformed("the two passwords differ")
        found = flow.choose_password(
            here.store,
            here.clock,
            link,
            name=form.get("username", ""),
            password=form.get("password", ""),
            origin=access.origin(),
        )
    except (Malformed, Incomplete, Conflict) as fault:
        typed = form.get("username", "")
        return _page("shell/link.html", 422, offer=offer, link=link, sentence=_sentence(fault), typed=typed)
    return _enter(found, "")


@blueprint.post("/sign-out")
@needs(Permission.SIGNED_IN)
def sign_out() -> Response:
    """End the session."""
    access.end_session()
    return access.forget_session(_see(url_for("sign_in.show_form")))


def _credentials(wants_json: bool) -> tuple[str, str]:
    if wants_json:
        body = bodies.only(bodies.json_object(), "username", "password")
        return bodies.text(body, "username", limit=200), str(body.get("password") or "")[:1000]
    _check_sign_in_form()
    return request.form.get("username", "")[:200], request.form.get("password", "")[:1000]


def _check_sign_in_form() -> None:
    """Refuse a form that another site sent: its sign-in would let that site watch what is done here."""
    sent = request.form.get("csrf_token", "")
    known = request.cookies.get("ib_form", "") or g.get("session") is not None
    if not known or not hmac.compare_digest(sent.encode(), access.csrf_token().encode()):
        raise Refused("open the sign-in page again: this form is out of date", code="form_token")


def _throttle() -> Throttle:
    return cast(Throttle, current_app.extensions.setdefault("bridge_throttle", Throttle()))


def _refused(wants_json: bool, sentence: str, status: int, wait: int = 0) -> Response:
    if wants_json:
        response = jsonify(
            title="Unauthorized" if status == 401 else "Too Many Requests", status=status, detail=sentence
        )
        response.status_code = status
        response.content_type = "application/problem+json"
    else:
        response = _form(sentence, status)
    if wait:
        response.headers["Retry-After"] = str(wait)
    return response


def _enter(found: SignedIn, target: str) -> Response:
    access.end_session()
    safe = bool(_PAGE_OF_OURS.fullmatch(target)) and not target.startswith("/sign-")
    return access.set_session_cookie(_see(target if safe else url_for("sign_in.home")), found.session_id)


def _form(sentence: str, status: int) -> Response:
    target = request.values.get("next", "")
    safe = target if _PAGE_OF_OURS.fullmatch(target) else ""
    return _page("shell/sign_in.html", status, sentence=sentence, next=safe, typed=request.form.get("username", ""))


def _page(template: str, status: int, **context: object) -> Response:
    return make_response(render_template(template, **context), status)


def _see(address: str) -> Response:
    return cast(Response, redirect(address, 303))


def _sentence(fault: BridgeError) -> str:
    return fault.detail[:1].upper() + fault.detail[1:] + "."
