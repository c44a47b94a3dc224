"""Patients, visits, and what a message says about them.

In a draft, None means "not said: keep", and "" (or an empty tuple) means "said to be empty: erase" (HL7 2.5.1 2.5.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from bridge.domain.details import Finding, OrderDetails, PatientDetails, VisitDetails
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier


class VisitState(StrEnum):
    """How far a visit has come. Source: HL7 2.5.1 3.3.1 to 3.3.13."""

    PRE_ADMIT = "pre_admit"
    OPEN = "open"
    CLOSED = "closed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Patient:
    """
    A person as the EHR knows them.

    key: our row. identifiers: the primary one first. patient_name: DICOM PN, up to three groups.
    patient_birth_date: "YYYYMMDD" or "". patient_sex: M, F, O or "".
    as_of: the time of the newest news applied, by the sender's clock; None for one made from nothing but a merge.
    merged_into: the survivor's key, None while live. in_question: an update made another person of it, and nobody has
    said yet which is right. provisional: known only from an order, or unidentified (PID-31). inactive: registration
    deleted the record (A23); nothing of it is erased.
    """

    key: int
    identifiers: tuple[PatientIdentifier, ...]
    patient_name: str = ""
    patient_birth_date: str = ""
    patient_sex: str = ""
    other_patient_names: tuple[str, ...] = ()
    multiple_birth: bool = False
    provisional: bool = False
    inactive: bool = False
    patient_address: str = ""
    patient_telephone: str = ""
    details: PatientDetails = field(default_factory=PatientDetails)
    findings: Mapping[str, Finding] = field(default_factory=dict)
    as_of: datetime | None = None
    merged_into: int | None = None
    version: int = 1
    in_question: bool = False

    @property
    def primary(self) -> PatientIdentifier:
        """The identifier that images and charts carry."""
        return self.identifiers[0]


@dataclass(frozen=True, slots=True)
class PatientDraft:
    """
    What a message says of one patient. identifiers: the primary one first, never empty.

    findings: measured or learned; they are news whoever says them, also an order about a patient whom registration knows.
    """

    identifiers: tuple[PatientIdentifier, ...]
    patient_name: str | None = None
    patient_birth_date: str | None = None
    patient_sex: str | None = None
    other_patient_names: tuple[str, ...] | None = None
    multiple_birth: bool | None = None
    provisional: bool | None = None
    patient_address: str | None = None
    patient_telephone: str | None = None
    details: PatientDetails = field(default_factory=PatientDetails)
    findings: Mapping[str, Finding] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VisitDraft:
    """
    What a message says of the visit (PV1). admission_id may be empty: then nothing is kept of it but the location.

    account_number: what the visit is billed under (PID-18). admitted_local, discharged_local: "YYYYMMDDHHMMSS".
    """

    admission_id: EntityIdentifier = field(default_factory=EntityIdentifier)
    account_number: EntityIdentifier | None = None
    patient_class: str | None = None
    current_patient_location: str | None = None
    referring_physician_name: str | None = None
    admitted_local: str | None = None
    discharged_local: str | None = None
    details: VisitDetails = field(default_factory=VisitDetails)


@dataclass(frozen=True, slots=True)
class Visit:
    """
    A visit as we know it.

    as_of: the time of the newest news applied. moved_at: when it was moved to its patient or given its number, None if
    never; moved_into: the visit that took its number's place, None while it stands.
    """

    key: int
    patient_key: int
    admission_id: EntityIdentifier
    account_number: EntityIdentifier = field(default_factory=EntityIdentifier)
    patient_number: PatientIdentifier = field(default_factory=lambda: PatientIdentifier(""))
    state: VisitState = VisitState.OPEN
    patient_class: str = ""
    current_patient_location: str = ""
    referring_physician_name: str = ""
    admitted_local: str = ""
    discharged_local: str = ""
    details: VisitDetails = field(default_factory=VisitDetails)
    as_of: datetime | None = None
    moved_at: datetime | None = None
    moved_into: int | None = None


@dataclass(frozen=True, slots=True)
class MergeDraft:
    """One PID/MRG pair of an A18, A34 or A40: *retired* ends, *survivor* lives on."""

    survivor: PatientDraft
    retired: PatientIdentifier


def shown_on_orders(visit: Visit) -> OrderDetails:
    """
    Return what devices are told of a visit, as its orders carry it along.

    Of a visit with a number all there is to say, empty where nothing is; of another one only what was said.
    """
    said: dict[str, Any] = {"route_of_admissions": visit.patient_class, "admitted": visit.admitted_local}
    said = dict.fromkeys(VisitDetails.__annotations__, "") | said | visit.details
    return cast(OrderDetails, said if visit.admission_id else {name: value for name, value in said.items() if value})
