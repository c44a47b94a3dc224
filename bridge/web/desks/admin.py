"""The administrator's desk: people, tokens, audit."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bridge.domain.accounts import Permission, Role, Scope
from bridge.errors import Conflict, Incomplete, Malformed
from bridge.flows import manage_users
from bridge.flows.sign_in import remember_search
from bridge.store import audit as trail
from bridge.store import users as accounts
from bridge.store.listings.people import by_key, keys_by_number
from bridge.web import addresses, paging, reads
from bridge.web.access import caller, needs, services, session

blueprint = Blueprint("admin", __name__)

_PEOPLE_ROLES = [role for role in Role if role != Role.SYSTEM]


@blueprint.get("/users")
@needs(Permission.ADMINISTER)
def users() -> str:
    """Show who may sign in, and which programs may call."""
    return _users()


@blueprint.post("/users")
@needs(Permission.ADMINISTER)
def add_user() -> Response | str:
    """Add a person; their sign-in link is shown once."""
    name = request.form.get("name", "")
    try:
        here = services()
        link = manage_users.add_user(here.store, here.clock, name, _role(), caller().name)
    except (Malformed, Incomplete, Conflict) as fault:
        return make_response(_users(sentence=fault.detail), 422)
    return _users(secret=_link(link), secret_of=name.strip(), kind="link")


@blueprint.post("/users/<int:user_key>")
@needs(Permission.ADMINISTER)
def change_user(user_key: int) -> Response | str:
    """Change a person's role or standing."""
    here, disabled = services(), request.form.get("disabled", "") == "yes"
    try:
        manage_users.change_user(here.store, here.clock, user_key, role=_role(), disabled=disabled, actor=caller().name)
    except (Incomplete, Conflict) as fault:
        return make_response(_users(sentence=fault.detail), 422)
    return redirect(url_for("admin.users"), 303)


@blueprint.post("/users/<int:user_key>/link")
@needs(Permission.ADMINISTER)
def new_link(user_key: int) -> str:
    """Make a link with which a person chooses another password."""
    here = services()
    with here.store.read() as tx:
        user = accounts.get(tx, user_key)
    if user is None:
        raise LookupError(user_key)
    link = manage_users.new_sign_in_link(here.store, here.clock, user_key, caller().name)
    return _users(secret=_link(link), secret_of=user.name, kind="link")


@blueprint.post("/tokens")
@needs(Permission.ADMINISTER)
def add_token() -> Response | str:
    """Make a token; it is shown once."""
    here, form = services(), request.form
    try:
        token = manage_users.create_token(
            here.store,
            here.clock,
            form.get("name", ""),
            _role(),
            scopes=form.getlist("scope"),
            ae_title=form.get("as", "").strip(),
            actor=caller().name,
        )
    except (Malformed, Incomplete, Conflict) as fault:
        return make_response(_users(sentence=fault.detail), 422)
    return _users(secret=token, secret_of=form.get("name", "").strip(), kind="token")


@blueprint.post("/tokens/<int:token_key>/revoke")
@needs(Permission.ADMINISTER)
def revoke_token(token_key: int) -> Response:
    """End a token."""
    here = services()
    manage_users.revoke_token(here.store, here.clock, token_key, caller().name)
    return redirect(url_for("admin.users"), 303)


@blueprint.get("/audit")
@needs(Permission.READ_AUDIT)
def audit() -> str:
    """Show who saw and did what, newest first."""
    return _audit("")


@blueprint.post("/audit/search")
@needs(Permission.READ_AUDIT)
def search_audit() -> Response:
    """Keep the patient number with the session: the address never holds it."""
    number = remember_search(services().store, session(), request.form.get("q", "").strip())
    return redirect(url_for("admin.found_audit", number=number), 303)


@blueprint.get("/audit/search/<int:number>")
@needs(Permission.READ_AUDIT)
def found_audit(number: int) -> str:
    """Show who saw one patient's data."""
    searches = session().searches
    return _audit(searches[number - 1] if 1 <= number <= len(searches) else "")


def _audit(patient_id: str) -> str:
    with services().store.read() as tx:
        keys = tuple(keys_by_number(tx, patient_id)) if patient_id else ()
        nobody = bool(patient_id) and not keys
        before, size = paging.before(), paging.LIMIT
        found = [] if nobody else trail.recent(tx, patient_keys=keys, before=before, limit=size + 1)
        rows, more = paging.cut(found, size)
        people = by_key(tx, (row.patient_key for row in rows))
        broken = trail.first_broken(tx)
    reads.note("audit_viewed", patient_key=keys[0] if keys else None)
    return render_template(
        "admin/audit.html",
        rows=rows,
        people=people,
        text=patient_id,
        broken=broken,
        following=paging.next_url(rows[-1].key if more else None),
    )


def _users(**said: Any) -> str:
    with services().store.read() as tx:
        people, tokens = accounts.every(tx), accounts.every_token(tx)
    shown = {"sentence": "", "secret": "", "secret_of": "", "kind": ""} | said
    return render_template(
        "admin/users.html", people=people, tokens=tokens, roles=_PEOPLE_ROLES, every_role=Role, scopes=Scope, **shown
    )


def _role() -> Role:
    try:
        return Role(request.form.get("role", ""))
    except ValueError:
        raise Incomplete("choose a role", code="not_in_table", where="role") from None


def _link(link: str) -> str:
    return addresses.base_url() + url_for("sign_in.show_link", link=link)
