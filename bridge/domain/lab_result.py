"""Laboratory results that a payer may ask for before an exam: one number each, and which of two that were said stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bridge.domain.identifiers import EntityIdentifier
from bridge.domain.order import Code
from bridge.domain.patient import PatientDraft
from bridge.domain.report import Said


class LabStatus(StrEnum):
    """Where a result stands. Source: HL7 table 0085."""

    PRELIMINARY = "preliminary"
    FINAL = "final"
    CORRECTED = "corrected"
    WITHDRAWN = "withdrawn"


FINAL = frozenset({LabStatus.FINAL, LabStatus.CORRECTED})
# What OBX-11 says; what is not in here is no result yet.
STATUS_OF: Mapping[str, LabStatus] = {
    "P": LabStatus.PRELIMINARY,
    "R": LabStatus.PRELIMINARY,
    "S": LabStatus.PRELIMINARY,
    "F": LabStatus.FINAL,
    "U": LabStatus.FINAL,
    "C": LabStatus.CORRECTED,
    "D": LabStatus.WITHDRAWN,
    "W": LabStatus.WITHDRAWN,
    "X": LabStatus.WITHDRAWN,
}


def takes_over(now: LabStatus, said: Said, then: LabStatus, then_said: Said) -> bool:
    """Say whether a result that comes takes the place of the one that stands: newer, and no draft of what was final."""
    return then_said >= said and not (now in FINAL and then == LabStatus.PRELIMINARY)


@dataclass(frozen=True, slots=True)
class LabContent:
    """
    What was measured. kind: as tables.lab_result calls its code. value: as sent, with "<" or ">" before it where it is a bound.

    observed_local: "YYYYMMDDHHMMSS" as the hospital's clock says, "" where nobody said when.
    """

    kind: str
    code: Code
    value: str
    units: str
    status: LabStatus
    observed_local: str = ""
    observed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LabDraft:
    """
    What one observation says. filler_order_number, sub_id: with its code, what a correction names it by.

    issued_at: OBR-22, None where it is not said. where: "OBX[2]".
    """

    patient: PatientDraft
    content: LabContent
    filler_order_number: EntityIdentifier
    sub_id: str = ""
    issued_at: datetime | None = None
    where: str = "OBX"

    @property
    def identity(self) -> str:
        """What makes two messages speak of one result of one person."""
        number = self.filler_order_number
        group = f"filler|{number.issuer}|{number.value}" if number else f"observed|{self.content.observed_local}"
        return f"{group}|{self.content.code.code_value}|{self.sub_id}"


@dataclass(frozen=True, slots=True)
class LabResult:
    """
    A result as it stands. patient: whom its sender named; patient_key: who that was when it came, None if nobody knew.

    heard_at: when we last heard of it.
    """

    key: int
    identity: str
    patient: PatientDraft
    content: LabContent
    said: Said
    heard_at: datetime
    patient_key: int | None = None
    is_test: bool = False
