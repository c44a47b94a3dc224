"""Performed procedure steps (MPPS): what the modality says it did. IN PROGRESS → COMPLETED | DISCONTINUED."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bridge.domain.order import StepStatus, may_follow
from bridge.errors import Conflict, Incomplete, Malformed

INCORRECT_WORKLIST_ENTRY = "110514"
# The patient or the device was not ready: the step goes back on the list. Source: PS3.16 CID 9300.
_BACK_ON_THE_LIST = frozenset({INCORRECT_WORKLIST_ENTRY, "110528", "110529"})


class PerformedStatus(StrEnum):
    """Performed Procedure Step Status (0040,0252). Source: PS3.3 C.4.14."""

    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"


@dataclass(frozen=True, slots=True)
class ScheduledReference:
    """One item of Scheduled Step Attributes Sequence (0040,0270): which worklist entry was performed."""

    study_instance_uid: str = ""
    accession_number: str = ""
    requested_procedure_id: str = ""
    scheduled_procedure_step_id: str = ""


@dataclass(frozen=True, slots=True)
class PerformedDraft:
    """
    What an N-CREATE or N-SET says. status: "" if an N-SET leaves it.

    referenced_instances: SOP Instance UIDs of every performed series, None if the sequence was not sent.
    attributes: the whole data set as DICOM JSON (PS3.18 F), kept for what is not read yet (dose, billing).
    """

    status: str = ""
    scheduled: tuple[ScheduledReference, ...] = ()
    patient_id: str = ""
    issuer_of_patient_id: str = ""
    performed_procedure_step_id: str = ""
    performed_station_ae_title: str = ""
    modality: str = ""
    started_local: str = ""
    ended_local: str = ""
    discontinuation_code: str = ""
    referenced_instances: tuple[str, ...] | None = None
    attributes: str = "{}"


@dataclass(frozen=True, slots=True)
class PerformedStep:
    """One MPPS instance as stored. step_keys: the scheduled steps it performs, empty for an unscheduled exam."""

    key: int
    sop_instance_uid: str
    status: PerformedStatus
    study_instance_uid: str
    performed_procedure_step_id: str = ""
    performed_station_ae_title: str = ""
    modality: str = ""
    step_keys: tuple[int, ...] = ()
    started_local: str = ""
    ended_local: str = ""
    discontinuation_code: str = ""
    referenced_instances: tuple[str, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None


def check_create(draft: PerformedDraft) -> PerformedStatus:
    """
    Return the state of a new performed step.

    Raises: Incomplete (0120), Malformed (0106) unless the status is IN PROGRESS. Source: PS3.4 F.7.2.1.3.
    """
    if not draft.status:
        raise Incomplete("no status", where="PerformedProcedureStepStatus", source="PS3.4 F.7.2-1")
    # Seen in the field with an underscore; refusing it would stop the scanner.
    if draft.status.replace("_", " ") != PerformedStatus.IN_PROGRESS:
        raise Malformed(
            "a new performed step must be IN PROGRESS",
            code="invalid_value",
            where="PerformedProcedureStepStatus",
            source="PS3.4 F.7.2.1.3",
        )
    return PerformedStatus.IN_PROGRESS


def check_set(now: PerformedStatus, draft: PerformedDraft) -> PerformedStatus:
    """
    Return the state after an N-SET.

    Raises: Conflict (0110 with Error ID A710) once it is final, Malformed (0106) for a value outside the table.
    Source: PS3.4 F.7.2.2.
    """
    if now != PerformedStatus.IN_PROGRESS:
        raise Conflict(
            "Performed Procedure Step Object may no longer be updated",
            code="performed_step_final",
            source="PS3.4 F.7.2.2",
        )
    if not draft.status:
        return now
    try:
        return PerformedStatus(draft.status.replace("_", " "))
    except ValueError:
        raise Malformed(
            "not a performed step status", code="invalid_value", where="PerformedProcedureStepStatus"
        ) from None


def step_status_after(status: PerformedStatus, discontinuation_code: str) -> StepStatus:
    """Return the state that a scheduled step takes from its performed step. Source: IHE RAD TF-2 4.6, 4.7."""
    if status == PerformedStatus.IN_PROGRESS:
        return StepStatus.STARTED
    if status == PerformedStatus.COMPLETED:
        return StepStatus.COMPLETED
    return StepStatus.SCHEDULED if discontinuation_code in _BACK_ON_THE_LIST else StepStatus.DISCONTINUED


def next_status(now: StepStatus, wanted: StepStatus, attempts: Sequence[PerformedStep]) -> StepStatus:
    """
    Return the state of a step in state *now* whose performed step asks for *wanted*.

    attempts: all its performed steps. One under way keeps it started, one completed completes it.
    """
    if wanted != StepStatus.STARTED and any(one.status == PerformedStatus.IN_PROGRESS for one in attempts):
        return now
    if wanted == StepStatus.DISCONTINUED and any(one.status == PerformedStatus.COMPLETED for one in attempts):
        return StepStatus.COMPLETED
    return wanted if may_follow(now, wanted) else now
