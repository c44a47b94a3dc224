"""Where an EHR launches us, and where a link leads: the doors of views. Source: HL7 SMART App Launch 2.2."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import asdict, replace
from datetime import timedelta
from typing import cast

import orjson
from flask import Blueprint, Response, current_app, redirect, request, url_for
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from werkzeug.wrappers import Response as AnyResponse

from bridge.domain.accounts import Permission
from bridge.domain.view import Begun, Launched
from bridge.domain.viewer_links import LAUNCH_CONSOLE_PATH, LAUNCH_PATH, LAUNCHED_PATH, OPEN_PATH, launched_address
from bridge.errors import BridgeError, Refused
from bridge.flows.enter_console import Entered
from bridge.flows.keep_secret import launch_secret
from bridge.web import access, addresses, problems, view_pages
from bridge.web.access import needs, services
from bridge.web.throttle import Throttle

blueprint = Blueprint("launches", __name__)

_LIFE = timedelta(minutes=10)
_TEXT_MAX = 8000
_NOT_OPENED = (
    "Nothing was opened. Open the images again where you found the link: that makes a new one. "
    "If it stands in a document, ask whoever sent you that."
)
# Nothing can be guessed here, and a hospital may come from one address: only what would fill the audit trail is slowed,
# never a launch that is going well or a link that was made.
_FREE_TRIES = {"pair": 200, "account": 200, "address": 200}


@blueprint.get(LAUNCH_PATH)
@needs(Permission.OPEN)
def launch() -> AnyResponse:
    """Send the browser to the EHR's authorization server, if the settings name that EHR: a view is to open."""
    return _begin(into_console=False)


@blueprint.get(LAUNCH_CONSOLE_PATH)
@needs(Permission.OPEN)
def launch_console() -> AnyResponse:
    """Send the browser to the EHR's authorization server, if the settings name that EHR: the console is to open."""
    return _begin(into_console=True)


def _begin(*, into_console: bool) -> AnyResponse:
    if _is_only_tried():
        return _not_yet()
    try:
        begun, address = services().viewing.launches.begin(_said("iss"), _said("launch"), _redirect_uri)
        begun = replace(begun, into_console=into_console)
    except BridgeError as fault:
        return _not_opened(fault, "")
    response = redirect(address, code=302)
    secure = request.is_secure
    response.set_cookie(
        _cookie(begun.state),
        _sealed(begun),
        max_age=int(_LIFE.total_seconds()),
        path=LAUNCH_PATH,
        secure=secure,
        httponly=True,
        samesite="Lax",
    )
    return response


@blueprint.get(f"{LAUNCHED_PATH}/<path:server>")
@needs(Permission.OPEN)
def launched(server: str) -> AnyResponse:
    """Take the EHR's answer, find out who looks at whom, and open what is to be shown."""
    if _is_only_tried():
        return _not_yet()
    issuer, desks = "", services().viewing
    try:
        begun = _begun(_said("state"))
        issuer = begun.issuer
        if server != begun.server:
            raise Refused("another authorization server answered", code="mixed_up")
        if "error" in request.args or not _said("code"):
            raise Refused("the EHR did not let us in", code="refused_there")
        found = desks.launches.finish(begun, _said("code"), _said("iss"), _redirect_uri(server))
    except BridgeError as fault:
        return _forgetting(_not_opened(fault, issuer))
    return _forgetting(_open(found, into_console=begun.into_console))


def _open(found: Launched, *, into_console: bool) -> AnyResponse:
    """
    Open for whoever the EHR signed in what the launch asks for, or say why not.

    Who enters the console, or is refused there, ends what this browser was signed in with: it may be somebody else's.
    """
    desks, whose = services().viewing, _somebody(found)
    wait = _wait(whose)
    try:
        if not into_console:
            return view_pages.enter(desks.views.open_launched(found, access.origin(), notes_refusal=wait is None))
        access.end_session()
        return _enter(desks.console.enter(found, access.origin(), notes_refusal=wait is None))
    except (BridgeError, LookupError) as fault:
        if wait is None:
            _failed(whose)
        refused = wait if wait is not None else _page(fault)
        if into_console:
            access.forget_session(refused)
        return refused


def _somebody(found: Launched) -> str:
    """Return what is counted once an EHR has answered: this person of this EHR at this address, so that nobody counts for another."""
    return f"{access.origin()}\0{found.issuer}\0{found.user}"


def _enter(entered: Entered) -> AnyResponse:
    """Hand a new session to its browser, and go to the study that the chart names, else to the patient's exams."""
    if entered.study_key is not None:
        place = url_for("studies.study", study_key=entered.study_key)
    else:
        place = url_for("exams.found", number=1)
    return access.set_session_cookie(cast(Response, redirect(place, 303)), entered.session.session_id)


@blueprint.get(OPEN_PATH)
@needs(Permission.OPEN)
def open_link() -> AnyResponse:
    """Open what a link stands for, once."""
    if _is_only_tried():
        return _not_yet()
    links, secret = services().viewing.links, _said("link")
    wait = _wait() if not links.is_one(secret) else None
    if wait is not None:
        return wait
    try:
        opened = links.open(secret, access.origin())
    except (BridgeError, LookupError) as fault:
        _failed()
        return _page(fault, _NOT_OPENED)
    return view_pages.enter(opened)


def _is_only_tried() -> bool:
    """Say whether nobody looks yet: a program tries an address, or a browser loads it before anybody asked for it."""
    purpose = request.headers.get("Sec-Purpose", "") or request.headers.get("Purpose", "")
    return request.method == "HEAD" or "prefetch" in purpose.lower()


def _not_yet() -> Response:
    """Answer that nothing was opened or used up. 503: a browser asks again when somebody looks."""
    return view_pages.closed("Images", "they open when somebody looks", 200 if request.method == "HEAD" else 503)


def _not_opened(fault: BridgeError, issuer: str) -> Response:
    """Note that a launch failed before anybody was known, and say why; who fails too often is not noted each time."""
    wait = _wait()
    if wait is not None:
        return wait
    _failed()
    detail = {"code": fault.code} | ({"issuer": issuer} if issuer else {})
    services().viewing.views.refuse("unknown", access.origin(), detail)
    return _page(fault)


_LOST = "no images are open: what the chart names is not known here, or not confirmed as this patient's"


_AGAIN = "Nothing was opened. Try again from the chart; if it happens again, tell your administrator."


def _page(fault: BridgeError | LookupError, again: str = _AGAIN) -> Response:
    if not isinstance(fault, BridgeError):
        return view_pages.closed("Not found here", _LOST, 404, code="not_found", to_do=again)
    problem = problems.of_error(fault)
    return view_pages.closed("Images were not opened", problem.detail, problem.status, code=problem.code, to_do=again)


def _begun(state: str) -> Begun:
    """Return the launch that this very browser began. Raises: Refused, if it began none, or too long ago."""
    sealed = request.cookies.get(_cookie(state), "") if state else ""
    try:
        held = orjson.loads(jwe.decrypt_compact(sealed, _key(), algorithms=["dir", "A256GCM"]).plaintext or b"")
        begun, ends = Begun(**held["begun"]), float(held["ends"])
    except (JoseError, ValueError, KeyError, TypeError):
        raise Refused("this browser did not begin this launch, or too long ago", code="state") from None
    if not hmac.compare_digest(begun.state.encode(), state.encode()) or ends <= services().clock.now().timestamp():
        raise Refused("this browser did not begin this launch, or too long ago", code="state")
    return begun


def _sealed(begun: Begun) -> str:
    """Return a launch as nobody but this bridge can read it, for its browser to keep meanwhile."""
    ends = (services().clock.now() + _LIFE).timestamp()
    held = orjson.dumps({"begun": asdict(begun), "ends": ends})
    return jwe.encrypt_compact({"alg": "dir", "enc": "A256GCM"}, held, _key())


def _key() -> OctKey:
    held = current_app.extensions
    if "launch_key" not in held:
        held["launch_key"] = OctKey.import_key(launch_secret(services().store))
    return cast(OctKey, held["launch_key"])


def _cookie(state: str) -> str:
    return f"ib_launch_{hashlib.sha256(state.encode()).hexdigest()[:16]}"


def _forgetting(response: AnyResponse) -> AnyResponse:
    """Let the browser forget the launch: an answer is taken once."""
    response.delete_cookie(
        _cookie(_said("state")), path=LAUNCH_PATH, secure=request.is_secure, httponly=True, samesite="Lax"
    )
    return response


def _redirect_uri(server: str) -> str:
    return launched_address(addresses.base_url(), server)


def _said(name: str) -> str:
    return request.args.get(name, "")[:_TEXT_MAX]


def _wait(whose: str = "") -> Response | None:
    """Return what is answered to somebody who has failed too often of late, None to others. whose: "" for all of an address."""
    counted = _counted(whose)
    wait = _throttle().wait_secs(counted, counted, services().clock.now())
    if not wait:
        return None
    response = view_pages.closed("Too many tries", f"wait {wait} seconds, then try again", 429)
    response.headers["Retry-After"] = str(wait)
    return response


def _failed(whose: str = "") -> None:
    counted = _counted(whose)
    _throttle().failed(counted, counted, services().clock.now())


def _counted(whose: str) -> str:
    # A throttle's names have at most 64 characters.
    return hashlib.sha256((whose or access.origin()).encode()).hexdigest()


def _throttle() -> Throttle:
    return cast(Throttle, current_app.extensions.setdefault("bridge_view_throttle", Throttle(_FREE_TRIES)))
