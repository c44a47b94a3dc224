"""What every source said of authorizations, append-only, and what waits for a person to say whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import orjson
from sqlalchemy import Row, select, update

from bridge.domain.authorization import AuthorizationLine, Urgency
from bridge.domain.authorization_news import AuthorizationNews, NewsKind
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier, digest_of
from bridge.store import news as looks
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.prepared import Prepared
from bridge.store.tables import authorization_news

_INSTANTS = ("said_at", "received_at")
_PAUSE = timedelta(seconds=10)
_ENTITIES = ("placer_order_number", "filler_order_number")


@dataclass(frozen=True, slots=True)
class Heard:
    """
    News as they are kept. authorization_key: whose they are, None while they wait; patient_key: its record when they came.

    waits: why a person must say whose they are. source_kind, source_id: where they came from ("message", its key).
    """

    key: int
    news: AuthorizationNews
    digest: str
    heard_at: datetime
    authorization_key: int | None
    patient_key: int | None
    waits: str
    source_kind: str
    source_id: str


def digests_of(said: AuthorizationNews) -> tuple[str, str]:
    """Return the digest of the news, and of what they say whenever they say it."""
    content = _content(said)
    whole = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    timeless = orjson.dumps({**content, "said_at": None}, option=orjson.OPT_SORT_KEYS)
    return digest_of(whole), digest_of(timeless)


def by_digest(tx: ReadTx, digest: str) -> Heard | None:
    """Return the same news as they were heard before, None if they are new."""
    row = tx.execute(select(authorization_news).where(authorization_news.c.digest == digest)).first()
    return None if row is None else _heard(row)


def last_alike(tx: ReadTx, source: str, content_digest: str) -> Heard | None:
    """Return the news in these words if they are the last that *source* said of their authorization, or still wait."""
    c = authorization_news.c
    query = select(authorization_news).where(c.content_digest == content_digest, c.source == source)
    row = tx.execute(query.order_by(c.key.desc())).first()
    if row is None or row.authorization_key is None:
        return None if row is None else _heard(row)
    same = (c.authorization_key == row.authorization_key, c.source == source)
    last = tx.execute(select(c.key).where(*same).order_by(c.said_at.desc(), c.key.desc())).scalar()
    return _heard(row) if last == row.key else None


def named_alike(tx: ReadTx, authorization_key: int, content_digest: str) -> Heard | None:
    """Return the news that named or asked for an authorization in the same words; what a payer answers is kept each time."""
    c = authorization_news.c
    here = (
        c.authorization_key == authorization_key,
        c.content_digest == content_digest,
        c.kind != NewsKind.ANSWERED.value,
    )
    row = tx.execute(select(authorization_news).where(*here)).first()
    return None if row is None else _heard(row)


def add(tx: WriteTx, heard: Heard, content_digest: str) -> int:
    """Append news (their key is ignored); returns their row."""
    return insert_row(
        tx,
        authorization_news,
        digest=heard.digest,
        content_digest=content_digest,
        kind=heard.news.kind.value,
        source=heard.news.source,
        said_at=heard.news.said_at,
        heard_at=heard.heard_at,
        authorization_key=heard.authorization_key,
        patient_key=heard.patient_key,
        content=_content(heard.news),
        waits=heard.waits,
        source_kind=heard.source_kind,
        source_id=heard.source_id,
    )


def say_again(tx: WriteTx, key: int, said: AuthorizationNews, digest: str, at: datetime) -> None:
    """Note that what is no answer was said again, later: its time is the newest."""
    values = {"said_at": said.said_at, "heard_at": at, "digest": digest, "content": _content(said)}
    tx.execute(update(authorization_news).where(authorization_news.c.key == key).values(**values))


def settle(tx: WriteTx, key: int, authorization_key: int, patient_key: int) -> None:
    """Note whose authorization news are that waited for a person."""
    values = {"authorization_key": authorization_key, "patient_key": patient_key, "waits": ""}
    tx.execute(update(authorization_news).where(authorization_news.c.key == key).values(**values))


def get(tx: ReadTx, key: int) -> Heard:
    """Return the news in row *key*. Raises: LookupError."""
    row = tx.execute(select(authorization_news).where(authorization_news.c.key == key)).first()
    if row is None:
        raise LookupError(f"no news of an authorization {key}")
    return _heard(row)


def of_authorization(tx: ReadTx, authorization_key: int) -> list[Heard]:
    """Return what was said of an authorization, by the time it was said."""
    c = authorization_news.c
    query = select(authorization_news).where(c.authorization_key == authorization_key).order_by(c.said_at, c.digest)
    return [_heard(row) for row in tx.execute(query)]


def waiting(tx: ReadTx, *, before: int | None = None, limit: int = 100) -> list[Heard]:
    """Return what waits for a person, newest first."""
    c = authorization_news.c
    query = select(authorization_news).where(c.waits != "").order_by(c.key.desc()).limit(limit)
    if before is not None:
        query = query.where(c.key < before)
    return [_heard(row) for row in tx.execute(query)]


def look_again(tx: WriteTx, at: datetime) -> None:
    """Have what waits looked at once more, soon: something became known that may say whose it is."""
    if _ANY_WAITS.first(tx) is not None:
        looks.look_at(tx, looks.WAITING, 0, at + _PAUSE)


def next_waiting(tx: ReadTx, before: int) -> int | None:
    """Return the newest that waits among those older than row *before*, 0 for all, None if there is none."""
    c = authorization_news.c
    query = select(c.key).where(c.waits != "").order_by(c.key.desc()).limit(1)
    return tx.execute(query.where(c.key < before) if before else query).scalar()


_ANY_WAITS = Prepared(select(authorization_news.c.key).where(authorization_news.c.waits != "").limit(1))


def _content(said: AuthorizationNews) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in asdict(said).items():
        if isinstance(value, datetime):
            found[name] = value.isoformat()
        elif value:
            found[name] = value.value if isinstance(value, StrEnum) else value
    for name in _ENTITIES:
        if not getattr(said, name):
            found.pop(name, None)
    found["lines"] = [{name: one for name, one in line.items() if one} for line in found.get("lines", ())]
    return found


def _heard(row: Row[Any]) -> Heard:
    own = {name: getattr(row, name) for name in Heard.__slots__ if name != "news"}
    return Heard(news=_news(row.content), **own)


def _news(content: Mapping[str, Any]) -> AuthorizationNews:
    said: dict[str, Any] = {name: _plain(value) for name, value in content.items()}
    for name in _INSTANTS:
        if name in said:
            said[name] = datetime.fromisoformat(said[name])
    for name in _ENTITIES:
        if name in said:
            said[name] = EntityIdentifier(**said[name])
    said["kind"] = NewsKind(said["kind"])
    if "urgency" in said:
        said["urgency"] = Urgency(said["urgency"])
    said["patient_numbers"] = tuple(PatientIdentifier(**one) for one in content.get("patient_numbers", ()))
    said["lines"] = tuple(
        AuthorizationLine(**{"code": ""} | {name: _plain(value) for name, value in line.items()})
        for line in content.get("lines", ())
    )
    return AuthorizationNews(**said)


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
