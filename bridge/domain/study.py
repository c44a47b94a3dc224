"""Studies, series and instances as received, and whose they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from bridge.domain.code import Code
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.repairs import Repaired


class StudyState(StrEnum):
    """Where a study stands. Only the first two may leave the house. Source: docs/conformance.md."""

    BOUND = "bound"
    BOUND_WITH_CORRECTION = "bound_with_correction"
    REVIEW = "review"
    QUARANTINE = "quarantine"


# Pixels wrapped in fragments have no one length.
ENCAPSULATED = -1
BOUND_STATES = frozenset({StudyState.BOUND, StudyState.BOUND_WITH_CORRECTION})


@dataclass(frozen=True, slots=True)
class RequestAttributes:
    """One item of Request Attributes Sequence (0040,0275): what the worklist gave the scanner. Source: PS3.3 C.7.3.1."""

    requested_procedure_id: str = ""
    scheduled_procedure_step_id: str = ""
    accession_number: str = ""
    study_instance_uid: str = ""


@dataclass(frozen=True, slots=True)
class HeaderDetails:
    """
    What a chart is told of an object beside what identifies and finds it; nothing is ever decided by it.

    Names: PN with its groups. Of the study: procedure_code (0008,1032), reading_physicians (0008,1060), department
    (0008,1040). Of the series: anatomic_region (0008,2218), performing_physicians (0008,1050), operators (0008,1070),
    specimens (0040,0551).
    """

    procedure_code: Code = field(default_factory=Code)
    reading_physicians: tuple[str, ...] = ()
    department: str = ""
    anatomic_region: Code = field(default_factory=Code)
    performing_physicians: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    specimens: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__slots__)


NO_DETAILS: Final = HeaderDetails()


@dataclass(frozen=True, slots=True)
class Header:
    """
    What one received object says of itself, decoded, padding stripped, never corrected to what a record says.

    Dates "YYYYMMDD", times "HHMMSS[.F]", both as the device's clock says, "" if absent or not a date.
    patient_name: PN with its groups; patient_name_bytes: the undecoded value, for a second reading in another character
    set. faults: what was let through (slugs, no patient data). repairs: what a site's rules read otherwise than it was
    written. pixel_bytes: the length of the pixel data, ENCAPSULATED in fragments, None without any. clock_ahead_secs: how far the device's clock goes ahead, by such a rule; its times stand here as it wrote them.
    """

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    specific_character_set: tuple[str, ...] = ()
    patient_id: str = ""
    issuer_of_patient_id: str = ""
    other_patient_ids: tuple[PatientIdentifier, ...] = ()
    patient_name: str = ""
    patient_name_bytes: bytes = b""
    patient_birth_date: str = ""
    patient_sex: str = ""
    accession_number: str = ""
    issuer_of_accession_number: str = ""
    request_attributes: tuple[RequestAttributes, ...] = ()
    study_date: str = ""
    study_time: str = ""
    timezone_offset_from_utc: str = ""
    study_description: str = ""
    study_id: str = ""
    referring_physician_name: str = ""
    institution_name: str = ""
    modality: str = ""
    series_number: int | None = None
    series_description: str = ""
    series_date: str = ""
    series_time: str = ""
    body_part_examined: str = ""
    laterality: str = ""
    image_laterality: str = ""
    station_name: str = ""
    performed_procedure_step_id: str = ""
    instance_number: int | None = None
    content_label: str = ""
    number_of_frames: int = 1
    rows: int | None = None
    columns: int | None = None
    samples_per_pixel: int | None = None
    bits_allocated: int | None = None
    pixel_bytes: int | None = None
    burned_in_annotation: str = ""
    lossy_image_compression: str = ""
    patient_age: str = ""
    manufacturer: str = ""
    manufacturer_model_name: str = ""
    faults: tuple[str, ...] = ()
    repairs: tuple[Repaired, ...] = ()
    clock_ahead_secs: int = 0
    details: HeaderDetails = NO_DETAILS


@dataclass(frozen=True, slots=True)
class Study:
    """
    All instances of one Study Instance UID, and the binding.

    received: the header that decided (its first instance's). patient_key, order_key: the binding, None unless bound.
    rule: the bind rule or veto ("B01", "V06"), or "person"; sentence: the same in plain words. binding_version counts every decision that changed it.
    held_from: the binding that a hold took away. closed_reason: why a person took it out of the queue, "" if not closed.
    completed_at: when it was found complete (quiet, or its MPPS done and everything here), None before.
    ended_with: how many instances it had when its exam was found ended, None while that goes on.
    """

    key: int
    study_instance_uid: str
    state: StudyState
    received: Header
    source_ae_title: str
    foreign: bool
    patient_key: int | None = None
    order_key: int | None = None
    rule: str = ""
    decided_by: str = ""
    sentence: str = ""
    binding_version: int = 0
    held_from_patient_key: int | None = None
    held_from_order_key: int | None = None
    closed_reason: str = ""
    first_instance_at: datetime | None = None
    last_instance_at: datetime | None = None
    completed_at: datetime | None = None
    ended_with: int | None = None
    version: int = 1

    @property
    def is_decided_by_person(self) -> bool:
        """Say whether somebody decided it, at a page or by a program with a token of theirs; else a rule did."""
        return is_person(self.decided_by)

    @property
    def is_bound(self) -> bool:
        return self.state in BOUND_STATES


@dataclass(frozen=True, slots=True)
class Series:
    """One series, with what FHIR's ImagingStudy.series wants of it."""

    key: int
    study_key: int
    series_instance_uid: str
    modality: str = ""
    series_number: int | None = None
    series_description: str = ""
    series_date: str = ""
    series_time: str = ""
    body_part_examined: str = ""
    laterality: str = ""
    station_name: str = ""
    details: HeaderDetails = NO_DETAILS


# Codes of the errors that say of one object that its bytes are not here, which is no fault of the others'.
NOT_HERE: Final = frozenset({"object_damaged", "object_removed"})


@dataclass(frozen=True, slots=True)
class Instance:
    """
    One object as kept; removed_at: its bytes are an archive's by now. digest: SHA-256 of the Part 10 file as kept.

    warnings: slugs of ImageWarning, blanks between. withheld: why it is no part of what its study shows, "" if it is:
    the code of the rejection note that names it, or that it is such a note.
    """

    key: int
    study_key: int
    series_key: int
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    blob: str
    digest: str
    size_bytes: int
    instance_number: int | None = None
    content_label: str = ""
    number_of_frames: int = 1
    received_at: datetime | None = None
    removed_at: datetime | None = None
    warnings: str = ""
    withheld: str = ""
    image_laterality: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """One attribute that leaves with another value than it came with. keyword: DICOM keyword."""

    keyword: str
    received: str
    record: str
    applied: bool = True


@dataclass(frozen=True, slots=True)
class StudyContents:
    """A study with everything it holds, as publishers and web pages read it. instances: by series key."""

    study: Study
    series: tuple[Series, ...] = ()
    instances: dict[int, tuple[Instance, ...]] = field(default_factory=dict)

    @property
    def instance_count(self) -> int:
        return sum(len(group) for group in self.instances.values())


@dataclass(frozen=True, slots=True)
class Spooled:
    """
    One object that has arrived whole and is not kept yet.

    path: a Part 10 file on the blobs' file system. digest: SHA-256 of that file. head: its first bytes, b"" if they are
    not at hand.
    The affected UIDs are the command's; nobody has looked into the data set yet.
    """

    path: Path
    digest: str
    size_bytes: int
    affected_sop_class_uid: str
    affected_sop_instance_uid: str
    transfer_syntax_uid: str
    calling_ae_title: str
    peer_address: str
    association_id: str
    head: bytes = field(default=b"", repr=False)


class Outgoing(Protocol):
    """One object that is to leave. It is opened only when its turn comes: what must be corrected is corrected then."""

    @property
    def sop_class_uid(self) -> str: ...

    @property
    def sop_instance_uid(self) -> str: ...

    @property
    def transfer_syntax_uid(self) -> str: ...

    def at_hand(self) -> AbstractContextManager[Path]:
        """
        Yield a Part 10 file with every correction applied, to read and never to write; gone once the block ends.

        Raises: Malformed, Unsupported, where the corrections cannot be made: it must not leave then.
        """


@dataclass(frozen=True, slots=True)
class OutgoingObject:
    """One object that leaves as it lies there: *path* is a Part 10 file."""

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str

    @contextmanager
    def at_hand(self) -> Iterator[Path]:
        """Yield the file."""
        yield self.path


def is_person(actor: str) -> bool:
    """
    Say whether a decision's actor is somebody, not a rule's code.

    >>> is_person("user:maria"), is_person("token:intake-script"), is_person("B01"), is_person("")
    (True, True, False, False)
    """
    return actor.startswith(("user:", "token:"))
