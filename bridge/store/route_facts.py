"""What routes look at of a study, and where it goes besides: sent by a person, or there already."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, insert, select

from bridge.domain.order import Order
from bridge.domain.routing import StudyFacts
from bridge.domain.study import Study
from bridge.store import messages, orders, visits
from bridge.store.db import ReadTx, WriteTx
from bridge.store.prepared import Prepared
from bridge.store.tables import forwards, sends_by_hand, series, studies

_SERIES = Prepared(
    select(series.c.modality, series.c.body_part_examined, series.c.station_name)
    .where(series.c.study_key == bindparam("study_key"))
    .order_by(series.c.key)
)
_SENT_BY_HAND = Prepared(
    select(sends_by_hand.c.destination)
    .where(sends_by_hand.c.study_key == bindparam("study_key"))
    .order_by(sends_by_hand.c.key)
)
_HAD_BY = Prepared(select(forwards.c.destination).where(forwards.c.study_key == bindparam("study_key")).distinct())


@dataclass(frozen=True, slots=True)
class SentByHand:
    """That a person sent a study somewhere."""

    destination: str
    asked_by: str
    asked_at: datetime


def of_study(tx: ReadTx, study: Study) -> StudyFacts:
    """Return what routes look at of *study*; of an order only what its binding says."""
    found = _SERIES.all(tx, study_key=study.key)
    order = orders.get(tx, study.order_key) if study.order_key is not None else None
    received = study.received
    return StudyFacts(
        modality=_said(received.modality, *(row.modality for row in found)),
        body_part=_said(received.body_part_examined, *(row.body_part_examined for row in found)),
        institution=_said(received.institution_name, order.institution_name if order else ""),
        referring_physician=_said(
            received.referring_physician_name,
            *((order.referring_physician_name, order.requesting_physician) if order else ()),
        ),
        station=_said(study.source_ae_title, received.station_name, *(row.station_name for row in found)),
        came_at=study.first_instance_at,
        last_at=study.last_instance_at,
        **(_of_order(tx, order) if order is not None else {}),
    )


def sent_by_hand(tx: ReadTx, study_key: int) -> list[str]:
    """Return where people sent a study."""
    return [row.destination for row in _SENT_BY_HAND.all(tx, study_key=study_key)]


def sends_of(tx: ReadTx, study_key: int) -> list[SentByHand]:
    """Return who sent a study where."""
    query = select(sends_by_hand).where(sends_by_hand.c.study_key == study_key).order_by(sends_by_hand.c.key)
    return [SentByHand(row.destination, row.asked_by, row.asked_at) for row in tx.execute(query)]


def send_by_hand(tx: WriteTx, study_key: int, sent: SentByHand) -> None:
    """Keep that a study goes somewhere besides, once."""
    if sent.destination not in sent_by_hand(tx, study_key):
        values = {"destination": sent.destination, "asked_by": sent.asked_by, "asked_at": sent.asked_at}
        tx.execute(insert(sends_by_hand).values(study_key=study_key, **values))


def receivers(tx: ReadTx, study_key: int) -> list[str]:
    """Return who has something of a study, or was to have it because a person said so."""
    had_by = {row.destination for row in _HAD_BY.all(tx, study_key=study_key)}
    return sorted(had_by.union(sent_by_hand(tx, study_key)))


def recent(tx: ReadTx, since: datetime) -> list[int]:
    """Return the keys of the studies with an image since *since*, oldest first."""
    query = select(studies.c.key).where(studies.c.last_instance_at >= since).order_by(studies.c.key)
    return list(tx.execute(query).scalars())


def _of_order(tx: ReadTx, order: Order) -> dict[str, tuple[str, ...]]:
    code = order.requested_procedure_code
    visit = visits.standing(tx, order.admission_id) if order.admission_id else None
    return {
        "site": _said(messages.site_of_order(tx, order.key)),
        "requesting_service": _said(order.details.get("requesting_service", "")),
        "procedure": _said(code.code_value, code.code_meaning, order.requested_procedure_description),
        "priority": _said(order.requested_procedure_priority),
        "patient_class": _said(visit.patient_class if visit else ""),
    }


def _said(*texts: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.strip() for text in texts if text and text.strip()))
