"""Studies, series and instances as received, and their bindings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import and_, bindparam, delete, func, insert, or_, select, update

from bridge.domain.evidence import IdentityKey
from bridge.domain.study import Header, Instance, Series, Study, StudyContents, StudyState
from bridge.store import chart_versions, chart_withdrawals, placements
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.prepared import Prepared
from bridge.store.received import header_from_json, header_to_json, instance_of_row, series_of_row
from bridge.store.tables import conflicting_instances, instances, series, studies, study_keys

_KEYS_AT_ONCE = 16
_GET = Prepared(select(studies).where(studies.c.key == bindparam("key")))
# As an UPDATE locks a row that other rows refer to; SQLite has one writer, and says nothing of locks.
_HOLD = Prepared(select(studies).where(studies.c.key == bindparam("key")).with_for_update(key_share=True))
_BY_UID = Prepared(select(studies).where(studies.c.study_instance_uid == bindparam("uid")))
_KEY_BY_UID = Prepared(select(studies.c.key).where(studies.c.study_instance_uid == bindparam("uid")))
_SERIES_BY_UID = Prepared(select(series).where(series.c.series_instance_uid == bindparam("uid")))
_INSTANCE_BY_UID = Prepared(select(instances).where(instances.c.sop_instance_uid == bindparam("uid")))
_NEW_INSTANCE = tuple(name for name in Instance.__slots__ if name not in ("key", "removed_at"))
_new_instance = attrgetter(*_NEW_INSTANCE)
_ADD_INSTANCE = Prepared(insert(instances), (*_NEW_INSTANCE, "received_from"))
_TOUCH = Prepared(update(studies).where(studies.c.key == bindparam("study_key")), ["last_instance_at", "completed_at"])
_OTHER_IDENTITIES = Prepared(select(studies.c.other_identities).where(studies.c.key == bindparam("key")))
_OF_PATIENT = Prepared(select(studies).where(studies.c.patient_key == bindparam("patient_key")).order_by(studies.c.key))
_OF_ORDER = Prepared(select(studies).where(studies.c.order_key == bindparam("order_key")).order_by(studies.c.key))
_SERIES_OF = Prepared(
    select(series).where(series.c.study_key == bindparam("study_key")).order_by(series.c.series_number, series.c.key)
)
_SHOWN_OF = Prepared(
    select(instances)
    .where(instances.c.study_key == bindparam("study_key"), instances.c.withheld == "")
    .order_by(instances.c.instance_number, instances.c.key)
)
_INSTANCE_UIDS = Prepared(select(instances.c.sop_instance_uid).where(instances.c.study_key == bindparam("study_key")))
_COUNT = Prepared(select(func.count().label("count")).where(instances.c.study_key == bindparam("study_key")))
_ANSWERING = Prepared(
    select(study_keys.c.study_key)
    .where(
        or_(
            *(
                and_(study_keys.c.kind == bindparam(f"kind{place}"), study_keys.c.value == bindparam(f"value{place}"))
                for place in range(_KEYS_AT_ONCE)
            )
        )
    )
    .distinct()
)


def get(tx: ReadTx, key: int) -> Study:
    """Return the study in row *key*. Raises: LookupError."""
    row = _GET.first(tx, key=key)
    if row is None:
        raise LookupError(f"no study {key}")
    return _study(row)


def hold(tx: WriteTx, key: int) -> Study:
    """Return the study in row *key*, which nobody else changes before this transaction ends."""
    return _study(_HOLD.first(tx, key=key))


def by_uid(tx: ReadTx, study_instance_uid: str) -> Study | None:
    """Return the study with *study_instance_uid*, None if nothing of it was received."""
    row = _BY_UID.first(tx, uid=study_instance_uid)
    return None if row is None else _study(row)


def key_by_uid(tx: ReadTx, study_instance_uid: str) -> int | None:
    """Return the row of the study with *study_instance_uid*, None if nothing of it was received."""
    key: int | None = _KEY_BY_UID.scalar(tx, uid=study_instance_uid)
    return key


def of_patient(tx: ReadTx, patient_key: int) -> list[Study]:
    """Return the studies bound to a patient."""
    return [_study(row) for row in _OF_PATIENT.all(tx, patient_key=patient_key)]


def held_from(tx: ReadTx, patient_keys: Iterable[int]) -> list[Study]:
    """Return the studies that were bound to one of these records until they were held."""
    wanted = studies.c.held_from_patient_key.in_(list(patient_keys))
    return [_study(row) for row in tx.execute(select(studies).where(wanted).order_by(studies.c.key))]


def of_order(tx: ReadTx, order_key: int) -> list[Study]:
    """Return the studies bound to an order."""
    return [_study(row) for row in _OF_ORDER.all(tx, order_key=order_key)]


def answering(tx: ReadTx, keys: Iterable[IdentityKey]) -> list[Study]:
    """Return the studies, in any state, whose header shares one of *keys*: what a new fact may decide."""
    wanted = sorted(set(keys))
    found: set[int] = set()
    for at in range(0, len(wanted), _KEYS_AT_ONCE):
        part = wanted[at : at + _KEYS_AT_ONCE]
        # The last key stands again in what is left of a place's width.
        said = {f"kind{place}": part[min(place, len(part) - 1)].kind for place in range(_KEYS_AT_ONCE)}
        said |= {f"value{place}": part[min(place, len(part) - 1)].value for place in range(_KEYS_AT_ONCE)}
        found |= {row.study_key for row in _ANSWERING.all(tx, **said)}
    return [get(tx, key) for key in sorted(found)]


def undecided(tx: ReadTx) -> list[Study]:
    """Return the studies that wait for evidence or a person, oldest first."""
    rows = tx.execute(
        select(studies)
        .where(studies.c.state.in_([StudyState.REVIEW, StudyState.QUARANTINE]), studies.c.closed_reason == "")
        .order_by(studies.c.key)
    )
    return [_study(row) for row in rows]


def add(tx: WriteTx, header: Header, source_ae_title: str, foreign: bool, at: datetime) -> Study:
    """Store a new study, undecided; `set_keys` makes it findable by later facts."""
    key = insert_row(
        tx,
        studies,
        study_instance_uid=header.study_instance_uid,
        state=StudyState.QUARANTINE.value,
        source_ae_title=source_ae_title,
        foreign=foreign,
        **_received_values(header),
        first_instance_at=at,
        last_instance_at=at,
    )
    chart_versions.come(tx, header.study_instance_uid, key)
    chart_withdrawals.come(tx, header.study_instance_uid, key)
    return get(tx, key)


def set_keys(tx: WriteTx, study_key: int, keys: Iterable[IdentityKey]) -> None:
    """Replace the values under which later patients and orders find a study."""
    tx.execute(delete(study_keys).where(study_keys.c.study_key == study_key))
    rows = [{"study_key": study_key, "kind": key.kind, "value": key.value} for key in sorted(set(keys))]
    if rows:
        tx.execute(insert(study_keys), rows)


def save(tx: WriteTx, study: Study) -> Study:
    """Store *study*'s state and binding over the row of its key. Raises: LookupError, if it changed since it was read."""
    done = tx.execute(
        update(studies)
        .where(studies.c.key == study.key, studies.c.version == study.version)
        .values(
            state=study.state.value,
            patient_key=study.patient_key,
            order_key=study.order_key,
            rule=study.rule,
            decided_by=study.decided_by,
            sentence=study.sentence,
            binding_version=study.binding_version,
            held_from_patient_key=study.held_from_patient_key,
            held_from_order_key=study.held_from_order_key,
            closed_reason=study.closed_reason,
            completed_at=study.completed_at,
            version=study.version + 1,
        )
    )
    if done.rowcount != 1:
        raise LookupError(f"study {study.key} changed meanwhile")
    saved = get(tx, study.key)
    placements.follow(tx, saved)
    return saved


def touch(tx: WriteTx, study_key: int, at: datetime) -> None:
    """Note that an instance came: the study is not quiet."""
    _TOUCH.run(tx, study_key=study_key, last_instance_at=at, completed_at=None)


def note_end(tx: WriteTx, study_key: int, instance_count: int | None) -> None:
    """Note with how many instances a study's exam had ended; None: it goes on."""
    tx.execute(update(studies).where(studies.c.key == study_key).values(ended_with=instance_count))


def add_keys(tx: WriteTx, study_key: int, keys: Iterable[IdentityKey]) -> None:
    """Let later patients and orders find a study under *keys* too."""
    rows = tx.execute(select(study_keys.c.kind, study_keys.c.value).where(study_keys.c.study_key == study_key))
    known = {IdentityKey(row.kind, row.value) for row in rows}
    new = [{"study_key": study_key, "kind": key.kind, "value": key.value} for key in sorted(set(keys) - known)]
    if new:
        tx.execute(insert(study_keys), new)


def other_identities(tx: ReadTx, study_key: int) -> list[dict[str, Any]]:
    """Return what instances of the study say otherwise than its first: whose they are ("patient"), of which "order"."""
    return list(_OTHER_IDENTITIES.scalar(tx, key=study_key))


def add_other_identity(tx: WriteTx, study_key: int, identity: dict[str, Any]) -> None:
    """Keep that an instance of the study names another patient or order."""
    known = other_identities(tx, study_key)
    if identity not in known:
        tx.execute(update(studies).where(studies.c.key == study_key).values(other_identities=[*known, identity]))


def kept_objects(tx: ReadTx, study_key: int) -> list[tuple[str, str]]:
    """Return the blob of each instance of a study and where it came from ("CT1@10.0.0.7"), the first received first."""
    wanted = select(instances.c.blob, instances.c.received_from).where(instances.c.study_key == study_key)
    return [(row.blob, row.received_from) for row in tx.execute(wanted.order_by(instances.c.key))]


def put_reading(tx: WriteTx, study: Study, header: Header, other_identities: list[dict[str, Any]]) -> None:
    """Store what a study is read to say by now; unless it is held, its last verdict is to be reached anew."""
    values = _received_values(header) | {"other_identities": other_identities}
    if study.held_from_patient_key is None:
        values |= {"rule": "", "sentence": ""}
    tx.execute(update(studies).where(studies.c.key == study.key).values(version=study.version + 1, **values))


def add_series(tx: WriteTx, study_key: int, header: Header) -> Series:
    """Store the new series of *header*."""
    said: dict[str, Any] = {
        "study_key": study_key,
        "series_instance_uid": header.series_instance_uid,
        "modality": header.modality,
        "series_number": header.series_number,
        "series_description": header.series_description,
        "series_date": header.series_date,
        "series_time": header.series_time,
        "body_part_examined": header.body_part_examined,
        "laterality": header.laterality,
        "station_name": header.station_name,
    }
    key = insert_row(tx, series, **said, details=asdict(header.details) if header.details else {})
    return Series(key=key, **said, details=header.details)


def series_by_uid(tx: ReadTx, series_instance_uid: str) -> Series | None:
    row = _SERIES_BY_UID.first(tx, uid=series_instance_uid)
    return None if row is None else series_of_row(row)


def instance_by_uid(tx: ReadTx, sop_instance_uid: str) -> Instance | None:
    """Return the instance with *sop_instance_uid*, None if it was never kept as one of a study."""
    row = _INSTANCE_BY_UID.first(tx, uid=sop_instance_uid)
    return None if row is None else instance_of_row(row)


def add_instance(tx: WriteTx, instance: Instance, received_from: str) -> Instance:
    """Store a new instance (its key is ignored)."""
    values = dict(zip(_NEW_INSTANCE, _new_instance(instance), strict=True))
    return replace(instance, key=_ADD_INSTANCE.key(tx, **values, received_from=received_from))


def add_conflict(tx: WriteTx, header: Header, instance: Instance, reason: str, received_from: str) -> None:
    """Keep an object whose UID is taken by another: for a person, never shown as the study's."""
    known = tx.execute(
        select(conflicting_instances.c.key).where(
            conflicting_instances.c.sop_instance_uid == header.sop_instance_uid,
            conflicting_instances.c.digest == instance.digest,
        )
    ).first()
    if known is None:
        insert_row(
            tx,
            conflicting_instances,
            sop_instance_uid=header.sop_instance_uid,
            study_instance_uid=header.study_instance_uid,
            blob=instance.blob,
            digest=instance.digest,
            received=header_to_json(header),
            reason=reason,
            received_at=instance.received_at,
            received_from=received_from,
        )


def has_conflict_from(tx: ReadTx, sop_instance_uid: str, ae_title: str) -> bool:
    """Say whether *ae_title* has sent other content under a UID that is taken."""
    of_peer = conflicting_instances.c.sop_instance_uid == sop_instance_uid
    row = tx.execute(
        select(conflicting_instances.c.key).where(of_peer, conflicting_instances.c.received_from == ae_title).limit(1)
    ).first()
    return row is not None


def many(tx: ReadTx, study_keys: Sequence[int]) -> list[Study]:
    """Return the studies in these rows, in no order."""
    return [_study(row) for row in tx.execute(select(studies).where(studies.c.key.in_(study_keys)))]


def series_of(tx: ReadTx, study_keys: Sequence[int]) -> list[Series]:
    """Return the series of these studies, each study's in its order."""
    wanted = select(series).where(series.c.study_key.in_(study_keys))
    return [series_of_row(row) for row in tx.execute(wanted.order_by(series.c.series_number, series.c.key))]


def contents(tx: ReadTx, study_key: int) -> StudyContents:
    """Return a study with its series and instances in their order, as it shows: nothing that is withheld."""
    study = get(tx, study_key)
    found = [series_of_row(row) for row in _SERIES_OF.all(tx, study_key=study_key)]
    groups: dict[int, list[Instance]] = {one.key: [] for one in found}
    for row in _SHOWN_OF.all(tx, study_key=study_key):
        groups[row.series_key].append(instance_of_row(row))
    shown = tuple(one for one in found if groups[one.key])
    return StudyContents(study, shown, {one.key: tuple(groups[one.key]) for one in shown})


def instance_uids(tx: ReadTx, study_key: int) -> set[str]:
    """Return the SOP Instance UIDs of a study's instances."""
    return {row.sop_instance_uid for row in _INSTANCE_UIDS.all(tx, study_key=study_key)}


def count_instances(tx: ReadTx, study_key: int) -> int:
    return int(_COUNT.scalar(tx, study_key=study_key))


def _received_values(header: Header) -> dict[str, Any]:
    return {
        "received": header_to_json(header),
        "received_patient_id": header.patient_id,
        "received_issuer_of_patient_id": header.issuer_of_patient_id,
        "received_patient_name": header.patient_name,
        "received_patient_birth_date": header.patient_birth_date,
        "received_accession_number": header.accession_number,
        "study_date": header.study_date,
        "study_time": header.study_time,
    }


def _study(row: Any) -> Study:
    return Study(
        key=row.key,
        study_instance_uid=row.study_instance_uid,
        state=StudyState(row.state),
        received=header_from_json(row.received),
        source_ae_title=row.source_ae_title,
        foreign=row.foreign,
        patient_key=row.patient_key,
        order_key=row.order_key,
        rule=row.rule,
        decided_by=row.decided_by,
        sentence=row.sentence,
        binding_version=row.binding_version,
        held_from_patient_key=row.held_from_patient_key,
        held_from_order_key=row.held_from_order_key,
        closed_reason=row.closed_reason,
        first_instance_at=row.first_instance_at,
        last_instance_at=row.last_instance_at,
        completed_at=row.completed_at,
        ended_with=row.ended_with,
        version=row.version,
    )
