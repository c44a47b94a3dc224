"""Sign in by password or one-time link, keep the session alive, sign out; recognise a machine by its token."""

from __future__ import annotations

import functools
import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bridge.clock import Clock
from bridge.domain.accounts import Caller, Role, User, check_password, check_user_name
from bridge.errors import Conflict, Refused
from bridge.store import audit, smart_clients, users
from bridge.store.db import Store, WriteTx

ABSOLUTE = timedelta(hours=12)
_SEEN_STEP = timedelta(minutes=1)
_SEARCHES_KEPT = 200
_HASHER = PasswordHasher()  # argon2id with RFC 9106's low-memory profile
# 64 MiB each: without a limit, a burst of guesses would take the machine's memory.
_HASHING = threading.Semaphore(3)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session. session_id: for the cookie; only its digest is stored."""

    user: User
    session_id: str


def hash_password(password: str) -> str:
    """Return the argon2id hash of *password*, with its salt and parameters. Source: RFC 9106."""
    with _HASHING:
        return _HASHER.hash(password)


def sign_in(store: Store, clock: Clock, name: str, password: str, origin: str) -> SignedIn:
    """
    Open a session for the user called *name*.

    Raises: Refused, the same for an unknown name, a wrong password and a disabled user; each attempt is audited.
    """
    with store.read() as tx:
        user = users.find(tx, name.strip())
        known = users.password_hash(tx, user.key) if user is not None else ""
    right = _verify(known, password)
    now = clock.now()
    with store.write() as tx:
        if user is None or user.disabled or not right:
            # The name is kept only if it is a user's: people type passwords into the wrong field.
            actor = f"user:{user.name}" if user is not None else "unknown"
            audit.add(tx, at=now, action="sign_in", actor=actor, origin=origin, outcome="refused")
            session_id = ""
        else:
            session_id = open_session(tx, user, now)
            audit.add(tx, at=now, action="sign_in", actor=f"user:{user.name}", origin=origin)
    if user is None or not session_id:
        raise Refused("user name or password is wrong", code="sign_in")
    return SignedIn(user, session_id)


def read_link(store: Store, clock: Clock, link: str) -> users.SignInLink | None:
    """Return what a one-time link offers, None if it was used or ran out. Reading does not use it up."""
    with store.read() as tx:
        return users.find_link(tx, users.digest_of_secret(link), clock.now())


def sign_in_by_link(store: Store, clock: Clock, link: str, origin: str) -> SignedIn:
    """
    Use up a trusted link and open a session for its user.

    Raises: Refused, if the link was used, ran out, or asks for a password to be chosen first.
    """
    now = clock.now()
    with store.write() as tx:
        offer = _take(tx, link, now)
        if offer.user is None or not offer.trusted or offer.user.disabled:
            raise Refused("this link asks for a password to be chosen", code="link")
        session_id = open_session(tx, offer.user, now)
        audit.add(tx, at=now, action="sign_in", actor=f"user:{offer.user.name}", origin=origin, detail={"by": "link"})
    return SignedIn(offer.user, session_id)


def choose_password(store: Store, clock: Clock, link: str, *, name: str, password: str, origin: str) -> SignedIn:
    """
    Use up a link by choosing the password of its user, or of the first administrator called *name*.

    Raises: Refused, if the link was used or ran out; Malformed, for a name or password that may not be used; Conflict,
    if the name is taken.
    """
    offer = read_link(store, clock, link)
    if offer is None:
        raise Refused("this link was used or has run out", code="link")
    name = offer.user.name if offer.user is not None else check_user_name(name)
    hashed = hash_password(check_password(password, context=(name,)))
    now = clock.now()
    with store.write() as tx:
        offer = _take(tx, link, now)
        user = _settle(tx, offer, name, hashed, now)
        session_id = open_session(tx, user, now)
        actor = f"user:{user.name}"
        audit.add(tx, at=now, action="password_chosen", actor=actor, origin=origin, detail={"user": user.key})
        audit.add(tx, at=now, action="sign_in", actor=actor, origin=origin, detail={"by": "link"})
    return SignedIn(user, session_id)


def recognise_session(
    store: Store, clock: Clock, session_id: str, idle: timedelta, *, by_itself: bool = False
) -> tuple[Caller, users.Session] | None:
    """
    Return who holds *session_id*, None if it is unknown, was idle for *idle*, or is older than 12 hours.

    by_itself: the page asked, nobody did: that keeps no session awake.
    """
    now = clock.now()
    with store.read() as tx:
        session = users.find_session(tx, users.digest_of_secret(session_id))
    if session is None or session.user.disabled or session.ends_at <= now or session.seen_at + idle <= now:
        return None
    if now - session.seen_at >= _SEEN_STEP and not by_itself:
        with store.write() as tx:
            users.touch_session(tx, session.key, now)
    user = session.user
    found = Caller(
        f"user:{user.name}", user.role, user_key=user.key, session_key=session.key, credential=f"user:{user.key}"
    )
    return found, session


def recognise_token(store: Store, clock: Clock, token: str) -> Caller | None:
    """Return which machine holds *token*, None if it is unknown, revoked or past its end."""
    now = clock.now()
    with store.read() as tx:
        digest = users.digest_of_secret(token)
        found = users.find_token(tx, digest) or smart_clients.find_given(tx, digest)
    if found is None or found.revoked_at is not None or (found.ends_at is not None and found.ends_at <= now):
        return None
    if found.used_at is None or now - found.used_at >= _SEEN_STEP:
        with store.write() as tx:
            users.touch_token(tx, found.key, now)
    return Caller(
        f"token:{found.name}", found.role, found.scopes, ae_title=found.ae_title, credential=f"token:{found.key}"
    )


def sign_out(store: Store, clock: Clock, session_id: str, caller: Caller, origin: str) -> None:
    """End a session."""
    with store.write() as tx:
        users.close_session(tx, users.digest_of_secret(session_id))
        audit.add(tx, at=clock.now(), action="sign_out", actor=caller.name, origin=origin)


def remember_search(store: Store, session: users.Session, text: str) -> int:
    """Keep what was searched for with the session, so that its address is a number. Returns that number."""
    kept = session.searches if len(session.searches) < _SEARCHES_KEPT else ()
    searches = [*kept, text[:200]]
    with store.write() as tx:
        users.keep_searches(tx, session.key, searches)
    return len(searches)


@functools.cache
def _hash_of_nobody() -> str:
    return _HASHER.hash(secrets.token_hex(16))


def _verify(known: str, password: str) -> bool:
    with _HASHING:
        try:
            # Before either way, so that a name that nobody has takes as long as one that is known.
            nobodys = _hash_of_nobody()
            return _HASHER.verify(known or nobodys, password) and bool(known)
        except (VerificationError, InvalidHashError):
            return False


def open_session(tx: WriteTx, user: User, now: datetime, searches: Sequence[str] = ()) -> str:
    """Return the secret of a new session; only its digest is stored. searches: what it begins with having searched for."""
    session_id = secrets.token_urlsafe(32)
    digest = users.digest_of_secret(session_id)
    users.open_session(tx, user_key=user.key, digest=digest, at=now, ends_at=now + ABSOLUTE, searches=searches)
    return session_id


def _take(tx: WriteTx, link: str, now: datetime) -> users.SignInLink:
    offer = users.find_link(tx, users.digest_of_secret(link), now)
    if offer is None or not users.use_link(tx, offer.key, now):
        raise Refused("this link was used or has run out", code="link")
    return offer


def _settle(tx: WriteTx, offer: users.SignInLink, name: str, hashed: str, now: datetime) -> User:
    if offer.user is not None:
        users.set_password(tx, offer.user.key, hashed, now)
        return offer.user
    if users.has_admin(tx):
        raise Refused("there is an administrator already: ask for an account", code="link")
    if users.find(tx, name) is not None:
        raise Conflict("that name is taken", code="name_taken", where="name")
    return users.add(tx, name=name, role=Role.ADMIN, password_hash=hashed, at=now)
