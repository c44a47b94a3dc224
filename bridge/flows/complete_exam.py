"""
An exam whose device says nothing of its end: it has ended when its images have rested, or its device was waited for long enough.

Each thing to look at is a row with its time; whoever holds the lease looks, in a transaction for each. A row whose time
was too early is put off to when it will not be, so that nothing is written while images come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bridge.clock import Clock
from bridge.domain.checklist_rules import ChecklistRules
from bridge.domain.order import FINAL, Order, Step, StepStatus
from bridge.domain.performed import ChangeCause, PerformedStep, names_nothing
from bridge.domain.step_change import StepChange
from bridge.domain.study import Study
from bridge.flows import announce
from bridge.flows.announce import Destinations
from bridge.flows.check_tags import keep_looks
from bridge.flows.lookout import Lookout
from bridge.flows.move_steps import Moving, change_of, change_steps, steps_by_images
from bridge.store import events, exam_checks, leases, news, orders, performed, studies
from bridge.store.db import Store, WriteTx, lock
from bridge.store.events import Event, Station
from bridge.store.exam_checks import ExamCheck

_LEASE = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Patience:
    """
    How long is waited. quiet: for one more image; idle: for a word of a performed step, or an image of its study.

    checklist: what a study that has rested is compared with its order by.
    """

    quiet: timedelta
    idle: timedelta
    checklist: ChecklistRules = field(default_factory=ChecklistRules)


class ExamWatch(Lookout):
    """
    Ends what has ended, in one process at a time. Thread-safe.

    owner: this process, unlike any other.
    """

    name = "exams"

    def __init__(
        self, store: Store, clock: Clock, destinations: Destinations, patience: Patience, *, owner: str
    ) -> None:
        super().__init__()
        self._store = store
        self._clock = clock
        self._destinations = destinations
        self._patience = patience
        self._owner = owner

    def work(self) -> bool:
        """Look at what has been due the longest; False if nothing is, or another process looks. Raises: Unavailable."""
        with self._store.read() as tx:
            check = exam_checks.next_due(tx, self._clock.now())
        if check is None:
            return False
        with self._store.write() as tx:
            lock(tx, "identity")
            now = self._clock.now()
            if not leases.take(tx, "exams", self._owner, now, _LEASE):
                return False
            if exam_checks.is_due(tx, check):
                self._look(tx, check, now)
        return True

    def _look(self, tx: WriteTx, check: ExamCheck, now: datetime) -> None:
        how = Moving(self._destinations, now)
        if check.study_key is not None:
            again_at = look_at_study(tx, studies.get(tx, check.study_key), self._patience, how)
        else:
            assert check.performed_step_key is not None
            mpps = performed.get(tx, check.performed_step_key)
            again_at = look_at_performed_step(tx, mpps, self._patience, how)
        if again_at is None:
            exam_checks.done(tx, check)
        else:
            exam_checks.put_off(tx, check, again_at)


def look_at_study(tx: WriteTx, study: Study, patience: Patience, how: Moving) -> datetime | None:
    """
    Complete the exam of a study that has rested and of which no device reports; return when to look again, None for never.

    With an open performed step nothing is completed: its end, or our giving up on it, looks again. Of several steps only
    those are completed that the images name.
    """
    assert study.last_instance_at is not None
    rests_at = study.last_instance_at + patience.quiet
    if rests_at > how.at:
        return rests_at
    keep_looks(tx, study, patience.checklist, how.at)
    news.look_at(tx, news.STUDY, study.key, how.at)
    if not study.is_bound or study.order_key is None or study.foreign:
        return None
    order = orders.get(tx, study.order_key)
    done = _ended_by_rest(tx, study, orders.steps_of(tx, order.key))
    if done:
        reported = performed.of_order(tx, order.key)
        order = _complete(tx, order, done, change_of(order, ChangeCause.QUIET), how)
        because = f"no new image for {_in_words(patience.quiet)}, {'its MPPS left open' if reported else 'no MPPS'}"
        _tell(tx, f"Exam completed: {because}", order, study, how)
    if order.status in FINAL:
        _note_end(tx, order, study, how)
    return None


def _ended_by_rest(tx: WriteTx, study: Study, steps: Sequence[Step]) -> list[Step]:
    named = [
        item["scheduled_procedure_step_id"]
        for other in studies.other_identities(tx, study.key)
        for item in other["order"]["request_attributes"]
    ]
    named += [item.scheduled_procedure_step_id for item in study.received.request_attributes]
    if any(one.is_open for one in performed.of_study(tx, study.study_instance_uid)):
        return []
    return [
        step
        for step in steps_by_images(steps, named)
        if step.status == StepStatus.STARTED and not any(one.is_open for one in performed.of_step(tx, step.key))
    ]


def _note_end(tx: WriteTx, order: Order, study: Study, how: Moving) -> None:
    """Keep with how many images the exam ended, and tell of those that came afterwards."""
    count = studies.count_instances(tx, study.key)
    if study.ended_with is not None and count > study.ended_with:
        late = count - study.ended_with
        what = f"{late} more image{'s' if late != 1 else ''} came after the exam had ended, {count} are here now"
        _tell(tx, what, order, study, how, station=Station.IMAGES)
    if count != study.ended_with:
        studies.note_end(tx, study.key, count)


def look_at_performed_step(tx: WriteTx, mpps: PerformedStep, patience: Patience, how: Moving) -> datetime | None:
    """
    Give up on a performed step that its device left open; return when to look again, None for never.

    An exam of which images are here is completed. Without any, what became of it only a person can say. One that was
    completed without naming an image is waited for as long, as images may come all the same.
    """
    study = studies.by_uid(tx, mpps.study_instance_uid) if mpps.study_instance_uid else None
    if not mpps.is_open and (study is not None or mpps.timed_out_at or not names_nothing(mpps)):
        return None
    heard = [at for at in (mpps.updated_at, study.last_instance_at if study else None) if at is not None]
    idle_at = max(heard) + patience.idle
    if idle_at > how.at:
        return idle_at
    performed.time_out(tx, mpps.key, how.at)
    news.look_at(tx, news.PERFORMED, mpps.key, how.at)
    if not mpps.is_open:
        _tell_of_none(tx, mpps, how)
        return None
    has_images = study is not None and studies.count_instances(tx, study.key) > 0
    station = mpps.performed_station_ae_title or mpps.calling_ae_title
    left = f"{station} left its MPPS open and said nothing for {_in_words(patience.idle)}"
    steps = [step for step in orders.get_steps(tx, mpps.step_keys) if step.status == StepStatus.STARTED]
    open_elsewhere = [s for s in steps if any(one.is_open for one in performed.of_step(tx, s.key))]
    for order_key in dict.fromkeys(step.order_key for step in steps):
        order = orders.get(tx, order_key)
        mine = [s for s in steps if s.order_key == order_key and s not in open_elsewhere]
        if mine and has_images:
            order = _complete(tx, order, mine, change_of(order, ChangeCause.TIMEOUT), how)
            _tell(tx, f"Exam completed: {left}, and images are here", order, study, how)
        else:
            _tell(tx, f"{left}: a person must say what became of the exam", order, study, how)
    for order_key in _order_keys(tx, mpps):
        announce.exam_begun(tx, mpps, order_key, how.destinations, how.at)
    if study is not None:
        exam_checks.watch_study(tx, study.key, how.at)
    return None


def _tell_of_none(tx: WriteTx, mpps: PerformedStep, how: Moving) -> None:
    """Say that no image of a completed performed step came: who was told that a study is to come hears that none will."""
    for order_key in _order_keys(tx, mpps):
        station = mpps.performed_station_ae_title or mpps.calling_ae_title
        what = f"{station} completed the exam and named no image, and none of that study came"
        _tell(tx, what, orders.get(tx, order_key), None, how)
        announce.exam_begun(tx, mpps, order_key, how.destinations, how.at)


def _order_keys(tx: WriteTx, mpps: PerformedStep) -> list[int]:
    return list(dict.fromkeys(step.order_key for step in orders.get_steps(tx, mpps.step_keys)))


def _complete(tx: WriteTx, order: Order, steps: Sequence[Step], said: StepChange, how: Moving) -> Order:
    return change_steps(tx, order, {step.key: StepStatus.COMPLETED for step in steps}, said, how)


def _tell(
    tx: WriteTx,
    what: str,
    order: Order,
    study: Study | None,
    how: Moving,
    *,
    station: Station = Station.PERFORMED,
) -> None:
    study_key = study.key if study is not None else None
    events.add(tx, Event(how.at, station, what, order_key=order.key, study_key=study_key))


def _in_words(time: timedelta) -> str:
    secs = int(time.total_seconds())
    return f"{secs} s" if secs < 120 else f"{secs // 60} minutes"
