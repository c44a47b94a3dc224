"""Users, their sessions, one-time sign-in links and API tokens. Secrets are kept as digests only."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update

from bridge.domain.accounts import Role, Token, User
from bridge.store.db import ReadTx, WriteTx
from bridge.store.tables import sessions, sign_in_links, tokens, users


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser. seen_at: its last request, to the minute. searches: what was typed into the search box."""

    key: int
    user: User
    created_at: datetime
    seen_at: datetime
    ends_at: datetime
    searches: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SignInLink:
    """A link that signs in once. user: None where its holder makes the first administrator. trusted: asks no password."""

    key: int
    user: User | None
    trusted: bool


def digest_of_secret(secret: str) -> str:
    """Return what is kept of a session id, link or token: these are 256 random bits, so one SHA-256 hides them."""
    return hashlib.sha256(secret.encode()).hexdigest()


def find(tx: ReadTx, name: str) -> User | None:
    """Return the user called *name*, letter case aside."""
    found = tx.execute(select(users).where(func.lower(users.c.name) == name.lower())).first()
    return _user(found) if found is not None else None


def get(tx: ReadTx, key: int) -> User | None:
    """Return the user *key*."""
    found = tx.execute(select(users).where(users.c.key == key)).first()
    return _user(found) if found is not None else None


def password_hash(tx: ReadTx, key: int) -> str:
    """Return the argon2id hash of the user's password, "" if none was chosen yet."""
    return str(tx.execute(select(users.c.password_hash).where(users.c.key == key)).scalar() or "")


def every(tx: ReadTx) -> list[User]:
    """Return all users by name."""
    return [_user(found) for found in tx.execute(select(users).order_by(users.c.name))]


def has_admin(tx: ReadTx) -> bool:
    """Say whether somebody is there who can let others in."""
    query = select(users.c.key).where(
        users.c.role == Role.ADMIN, users.c.disabled.is_(False), users.c.password_hash != ""
    )
    return tx.execute(query.limit(1)).first() is not None


def awaits_admin(tx: ReadTx, now: datetime) -> bool:
    """Say whether an administrator was added who has a link to choose a password with, and has not used it yet."""
    query = (
        select(users.c.key)
        .join(sign_in_links, sign_in_links.c.user_key == users.c.key)
        .where(users.c.role == Role.ADMIN, users.c.disabled.is_(False))
        .where(sign_in_links.c.used_at.is_(None), sign_in_links.c.ends_at > now, sign_in_links.c.trusted.is_(False))
    )
    return tx.execute(query.limit(1)).first() is not None


def add(tx: WriteTx, *, name: str, role: Role, password_hash: str, at: datetime) -> User:
    """Add a user; the name must be free (see `find`)."""
    values = {"name": name, "role": role.value, "password_hash": password_hash, "created_at": at, "changed_at": at}
    key = tx.execute(insert(users).values(**values).returning(users.c.key)).scalar_one()
    return User(key, name, role, has_password=bool(password_hash), disabled=False, created_at=at, changed_at=at)


def set_password(tx: WriteTx, key: int, password_hash: str, at: datetime) -> None:
    """Replace a password; every session of the user ends."""
    tx.execute(update(users).where(users.c.key == key).values(password_hash=password_hash, changed_at=at))
    end_sessions(tx, key)


def change(tx: WriteTx, key: int, *, role: Role, disabled: bool, at: datetime) -> None:
    """Change role or standing; every session of the user ends, so that it holds at once."""
    tx.execute(update(users).where(users.c.key == key).values(role=role.value, disabled=disabled, changed_at=at))
    end_sessions(tx, key)


def open_session(
    tx: WriteTx, *, user_key: int, digest: str, at: datetime, ends_at: datetime, searches: Sequence[str] = ()
) -> None:
    """Remember a session by its id's digest. searches: what it begins with having searched for."""
    row = {"token_digest": digest, "user_key": user_key, "created_at": at, "seen_at": at, "ends_at": ends_at}
    tx.execute(insert(sessions).values(row | {"searches": list(searches)}))


def find_session(tx: ReadTx, digest: str) -> Session | None:
    """Return the session with this digest, whatever its age."""
    query = select(sessions, users).join(users, users.c.key == sessions.c.user_key)
    found = tx.execute(
        query.with_only_columns(
            sessions.c.key.label("session_key"),
            sessions.c.created_at.label("opened_at"),
            sessions.c.seen_at,
            sessions.c.ends_at,
            sessions.c.searches,
            *users.c,
        ).where(sessions.c.token_digest == digest)
    ).first()
    if found is None:
        return None
    return Session(
        found.session_key, _user(found), found.opened_at, found.seen_at, found.ends_at, tuple(found.searches or ())
    )


def touch_session(tx: WriteTx, key: int, at: datetime) -> None:
    """Move the session's last sign of life."""
    tx.execute(update(sessions).where(sessions.c.key == key).values(seen_at=at))


def keep_searches(tx: WriteTx, key: int, searches: Sequence[str]) -> None:
    """Remember what was searched for, so that no page address needs to hold it."""
    tx.execute(update(sessions).where(sessions.c.key == key).values(searches=list(searches)))


def close_session(tx: WriteTx, digest: str) -> None:
    """Forget one session."""
    tx.execute(delete(sessions).where(sessions.c.token_digest == digest))


def end_sessions(tx: WriteTx, user_key: int) -> None:
    """Forget every session of a user."""
    tx.execute(delete(sessions).where(sessions.c.user_key == user_key))


def forget_ended_sessions(tx: WriteTx, *, seen_before: datetime, now: datetime) -> int:
    """Forget sessions that ran out; returns how many."""
    gone = delete(sessions).where((sessions.c.seen_at < seen_before) | (sessions.c.ends_at < now))
    return int(tx.execute(gone).rowcount)


def add_link(tx: WriteTx, *, digest: str, user_key: int | None, trusted: bool, at: datetime, ends_at: datetime) -> None:
    """Remember a one-time sign-in link."""
    values = {"token_digest": digest, "user_key": user_key, "trusted": trusted, "created_at": at, "ends_at": ends_at}
    tx.execute(insert(sign_in_links).values(**values))


def find_link(tx: ReadTx, digest: str, now: datetime) -> SignInLink | None:
    """Return a link that may still be used."""
    query = select(sign_in_links).where(
        sign_in_links.c.token_digest == digest, sign_in_links.c.used_at.is_(None), sign_in_links.c.ends_at > now
    )
    found = tx.execute(query).first()
    if found is None:
        return None
    return SignInLink(found.key, get(tx, found.user_key) if found.user_key is not None else None, bool(found.trusted))


def use_link(tx: WriteTx, key: int, at: datetime) -> bool:
    """Mark a link as used; False if somebody else was faster."""
    mark = update(sign_in_links).where(sign_in_links.c.key == key, sign_in_links.c.used_at.is_(None))
    return tx.execute(mark.values(used_at=at)).rowcount == 1


def add_token(tx: WriteTx, *, name: str, digest: str, role: Role, scopes: Sequence[str], **limits: Any) -> int:
    """Remember an API token. limits: ae_title, created_at, ends_at."""
    values = {"name": name, "token_digest": digest, "role": role.value, "scopes": list(scopes), **limits}
    return int(tx.execute(insert(tokens).values(**values).returning(tokens.c.key)).scalar_one())


def find_token(tx: ReadTx, digest: str) -> Token | None:
    """Return the token with this digest, valid or not."""
    found = tx.execute(select(tokens).where(tokens.c.token_digest == digest)).first()
    return _token(found) if found is not None else None


def get_token(tx: ReadTx, key: int) -> Token | None:
    """Return the token *key*."""
    found = tx.execute(select(tokens).where(tokens.c.key == key)).first()
    return _token(found) if found is not None else None


def every_token(tx: ReadTx) -> list[Token]:
    """Return all tokens, newest first."""
    return [_token(found) for found in tx.execute(select(tokens).order_by(tokens.c.key.desc()))]


def touch_token(tx: WriteTx, key: int, at: datetime) -> None:
    """Remember when a token was last used."""
    tx.execute(update(tokens).where(tokens.c.key == key).values(used_at=at))


def revoke_token(tx: WriteTx, key: int, at: datetime) -> None:
    """End a token."""
    tx.execute(update(tokens).where(tokens.c.key == key, tokens.c.revoked_at.is_(None)).values(revoked_at=at))


def _user(found: Row[Any]) -> User:
    return User(
        key=found.key,
        name=found.name,
        role=Role(found.role),
        has_password=bool(found.password_hash),
        disabled=bool(found.disabled),
        created_at=found.created_at,
        changed_at=found.changed_at,
    )


def _token(found: Row[Any]) -> Token:
    return Token(
        key=found.key,
        name=found.name,
        role=Role(found.role),
        scopes=tuple(found.scopes),
        ae_title=found.ae_title,
        created_at=found.created_at,
        ends_at=found.ends_at,
        revoked_at=found.revoked_at,
        used_at=found.used_at,
    )
