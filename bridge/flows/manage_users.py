"""Add people and machines, change what they may do, and hand out one-time sign-in links. Secrets are shown once."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import timedelta

from bridge.clock import Clock
from bridge.domain import smart_scopes
from bridge.domain.accounts import PATIENT_SCOPE, Role, Scope, User, check_user_name
from bridge.domain.identifiers import PatientIdentifier, check_ae_title
from bridge.errors import Conflict, Incomplete, Malformed
from bridge.store import audit, patients, smart_clients, users, viewer_links, views
from bridge.store.db import Store, WriteTx

FIRST_LINK_FOR = timedelta(minutes=30)
LINK_FOR = timedelta(hours=24)
_LINKS_KEPT = timedelta(days=7)
_TOKEN_PREFIX = "ib_"  # noqa: S105  (what every token begins with, so that scanners can find leaked ones)


def first_sign_in_link(store: Store, clock: Clock) -> str | None:
    """Return a one-time link's secret for the first administrator, None once there is one. Good for 30 minutes."""
    now = clock.now()
    link = secrets.token_urlsafe(32)
    with store.write() as tx:
        if users.has_admin(tx):
            return None
        digest = users.digest_of_secret(link)
        users.add_link(tx, digest=digest, user_key=None, trusted=False, at=now, ends_at=now + FIRST_LINK_FOR)
        audit.add(tx, at=now, action="sign_in_link_made", actor="system", detail={"for": "first administrator"})
    return link


def trusted_sign_in_link(store: Store, clock: Clock, name: str, role: Role) -> str:
    """Return a link's secret that signs in as *name* without a password: for the demonstration, never for a site."""
    now = clock.now()
    link = secrets.token_urlsafe(32)
    with store.write() as tx:
        user = users.find(tx, name) or users.add(tx, name=name, role=role, password_hash="", at=now)
        digest = users.digest_of_secret(link)
        users.add_link(tx, digest=digest, user_key=user.key, trusted=True, at=now, ends_at=now + LINK_FOR)
        audit.add(tx, at=now, action="sign_in_link_made", actor="system", detail={"user": user.key, "trusted": True})
    return link


def add_user(store: Store, clock: Clock, name: str, role: Role, actor: str) -> str:
    """
    Add a user and return the secret of the link with which they choose their password.

    Raises: Conflict, if the name is taken; Malformed, if it may not be used; Incomplete, for a machine's role.
    """
    name = check_user_name(name)
    if role == Role.SYSTEM:
        raise Incomplete("a machine gets a token, not a user", where="role")
    now = clock.now()
    with store.write() as tx:
        if users.find(tx, name) is not None:
            raise Conflict("that name is taken", code="name_taken", where="name")
        user = users.add(tx, name=name, role=role, password_hash="", at=now)
        link = _link(tx, clock, user)
        audit.add(tx, at=now, action="user_added", actor=actor, detail={"user": user.key, "role": role.value})
    return link


def new_sign_in_link(store: Store, clock: Clock, user_key: int, actor: str) -> str:
    """Return a fresh link's secret with which a user chooses another password; their sessions go on until they do."""
    now = clock.now()
    with store.write() as tx:
        user = _existing(tx, user_key)
        link = _link(tx, clock, user)
        audit.add(tx, at=now, action="sign_in_link_made", actor=actor, detail={"user": user.key})
    return link


def change_user(store: Store, clock: Clock, user_key: int, *, role: Role, disabled: bool, actor: str) -> None:
    """
    Change a user's role or standing; their sessions end at once.

    Raises: Conflict, if nobody would be left to let others in.
    """
    now = clock.now()
    with store.write() as tx:
        user = _existing(tx, user_key)
        users.change(tx, user.key, role=role, disabled=disabled, at=now)
        if user.role == Role.ADMIN and not users.has_admin(tx):
            raise Conflict("somebody must remain who can let others in", code="last_admin", where="role")
        said = {"user": user.key, "role": role.value, "disabled": disabled}
        audit.add(tx, at=now, action="user_changed", actor=actor, detail=said)


def create_token(
    store: Store, clock: Clock, name: str, role: Role, *, scopes: Sequence[str] = (), ae_title: str = "", actor: str
) -> str:
    """
    Make an API token and return it; it is shown this once.

    scopes: for `system` only; none means all of them; "patient/ID|ISSUER" narrows it to one patient, over DICOMweb unless
    "fhir" or "patient/RESOURCE.rs" says more. ae_title: what the token stores counts as that peer's.
    Raises: Incomplete, for a scope outside the table or a patient that nobody is; Malformed, for a name or AE title that
    may not be used.
    """
    name = check_user_name(name)
    _check_scopes(scopes, role)
    title = check_ae_title(ae_title, "as") if ae_title else ""
    token = _TOKEN_PREFIX + secrets.token_urlsafe(32)
    now = clock.now()
    with store.write() as tx:
        digest = users.digest_of_secret(token)
        patient_key = _patient_of(tx, scopes)
        # The record, not its number: the token stays with the person, and no list of tokens holds an identifier.
        kept = [one for one in scopes if not _names_patient(one)]
        kept += [f"{PATIENT_SCOPE}{patient_key}"] if patient_key is not None else []
        key = users.add_token(tx, name=name, digest=digest, role=role, scopes=kept, ae_title=title, created_at=now)
        said = {"token": key, "role": role.value, "scopes": kept}
        person = patients.survivor(tx, patient_key).key if patient_key is not None else None
        audit.add(tx, at=now, action="token_created", actor=actor, patient_key=person, detail=said)
    return token


def _check_scopes(scopes: Sequence[str], role: Role) -> None:
    patient = [one for one in scopes if _names_patient(one)]
    others = set(scopes) - set(patient)
    readable = {one for one in others if patient and smart_scopes.is_for_reading(one, "patient")}
    if any(not smart_scopes.is_for_programs(one) for one in others - set(Scope) - readable):
        known = f"{', '.join(Scope)}, system/RESOURCE.ACTIONS, patient/ID|ISSUER and with it patient/RESOURCE.rs"
        raise Incomplete(f"scopes are {known}", code="not_in_table", where="scope")
    if scopes and role != Role.SYSTEM:
        raise Malformed("scopes narrow the role system only", where="scope")
    if len(patient) > 1 or (patient and others - readable - {Scope.DICOMWEB, Scope.FHIR}):
        raise Malformed(
            "a token for a patient reads one patient's studies and resources, and does nothing else", where="scope"
        )


def _names_patient(scope: str) -> bool:
    return scope.startswith(PATIENT_SCOPE) and not smart_scopes.is_smart(scope)


def _patient_of(tx: WriteTx, scopes: Sequence[str]) -> int | None:
    """Return the record that a scope names, None where there is none. Raises: Incomplete."""
    named = next((one.removeprefix(PATIENT_SCOPE) for one in scopes if _names_patient(one)), None)
    if named is None:
        return None
    patient_id, _, issuer = named.rpartition("|")
    found = patients.find(tx, PatientIdentifier(patient_id, issuer)) if patient_id and issuer else None
    if found is None:
        raise Incomplete("no patient has that number; say patient/ID|ISSUER", code="unknown_patient", where="scope")
    # Not who survived a merge: it may be undone, and the number is this record's again.
    return found.key


def revoke_token(store: Store, clock: Clock, token_key: int, actor: str) -> None:
    """End a token at once. Raises: LookupError, if there is none."""
    now = clock.now()
    with store.write() as tx:
        if users.get_token(tx, token_key) is None:
            raise LookupError(f"no token {token_key}")
        users.revoke_token(tx, token_key, now)
        audit.add(tx, at=now, action="token_revoked", actor=actor, detail={"token": token_key})


def forget_ended_sessions(store: Store, clock: Clock, idle: timedelta) -> int:
    """
    Forget sessions, views and access tokens that ran out, and links a week later; returns how many. For the worker's ticks.
    """
    now = clock.now()
    with store.write() as tx:
        ended = users.forget_ended_sessions(tx, seen_before=now - idle, now=now)
        ended += smart_clients.forget_ended(tx, now) + views.forget_ended(tx, now)
        return ended + viewer_links.forget_ended(tx, now - _LINKS_KEPT)


def _existing(tx: WriteTx, user_key: int) -> User:
    user = users.get(tx, user_key)
    if user is None:
        raise LookupError(f"no user {user_key}")
    return user


def _link(tx: WriteTx, clock: Clock, user: User) -> str:
    now = clock.now()
    link = secrets.token_urlsafe(32)
    digest = users.digest_of_secret(link)
    users.add_link(tx, digest=digest, user_key=user.key, trusted=False, at=now, ends_at=now + LINK_FOR)
    return link
