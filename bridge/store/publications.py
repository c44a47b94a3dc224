"""What stands outside, at whom, for which binding: ImagingStudies on FHIR servers, objects in archives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, bindparam, case, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from bridge.domain.commitment import SENDS_MOST, CommitmentState
from bridge.store.db import ReadTx, WriteTx
from bridge.store.prepared import Prepared
from bridge.store.tables import forwards, instances, publications, studies

_OF_STUDY_ANYWHERE = (
    select(publications).where(publications.c.study_key == bindparam("study_key")).order_by(publications.c.key)
)
_OF_STUDY = Prepared(_OF_STUDY_ANYWHERE)
_OF_STUDY_AT = Prepared(_OF_STUDY_ANYWHERE.where(publications.c.server == bindparam("server")))
_FORWARDED = Prepared(
    select(
        forwards.c.destination,
        forwards.c.binding_version,
        func.count().label("count"),
        func.max(forwards.c.sent_at).label("last_at"),
    )
    .where(forwards.c.study_key == bindparam("study_key"))
    .group_by(forwards.c.destination, forwards.c.binding_version)
    .order_by(forwards.c.destination, forwards.c.binding_version)
)
_OPEN_AGAIN = {
    "commitment": CommitmentState.UNASKED.value,
    "transaction_uid": "",
    "commitment_asks": 0,
    "commitment_at": None,
    "failure_reason": None,
}


def _put_forward(statement: Any) -> Any:
    """Return what stores a forward, over what was known of the object there; *statement*: a dialect's INSERT."""
    old, said = forwards.c, statement.excluded
    same = old.binding_version == said.binding_version
    values = {name: said[name] for name in ("binding_version", "status", "sent_at")}
    failures = case((same, old.commitment_failures), else_=0)
    return statement.on_conflict_do_update(
        index_elements=["instance_key", "destination"],
        set_=values | _OPEN_AGAIN | {"commitment_failures": failures},
    )


_PUT_FORWARD = {
    "sqlite": _put_forward(sqlite_insert(forwards)),
    "postgresql": _put_forward(postgresql_insert(forwards)),
}


@dataclass(frozen=True, slots=True)
class Publication:
    """
    One resource on one server. subject: the patient's reference there; patient_key: whom we meant by it.

    retired_at: when it was withdrawn, None while it stands.
    """

    study_key: int
    server: str
    resource_type: str
    reference: str
    version: str
    status: str
    subject: str
    patient_key: int | None
    content_digest: str
    binding_version: int
    published_at: datetime
    retired_at: datetime | None = None


def of_study(tx: ReadTx, study_key: int, server: str = "") -> list[Publication]:
    """Return what stands, or stood, of a study; at *server*, or anywhere. Oldest first."""
    said = {"study_key": study_key}
    rows = _OF_STUDY_AT.all(tx, **said, server=server) if server else _OF_STUDY.all(tx, **said)
    return [_publication(row) for row in rows]


def study_at(tx: ReadTx, server: str, reference: str) -> int | None:
    """Return the study that stands at a server under *reference*, None if none of ours does."""
    c = publications.c
    query = select(c.study_key).where(c.server == server, c.reference == reference, c.retired_at.is_(None))
    found: int | None = tx.execute(query.where(c.resource_type == "ImagingStudy")).scalar()
    return found


def standing(
    tx: ReadTx, server: str, *, limit: int, after: int = 0, newest_first: bool = False
) -> list[tuple[int, Publication]]:
    """Return what stands at *server* with the keys of its rows: beyond the row *after*, or the newest."""
    c = publications.c
    query = select(publications).where(c.server == server, c.retired_at.is_(None), c.key > after)
    query = query.where(c.resource_type == "ImagingStudy")
    rows = tx.execute(query.order_by(c.key.desc() if newest_first else c.key).limit(limit))
    return [(row.key, _publication(row)) for row in rows]


def put(tx: WriteTx, publication: Publication) -> None:
    """Store what stands now, over what was known of the same resource."""
    values = {name: getattr(publication, name) for name in Publication.__slots__}
    done = tx.execute(
        update(publications)
        .where(publications.c.server == publication.server, publications.c.reference == publication.reference)
        .values(**values)
    )
    if not done.rowcount:
        tx.execute(insert(publications).values(**values))


def retire(tx: WriteTx, server: str, reference: str, status: str, at: datetime) -> None:
    """Note that a resource was withdrawn."""
    tx.execute(
        update(publications)
        .where(publications.c.server == server, publications.c.reference == reference)
        .values(status=status, retired_at=at)
    )


def note_complete(tx: WriteTx, study_key: int, at: datetime) -> None:
    """Note when a study was first published whole, unless an image has come since."""
    tx.execute(
        update(studies)
        .where(studies.c.key == study_key, studies.c.completed_at.is_(None), studies.c.last_instance_at <= at)
        .values(completed_at=at)
    )


def owed_instances(tx: ReadTx, study_key: int, destination: str, since: int) -> list[int]:
    """
    Return the keys of the instances that *destination* has not got as they leave now, in the order they came.

    since: the binding version from which on they have left so.
    """
    done = and_(forwards.c.instance_key == instances.c.key, forwards.c.destination == destination)
    rows = tx.execute(
        select(instances.c.key)
        .outerjoin(forwards, done)
        .where(
            instances.c.study_key == study_key,
            instances.c.withheld == "",
            or_(
                forwards.c.key.is_(None),
                forwards.c.binding_version < since,
                and_(
                    forwards.c.commitment == CommitmentState.FAILED.value, forwards.c.commitment_failures < SENDS_MOST
                ),
            ),
        )
        .order_by(instances.c.key)
    )
    return list(rows.scalars())


def outdated_instances(tx: ReadTx, study_key: int, destination: str, since: int) -> set[int]:
    """Return the keys of the instances that *destination* has otherwise than they leave since binding version *since*."""
    c = forwards.c
    mine = (c.study_key == study_key, c.destination == destination, c.binding_version < since)
    return set(tx.execute(select(c.instance_key).where(*mine)).scalars())


def had_instances(tx: ReadTx, study_key: int, destination: str) -> set[int]:
    """Return the keys of the instances that *destination* was sent, with whatever binding."""
    wanted = select(forwards.c.instance_key).where(
        forwards.c.study_key == study_key, forwards.c.destination == destination
    )
    return set(tx.execute(wanted).scalars())


def put_forwards(
    tx: WriteTx, study_key: int, destination: str, binding_version: int, sent: Iterable[tuple[int, str, datetime]]
) -> None:
    """Note what an archive took: (instance key, status as four hexadecimal digits, when). Whether it keeps it is open."""
    rows = [
        {
            "instance_key": instance_key,
            "study_key": study_key,
            "destination": destination,
            "binding_version": binding_version,
            "status": status,
            "sent_at": at,
        }
        for instance_key, status, at in sent
    ]
    if rows:
        tx.execute(_PUT_FORWARD[tx.dialect.name], rows)


@dataclass(frozen=True, slots=True)
class Forwarded:
    """How many of a study's objects an archive has with one binding, and since when the last."""

    destination: str
    binding_version: int
    count: int
    last_at: datetime


def forwarded(tx: ReadTx, study_key: int) -> list[Forwarded]:
    """Return what archives have of a study."""
    return [Forwarded(*row) for row in _FORWARDED.all(tx, study_key=study_key)]


def _publication(row: Row[Any]) -> Publication:
    return Publication(**{name: getattr(row, name) for name in Publication.__slots__})
