"""The worklist as devices will read it, and an order's state and timeline, brought in line with what just changed."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field

from bridge.codecs.dicom.worklist_item import WorklistEntry, as_begun, encode
from bridge.codecs.dicom.worklist_values import values_of
from bridge.domain.details import OrderDetails
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.matching import normal_time
from bridge.domain.message import Notice
from bridge.domain.order import FINAL, LIVE, Order, Step, StepStatus, status_of
from bridge.domain.patient import Patient, VisitDraft
from bridge.domain.records import replace
from bridge.errors import Incomplete
from bridge.flows.register_patient import News
from bridge.store import authorization_links, events, news, orders, patients, performed, studies, worklist
from bridge.store.db import WriteTx
from bridge.store.events import Event, Station

_BEGUN = FINAL | {StepStatus.STARTED}


@dataclass(slots=True)
class Scheduled:
    """
    One order as it stands now, None if the message changed none.

    what: what became of it, in words. moved_from: the patient an XO took it from. is_renumbered: a number was said that it
    lacked, by which something may have waited for it. steps: the order's, where they are known.
    """

    order: Order | None
    what: str = ""
    notices: list[Notice] = field(default_factory=list)
    moved_from: int | None = None
    is_renumbered: bool = False
    steps: tuple[Step, ...] | None = None


@dataclass(frozen=True, slots=True)
class OrderNews:
    """
    What comes with an order: its patient, the visit and what devices are told of it, who said it.

    mint: makes a Study Instance UID where none is named.

    number: the patient's number as the message has it, the record's first one where none is said. stations_for: the AE
    titles that may do a modality's exams where the order names none.
    """

    patient: Patient
    news: News
    mint: Callable[[], str]
    stations_for: Callable[[str], tuple[str, ...]]
    visit: VisitDraft | None = None
    visit_details: OrderDetails = field(default_factory=OrderDetails)
    number: PatientIdentifier | None = None
    is_test: bool = False
    by: str = ""
    source_kind: str = "message"
    source_id: str = ""


def refresh_worklist(
    tx: WriteTx, order: Order, patient: Patient | None = None, steps: Sequence[Step] | None = None
) -> list[str]:
    """
    Encode the worklist answers of an order's steps anew: it, its patient or its visit changed.

    What is under way stays on the list as the device read it: an image that was made meanwhile has copied it, and a changed
    record reaches the images by their correction, not by a second truth on the console.
    steps: as they are stored, where the caller has just read them. Returns where each open step now stands, in words.
    """
    live = patient or patients.survivor(tx, order.patient_key)
    authorization_links.look_at_order(tx, order.key, live.key)
    places = []
    for step in orders.steps_of(tx, order.key) if steps is None else steps:
        if step.status in _BEGUN:
            _put_begun(tx, live, order, step)
            places += [] if step.status in FINAL else [place_of(step)]
            continue
        if step.withheld:
            worklist.withhold(tx, step.key, step.withheld)
            places.append(place_of(step))
            continue
        try:
            _put(tx, step, encode(WorklistEntry(live, order, step)))
            places.append(place_of(step))
        except Incomplete as fault:
            worklist.withhold(tx, step.key, f"{fault.where}: {fault.detail}")
            places.append(f"Kept off the worklist, which needs {fault.where}")
    return places


def _put_begun(tx: WriteTx, patient: Patient, order: Order, step: Step) -> None:
    """A device may be shown until the day is over what it has done; never what was cancelled."""
    if step.status == StepStatus.CANCELED:
        return
    try:
        encoded = encode(WorklistEntry(patient, order, step, _study_started(tx, order.study_instance_uid)))
    except Incomplete as fault:
        if step.status not in FINAL:
            worklist.withhold(tx, step.key, f"{fault.where}: {fault.detail}")
        return
    if step.status == StepStatus.STARTED:
        numbers = {identifier.key for identifier in patient.identifiers}
        encoded = as_begun(worklist.encoded_of(tx, step.key), encoded, numbers)
    worklist.put(tx, step, encoded, values_of(encoded))


def _study_started(tx: WriteTx, study_instance_uid: str) -> str:
    """Return when a study began by the hospital's clock, "" if nothing of it is known: the first exam, else the first image."""
    begun = [exam.started_local for exam in performed.of_study(tx, study_instance_uid) if exam.started_local]
    if begun:
        return min(begun)
    study = studies.by_uid(tx, study_instance_uid)
    if study is None or not study.received.study_date:
        return ""
    return study.received.study_date + normal_time(study.received.study_time)[:6]


def _put(tx: WriteTx, step: Step, encoded: bytes) -> None:
    if step.status in LIVE:
        worklist.put(tx, step, encoded, values_of(encoded))
    else:
        worklist.withhold(tx, step.key)


def refresh_worklist_of_patient(tx: WriteTx, patient_key: int, already: Container[int] = ()) -> None:
    """Encode the worklist answers of every step of a patient that a device may be shown anew, but for the orders in *already*."""
    waiting = dict.fromkeys(step.order_key for step in orders.listed_steps_of_patient(tx, patient_key))
    for order_key in waiting:
        if order_key not in already:
            refresh_worklist(tx, orders.get(tx, order_key))


def set_order_status(tx: WriteTx, order: Order, told_at: News, steps: Sequence[Step] | None = None) -> Order:
    """Bring an order's state in line with its steps. steps: as they are stored, where the caller has just read them."""
    status = status_of(orders.steps_of(tx, order.key) if steps is None else steps, order.status)
    if status == order.status:
        return order
    news.look_at(tx, news.ORDER, order.key, told_at.heard_at)
    return orders.save(tx, replace(order, status=status), told_at.heard_at)


def place_of(step: Step) -> str:
    """Return where a step stands on the worklist, in words."""
    if step.withheld:
        return f"Kept off the worklist: {step.withheld}"
    if step.status == StepStatus.HELD:
        return "Kept off the worklist: the order is on hold"
    start = step.scheduled_start_local
    when = f"{start[:4]}-{start[4:6]}-{start[6:8]} {start[8:10]}:{start[10:12]}" if start else "no time yet"
    return f"On the worklist of {', '.join(step.scheduled_station_ae_title)} for {when}"


def log_on_timeline(tx: WriteTx, order: Order, told: OrderNews, station: Station, what: str) -> None:
    """Write one line about an order."""
    events.add(
        tx,
        Event(
            told.news.heard_at,
            station,
            what,
            by=told.by,
            source_kind=told.source_kind,
            source_id=told.source_id,
            order_key=order.key,
        ),
    )
