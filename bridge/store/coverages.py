"""The insurances that records were said to have, newest word first; a survivor's are those of its merged records as well."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select, update

from bridge.domain.authorization import number_key
from bridge.domain.member_id import Coverage, MemberId
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import coverages

_COLUMNS = coverages.c


def put(tx: WriteTx, patient_key: int, said: Coverage, source: str, said_at: datetime) -> bool:
    """Keep an insurance as *source* has it, over what it said before of the same payer; False for older or the same words."""
    here = (_COLUMNS.patient_key == patient_key, _COLUMNS.payer_id == said.payer_id, _COLUMNS.source == source)
    known = tx.execute(select(coverages).where(*here)).first()
    values = {
        "payer_name": said.payer_name,
        "member_id": said.member.value,
        "member_suffix": said.member.suffix,
        "subscriber_id": said.member.subscriber_id,
        "member_key": number_key(said.member.value),
    }
    if known is None:
        here_now = {"patient_key": patient_key, "payer_id": said.payer_id, "source": source}
        insert_row(tx, coverages, **here_now, **values, said_at=said_at)
        return True
    if known.said_at > said_at:
        return False
    tx.execute(update(coverages).where(_COLUMNS.key == known.key).values(**values, said_at=said_at))
    return any(getattr(known, name) != value for name, value in values.items())


def of_records(tx: ReadTx, patient_keys: Iterable[int]) -> tuple[Coverage, ...]:
    """Return the insurances of these records, newest word first; of one source and payer the newest alone."""
    query = select(coverages).where(_COLUMNS.patient_key.in_(list(patient_keys)))
    newest: dict[tuple[str, str], Coverage] = {}
    for row in tx.execute(query.order_by(_COLUMNS.said_at.desc(), _COLUMNS.key.desc())):
        member = MemberId(row.member_id, row.member_suffix, row.subscriber_id)
        newest.setdefault((row.payer_id, row.source), Coverage(row.payer_id, row.payer_name, member))
    return tuple(dict.fromkeys(newest.values()))


def records_of_member(tx: ReadTx, payer_id: str, member_id: str) -> list[int]:
    """Return the records that were said to be this member of a payer."""
    wanted = number_key(member_id)
    query = select(_COLUMNS.patient_key).where(_COLUMNS.member_key == wanted, _COLUMNS.payer_id == payer_id)
    return list(tx.execute(query.distinct()).scalars()) if wanted and payer_id else []
