"""Performed procedure steps (MPPS): what the modality says it did. IN PROGRESS → COMPLETED | DISCONTINUED."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bridge.domain.order import StepStatus, may_follow
from bridge.domain.patient import Patient
from bridge.domain.performed_reasons import BACK_ON_THE_LIST, PROPOSES_CANCELLATION
from bridge.errors import Conflict, Incomplete, Malformed

_STATUS = "PerformedProcedureStepStatus"


class PerformedStatus(StrEnum):
    """Performed Procedure Step Status (0040,0252). Source: PS3.3 C.4.14."""

    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"


class Proposal(StrEnum):
    """Whether a device's reason proposes that the order be cancelled, and what a person made of that."""

    NONE = ""
    OPEN = "open"
    TAKEN = "taken"
    DECLINED = "declined"


class ChangeCause(StrEnum):
    """Why a scheduled step changed here without a device's or a message's word."""

    IMAGES = "images"
    QUIET = "quiet"
    TIMEOUT = "timeout"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class AttributeList:
    """What a device sent, as received. transfer_syntax_uid: how it is written. data: b"" where it sent none."""

    data: bytes
    transfer_syntax_uid: str


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
    absent, empty: keywords of the attributes of type 1 that an N-CREATE lacks, or has no value for. fixed: keywords of
    those that were sent and that an N-SET may not change. out_of_range: keywords of those whose value is none of their kind.
    attributes: the whole data set as DICOM JSON (PS3.18 F).
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
    discontinuation_meaning: str = ""
    referenced_instances: tuple[str, ...] | None = None
    absent: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    out_of_range: tuple[str, ...] = ()
    attributes: str = "{}"


@dataclass(frozen=True, slots=True)
class PerformedStep:
    """
    One MPPS instance as stored. step_keys: the scheduled steps it performs, empty for an unscheduled exam.

    incomplete: what its device left out at its end. timed_out_at: when we gave up waiting for that end, or for an image
    of one that ended without naming any, None unless so.
    """

    key: int
    sop_instance_uid: str
    status: PerformedStatus
    study_instance_uid: str
    performed_procedure_step_id: str = ""
    performed_station_ae_title: str = ""
    calling_ae_title: str = ""
    modality: str = ""
    patient_id: str = ""
    issuer_of_patient_id: str = ""
    step_keys: tuple[int, ...] = ()
    started_local: str = ""
    ended_local: str = ""
    discontinuation_code: str = ""
    discontinuation_meaning: str = ""
    incomplete: str = ""
    proposal: Proposal = Proposal.NONE
    timed_out_at: datetime | None = None
    referenced_instances: tuple[str, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Say whether its end is still awaited."""
        return self.status == PerformedStatus.IN_PROGRESS and self.timed_out_at is None


def names_nothing(step: PerformedStep) -> bool:
    """Say whether a performed step of an order was completed without naming an instance: it may be that it made none."""
    return bool(step.step_keys) and step.status == PerformedStatus.COMPLETED and not step.referenced_instances


def may_be_of(named: PerformedDraft | PerformedStep, records: Iterable[Patient]) -> bool:
    """
    Say whether the patient that a device names may be this one; a number without its issuer may be anybody's.

    records: the patient's, those that were merged into it among them: a device says the number that its worklist had.
    """
    if not named.patient_id:
        return True
    numbers = {one.key for record in records for one in record.identifiers}
    if named.issuer_of_patient_id:
        return (named.issuer_of_patient_id, named.patient_id) in numbers
    return named.patient_id in {number for _, number in numbers}


def check_create(draft: PerformedDraft, *, lenient: bool = False) -> PerformedStatus:
    """
    Return the state of a new performed step.

    lenient: of the attributes of type 1 only the status must be there. Raises: Incomplete (0120 for what is absent, 0121
    for what is empty), naming every one; Malformed (0106) unless the status is IN PROGRESS. Source: PS3.4 F.7.2.1.3.
    """
    needed = frozenset({_STATUS}) if lenient else None
    for keywords, what, code in (
        (draft.absent, "a required attribute is absent", "missing_attribute"),
        (draft.empty, "a required attribute has no value", "empty_value"),
    ):
        named = [keyword for keyword in keywords if needed is None or keyword in needed]
        if named:
            raise Incomplete(_naming(what, named), code=code, where=",".join(named), source="PS3.4 F.7.2-1")
    # Seen in the field with an underscore; refusing it would stop the scanner.
    if draft.status.replace("_", " ") != PerformedStatus.IN_PROGRESS:
        raise Malformed(
            "a new performed step must be IN PROGRESS", code="invalid_value", where=_STATUS, source="PS3.4 F.7.2.1.3"
        )
    return PerformedStatus.IN_PROGRESS


def _naming(what: str, keywords: Sequence[str]) -> str:
    return f"{what}: {', '.join(keywords)}"


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
        raise Malformed("not a performed step status", code="invalid_value", where=_STATUS) from None


def left_out(status: PerformedStatus, *, has_end: bool, has_series: bool) -> str:
    """Return what a final performed step must say and does not, "" if it says all. Source: PS3.4 Table F.7.2-1 (final state)."""
    if status == PerformedStatus.IN_PROGRESS:
        return ""
    named = {"its end": has_end, "its series": has_series}
    return " and ".join(what for what, is_said in named.items() if not is_said)


def proposal_of(status: PerformedStatus, discontinuation_code: str) -> Proposal:
    """Return whether a discontinued step's reason is one to cancel its order for."""
    is_stopped = status == PerformedStatus.DISCONTINUED
    return Proposal.OPEN if is_stopped and discontinuation_code in PROPOSES_CANCELLATION else Proposal.NONE


def step_status_after(status: PerformedStatus, discontinuation_code: str) -> StepStatus:
    """Return the state that a scheduled step takes from its performed step. Source: IHE RAD TF-2 4.6, 4.7."""
    if status == PerformedStatus.IN_PROGRESS:
        return StepStatus.STARTED
    if status == PerformedStatus.COMPLETED:
        return StepStatus.COMPLETED
    return StepStatus.SCHEDULED if discontinuation_code in BACK_ON_THE_LIST else StepStatus.DISCONTINUED


def next_status(now: StepStatus, wanted: StepStatus, attempts: Sequence[PerformedStep]) -> StepStatus:
    """
    Return the state of a step in state *now* whose performed step asks for *wanted*.

    attempts: all its performed steps. One under way keeps it started; once all have ended, one completed completes it.
    """
    if wanted != StepStatus.STARTED:
        if any(one.is_open for one in attempts):
            return now
        if any(one.status == PerformedStatus.COMPLETED for one in attempts):
            wanted = StepStatus.COMPLETED
    return wanted if may_follow(now, wanted) else now
