"""Register programs with their public keys, and give them short-lived tokens for what they sign.

Source: SMART App Launch 2.2, backend services; RFC 6749 4.4, RFC 7523.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bridge.clock import Clock
from bridge.codecs.fhir import client_assertion
from bridge.codecs.fhir.client_assertion import NOT_KNOWN, PublicKey, Verified
from bridge.domain import smart_scopes
from bridge.domain.accounts import Role, Scope, check_user_name
from bridge.errors import Incomplete, Malformed, Refused
from bridge.store import audit, smart_clients, users
from bridge.store.db import Store
from bridge.store.smart_clients import SmartClient

LIFE = timedelta(minutes=5)
NO_SCOPE = "invalid_scope"
_MAX_SCOPES = 50

KeysAt = Callable[[str, str], object]


@dataclass(frozen=True, slots=True)
class ClientKeys:
    """A program's public keys: the set itself, or the address of it."""

    jwks: dict[str, Any] | None = None
    jwks_url: str = ""


@dataclass(frozen=True, slots=True)
class Access:
    """A token as its holder gets it, this once."""

    token: str
    scopes: tuple[str, ...]
    life_secs: int


@dataclass(frozen=True, slots=True)
class Asking:
    """A request for a token. audience: the address it came to. origin: where from."""

    assertion: str
    scopes: tuple[str, ...]
    audience: str
    origin: str


def add_client(store: Store, clock: Clock, name: str, *, scopes: Sequence[str], keys: ClientKeys, actor: str) -> str:
    """
    Register a program and return the id it signs with.

    scopes: the most that it is ever given. Raises: Incomplete, without scopes or keys or for an unknown scope; Malformed,
    for keys that verify nothing, or an address that is not https.
    """
    name = check_user_name(name)
    if not scopes or not all(one in set(Scope) or smart_scopes.is_for_programs(one) for one in scopes):
        known = f"{', '.join(Scope)}, system/RESOURCE.ACTIONS"
        raise Incomplete(f"a program has scopes: {known}", code="not_in_table", where="scope")
    if (keys.jwks is None) == (not keys.jwks_url):
        raise Incomplete("a program has either keys or their address", code="missing", where="jwks")
    if keys.jwks is not None:
        client_assertion.public_keys(keys.jwks)
    elif not keys.jwks_url.startswith("https://") or len(keys.jwks_url) > 1000:
        raise Malformed("the address of the keys begins with https://", where="jwks-url")
    now, client_id = clock.now(), f"ib-client-{secrets.token_hex(12)}"
    with store.write() as tx:
        # Nobody ever has the secret behind this digest: the row says what the program may, and is what ends it.
        digest = users.digest_of_secret(secrets.token_urlsafe(32))
        token_key = users.add_token(
            tx, name=name, digest=digest, role=Role.SYSTEM, scopes=scopes, ae_title="", created_at=now
        )
        smart_clients.add(tx, token_key, client_id, keys.jwks, keys.jwks_url)
        said = {"token": token_key, "client": client_id, "scopes": list(scopes)}
        audit.add(tx, at=now, action="client_added", actor=actor, detail=said)
    return client_id


class AccessDesk:
    """Gives programs their tokens. keys_at: the key set at an address, for a kid that it should hold."""

    def __init__(self, store: Store, clock: Clock, keys_at: KeysAt) -> None:
        self._store = store
        self._clock = clock
        self._keys_at = keys_at

    def give(self, asking: Asking) -> Access:
        """
        Return a token for what is asked and held, good for five minutes; given and refused are both audited.

        Raises: Refused: "invalid_client" or "invalid_scope"; Unavailable, if the program's keys cannot be fetched.
        """
        now = self._clock.now()
        client: SmartClient | None = None
        try:
            claimed = client_assertion.claimed(asking.assertion)
            with self._store.read() as tx:
                client = smart_clients.find(tx, claimed.client_id)
            if client is None:
                raise Refused("no such client", code=NOT_KNOWN)
            keys = self._keys(client, claimed.key_id)
            verified = client_assertion.verify(asking.assertion, keys, client.client_id, asking.audience, now)
            return self._give(client, asking, verified, now)
        except Refused as fault:
            actor = f"token:{client.token.name}" if client is not None else "unknown"
            with self._store.write() as tx:
                audit.add(
                    tx,
                    at=now,
                    action="access_token_given",
                    actor=actor,
                    origin=asking.origin,
                    outcome="refused",
                    detail={"code": fault.code},
                )
            raise

    def _give(self, client: SmartClient, asking: Asking, verified: Verified, now: datetime) -> Access:
        scopes = tuple(smart_scopes.narrowed(asking.scopes[:_MAX_SCOPES], client.token.scopes))
        if not scopes:
            raise Refused("none of these scopes is the client's", code=NO_SCOPE)
        token = f"ib_{secrets.token_urlsafe(32)}"
        given = smart_clients.Given(
            users.digest_of_secret(verified.jti),
            users.digest_of_secret(token),
            scopes,
            now,
            now + LIFE,
            max(now + LIFE, verified.ends_at),
        )
        with self._store.write() as tx:
            if smart_clients.find(tx, client.client_id) is None:
                raise Refused("no such client", code=NOT_KNOWN)
            if not smart_clients.give(tx, client.key, given):
                raise Refused("this assertion was used before (jti)", code=NOT_KNOWN)
            users.touch_token(tx, client.token.key, now)
            audit.add(
                tx,
                at=now,
                action="access_token_given",
                actor=f"token:{client.token.name}",
                origin=asking.origin,
                detail={"token": client.token.key, "scopes": list(scopes)},
            )
        return Access(token, scopes, int(LIFE.total_seconds()))

    def _keys(self, client: SmartClient, key_id: str) -> dict[tuple[str, str], PublicKey]:
        try:
            said = client.jwks if client.jwks is not None else self._keys_at(client.jwks_url, key_id)
            return client_assertion.public_keys(said)
        except Malformed as fault:
            raise Refused(fault.detail, code=NOT_KNOWN) from None
