"""What queries match studies on, kept beside them: each study's identity as it leaves, made anew once the study changed.

Whatever decides about a study raises its version; an entry remembers the version that it was made of. So nothing that
decides has to know of queries, and a query never sees an identity that the study had before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects import postgresql

from bridge.domain import matching
from bridge.domain.study import Study
from bridge.errors import Unavailable
from bridge.store import studies as rows
from bridge.store.db import ReadTx, WriteTx
from bridge.store.prepared import Prepared
from bridge.store.tables import studies, study_entries

Identity = Callable[[ReadTx, Study], Mapping[str, str]]

_AT_ONCE = 200
_NAMES = 3
_STALE = Prepared(
    select(studies.c.key).where(studies.c.entry_version != studies.c.version).order_by(studies.c.key).limit(_AT_ONCE)
)
_MADE = Prepared(
    update(studies).where(studies.c.key == bindparam("of_key"), studies.c.version == bindparam("of_version")),
    ["entry_version"],
)
# Spoken by both databases in the same words.
_NEW = postgresql.insert(study_entries)
_PUT = Prepared(
    _NEW.on_conflict_do_update(
        index_elements=["study_key"],
        set_={column.name: _NEW.excluded[column.name] for column in study_entries.c if not column.primary_key},
    ),
    tuple(column.name for column in study_entries.c),
)


def are_stale(tx: ReadTx) -> bool:
    """Say whether a study has changed since its entry was made: one look at an index."""
    return _STALE.first(tx) is not None


def refresh(tx: WriteTx, identity: Identity) -> int:
    """
    Make the entries of some studies that have changed; return how many.

    identity: what a study leaves with, keyword to value; where it raises Unavailable, the study is not found for now.
    """
    made = 0
    for row in _STALE.all(tx):
        study = rows.get(tx, row.key)
        try:
            values = _entry(study, identity(tx, study))
        except Unavailable:
            continue
        _PUT.run(tx, **values)
        made += _MADE.run(tx, of_key=study.key, of_version=study.version, entry_version=study.version)
    return made


def _entry(study: Study, identity: Mapping[str, str]) -> dict[str, Any]:
    header = study.received
    texts = {
        "patient_id": identity.get("PatientID", header.patient_id),
        "issuer_of_patient_id": identity.get("IssuerOfPatientID", header.issuer_of_patient_id),
        "patient_birth_date": identity.get("PatientBirthDate", header.patient_birth_date),
        "patient_sex": identity.get("PatientSex", header.patient_sex),
        "accession_number": identity.get("AccessionNumber", header.accession_number),
        "issuer_of_accession_number": identity.get(
            "IssuerOfAccessionNumberSequence", header.issuer_of_accession_number
        ),
        "study_id": header.study_id,
        "study_description": identity.get("StudyDescription", header.study_description),
        "study_started_local": _started(header.study_date, header.study_time),
    }
    entry: dict[str, Any] = {"study_key": study.key}
    entry |= {name: value.strip(" \0") or None for name, value in texts.items()}
    entry |= _groups("patient_name", identity.get("PatientName", header.patient_name))
    return entry | _groups(
        "referring_physician_name", identity.get("ReferringPhysicianName", header.referring_physician_name)
    )


def _started(date: str, time: str) -> str:
    return date + matching.normal_time(time) if date and matching.normal_time(time) else ""


def _groups(name: str, value: str) -> dict[str, str | None]:
    """Return the component groups of a name as they are compared."""
    groups = matching.name_groups(value)
    return {f"{name}_{n + 1}": groups[n] if n < len(groups) else None for n in range(_NAMES)}
