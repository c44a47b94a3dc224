"""A workitem as it may be shown: of a scheduled step what devices are shown, of a task only what concerns bound studies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from bridge.codecs.dicom.worklist_item import WorklistEntry, encode
from bridge.codecs.dicomweb import workitems as shown
from bridge.codecs.dicomweb.workitems import Head
from bridge.domain.order import LIVE, StepStatus
from bridge.domain.workitem import Attributes, state_of
from bridge.errors import BridgeError, Conflict
from bridge.store import orders, patients, studies, workitems
from bridge.store.db import ReadTx
from bridge.store.workitems import Found


@dataclass(frozen=True, slots=True)
class Ground:
    """What every workitem is shown by. zone: the hospital's; worklist_label: of those that name none."""

    zone: ZoneInfo
    worklist_label: str

    def date_time(self, at: datetime | None) -> str:
        """Return *at* as a DT by the hospital's clock, "" for none."""
        return at.astimezone(self.zone).strftime("%Y%m%d%H%M%S") if at is not None else ""


def find_workitem(tx: ReadTx, workitem_uid: str) -> Found:
    """
    Return the workitem, if it may be shown.

    Raises: LookupError; Conflict, code "gone", for an earlier run of a step of which nothing is kept. Source: PS3.18 11.5.
    """
    found = workitems.find(tx, workitem_uid)
    if found is None and workitems.was(tx, workitem_uid):
        raise Conflict("it was, and is no more", code="gone", source="PS3.18 11.5.3")
    if found is None or not is_shown(tx, found):
        raise LookupError("no such workitem")
    return found


def is_shown(tx: ReadTx, found: Found) -> bool:
    """Say whether anybody may see a workitem: a task's studies are all bound to its patient, a step is on no hold."""
    if found.step is not None:
        if found.step.status == StepStatus.HELD:
            return found.workitem is not None and not found.is_current
        return found.encoded is not None or found.step.status not in LIVE
    task = found.workitem
    assert task is not None
    if task.patient_key is None:
        return not task.study_keys
    owner = patients.survivor(tx, task.patient_key).key
    return all(_is_bound_to(tx, study_key, owner) for study_key in task.study_keys)


def render(tx: ReadTx, found: Found, ground: Ground) -> dict[str, Any] | None:
    """Return a workitem as DICOM JSON; None, if the record it rests on cannot be shown."""
    state = state_of(found.workitem, found.step)
    head = Head(found.workitem_uid, state, ground.date_time(found.changed_at), ground.worklist_label)
    said: Attributes = found.workitem.attributes if found.workitem is not None else {}
    if found.step is None:
        whose = patients.survivor(tx, found.patient_key) if found.patient_key is not None else None
        return shown.of_task(said, whose, head)
    try:
        return shown.of_step(_item_of(tx, found), said, head)
    except BridgeError:
        return None


def _item_of(tx: ReadTx, found: Found) -> bytes:
    """Return the worklist item; that of a step which has ended is made anew: its patient may have been corrected since."""
    assert found.step is not None
    assert found.order_key is not None
    if found.step.status in LIVE and found.encoded is not None:
        return found.encoded
    order = orders.get(tx, found.order_key)
    step = orders.get_steps(tx, [found.step.step_key])[0]
    return encode(WorklistEntry(patients.survivor(tx, order.patient_key), order, step))


def _is_bound_to(tx: ReadTx, study_key: int, owner: int) -> bool:
    study = studies.get(tx, study_key)
    return study.is_bound and study.patient_key is not None and patients.survivor(tx, study.patient_key).key == owner
