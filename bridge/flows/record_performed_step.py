"""What the modality says it does: MPPS N-CREATE and N-SET move the scheduled step. Source: PS3.4 F.7.2, IHE RAD TF-2 4.6."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from bridge.clock import Clock
from bridge.codecs.dicom.performed import after_set, read_performed
from bridge.codecs.dicom.performed_answer import whole
from bridge.codecs.dicom.status import Service, outcome_of
from bridge.domain.identifiers import check_uid
from bridge.domain.performed import (
    AttributeList,
    PerformedStep,
    check_create,
    check_set,
    names_nothing,
)
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.errors import BridgeError, Conflict, Refused
from bridge.flows import announce
from bridge.flows.announce import Destinations
from bridge.flows.follow_performed_step import Reported, follow_exam, move_steps
from bridge.flows.link_exam import propose_order, steps_named, wait_for_order
from bridge.flows.move_steps import MPPS_WORDS
from bridge.store import exam_checks, news, orders, performed, performed_messages
from bridge.store.db import Store, WriteTx, lock
from bridge.store.performed_messages import CREATE, SET, PerformedMessage

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Recorded:
    """
    What became of a request. out_of_range: attributes whose value is none of their kind, kept as sent.

    ignored: attributes that an N-SET tried to change and may not; they stay as they were. Both by keyword.
    """

    sop_instance_uid: str
    out_of_range: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


class PerformedStepRecorder:
    """
    Keeps performed steps and moves what they perform. Thread-safe.

    is_lenient: says of a device that it may leave out what the standard requires. sees_others: that it may read others'
    performed steps.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        rules: ReconcileRules,
        destinations: Destinations,
        *,
        is_lenient: Callable[[str], bool] = lambda ae_title: False,
        sees_others: Callable[[str], bool] = lambda ae_title: False,
    ) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules
        self._destinations = destinations
        self._is_lenient = is_lenient
        self._sees_others = sees_others

    def create(self, uid: str | None, received: AttributeList, calling_ae_title: str) -> Recorded:
        """
        Create a performed step; uid None: we assign its SOP Instance UID.

        What is refused is kept, too. Raises: Conflict (0111) if it exists, Incomplete (0120, 0121), Malformed (0106).
        Source: PS3.4 F.7.2.1.
        """
        assigned = uid or self._clock.new_uid()
        message = PerformedMessage(None, CREATE, assigned, calling_ae_title, received)
        return self._keeping(message, lambda: self._create(message))

    def set(self, uid: str, received: AttributeList, calling_ae_title: str) -> Recorded:
        """
        Change a performed step.

        What is refused is kept, too. Raises: Conflict, unknown (0112) or final (0110 with Error ID A710); Malformed
        (0106). Source: PS3.4 F.7.2.2.
        """
        message = PerformedMessage(None, SET, uid, calling_ae_title, received)
        return self._keeping(message, lambda: self._set(message))

    def get(
        self, uid: str, tags: tuple[int, ...], transfer_syntax_uid: str, calling_ae_title: str
    ) -> tuple[bytes, tuple[int, ...]]:
        """
        Return a performed step's attributes, all or those asked for, and which of them it has not.

        Raises: Conflict, unknown (0112); Refused (0124), where it is another device's. Source: PS3.4 F.8.2.1.
        """
        with self._store.read() as tx:
            found = performed.by_uid(tx, uid)
            if found is None:
                raise _unknown()
            own = {found.calling_ae_title, found.performed_station_ae_title}
            if calling_ae_title not in own and not self._sees_others(calling_ae_title):
                raise Refused("the performed step is another device's", code="not_yours", source="PS3.7 10.1.2")
            said = [one.received for one in performed_messages.of_step(tx, found.key)]
        return whole(said, tags, transfer_syntax_uid)

    def _create(self, message: PerformedMessage) -> Recorded:
        uid = check_uid(message.sop_instance_uid, "AffectedSOPInstanceUID", tolerate_leading_zeros=True)
        draft = read_performed(message.received)
        check_create(draft, lenient=self._is_lenient(message.calling_ae_title))
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity", f"performed:{uid}")
            if performed.by_uid(tx, uid) is not None:
                raise Conflict("the performed step exists", code="duplicate", source="PS3.7 C.5.7")
            steps = steps_named(tx, draft)
            keys = [step.key for step in steps]
            created = performed.add(tx, uid, draft, keys, now, calling_ae_title=message.calling_ae_title)
            told = self._told(message, now)
            move_steps(tx, created, steps, told)
            if not steps:
                wait_for_order(tx, created, draft)
                propose_order(tx, created, told.moving)
            exam_checks.watch_performed_step(tx, created.key, now)
            self._keep(tx, message, created, now)
        _log.info("performed_step_created", peer=message.calling_ae_title, scheduled=len(steps))
        return Recorded(uid, draft.out_of_range)

    def _set(self, message: PerformedMessage) -> Recorded:
        draft = read_performed(message.received)
        uid, now = message.sop_instance_uid, self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity", f"performed:{uid}")
            found = performed.by_uid(tx, uid)
            if found is None:
                raise _unknown()
            status = check_set(found.status, draft)
            stands = performed.attributes_of(tx, found.key)
            attributes, ignored = after_set(stands, json.loads(draft.attributes))
            saved = performed.save(tx, found, status, replace(draft, attributes=json.dumps(attributes)), now)
            if status != found.status:
                told = self._told(message, now)
                move_steps(tx, saved, orders.get_steps(tx, saved.step_keys), told)
                follow_exam(tx, saved, told)
            if saved.is_open or names_nothing(saved):
                exam_checks.watch_performed_step(tx, saved.key, now)
            self._keep(tx, message, saved, now)
        _log.info("performed_step_set", peer=message.calling_ae_title, status=status.value, ignored=len(ignored))
        return Recorded(uid, draft.out_of_range, ignored)

    def _told(self, message: PerformedMessage, at: datetime) -> Reported:
        by = message.calling_ae_title
        return Reported(self._rules, self._destinations, at, f"peer:{by}", by, MPPS_WORDS)

    def _keep(self, tx: WriteTx, message: PerformedMessage, mpps: PerformedStep, at: datetime) -> None:
        """Keep the request as it came, and queue it for whoever hears of it."""
        performed_messages.add(tx, replace(message, performed_step_key=mpps.key), at)
        news.look_at(tx, news.PERFORMED, mpps.key, at)
        steps = orders.get_steps(tx, mpps.step_keys)
        order_key = steps[0].order_key if steps else None
        if order_key is not None:
            announce.exam_begun(tx, mpps, order_key, self._destinations, at)
        if self._destinations.performed_steps:
            announce.performed_step_told(tx, mpps.sop_instance_uid, self._destinations, at, order_key)

    def _keeping(self, message: PerformedMessage, record: Callable[[], Recorded]) -> Recorded:
        try:
            return record()
        except Exception as fault:
            self._keep_refused(message, fault)
            raise

    def _keep_refused(self, message: PerformedMessage, fault: Exception) -> None:
        """Keep what was refused, in a transaction of its own: what a device said once it may never say again."""
        outcome = outcome_of(Service.PERFORMED_STEP, fault)
        _log.warning(
            "performed_step_refused", peer=message.calling_ae_title, status=f"{outcome.status:04X}", why=outcome.comment
        )
        kept = replace(message, status=outcome.status, comment=outcome.comment)
        try:
            with self._store.write() as tx:
                performed_messages.add(tx, kept, self._clock.now())
                performed_messages.trim_refused(tx)
        except BridgeError as also:
            _log.warning("refused_performed_step_not_kept", peer=message.calling_ae_title, code=also.code)


def _unknown() -> Conflict:
    return Conflict("no such performed step", code="unknown", source="PS3.7 C.5.14")
