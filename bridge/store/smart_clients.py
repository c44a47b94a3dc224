"""Programs that sign who they are, and the short-lived tokens they were given. Tokens are kept as digests only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from bridge.domain.accounts import Token
from bridge.store import users
from bridge.store.db import ReadTx, WriteTx
from bridge.store.tables import access_tokens, smart_clients, tokens

_INSERTS: dict[str, Any] = {"sqlite": sqlite_insert, "postgresql": postgresql_insert}


@dataclass(frozen=True, slots=True)
class SmartClient:
    """A registered program. token: what it may do, and whether it still may. jwks: its public keys, None for those at jwks_url."""

    key: int
    token: Token
    client_id: str
    jwks: dict[str, Any] | None
    jwks_url: str


@dataclass(frozen=True, slots=True)
class Given:
    """An access token as it is kept. jti_digest: of the assertion's number. forgotten_at: when both have ended."""

    jti_digest: str
    token_digest: str
    scopes: tuple[str, ...]
    created_at: datetime
    ends_at: datetime
    forgotten_at: datetime


def add(tx: WriteTx, token_key: int, client_id: str, jwks: dict[str, Any] | None, jwks_url: str) -> None:
    """Remember a program."""
    values = {"token_key": token_key, "client_id": client_id, "jwks": jwks, "jwks_url": jwks_url}
    tx.execute(insert(smart_clients).values(**values))


def find(tx: ReadTx, client_id: str) -> SmartClient | None:
    """Return a program that was not ended."""
    query = select(smart_clients).where(smart_clients.c.client_id == client_id)
    found = tx.execute(query).first()
    token = users.get_token(tx, found.token_key) if found is not None else None
    if found is None or token is None or token.revoked_at is not None:
        return None
    return SmartClient(found.key, token, found.client_id, found.jwks, found.jwks_url)


def give(tx: WriteTx, client_key: int, given: Given) -> bool:
    """Remember an access token; False, if one was given for the same assertion already."""
    values = {
        "client_key": client_key,
        "jti_digest": given.jti_digest,
        "token_digest": given.token_digest,
        "scopes": list(given.scopes),
        "created_at": given.created_at,
        "ends_at": given.ends_at,
        "forgotten_at": given.forgotten_at,
    }
    row = _INSERTS[tx.dialect.name](access_tokens).values(**values)
    once = row.on_conflict_do_nothing(index_elements=["client_key", "jti_digest"])
    return tx.execute(once.returning(access_tokens.c.key)).first() is not None


def find_given(tx: ReadTx, digest: str) -> Token | None:
    """Return the program that holds an access token, valid or not, with that token's scopes and end."""
    query = (
        select(access_tokens.c.scopes, access_tokens.c.ends_at, tokens.c.key)
        .join(smart_clients, smart_clients.c.key == access_tokens.c.client_key)
        .join(tokens, tokens.c.key == smart_clients.c.token_key)
        .where(access_tokens.c.token_digest == digest)
    )
    found = tx.execute(query).first()
    token = users.get_token(tx, found.key) if found is not None else None
    if found is None or token is None:
        return None
    return replace(token, scopes=tuple(found.scopes), ends_at=found.ends_at)


def forget_ended(tx: WriteTx, now: datetime) -> int:
    """Forget access tokens that ended, once their assertions have ended, too; returns how many."""
    return int(tx.execute(delete(access_tokens).where(access_tokens.c.forgotten_at < now)).rowcount)
