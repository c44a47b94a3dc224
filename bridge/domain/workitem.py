"""Workitems (Unified Procedure Steps): their states, who holds the lock, what must be said before one may end.

A scheduled step is a workitem without being asked; a task on images is one of its own. Source: PS3.4 CC.1.1, CC.2.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from bridge.domain.order import WAITING, StepStatus
from bridge.errors import Conflict, Incomplete, Malformed

# DICOM JSON: attributes by eight hexadecimal digits. Source: PS3.18 F.2.
Attributes = Mapping[str, Any]


class WorkitemState(StrEnum):
    """Procedure Step State (0074,1000). Source: PS3.3 C.30.1."""

    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"


ENDED = frozenset({WorkitemState.COMPLETED, WorkitemState.CANCELED})

PROCEDURE_STEP_STATE = "00741000"
PROGRESS_INFORMATION = "00741002"
PERFORMED_PROCEDURE = "00741216"
DISCONTINUATION_REASON = "0074100E"
CANCELLATION_DATE_TIME = "00404052"
REASON_FOR_CANCELLATION = "00741238"
TRANSACTION_UID = "00081195"
OUTPUT_INFORMATION = "00404033"
PERFORMED_START = "00404050"
PERFORMED_END = "00404051"

# What an item of the performed procedure must hold before a workitem may be completed. Source: PS3.4 Table CC.2.5-3 (P).
_PERFORMED_BEFORE_COMPLETED = {
    "00404028": "PerformedStationNameCodeSequence",
    PERFORMED_START: "PerformedProcedureStepStartDateTime",
    "00404019": "PerformedWorkitemCodeSequence",
    PERFORMED_END: "PerformedProcedureStepEndDateTime",
}
# Source: PS3.16 CID 9300 (Procedure Discontinuation Reasons).
_UNSPECIFIED_REASON = {"00080100": "110513", "00080102": "DCM", "00080104": "Discontinued for unspecified reason"}


@dataclass(frozen=True, slots=True)
class Workitem:
    """
    One workitem as stored. A scheduled step that nobody has claimed or annotated yet has none.

    step_key, run: the scheduled step it is, and which of its runs; None for a task of its own. study_keys: the studies a
    task works on; patient_key: whom it concerns, None for nobody. state: as it was last told; `state_of` says what it is.
    transaction_uid: the lock, never given out. claimed_by: who holds it. performed_step_key: what stands for the claim among
    the step's performed ones. attributes: as sent, without the lock.
    """

    key: int
    workitem_uid: str
    state: WorkitemState
    step_key: int | None = None
    run: int = 0
    patient_key: int | None = None
    transaction_uid: str = ""
    claimed_by: str = ""
    performed_step_key: int | None = None
    attributes: Attributes = field(default_factory=dict)
    created_by: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    study_keys: tuple[int, ...] = ()
    version: int = 1


@dataclass(frozen=True, slots=True)
class StepRun:
    """A scheduled step as a workitem looks at it. run: how often it was put back or begun anew after it had ended."""

    step_key: int
    run: int
    status: StepStatus
    ordered_at: datetime


_STATE_OF_STEP = {
    **dict.fromkeys(WAITING, WorkitemState.SCHEDULED),
    StepStatus.HELD: WorkitemState.SCHEDULED,
    StepStatus.STARTED: WorkitemState.IN_PROGRESS,
    StepStatus.COMPLETED: WorkitemState.COMPLETED,
    StepStatus.DISCONTINUED: WorkitemState.CANCELED,
    StepStatus.CANCELED: WorkitemState.CANCELED,
}


def state_of(workitem: Workitem | None, step: StepRun | None) -> WorkitemState:
    """
    Return the state of a workitem: what ended stays ended; else the scheduled step says, whoever moved it.

    A claim on an earlier run of a step that was put back on the list, or begun anew, has lapsed: CANCELED.
    Source: PS3.4 CC.1.1.
    """
    if workitem is not None and (workitem.state in ENDED or step is None):
        return workitem.state
    assert step is not None
    if workitem is not None and workitem.run != step.run:
        return WorkitemState.CANCELED
    return _STATE_OF_STEP[step.status]


def uid_of_step(step: StepRun) -> str:
    """
    Return the SOP Instance UID of a scheduled step's workitem; `step_of_uid` reads the step out of it.

    The same as long as the step is in the same run; another one when it is scheduled anew, since an ended workitem
    stays ended. Source: PS3.5 B.2, RFC 9562 5.8 (version 8).
    """
    said = f"{step.ordered_at.timestamp():.6f}/{step.step_key}/{step.run}"
    digest = int.from_bytes(hashlib.sha256(said.encode("ascii")).digest()[:8], "big")
    high, middle = digest >> 16, digest >> 4 & 0xFFF
    low = (step.step_key & (1 << 46) - 1) << 16 | step.run & 0xFFFF
    return f"2.25.{high << 80 | 8 << 76 | middle << 64 | 2 << 62 | low}"


def step_of_uid(workitem_uid: str) -> tuple[int, int] | None:
    """Return step key and run that a UID may stand for, None if it is none of ours; `uid_of_step` must give it again."""
    root, _, number = workitem_uid.rpartition("2.25.")
    if root or not number.isdecimal() or not number.isascii() or len(number) > 39 or int(number) >= 1 << 128:
        return None
    read = uuid.UUID(int=int(number))
    if read.version != 8:
        return None
    low = read.int & (1 << 62) - 1
    return low >> 16, low & 0xFFFF


def check_change(now: WorkitemState, wanted: str, *, held: str, shown: str) -> WorkitemState | None:
    """
    Return the state that a workitem in state *now* takes, None if it is there already.

    held: the Transaction UID that claimed it, "" if none did; shown: the one in the request.
    Raises: Incomplete, code "transaction_uid_missing"; Malformed, "transaction_uid_wrong" (C301) or "not_a_state"
    (C303); Conflict, "wrong_state" (C300, C302, C310). Source: PS3.4 Table CC.1.1-2.
    """
    if wanted not in (WorkitemState.IN_PROGRESS, WorkitemState.COMPLETED, WorkitemState.CANCELED):
        raise Malformed(
            "a state to change to is IN PROGRESS, COMPLETED or CANCELED",
            code="not_a_state",
            where="ProcedureStepState",
            source="PS3.4 CC.2.1.1",
        )
    then = WorkitemState(wanted)
    if not shown:
        raise Incomplete(
            "no Transaction UID", code="transaction_uid_missing", where="TransactionUID", source="PS3.4 CC.2.1"
        )
    if now == WorkitemState.SCHEDULED:
        if then != WorkitemState.IN_PROGRESS:
            raise _wrong_state("nobody has claimed it yet")
        return then
    if then == WorkitemState.IN_PROGRESS:
        raise _wrong_state("it has ended" if now in ENDED else "somebody has claimed it")
    if shown != held:
        raise wrong_lock()
    if now in ENDED:
        if now != then:
            raise _wrong_state("it has ended")
        return None
    return then


def check_update(now: WorkitemState, *, held: str, shown: str) -> None:
    """
    Raises: Malformed, if it has ended or the lock is not the one shown; Conflict, if it is not claimed but a lock is shown.

    Source: PS3.4 CC.2.6.3, PS3.18 11.6.2.
    """
    if now in ENDED:
        raise Malformed("it has ended", code="wrong_state", source="PS3.18 11.6.2")
    if now == WorkitemState.SCHEDULED and shown:
        raise Conflict("nobody has claimed it yet", code="not_claimed", source="PS3.4 CC.2.6.3")
    if now == WorkitemState.IN_PROGRESS and not shown:
        raise Incomplete(
            "no Transaction UID", code="transaction_uid_missing", where="TransactionUID", source="PS3.4 CC.2.6"
        )
    if now == WorkitemState.IN_PROGRESS and shown != held:
        raise wrong_lock()


def wrong_lock() -> Malformed:
    """Return the refusal of whoever shows another lock than the one that claimed the workitem."""
    return Malformed(
        "not the Transaction UID that claimed it",
        code="transaction_uid_wrong",
        where="TransactionUID",
        source="PS3.4 CC.1.1-2",
    )


def _wrong_state(detail: str) -> Conflict:
    return Conflict(detail, code="wrong_state", source="PS3.4 Table CC.1.1-2")


def check_final(then: WorkitemState, attributes: Attributes) -> None:
    """
    Raises: Conflict, code "final_state", naming what must be said before a workitem may be COMPLETED (C304).

    Source: PS3.4 Table CC.2.5-3 (P).
    """
    if then != WorkitemState.COMPLETED:
        return
    items = items_of(attributes, PERFORMED_PROCEDURE)
    missing = [] if items else ["UnifiedProcedureStepPerformedProcedureSequence"]
    for item in items:
        missing += [name for tag, name in _PERFORMED_BEFORE_COMPLETED.items() if not values_of(item, tag)]
        # Without output it has no items, but it is there.
        missing += ["OutputInformationSequence"] if OUTPUT_INFORMATION not in item else []
    if missing:
        where = ", ".join(dict.fromkeys(missing))
        raise Conflict("not complete yet", code="final_state", where=where, source="PS3.4 Table CC.2.5-3")


def canceled(attributes: Attributes, at: str) -> dict[str, Any]:
    """
    Return *attributes* with when and why a workitem was cancelled, as far as nobody said so.

    at: a DT value. Source: PS3.4 Table CC.2.5-3 (X), CC.2.1.3.
    """
    progress = dict(next(iter(items_of(attributes, PROGRESS_INFORMATION)), {}))
    if not values_of(progress, CANCELLATION_DATE_TIME):
        progress[CANCELLATION_DATE_TIME] = {"vr": "DT", "Value": [at]}
    if not values_of(progress, DISCONTINUATION_REASON):
        reason = {
            tag: {"vr": "SH" if tag != "00080104" else "LO", "Value": [v]} for tag, v in _UNSPECIFIED_REASON.items()
        }
        progress[DISCONTINUATION_REASON] = {"vr": "SQ", "Value": [reason]}
    return {**attributes, PROGRESS_INFORMATION: {"vr": "SQ", "Value": [progress]}}


def values_of(attributes: Attributes, tag: str) -> Sequence[Any]:
    """Return the values of an attribute, none if it is absent, empty or not a list."""
    element = attributes.get(tag)
    found = element.get("Value") if isinstance(element, Mapping) else None
    return [value for value in found if value not in (None, "", {})] if isinstance(found, list) else ()


def items_of(attributes: Attributes, tag: str) -> list[Attributes]:
    """Return the items of a sequence, none if it is absent."""
    return [item for item in values_of(attributes, tag) if isinstance(item, Mapping)]


def text_of(attributes: Attributes, tag: str) -> str:
    """Return the first value of an attribute as text, a person name's alphabetic group, "" if there is none."""
    first = next(iter(values_of(attributes, tag)), "")
    if isinstance(first, Mapping):
        first = first.get("Alphabetic", "")
    return str(first).strip(" \0") if isinstance(first, str | int | float) else ""
