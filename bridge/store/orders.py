"""Orders and their scheduled steps."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Table,
    Text,
    and_,
    bindparam,
    case,
    delete,
    exists,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from bridge.domain.details import OrderDetails, StepDetails, from_plain, to_plain
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.domain.order import FINAL, LIVE, WAITING, Code, Order, Step, StepStatus
from bridge.domain.records import replace
from bridge.store import by_hand, order_tokens, worklist
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.prepared import Prepared
from bridge.store.tables import orders, step_stations, steps
from bridge.store.tables import worklist_entries as entries

_PERFORMABLE = LIVE | {StepStatus.HELD, StepStatus.COMPLETED}


def _literals(states: Iterable[StepStatus]) -> list[ColumnElement[str]]:
    return [literal_column(f"'{state}'") for state in sorted(states)]


def _newest_first(*where: ColumnElement[bool]) -> Prepared:
    return Prepared(select(orders).where(*where).order_by(orders.c.key.desc()))


def _numbered(number: Column[str], issuer: Column[str]) -> Prepared:
    return _newest_first(number == bindparam("number"), issuer == bindparam("issuer"))


_NUMBER: BindParameter[Any] = bindparam("number")
_BY_KEY = _newest_first(orders.c.key == bindparam("key"))
_IDENTIFYING = (
    (orders.c.filler_order_number, orders.c.issuer_of_filler_order_number),
    (orders.c.placer_order_number, orders.c.issuer_of_placer_order_number),
    (orders.c.accession_number, orders.c.issuer_of_accession_number),
)
_MEANT = _newest_first(
    or_(
        *(
            and_(number == bindparam(f"number{place}"), issuer == bindparam(f"issuer{place}"))
            for place, (number, issuer) in enumerate(_IDENTIFYING)
        )
    )
)
_BY_ACCESSION = _numbered(orders.c.accession_number, orders.c.issuer_of_accession_number)
_BY_ACCESSION_OF_ANYONE = _newest_first(orders.c.accession_number == _NUMBER)
_BY_STUDY_UID = _newest_first(orders.c.study_instance_uid == _NUMBER)
_BY_REQUESTED_PROCEDURE = _newest_first(orders.c.requested_procedure_id == _NUMBER)
_BY_STEP_ID = _newest_first(steps.c.order_key == orders.c.key, steps.c.scheduled_procedure_step_id == _NUMBER)
_BY_HEIR = _newest_first(orders.c.replaced_by == _NUMBER)
_OF_PATIENT = _newest_first(orders.c.patient_key == _NUMBER)
_STEPS_OF = Prepared(select(steps).where(steps.c.order_key == bindparam("order_key")).order_by(steps.c.key))
_STAYING = {StepStatus.COMPLETED, StepStatus.DISCONTINUED}
_IS_LISTED = exists().where(entries.c.step_key == steps.c.key)
_LISTED_STEPS = Prepared(
    select(steps)
    .join(orders, orders.c.key == steps.c.order_key)
    .where(
        orders.c.patient_key == bindparam("patient_key"),
        or_(steps.c.status.in_(_literals(LIVE)), steps.c.status.in_(_literals(_STAYING)) & _IS_LISTED),
    )
    .order_by(steps.c.key)
)
# What was begun or had ended, and is to be done (on): another run of the step, and another workitem. Source: PS3.4 CC.1.1.
_BECOMES: BindParameter[str] = bindparam("becomes", type_=Text())
_NEXT_RUN = steps.c.workitem_run + case(
    (and_(steps.c.status == literal_column("'STARTED'"), _BECOMES.in_(_literals(WAITING | {StepStatus.HELD}))), 1),
    (
        and_(steps.c.status.in_(_literals(FINAL)), steps.c.status != _BECOMES, _BECOMES.in_(_literals(_PERFORMABLE))),
        1,
    ),
    else_=0,
)
_ADD_STATION = Prepared(insert(step_stations), ["step_key", "scheduled_station_ae_title"])
_OF_STEP = step_stations.c.step_key == bindparam("step_key")
_DROP_STATIONS = Prepared(delete(step_stations).where(_OF_STEP))
_STATIONS = Prepared(select(step_stations.c.scheduled_station_ae_title).where(_OF_STEP).order_by(step_stations.c.key))


def get(tx: ReadTx, key: int) -> Order:
    """Return the order in row *key*. Raises: LookupError."""
    row = _BY_KEY.first(tx, key=key)
    if row is None:
        raise LookupError(f"no order {key}")
    return _order(row)


def find(
    tx: ReadTx, draft_filler: EntityIdentifier, draft_placer: EntityIdentifier, accession: tuple[str, str]
) -> Order | None:
    """
    Return the order that a message means: by filler number, else placer number, else accession, each with its issuer.

    accession: (AccessionNumber, issuer). Of several with one number, the newest; one whose own order numbers are others
    is another order, as two procedures may share an accession number. Source: IHE RAD TF-2 4.4.
    """
    numbers = ((draft_filler.value, draft_filler.issuer), (draft_placer.value, draft_placer.issuer), accession)
    said: dict[str, str | None] = {}
    for place, (value, issuer) in enumerate(numbers):
        # Null equals nothing: an absent number finds no order that has none either.
        said[f"number{place}"], said[f"issuer{place}"] = value or None, issuer
    found = _list(_MEANT.all(tx, **said))
    for place, number in enumerate(numbers):
        for order in found if number[0] else ():
            if _numbers_of(order)[place] == number and not _is_another(order, draft_filler, draft_placer):
                return order
    return None


def _is_another(order: Order, filler: EntityIdentifier, placer: EntityIdentifier) -> bool:
    if filler and filler == order.filler_order_number:
        return False
    pairs = ((filler, order.filler_order_number), (placer, order.placer_order_number))
    return any(said and known and said != known for said, known in pairs)


def replaced_by(tx: ReadTx, order_key: int) -> Order | None:
    """Return the order whose place the one in row *order_key* took, None if it took none."""
    row = _BY_HEIR.first(tx, number=order_key)
    return None if row is None else _order(row)


def by_accession(tx: ReadTx, accession_number: str, issuer: str | None = None) -> list[Order]:
    """Return the orders with *accession_number*, newest first; issuer None: whoever's."""
    if issuer is None:
        return _list(_BY_ACCESSION_OF_ANYONE.all(tx, number=accession_number))
    return _list(_BY_ACCESSION.all(tx, number=accession_number, issuer=issuer))


def tests_among(tx: ReadTx, keys: Iterable[int]) -> set[int]:
    """Return which of these orders came as tests."""
    wanted = list(dict.fromkeys(keys))
    query = select(orders.c.key).where(orders.c.key.in_(wanted), orders.c.is_test)
    return set(tx.execute(query).scalars()) if wanted else set()


def by_study_uid(tx: ReadTx, study_instance_uid: str) -> list[Order]:
    """Return the orders whose study has *study_instance_uid*, newest first."""
    return _list(_BY_STUDY_UID.all(tx, number=study_instance_uid))


def by_requested_procedure(tx: ReadTx, requested_procedure_id: str) -> list[Order]:
    """Return the orders with *requested_procedure_id*, newest first."""
    return _list(_BY_REQUESTED_PROCEDURE.all(tx, number=requested_procedure_id))


def by_step_id(tx: ReadTx, scheduled_procedure_step_id: str) -> list[Order]:
    """Return the orders that have a step with *scheduled_procedure_step_id*, newest first."""
    return _list(_BY_STEP_ID.all(tx, number=scheduled_procedure_step_id))


def of_patient(tx: ReadTx, patient_key: int) -> list[Order]:
    """Return a patient's orders, newest first."""
    return _list(_OF_PATIENT.all(tx, number=patient_key))


def open_of_patient(tx: ReadTx, patient_key: int) -> list[Order]:
    """Return a patient's orders that are not finished, newest first."""
    return [order for order in of_patient(tx, patient_key) if order.status not in FINAL]


def add(tx: WriteTx, order: Order, at: datetime) -> Order:
    """Store a new order (its key is ignored)."""
    kept = replace(order, key=insert_row(tx, orders, **_order_values(order), updated_at=at), version=1)
    order_tokens.put(tx, kept)
    return kept


def save(tx: WriteTx, order: Order, at: datetime) -> Order:
    """Store *order* over the row of its key. Raises: LookupError, if it changed since it was read."""
    said = _order_values(order) | {"version": order.version + 1, "updated_at": at}
    if _save_of(orders, tuple(said)).run(tx, at_key=order.key, seen=order.version, **said) != 1:
        raise LookupError(f"order {order.key} changed meanwhile")
    order_tokens.put_again(tx, order)
    return replace(order, version=order.version + 1)


def steps_of(tx: ReadTx, order_key: int) -> list[Step]:
    """Return the steps of an order in the order they came."""
    return _steps(tx, _STEPS_OF.all(tx, order_key=order_key))


def get_steps(tx: ReadTx, keys: Iterable[int]) -> list[Step]:
    """Return the steps in rows *keys*."""
    return _steps(tx, tx.execute(select(steps).where(steps.c.key.in_(list(keys))).order_by(steps.c.key)))


def listed_steps_of_patient(tx: ReadTx, patient_key: int) -> list[Step]:
    """Return the steps of a patient's orders that a worklist may show, what is done and still listed among them."""
    return _steps(tx, _LISTED_STEPS.all(tx, patient_key=patient_key))


def add_step(tx: WriteTx, step: Step) -> Step:
    """Store a new step (its key is ignored)."""
    key = insert_row(tx, steps, **_step_values(step))
    _add_stations(tx, key, step.scheduled_station_ae_title)
    return replace(step, key=key, version=1)


def save_step(tx: WriteTx, step: Step) -> Step:
    """Store *step* over the row of its key. Raises: LookupError, if it changed since it was read."""
    said = _step_values(step) | {"version": step.version + 1}
    if _save_of(steps, tuple(said)).run(tx, at_key=step.key, seen=step.version, becomes=said["status"], **said) != 1:
        raise LookupError(f"step {step.key} changed meanwhile")
    if _stations_of(tx, step.key) != tuple(dict.fromkeys(step.scheduled_station_ae_title)):
        _DROP_STATIONS.run(tx, step_key=step.key)
        _add_stations(tx, step.key, step.scheduled_station_ae_title)
    if step.status not in LIVE:
        worklist.drop(tx, step.key)
    return replace(step, version=step.version + 1)


def _add_stations(tx: WriteTx, step_key: int, titles: Iterable[str]) -> None:
    _ADD_STATION.each(
        tx, ({"step_key": step_key, "scheduled_station_ae_title": title} for title in dict.fromkeys(titles))
    )


def _stations_of(tx: ReadTx, step_key: int) -> tuple[str, ...]:
    return tuple(row[0] for row in _STATIONS.all(tx, step_key=step_key))


def _numbers_of(order: Order) -> tuple[tuple[str, str], ...]:
    return (
        (order.filler_order_number.value, order.filler_order_number.issuer),
        (order.placer_order_number.value, order.placer_order_number.issuer),
        (order.accession_number, order.issuer_of_accession_number),
    )


def _list(rows: Iterable[Any]) -> list[Order]:
    return [_order(row) for row in rows]


def _steps(tx: ReadTx, rows: Iterable[Any]) -> list[Step]:
    return [_step(row, _stations_of(tx, row.key)) for row in rows]


@lru_cache(maxsize=16)
def _save_of(table: Table, columns: tuple[str, ...]) -> Prepared:
    change = update(table).where(table.c.key == bindparam("at_key"), table.c.version == bindparam("seen"))
    return Prepared(change.values(workitem_run=_NEXT_RUN) if table is steps else change, columns)


def _order_values(order: Order) -> dict[str, Any]:
    return {
        "patient_key": order.patient_key,
        "patient_id": order.patient_number.patient_id,
        "issuer_of_patient_id": order.patient_number.issuer_of_patient_id,
        "accession_number": order.accession_number,
        "issuer_of_accession_number": order.issuer_of_accession_number,
        "placer_order_number": order.placer_order_number.value,
        "issuer_of_placer_order_number": order.placer_order_number.issuer,
        "filler_order_number": order.filler_order_number.value,
        "issuer_of_filler_order_number": order.filler_order_number.issuer,
        "requested_procedure_id": order.requested_procedure_id,
        "study_instance_uid": order.study_instance_uid,
        "status": order.status.value,
        "requested_procedure_description": order.requested_procedure_description,
        "requested_procedure_code": order.requested_procedure_code.code_value,
        "requested_procedure_code_scheme": order.requested_procedure_code.coding_scheme_designator,
        "requested_procedure_code_meaning": order.requested_procedure_code.code_meaning,
        "requested_procedure_priority": order.requested_procedure_priority,
        "reason_for_the_requested_procedure": order.reason_for_the_requested_procedure,
        "requested_procedure_comments": order.requested_procedure_comments,
        "requesting_physician": order.requesting_physician,
        "referring_physician_name": order.referring_physician_name,
        "admission_id": order.admission_id.value,
        "issuer_of_admission_id": order.admission_id.issuer,
        "current_patient_location": order.current_patient_location,
        "institution_name": order.institution_name,
        "details": to_plain(order.details),
        "is_import": order.is_import,
        "is_test": order.is_test,
        "transaction_at": order.transaction_at,
        "status_at": order.status_at,
        "replaced_by": order.replaced_by,
        "parent_key": order.parent_key,
        "ordered_at": order.ordered_at,
    }


def _order(row: Any) -> Order:
    return Order(
        key=row.key,
        patient_key=row.patient_key,
        patient_number=PatientIdentifier(row.patient_id, row.issuer_of_patient_id),
        accession_number=row.accession_number,
        issuer_of_accession_number=row.issuer_of_accession_number,
        placer_order_number=EntityIdentifier(row.placer_order_number, row.issuer_of_placer_order_number),
        filler_order_number=EntityIdentifier(row.filler_order_number, row.issuer_of_filler_order_number),
        requested_procedure_id=row.requested_procedure_id,
        study_instance_uid=row.study_instance_uid,
        status=StepStatus(row.status),
        requested_procedure_description=row.requested_procedure_description,
        requested_procedure_code=Code(
            row.requested_procedure_code, row.requested_procedure_code_scheme, row.requested_procedure_code_meaning
        ),
        requested_procedure_priority=row.requested_procedure_priority,
        reason_for_the_requested_procedure=row.reason_for_the_requested_procedure,
        requested_procedure_comments=row.requested_procedure_comments,
        requesting_physician=row.requesting_physician,
        referring_physician_name=row.referring_physician_name,
        admission_id=EntityIdentifier(row.admission_id, row.issuer_of_admission_id),
        current_patient_location=row.current_patient_location,
        institution_name=row.institution_name,
        details=cast(OrderDetails, from_plain(row.details)),
        is_import=row.is_import,
        is_test=row.is_test,
        transaction_at=row.transaction_at,
        status_at=row.status_at,
        replaced_by=row.replaced_by,
        parent_key=row.parent_key,
        ordered_at=row.ordered_at,
        version=row.version,
    )


_STEP_TEXTS = (
    "scheduled_procedure_step_id",
    "modality",
    "scheduled_start_local",
    "scheduled_procedure_step_description",
    "scheduled_performing_physician_name",
    "scheduled_station_name",
    "scheduled_procedure_step_location",
    "requested_contrast_agent",
    "pre_medication",
)


def _step_values(step: Step) -> dict[str, Any]:
    return {name: getattr(step, name) for name in _STEP_TEXTS} | {
        "order_key": step.order_key,
        "status": step.status.value,
        "scheduled_start_at": step.scheduled_start_at,
        "held_from": step.held_from.value if step.held_from is not None else "",
        "appointment_key": step.appointment_key,
        "booked_at": step.booked_at,
        "withheld": step.withheld,
        "details": to_plain(step.details),
        "by_hand": by_hand.to_json(step.by_hand),
        "scheduled_protocol_code": step.scheduled_protocol_code.code_value,
        "scheduled_protocol_code_scheme": step.scheduled_protocol_code.coding_scheme_designator,
        "scheduled_protocol_code_meaning": step.scheduled_protocol_code.code_meaning,
    }


def _step(row: Any, stations: tuple[str, ...]) -> Step:
    return Step(
        key=row.key,
        order_key=row.order_key,
        status=StepStatus(row.status),
        scheduled_station_ae_title=stations,
        scheduled_start_at=row.scheduled_start_at,
        held_from=StepStatus(row.held_from) if row.held_from else None,
        appointment_key=row.appointment_key,
        booked_at=row.booked_at,
        withheld=row.withheld,
        details=cast(StepDetails, from_plain(row.details)),
        by_hand=by_hand.from_json(row.by_hand),
        scheduled_protocol_code=Code(
            row.scheduled_protocol_code, row.scheduled_protocol_code_scheme, row.scheduled_protocol_code_meaning
        ),
        version=row.version,
        **{name: getattr(row, name) for name in _STEP_TEXTS},
    )
