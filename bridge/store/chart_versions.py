"""Every version of every resource that a chart has, or had: what we wrote to servers, and what we serve. Append-only.

A version is kept in the transaction that records why it came to be. It is never changed; after the time that the site
keeps them an old one loses what it said, and its row stays.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import ColumnElement, and_, func, or_, select, update

from bridge.domain.chart import ENDED, PARTS, Cause, ChartVersion, Whose, Why
from bridge.domain.identifiers import digest_of
from bridge.store.db import ReadTx, WriteTx, insert_row, lock
from bridge.store.tables import chart_versions as table

Json = dict[str, Any]

_c = table.c
# What a server writes by itself makes no version.
_NOT_COMPARED = ("meta", "text")
_LISTED = (
    _c.key, _c.server, _c.resource_type, _c.reference, _c.number, _c.server_version, _c.at, _c.status, _c.subject,
    _c.study_key, _c.patient_key, _c.order_key, _c.study_instance_uid, _c.binding_version, _c.cause, _c.made_by, _c.why,
    _c.digest,
    _c.content.is_not(None).label("has_content"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Standing:
    """
    A resource as it stands in a chart now. said: the resource by FHIR release ("R4", "R5"), alike in all of them.

    server_version: what the server calls this version, "" where it does not say.
    """

    server: str
    reference: str
    said: Mapping[str, Json]
    server_version: str = ""

    @property
    def resource_type(self) -> str:
        return self.reference.partition("/")[0]

    @property
    def any_release(self) -> Json:
        return next(iter(self.said.values()))

    @property
    def status(self) -> str:
        return str(self.any_release.get("status", ""))

    @property
    def is_ended(self) -> bool:
        """Whether it is in nobody's chart any more."""
        return self.status in ENDED

    @property
    def subject(self) -> str:
        """The patient's reference, "" for none."""
        said = self.any_release.get("subject")
        return str(said.get("reference", "")) if isinstance(said, dict) else ""

    @property
    def digest(self) -> str:
        """The SHA-256 of what it says, but for what a server writes by itself."""
        compared = {
            release: {name: value for name, value in said.items() if name not in _NOT_COMPARED}
            for release, said in self.said.items()
        }
        return digest_of(orjson.dumps(compared, option=orjson.OPT_SORT_KEYS))


def keep(tx: WriteTx, standing: Standing, whose: Whose, why: Why, at: datetime) -> ChartVersion | None:
    """Append what stands now as a version; None, and nothing is appended, if the newest one says the same."""
    lock(tx, f"chart:{standing.server}:{standing.reference}")
    last, digest = newest(tx, standing.server, standing.reference), standing.digest
    if last is not None and last.digest == digest:
        return None
    insert_row(
        tx,
        table,
        server=standing.server,
        resource_type=standing.resource_type,
        reference=standing.reference,
        number=last.number + 1 if last is not None else 1,
        server_version=standing.server_version,
        at=at,
        status=standing.status,
        subject=standing.subject,
        study_key=whose.study_key,
        patient_key=whose.patient_key,
        order_key=whose.order_key,
        study_instance_uid=whose.study_instance_uid,
        binding_version=whose.binding_version,
        cause=why.cause.value,
        made_by=why.by,
        why=why.words,
        digest=digest,
        content=zlib.compress(orjson.dumps(standing.said, option=orjson.OPT_SORT_KEYS)),
    )
    return newest(tx, standing.server, standing.reference)


def newest(tx: ReadTx, server: str, reference: str) -> ChartVersion | None:
    """Return the version of a resource that stands now, None if it never had one."""
    row = tx.execute(_of(server, reference).limit(1)).first()
    return None if row is None else _version(row)


def get(tx: ReadTx, server: str, reference: str, number: int) -> ChartVersion | None:
    """Return one version of a resource, None if there is none of that number."""
    row = tx.execute(_of(server, reference).where(_c.number == number)).first()
    return None if row is None else _version(row)


def of_resource(
    tx: ReadTx,
    server: str,
    reference: str,
    *,
    since: datetime | None = None,
    before: int | None = None,
    limit: int = 1000,
) -> list[ChartVersion]:
    """Return the versions of a resource, newest first. since: made then or later. before: below this number."""
    query = _of(server, reference).limit(limit)
    if since is not None:
        query = query.where(_c.at >= since)
    if before is not None:
        query = query.where(_c.number < before)
    return [_version(row) for row in tx.execute(query)]


def of_type(
    tx: ReadTx,
    server: str,
    resource_type: str,
    *,
    since: datetime | None = None,
    before_key: int | None = None,
    limit: int = 100,
) -> list[ChartVersion]:
    """Return the versions of every resource of a kind, newest first. before_key: below this row."""
    wanted = (_c.server == server, _c.resource_type == resource_type)
    query = select(*_LISTED).where(*wanted).order_by(_c.key.desc()).limit(limit)
    if since is not None:
        query = query.where(_c.at >= since)
    if before_key is not None:
        query = query.where(_c.key < before_key)
    return [_version(row) for row in tx.execute(query)]


def of_keys(tx: ReadTx, keys: Collection[int]) -> list[ChartVersion]:
    """Return the versions in these rows, newest first."""
    wanted = select(*_LISTED).where(_c.key.in_(list(keys))).order_by(_c.key.desc())
    return [_version(row) for row in tx.execute(wanted)]


def of_study(tx: ReadTx, study_key: int, server: str | None = None) -> list[ChartVersion]:
    """Return every version of a study's own entries, newest first; at *server*, or everywhere."""
    mine = (_c.study_key == study_key, _c.resource_type == "ImagingStudy")
    query = select(*_LISTED).where(*mine).order_by(_c.key.desc())
    return [_version(row) for row in tx.execute(query if server is None else query.where(_c.server == server))]


def of_coming(tx: ReadTx, study_instance_uid: str) -> list[ChartVersion]:
    """Return every version of the entries of a study that no image is here of, newest first, everywhere."""
    mine = (_c.study_instance_uid == study_instance_uid, _c.study_key.is_(None))
    return [_version(row) for row in tx.execute(select(*_LISTED).where(*mine).order_by(_c.key.desc()))]


def come(tx: WriteTx, study_instance_uid: str, study_key: int) -> None:
    """The first image of a study is here: what was said of it before is of its row. What versions say stays."""
    coming = (_c.study_instance_uid == study_instance_uid, _c.study_instance_uid != "", _c.study_key.is_(None))
    tx.execute(update(table).where(*coming).values(study_key=study_key))


def of_parts(tx: ReadTx, study_key: int | None, order_keys: Collection[int]) -> list[ChartVersion]:
    """Return every version of what else charts have of an exam, newest first: about a study, or about these orders alone."""
    about = and_(_c.study_key.is_(None), _c.order_key.in_(order_keys))
    about = about if study_key is None else or_(_c.study_key == study_key, about)
    query = select(*_LISTED).where(about, _c.resource_type.in_(PARTS)).order_by(_c.key.desc())
    return [_version(row) for row in tx.execute(query)]


def newest_of_studies(
    tx: ReadTx, server: str, study_keys: Collection[int], resource_type: str = "ImagingStudy"
) -> list[ChartVersion]:
    """Return what stands of these studies at *server*: the newest version of each resource, ended or not."""
    mine = (_c.server == server, _c.resource_type == resource_type, _c.study_key.in_(list(study_keys)))
    last = select(func.max(_c.key)).where(*mine).group_by(_c.reference)
    return [_version(row) for row in tx.execute(select(*_LISTED).where(_c.key.in_(last)).order_by(_c.key))]


def placed_for(tx: ReadTx, server: str, study_key: int | None, order_keys: Collection[int | None]) -> dict[str, int]:
    """Return for whom each entry of a study, or one that was announced of these orders, stood at *server* last, by reference."""
    about: ColumnElement[bool] = _c.order_key.in_([key for key in order_keys if key is not None])
    about = about if study_key is None else or_(about, _c.study_key == study_key)
    mine = (_c.server == server, _c.resource_type == "ImagingStudy", _c.patient_key.is_not(None))
    query = select(_c.reference, _c.patient_key).where(about, *mine).order_by(_c.key)
    return {row.reference: row.patient_key for row in tx.execute(query)}


def said_by(tx: ReadTx, keys: Collection[int]) -> dict[int, dict[str, Json]]:
    """Return what versions say, by row and release; one that is not kept any more is left out."""
    rows = tx.execute(select(_c.key, _c.content).where(_c.key.in_(list(keys)), _c.content.is_not(None)))
    return {row.key: orjson.loads(zlib.decompress(row.content)) for row in rows}


def forget(tx: WriteTx, before: datetime, limit: int) -> int:
    """Forget what versions made before then said, but for the newest of each resource; return of how many."""
    later = table.alias("later")
    is_newest = ~select(later.c.key).where(_same(later.c), later.c.number > _c.number).exists()
    old = select(_c.key).where(_c.at < before, _c.content.is_not(None), ~is_newest).limit(limit)
    keys = list(tx.execute(old).scalars())
    if keys:
        tx.execute(update(table).where(_c.key.in_(keys)).values(content=None))
    return len(keys)


def _same(other: Any) -> ColumnElement[bool]:
    same: ColumnElement[bool] = (other.server == _c.server) & (other.reference == _c.reference)
    return same


def _of(server: str, reference: str) -> Any:
    return select(*_LISTED).where(_c.server == server, _c.reference == reference).order_by(_c.number.desc())


def _version(row: Any) -> ChartVersion:
    return ChartVersion(
        key=row.key,
        server=row.server,
        resource_type=row.resource_type,
        reference=row.reference,
        number=row.number,
        server_version=row.server_version,
        at=row.at,
        status=row.status,
        subject=row.subject,
        whose=Whose(row.study_key, row.patient_key, row.order_key, row.binding_version, row.study_instance_uid),
        why=Why(Cause(row.cause), row.made_by, row.why),
        digest=row.digest,
        has_content=bool(row.has_content),
    )
