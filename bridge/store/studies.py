"""Studies, series and instances as received, their bindings, and every decision about them."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, or_, select, update

from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.study import Header, Instance, RequestAttributes, Series, Study, StudyContents, StudyState
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import conflicting_instances, decisions, instances, mismatches, series, signals, studies


@dataclass(frozen=True, slots=True)
class Decision:
    """
    One decision about a study, append-only: it answers "why is this image in this chart" without any other source.

    actor: a rule code or "user:<name>". The JSON-able fields hold what was known when it was taken.
    """

    study_key: int
    decided_at: datetime
    actor: str
    outcome: str
    rule: str
    sentence: str
    patient_key: int | None = None
    order_key: int | None = None
    evidence: Sequence[dict[str, Any]] = ()
    differences: Sequence[dict[str, Any]] = ()
    candidates: Sequence[dict[str, Any]] = ()
    snapshot: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    supersedes: int | None = None
    binding_version: int = 0
    key: int = 0


def get(tx: ReadTx, key: int) -> Study:
    """Return the study in row *key*. Raises: LookupError."""
    row = tx.execute(select(studies).where(studies.c.key == key)).first()
    if row is None:
        raise LookupError(f"no study {key}")
    return _study(row)


def by_uid(tx: ReadTx, study_instance_uid: str) -> Study | None:
    """Return the study with *study_instance_uid*, None if nothing of it was received."""
    row = tx.execute(select(studies).where(studies.c.study_instance_uid == study_instance_uid)).first()
    return None if row is None else _study(row)


def of_patient(tx: ReadTx, patient_key: int) -> list[Study]:
    """Return the studies bound to a patient."""
    return [
        _study(row)
        for row in tx.execute(select(studies).where(studies.c.patient_key == patient_key).order_by(studies.c.key))
    ]


def of_order(tx: ReadTx, order_key: int) -> list[Study]:
    """Return the studies bound to an order."""
    return [
        _study(row)
        for row in tx.execute(select(studies).where(studies.c.order_key == order_key).order_by(studies.c.key))
    ]


def touched_by(
    tx: ReadTx,
    patient_ids: Iterable[str],
    birth_dates: Iterable[str],
    accessions: Iterable[str],
    study_uids: Iterable[str],
) -> list[Study]:
    """Return the studies, in any state, whose header names one of these: what a new fact may decide."""
    rows = tx.execute(
        select(studies)
        .where(
            or_(
                studies.c.received_patient_id.in_(_said(patient_ids)),
                studies.c.received_patient_birth_date.in_(_said(birth_dates)),
                studies.c.received_accession_number.in_(_said(accessions)),
                studies.c.study_instance_uid.in_(_said(study_uids)),
            )
        )
        .order_by(studies.c.key)
    )
    return [_study(row) for row in rows]


def undecided(tx: ReadTx) -> list[Study]:
    """Return the studies that wait for evidence or a person, oldest first."""
    rows = tx.execute(
        select(studies)
        .where(studies.c.state.in_([StudyState.REVIEW, StudyState.QUARANTINE]), studies.c.closed_reason == "")
        .order_by(studies.c.key)
    )
    return [_study(row) for row in rows]


def add(tx: WriteTx, header: Header, source_ae_title: str, foreign: bool, at: datetime) -> Study:
    """Store a new study, undecided."""
    key = insert_row(
        tx,
        studies,
        study_instance_uid=header.study_instance_uid,
        state=StudyState.QUARANTINE.value,
        received=_header_to_json(header),
        source_ae_title=source_ae_title,
        foreign=foreign,
        received_patient_id=header.patient_id,
        received_issuer_of_patient_id=header.issuer_of_patient_id,
        received_patient_name=header.patient_name,
        received_patient_birth_date=header.patient_birth_date,
        received_accession_number=header.accession_number,
        study_date=header.study_date,
        study_time=header.study_time,
        first_instance_at=at,
        last_instance_at=at,
    )
    return get(tx, key)


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
    return get(tx, study.key)


def touch(tx: WriteTx, study_key: int, at: datetime) -> None:
    """Note that an instance came: the study is not quiet."""
    tx.execute(update(studies).where(studies.c.key == study_key).values(last_instance_at=at, completed_at=None))


def other_identities(tx: ReadTx, study_key: int) -> list[dict[str, str]]:
    """Return the other patients that instances of the study name."""
    return list(tx.execute(select(studies.c.other_identities).where(studies.c.key == study_key)).scalar_one())


def add_other_identity(tx: WriteTx, study_key: int, identity: dict[str, str]) -> None:
    """Keep that an instance of the study names another patient."""
    known = other_identities(tx, study_key)
    if identity not in known:
        tx.execute(update(studies).where(studies.c.key == study_key).values(other_identities=[*known, identity]))


def find_or_add_series(tx: WriteTx, study_key: int, header: Header) -> Series:
    """Return the series of *header*, stored if it is new. It may be another study's: the caller looks."""
    row = tx.execute(select(series).where(series.c.series_instance_uid == header.series_instance_uid)).first()
    if row is None:
        key = insert_row(
            tx,
            series,
            study_key=study_key,
            series_instance_uid=header.series_instance_uid,
            modality=header.modality,
            series_number=header.series_number,
            series_description=header.series_description,
            series_date=header.series_date,
            series_time=header.series_time,
            body_part_examined=header.body_part_examined,
            laterality=header.laterality,
            station_name=header.station_name,
        )
        row = tx.execute(select(series).where(series.c.key == key)).one()
    return _series(row)


def series_by_uid(tx: ReadTx, series_instance_uid: str) -> Series | None:
    row = tx.execute(select(series).where(series.c.series_instance_uid == series_instance_uid)).first()
    return None if row is None else _series(row)


def instance_by_uid(tx: ReadTx, sop_instance_uid: str) -> Instance | None:
    """Return the instance with *sop_instance_uid*, None if it was never kept as one of a study."""
    row = tx.execute(select(instances).where(instances.c.sop_instance_uid == sop_instance_uid)).first()
    return None if row is None else _instance(row)


def add_instance(tx: WriteTx, instance: Instance, received_from: str) -> Instance:
    """Store a new instance (its key is ignored)."""
    key = insert_row(
        tx,
        instances,
        study_key=instance.study_key,
        series_key=instance.series_key,
        sop_instance_uid=instance.sop_instance_uid,
        sop_class_uid=instance.sop_class_uid,
        transfer_syntax_uid=instance.transfer_syntax_uid,
        blob=instance.blob,
        digest=instance.digest,
        content_digest=instance.content_digest,
        size_bytes=instance.size_bytes,
        instance_number=instance.instance_number,
        content_label=instance.content_label,
        number_of_frames=instance.number_of_frames,
        received_at=instance.received_at,
        received_from=received_from,
    )
    return _instance(tx.execute(select(instances).where(instances.c.key == key)).one())


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
            received=_header_to_json(header),
            reason=reason,
            received_at=instance.received_at,
            received_from=received_from,
        )


def contents(tx: ReadTx, study_key: int) -> StudyContents:
    """Return a study with its series and instances in their order."""
    study = get(tx, study_key)
    found = [
        _series(row)
        for row in tx.execute(
            select(series).where(series.c.study_key == study_key).order_by(series.c.series_number, series.c.key)
        )
    ]
    groups: dict[int, list[Instance]] = {one.key: [] for one in found}
    for row in tx.execute(
        select(instances)
        .where(instances.c.study_key == study_key)
        .order_by(instances.c.instance_number, instances.c.key)
    ):
        groups[row.series_key].append(_instance(row))
    return StudyContents(study, tuple(found), {key: tuple(group) for key, group in groups.items()})


def instance_uids(tx: ReadTx, study_key: int) -> set[str]:
    """Return the SOP Instance UIDs of a study's instances."""
    return set(tx.execute(select(instances.c.sop_instance_uid).where(instances.c.study_key == study_key)).scalars())


def count_instances(tx: ReadTx, study_key: int) -> int:
    return int(tx.execute(select(func.count()).where(instances.c.study_key == study_key)).scalar_one())


def add_decision(tx: WriteTx, decision: Decision) -> int:
    """Append a decision and return its key."""
    values = {name: getattr(decision, name) for name in Decision.__slots__ if name != "key"}
    for name in ("evidence", "differences", "candidates"):
        values[name] = list(values[name])
    return insert_row(tx, decisions, **values)


def decisions_of(tx: ReadTx, study_key: int) -> list[Decision]:
    """Return every decision about a study, newest first."""
    rows = tx.execute(select(decisions).where(decisions.c.study_key == study_key).order_by(decisions.c.key.desc()))
    return [Decision(**{name: getattr(row, name) for name in Decision.__slots__}) for row in rows]


def corrections(tx: ReadTx, study: Study) -> dict[str, str]:
    """Return what leaves with another value than it came with, keyword to value; {} where nothing does."""
    if not study.is_bound:
        return {}
    said = tx.execute(
        select(decisions.c.differences)
        .where(decisions.c.study_key == study.key, decisions.c.binding_version == study.binding_version)
        .order_by(decisions.c.key.desc())
    ).scalar()
    return {one["keyword"]: one["record"] for one in said or () if one["applied"]}


def open_mismatch(tx: WriteTx, study_key: int, rule: str, sentence: str, at: datetime) -> int:
    """Put a study in the queue of the intake desk, or refresh why it is there; return the row's key."""
    row = tx.execute(
        select(mismatches).where(mismatches.c.study_key == study_key, mismatches.c.closed_at.is_(None))
    ).first()
    if row is None:
        return insert_row(tx, mismatches, study_key=study_key, rule=rule, sentence=sentence, opened_at=at)
    tx.execute(update(mismatches).where(mismatches.c.key == row.key).values(rule=rule, sentence=sentence))
    return int(row.key)


def close_mismatch(tx: WriteTx, study_key: int, by: str, outcome: str, at: datetime) -> None:
    """Take a study out of the queue, if it is in it."""
    tx.execute(
        update(mismatches)
        .where(mismatches.c.study_key == study_key, mismatches.c.closed_at.is_(None))
        .values(closed_at=at, closed_by=by, outcome=outcome)
    )


def study_of_mismatch(tx: ReadTx, mismatch_key: int) -> Study | None:
    """Return the study that a row of the queue is about."""
    key = tx.execute(select(mismatches.c.study_key).where(mismatches.c.key == mismatch_key)).scalar()
    return None if key is None else get(tx, key)


def add_signal(tx: WriteTx, study_instance_uid: str, code: str, source: str, at: datetime) -> bool:
    """Keep a signal that questions a study's patient; False if it was known."""
    known = tx.execute(
        select(signals.c.key).where(
            signals.c.study_instance_uid == study_instance_uid, signals.c.code == code, signals.c.source == source
        )
    ).first()
    if known is None:
        tx.execute(
            insert(signals).values(study_instance_uid=study_instance_uid, code=code, source=source, received_at=at)
        )
    return known is None


def signals_for(tx: ReadTx, study_instance_uid: str) -> list[str]:
    """Return the codes that question a study's patient."""
    return list(tx.execute(select(signals.c.code).where(signals.c.study_instance_uid == study_instance_uid)).scalars())


def _said(values: Iterable[str]) -> list[str]:
    return sorted({value for value in values if value})


def _header_to_json(header: Header) -> dict[str, Any]:
    return asdict(header) | {"patient_name_bytes": base64.b64encode(header.patient_name_bytes).decode("ascii")}


def header_from_json(said: dict[str, Any]) -> Header:
    """Return the header that a row keeps."""
    return Header(
        **said
        | {
            "patient_name_bytes": base64.b64decode(said["patient_name_bytes"]),
            "specific_character_set": tuple(said["specific_character_set"]),
            "other_patient_ids": tuple(PatientIdentifier(**one) for one in said["other_patient_ids"]),
            "request_attributes": tuple(RequestAttributes(**one) for one in said["request_attributes"]),
            "faults": tuple(said["faults"]),
        }
    )


def _study(row: Row[Any]) -> Study:
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
        version=row.version,
    )


def _series(row: Row[Any]) -> Series:
    return Series(**{name: getattr(row, name) for name in Series.__slots__})


def _instance(row: Row[Any]) -> Instance:
    return Instance(**{name: getattr(row, name) for name in Instance.__slots__})
