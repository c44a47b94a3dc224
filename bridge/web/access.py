"""Who is calling, and may they: every route declares its permission, and before_request asks."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar, cast
from urllib.parse import quote

from flask import Flask, Response, current_app, g, redirect, request
from werkzeug.exceptions import RequestEntityTooLarge, Unauthorized

from bridge.domain.accounts import Caller, Permission
from bridge.errors import Refused
from bridge.flows import sign_in
from bridge.store import users
from bridge.store.views import View as OpenView
from bridge.web.gateway import BODY_CUT
from bridge.web.services import WebServices

View = TypeVar("View", bound=Callable[..., object])

CLOSED_ROOTS = ("/api", "/fhir", "/dicom-web")
_FOR_MACHINES_TOO = ("/metrics", "/readyz")
_DECLARED = "needed_permission"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def needs(permission: Permission) -> Callable[[View], View]:
    """Declare what a view asks of its caller. Goes below the route decorator."""

    def mark(view: View) -> View:
        view.__dict__[_DECLARED] = permission
        return view

    return mark


def permission_of(app: Flask, endpoint: str) -> Permission | None:
    """Return what the view behind *endpoint* declared."""
    return cast(Permission | None, app.view_functions[endpoint].__dict__.get(_DECLARED))


def guard(app: Flask) -> None:
    """Put the question before every view of *app*. Raises: AssertionError, for a route that declares nothing."""
    needs(Permission.OPEN)(app.view_functions["static"])
    for rule in app.url_map.iter_rules():
        if permission_of(app, rule.endpoint) is None:
            raise AssertionError(f"{rule.rule} declares no permission")
    app.before_request(_check)


def services() -> WebServices:
    """Return what wiring handed in."""
    return cast(WebServices, current_app.extensions["bridge"])


def caller() -> Caller:
    """Return who is calling. Raises: Unauthorized, on an open page without a sign-in."""
    found = known_caller()
    if found is None:
        raise Unauthorized
    return found


def known_caller() -> Caller | None:
    """Return who is calling, None if nobody is signed in."""
    return cast(Caller | None, g.get("caller"))


def check(permission: Permission) -> None:
    """Raises: Refused, if the caller may not do what needs *permission*."""
    one = caller()
    if not one.may(permission):
        what = "your token's role and scopes do" if one.scopes else "your role does"
        raise Refused(f"{what} not include this", code="role")


def session() -> users.Session:
    """Return the browser's session. Raises: Unauthorized, for a token."""
    found = g.get("session")
    if found is None:
        raise Unauthorized
    return cast(users.Session, found)


def origin() -> str:
    """Return the address the request came from: a trusted proxy's word for it, else the peer's."""
    return request.remote_addr or ""


def view() -> OpenView:
    """Return the view that this page is of. Raises: Unauthorized, elsewhere."""
    found = g.get("view")
    if found is None:
        raise Unauthorized
    return cast(OpenView, found)


def view_cookie(name: str) -> str:
    """Return the cookie of the view called *name*: the browser sends it to that view's pages alone."""
    return f"__Secure-ib_view_{name}" if request.is_secure else f"ib_view_{name}"


def secret() -> str:
    """Return what this browser shows of itself here: its session, or the view that the page is of; "" for nothing."""
    found = g.get("view")
    return request.cookies.get(view_cookie(found.name) if found is not None else cookie_name(), "")


def cookie_name() -> str:
    """Return the session cookie's name; under TLS the browser then holds it to this host. Source: RFC 6265bis 4.1.3.2."""
    return "__Host-ib_session" if request.is_secure else "ib_session"


def csrf_token() -> str:
    """Return what every form of this browser must send back: bound to its session, else to its form cookie."""
    is_known = g.get("session") is not None or g.get("view") is not None
    return hmac.new((secret() if is_known else form_secret()).encode(), b"form", hashlib.sha256).hexdigest()


def form_secret() -> str:
    """Return the secret behind the forms of somebody who is not signed in yet; set_form_cookie sends it."""
    if "form_secret" not in g:
        g.form_secret = request.cookies.get("ib_form") or secrets.token_urlsafe(24)
    return cast(str, g.form_secret)


def set_session_cookie(response: Response, session_id: str) -> Response:
    """Hand a new session to the browser; a session cookie, so closing the browser ends it there."""
    response.set_cookie(cookie_name(), session_id, secure=request.is_secure, httponly=True, samesite="Lax", path="/")
    return response


def forget_session(response: Response) -> Response:
    """Let the browser forget its session."""
    response.delete_cookie(cookie_name(), path="/", secure=request.is_secure, httponly=True, samesite="Lax")
    return response


def end_session() -> None:
    """End the session that this browser shows, if it shows one; whoever signs in anew leaves none behind."""
    known = known_caller()
    if known is not None and g.get("session") is not None:
        here = services()
        sign_in.sign_out(here.store, here.clock, secret(), known, origin())


def set_form_cookie(response: Response) -> Response:
    """Hand the browser what its sign-in form is bound to."""
    if g.get("form_secret") and request.cookies.get("ib_form") != g.form_secret:
        response.set_cookie(
            "ib_form", g.form_secret, secure=request.is_secure, httponly=True, samesite="Strict", path="/sign-in"
        )
    return response


def check_form() -> None:
    """Refuse a request that another site made this browser send. Raises: Refused."""
    sent = request.headers.get("X-CSRF-Token") or request.form.get("csrf_token", "")
    if not hmac.compare_digest(sent.encode(), csrf_token().encode()):
        raise Refused("this form is out of date: open the page again and repeat", code="form_token")


def place() -> str:
    """Return the address of this page with its filters, to come back to."""
    return f"{request.path}?{request.query_string.decode('ascii', 'replace')}".rstrip("?")


def _check() -> Response | None:
    found = _recognise()
    g.caller = found
    closed = request.path.startswith(CLOSED_ROOTS)
    permission = permission_of(current_app, request.endpoint) if request.endpoint is not None else None
    is_open = permission == Permission.OPEN or (request.endpoint is None and not closed)
    if found is None and not is_open:
        return _ask_to_sign_in(closed)
    if BODY_CUT in request.environ:
        raise RequestEntityTooLarge
    if is_open or request.endpoint is None or found is None:
        return None
    if permission is None:
        raise Refused("your role does not include this", code="role")
    check(permission)
    is_person = found.is_person or g.get("view") is not None
    if not is_person and not closed and request.path not in _FOR_MACHINES_TOO:
        raise Refused("the console is for people; use the API", code="role")
    if is_person and request.method not in _SAFE:
        check_form()
    return None


def _recognise() -> Caller | None:
    here = services()
    header = request.headers.get("Authorization", "")
    if header:
        kind, _, token = header.partition(" ")
        token = token.strip()
        return sign_in.recognise_token(here.store, here.clock, token) if kind.lower() == "bearer" and token else None
    idle = timedelta(minutes=here.settings.http.idle_minutes)
    if is_view_page():
        return _viewer(idle)
    session_id = request.cookies.get(cookie_name(), "")
    if not session_id:
        return None
    found = sign_in.recognise_session(here.store, here.clock, session_id, idle, by_itself="X-Live" in request.headers)
    if found is None:
        return None
    g.session = found[1]
    return found[0]


def is_view_page() -> bool:
    """Say whether the page is of a view: there no session counts but the view's own, which counts nowhere else."""
    return "view_name" in (request.view_args or {})


def _viewer(idle: timedelta) -> Caller | None:
    here, name = services(), str((request.view_args or {})["view_name"])
    shown = request.cookies.get(view_cookie(name), "")
    found = here.viewing.views.recognise(name, shown, idle) if shown else None
    if found is None:
        return None
    g.view = found[1]
    return found[0]


def _ask_to_sign_in(closed: bool) -> Response:
    if closed or is_view_page() or request.path in _FOR_MACHINES_TOO or request.method not in _SAFE:
        raise Unauthorized
    target = "/sign-in" if request.path == "/" else f"/sign-in?next={quote(place())}"
    if request.headers.get("HX-Request"):
        return Response(status=204, headers={"HX-Redirect": target})
    return cast(Response, redirect(target, 303))
