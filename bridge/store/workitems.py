"""Workitems (UPS): rows of what was claimed, annotated or created, and the scheduled steps that are workitems without one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, false, insert, or_, select, tuple_, update

from bridge.domain.order import LIVE, WAITING, StepStatus
from bridge.domain.workitem import ENDED, StepRun, Workitem, WorkitemState, step_of_uid, uid_of_step
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import orders, patient_identifiers, step_stations, steps, workitem_inputs, workitems

_PAGE = 200
_STEP_COLUMNS = (
    steps.c.key.label("of_step"),
    steps.c.workitem_run,
    steps.c.status.label("step_status"),
    steps.c.scheduled_start_local,
    steps.c.encoded,
    steps.c.order_key,
    orders.c.ordered_at,
    orders.c.updated_at.label("order_updated_at"),
    orders.c.patient_key.label("order_patient_key"),
)
_OF_THIS_RUN = and_(workitems.c.step_key == steps.c.key, workitems.c.run == steps.c.workitem_run)
_ON_THE_LIST = and_(steps.c.status.in_(sorted(LIVE)), steps.c.encoded.is_not(None))


@dataclass(frozen=True, slots=True)
class Found:
    """
    One workitem with what it rests on. workitem: its row, None for a step that nobody touched; step: None for a task.

    encoded: the step's worklist item, None where a device is shown none. order_key, patient_key: the step's, as the order
    has them; of a task whom it concerns. changed_at: when row or order last changed.
    """

    workitem: Workitem | None
    step: StepRun | None
    encoded: bytes | None = None
    order_key: int | None = None
    patient_key: int | None = None
    changed_at: datetime | None = None

    @property
    def workitem_uid(self) -> str:
        if self.workitem is not None:
            return self.workitem.workitem_uid
        assert self.step is not None
        return uid_of_step(self.step)

    @property
    def is_current(self) -> bool:
        """Whether it is the step's present run; a task always is."""
        return self.workitem is None or self.step is None or self.workitem.run == self.step.run


@dataclass(frozen=True, slots=True)
class WorkitemNarrowing:
    """What of a search an index can answer: exact values only, () for no restriction; the rest is matched on the items."""

    state: Sequence[str] = ()
    patient_id: Sequence[str] = ()
    accession_number: Sequence[str] = ()
    study_instance_uid: Sequence[str] = ()
    scheduled_station_ae_title: Sequence[str] = ()
    modality: Sequence[str] = ()
    starts_from: str = ""
    starts_until: str = ""


def find(tx: ReadTx, workitem_uid: str) -> Found | None:
    """Return the workitem with that SOP Instance UID, None if there is none, or it was of an earlier run of a step."""
    row = tx.execute(select(workitems).where(workitems.c.workitem_uid == workitem_uid)).first()
    if row is not None:
        workitem = _workitem(tx, row)
        if workitem.step_key is None:
            return Found(workitem, None, patient_key=workitem.patient_key, changed_at=workitem.updated_at)
        return _found(_step_row(tx, workitem.step_key), workitem)
    meant = step_of_uid(workitem_uid)
    step = _step_row(tx, meant[0]) if meant is not None else None
    if step is None:
        return None
    # A step that somebody touched is known by its row's UID, which may be the one it was created with.
    row = tx.execute(
        select(workitems.c.key).where(workitems.c.step_key == step.of_step, workitems.c.run == step.workitem_run)
    ).first()
    found = _found(step, None)
    return found if row is None and found.workitem_uid == workitem_uid else None


def was(tx: ReadTx, workitem_uid: str) -> bool:
    """Say whether the UID was that of an earlier run of a step, of which nothing is kept. Source: PS3.18 11.5.3 (410)."""
    meant = step_of_uid(workitem_uid)
    step = _step_row(tx, meant[0]) if meant is not None else None
    if meant is None or step is None or meant[1] >= step.workitem_run:
        return False
    return uid_of_step(replace(_run(step), run=meant[1])) == workitem_uid


def add(tx: WriteTx, workitem: Workitem, at: datetime) -> Workitem:
    """Store a new workitem (its key is ignored)."""
    key = insert_row(
        tx, workitems, workitem_uid=workitem.workitem_uid, created_at=at, updated_at=at, **_values(workitem)
    )
    inputs = [{"workitem_key": key, "study_key": study_key} for study_key in workitem.study_keys]
    if inputs:
        tx.execute(insert(workitem_inputs), inputs)
    return replace(workitem, key=key, created_at=at, updated_at=at, version=1)


def save(tx: WriteTx, workitem: Workitem, at: datetime) -> Workitem:
    """Store *workitem* over the row of its key. Raises: LookupError, if it changed since it was read."""
    change = update(workitems).where(workitems.c.key == workitem.key, workitems.c.version == workitem.version)
    said = _values(workitem) | {"version": workitem.version + 1, "updated_at": at}
    if tx.execute(change.values(**said)).rowcount != 1:
        raise LookupError(f"workitem {workitem.key} changed meanwhile")
    if _inputs_of(tx, workitem.key) != workitem.study_keys:
        tx.execute(delete(workitem_inputs).where(workitem_inputs.c.workitem_key == workitem.key))
        _add_inputs(tx, workitem.key, workitem.study_keys)
    return replace(workitem, version=workitem.version + 1, updated_at=at)


def of_listed_steps(tx: ReadTx, by: WorkitemNarrowing) -> Iterator[Found]:
    """Return the scheduled steps that a worklist may show, by start, each as the workitem that it is; page by page."""
    query = (
        select(*_STEP_COLUMNS, workitems.c.key.label("workitem_key"))
        .join(orders, orders.c.key == steps.c.order_key)
        .join(workitems, _OF_THIS_RUN, isouter=True)
        .where(_ON_THE_LIST, *_narrowed(by))
        .order_by(steps.c.scheduled_start_local, steps.c.key)
        .limit(_PAGE)
    )
    after: Any = None
    while True:
        page = tx.execute(query if after is None else query.where(_behind(after))).all()
        rows = _by_key(tx, [row.workitem_key for row in page if row.workitem_key is not None])
        for row in page:
            yield _found(row, rows.get(row.workitem_key))
        if len(page) < _PAGE:
            return
        after = page[-1]


def of_their_own(tx: ReadTx, by: WorkitemNarrowing) -> Iterator[Found]:
    """Return the tasks, and the workitems of steps that no worklist shows any more, in the order they came; page by page."""
    query: Select[Any] = (
        select(workitems)
        .join(steps, _OF_THIS_RUN, isouter=True)
        .where(or_(steps.c.key.is_(None), ~_ON_THE_LIST))
        .order_by(workitems.c.key)
        .limit(_PAGE)
    )
    if by.state and not set(by.state) & ENDED:
        # A step's row keeps the state it was told last; what ended otherwise is told apart when it is looked at.
        query = query.where(workitems.c.state.in_(by.state))
    last = 0
    while True:
        page = tx.execute(query.where(workitems.c.key > last)).all()
        for row in page:
            workitem = _workitem(tx, row)
            if workitem.step_key is None:
                yield Found(workitem, None, patient_key=workitem.patient_key, changed_at=workitem.updated_at)
            else:
                yield _found(_step_row(tx, workitem.step_key), workitem)
        if len(page) < _PAGE:
            return
        last = page[-1].key


def _narrowed(by: WorkitemNarrowing) -> Iterator[ColumnElement[bool]]:
    if by.state:
        yield _in_states({WorkitemState(state) for state in by.state if state in set(WorkitemState)})
    if by.patient_id:
        holders = select(patient_identifiers.c.patient_key).where(patient_identifiers.c.patient_id.in_(by.patient_id))
        yield orders.c.patient_key.in_(holders)
    for column, values in (
        (orders.c.accession_number, by.accession_number),
        (orders.c.study_instance_uid, by.study_instance_uid),
        (steps.c.modality, by.modality),
    ):
        if values:
            yield column.in_(list(values))
    if by.scheduled_station_ae_title:
        stations = select(step_stations.c.step_key).where(
            step_stations.c.scheduled_station_ae_title.in_(by.scheduled_station_ae_title)
        )
        yield steps.c.key.in_(stations)
    if by.starts_from:
        yield steps.c.scheduled_start_local >= by.starts_from
    if by.starts_until:
        yield steps.c.scheduled_start_local <= by.starts_until


def _in_states(states: set[WorkitemState]) -> ColumnElement[bool]:
    """Return the condition on a listed step; one whose performer gave up, or was done first, may still be under way."""
    found: list[ColumnElement[bool]] = [false()]
    if WorkitemState.SCHEDULED in states:
        found.append(steps.c.status.in_(sorted(WAITING)))
    if WorkitemState.IN_PROGRESS in states:
        found.append(steps.c.status == StepStatus.STARTED.value)
    if states & ENDED:
        found.append(workitems.c.state.in_(sorted(states & ENDED)))
    return or_(*found)


def _behind(last: Any) -> ColumnElement[bool]:
    return tuple_(steps.c.scheduled_start_local, steps.c.key) > tuple_(last.scheduled_start_local, last.of_step)


def _step_row(tx: ReadTx, step_key: int) -> Any:
    query = select(*_STEP_COLUMNS).join(orders, orders.c.key == steps.c.order_key).where(steps.c.key == step_key)
    return tx.execute(query).first()


def _run(row: Any) -> StepRun:
    return StepRun(row.of_step, row.workitem_run, StepStatus(row.step_status), row.ordered_at)


def _found(row: Any, workitem: Workitem | None) -> Found:
    changed = row.order_updated_at
    if workitem is not None and workitem.updated_at is not None:
        changed = max(changed, workitem.updated_at)
    return Found(workitem, _run(row), row.encoded, row.order_key, row.order_patient_key, changed)


def _by_key(tx: ReadTx, keys: Iterable[int]) -> dict[int, Workitem]:
    wanted = list(keys)
    if not wanted:
        return {}
    return {
        row.key: _workitem(tx, row) for row in tx.execute(select(workitems).where(workitems.c.key.in_(wanted))).all()
    }


def _workitem(tx: ReadTx, row: Any) -> Workitem:
    return Workitem(
        key=row.key,
        workitem_uid=row.workitem_uid,
        state=WorkitemState(row.state),
        step_key=row.step_key,
        run=row.run,
        patient_key=row.patient_key,
        transaction_uid=row.transaction_uid,
        claimed_by=row.claimed_by,
        performed_step_key=row.performed_step_key,
        attributes=row.attributes,
        created_by=row.created_by,
        created_at=row.created_at,
        updated_at=row.updated_at,
        study_keys=_inputs_of(tx, row.key) if row.step_key is None else (),
        version=row.version,
    )


def _inputs_of(tx: ReadTx, key: int) -> tuple[int, ...]:
    query = select(workitem_inputs.c.study_key).where(workitem_inputs.c.workitem_key == key)
    return tuple(tx.execute(query.order_by(workitem_inputs.c.key)).scalars())


def _add_inputs(tx: WriteTx, key: int, study_keys: Iterable[int]) -> None:
    inputs = [{"workitem_key": key, "study_key": study_key} for study_key in study_keys]
    if inputs:
        tx.execute(insert(workitem_inputs), inputs)


def _values(workitem: Workitem) -> dict[str, Any]:
    return {
        "state": workitem.state.value,
        "step_key": workitem.step_key,
        "run": workitem.run,
        "patient_key": workitem.patient_key,
        "transaction_uid": workitem.transaction_uid,
        "claimed_by": workitem.claimed_by,
        "performed_step_key": workitem.performed_step_key,
        "attributes": dict(workitem.attributes),
        "created_by": workitem.created_by,
    }


def lapsed_claims(tx: ReadTx, step_key: int) -> set[int]:
    """Return the performed steps that stand for claims on earlier runs of a step: they say nothing of the present one."""
    query = (
        select(workitems.c.performed_step_key)
        .join(steps, steps.c.key == workitems.c.step_key)
        .where(workitems.c.step_key == step_key, workitems.c.run != steps.c.workitem_run)
    )
    return {key for key in tx.execute(query).scalars() if key is not None}
