"""What a decision about a study's patient rests on: its header, and what the registry is asked.

The registry is a port: the store implements it with indexed look-ups, tests with dictionaries. Nothing here scans.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from bridge.domain.order import Order, Step
from bridge.domain.patient import Patient
from bridge.domain.repairs import as_received
from bridge.domain.study import Header, RequestAttributes

PATIENT_SAFETY_CODE = "113037"


class IdentityKey(NamedTuple):
    """One indexed value under which a patient is found. kind: a constant of bridge.domain.identity_keys."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class NamedIdentity:
    """Whom one instance names. Dates "YYYYMMDD" or ""."""

    patient_id: str = ""
    issuer_of_patient_id: str = ""
    patient_name: str = ""
    patient_birth_date: str = ""
    patient_sex: str = ""


@dataclass(frozen=True, slots=True)
class NamedOrder:
    """Which order one instance names: its own accession number, and what stands in its Request Attributes."""

    accession_number: str = ""
    issuer_of_accession_number: str = ""
    request_attributes: tuple[RequestAttributes, ...] = ()


@dataclass(frozen=True, slots=True)
class StudyEvidence:
    """
    What is known of a study before its patient is.

    header: its first instance's. other_identities: whom its other instances name, where that differs from the header
    in any way; other_orders: which orders they name, likewise. from_foreign_source: a referrer peer, a disc or an upload sent it. received_at: when it came, UTC.
    proposed_patient_key: whose it is as somebody says who brought it.
    """

    header: Header
    other_identities: tuple[NamedIdentity, ...] = ()
    source_ae_title: str = ""
    from_foreign_source: bool = False
    received_at: datetime | None = None
    other_orders: tuple[NamedOrder, ...] = ()
    proposed_patient_key: int | None = None


@dataclass(frozen=True, slots=True)
class PatientRecord:
    """
    A live patient with everything that was ever known of them.

    former_names, former_birth_dates: earlier values of this record. merged: the records that were merged into it,
    through the whole chain; parted: those of which registration said since that they are somebody else's. registered_at: when we first heard of it, None if that is not known.
    """

    patient: Patient
    former_names: tuple[str, ...] = ()
    former_birth_dates: tuple[str, ...] = ()
    merged: tuple[Patient, ...] = ()
    registered_at: datetime | None = None
    parted: tuple[Patient, ...] = ()

    @property
    def key(self) -> int:
        return self.patient.key

    @property
    def multiple_birth(self) -> bool:
        """Twin or more, by this record or one that was merged into it (PID-24)."""
        return self.patient.multiple_birth or any(patient.multiple_birth for patient in self.merged)

    @property
    def in_question(self) -> bool:
        """Whether an update made another person of this record, or of one that was merged into it."""
        return self.patient.in_question or any(patient.in_question for patient in self.merged)

    @property
    def known_names(self) -> tuple[str, ...]:
        """Every name ever known, the present one first."""
        names = [self.patient.patient_name, *self.patient.other_patient_names, *self.former_names]
        for patient in self.merged:
            names += [patient.patient_name, *patient.other_patient_names]
        return tuple(dict.fromkeys(name for name in names if name))

    @property
    def known_birth_dates(self) -> tuple[str, ...]:
        """Every birth date ever known, the present one first."""
        dates = [self.patient.patient_birth_date, *self.former_birth_dates]
        dates += [patient.patient_birth_date for patient in self.merged]
        return tuple(dict.fromkeys(date for date in dates if date))


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """An order with its steps. study_instance_uids: the studies bound to it now."""

    order: Order
    steps: tuple[Step, ...] = ()
    study_instance_uids: tuple[str, ...] = ()

    @property
    def key(self) -> int:
        return self.order.key


@dataclass(frozen=True, slots=True)
class Signal:
    """
    Word from outside that a study is not whose it says: MPPS 110514, or a rejection note 113037 or 113038.

    at: when we received it. Source: PS3.16 CID 9300, CID 7010.
    """

    code: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Alike:
    """Whom keys found. capped: the keys that name more people than were asked for."""

    patients: Sequence[PatientRecord] = ()
    capped: tuple[IdentityKey, ...] = ()


class Registry(Protocol):
    """
    The look-ups a decision needs, each by index.

    Every PatientRecord that comes back is live: a merged record is answered by its survivor. The order of an answer
    does not matter. The same patient may come back under several keys.
    """

    def patients_by_identifier(self, patient_id: str, issuer_of_patient_id: str) -> Sequence[PatientRecord]:
        """Return who holds this number now, or held it until a merge; both as stored, letter for letter."""
        ...

    def patients_by_keys(
        self, keys: Iterable[IdentityKey], limit: int
    ) -> Mapping[IdentityKey, Sequence[PatientRecord]]:
        """Return at most *limit* patients for each key; keys that find nobody may be left out."""
        ...

    def patients_alike(self, keys: Iterable[IdentityKey], limit: int, may_be: Callable[[Sequence[str]], bool]) -> Alike:
        """
        Return everyone whom a key finds, at most *limit* for each, and of whose birth dates *may_be* says yes.

        may_be: is given every birth date ever known of somebody, in any order, so that no more need be read of them.
        """
        ...

    def survivor(self, patient_key: int) -> PatientRecord | None:
        """Return the live patient at the end of this one's merges."""
        ...

    def order_by_key(self, order_key: int) -> OrderRecord | None: ...

    def orders_by_study_uid(self, study_instance_uid: str) -> Sequence[OrderRecord]: ...

    def orders_by_accession(self, accession_number: str) -> Sequence[OrderRecord]:
        """Return every order with this number, whatever its issuer, its date and its state."""
        ...

    def orders_by_requested_procedure_id(self, requested_procedure_id: str) -> Sequence[OrderRecord]: ...

    def orders_by_step_id(self, scheduled_procedure_step_id: str) -> Sequence[OrderRecord]: ...

    def open_orders_of(self, patient_key: int) -> Sequence[OrderRecord]:
        """Return the orders of this live patient, and of those merged into them, that are not cancelled or stopped."""
        ...

    def import_orders_of(self, patient_key: int, modality: str) -> Sequence[OrderRecord]:
        """Return the import orders of this live patient for this modality that are not cancelled, used or not."""
        ...

    def signals_for(self, study_instance_uid: str) -> Sequence[Signal]: ...


def identity_of(header: Header) -> NamedIdentity:
    """Return whom *header* names."""
    return NamedIdentity(
        header.patient_id,
        header.issuer_of_patient_id,
        header.patient_name,
        header.patient_birth_date,
        header.patient_sex,
    )


def identity_written(header: Header) -> NamedIdentity:
    """Return whom *header* names as it was written, whatever a device's rules read in its place."""
    written = as_received(header.repairs)
    return NamedIdentity(
        written.get("PatientID", header.patient_id),
        written.get("IssuerOfPatientID", header.issuer_of_patient_id),
        written.get("PatientName", header.patient_name),
        written.get("PatientBirthDate", header.patient_birth_date),
        written.get("PatientSex", header.patient_sex),
    )


def order_named_by(header: Header) -> NamedOrder:
    """Return which order *header* names."""
    return NamedOrder(header.accession_number, header.issuer_of_accession_number, header.request_attributes)
