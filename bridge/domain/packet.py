"""The packet that a payer gets for an authorization: which facts it holds, and the digest by which two are the same.

Dates are "YYYYMMDD", "" where nobody said; names are a person's, in reading order. Minimum necessary: what is not in here
does not leave. Source: 45 CFR 164.502(b).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

# For what a packet may be used, in words.
PURPOSE = "prior authorization"


class PacketFile(StrEnum):
    """What a packet comes as. key_objects: a Key Object Selection that names the chosen images."""

    DOCUMENT = "document"
    MANIFEST = "manifest"
    KEY_OBJECTS = "key-objects"


class ChosenBy(StrEnum):
    """Who chose an image. key-object: somebody, who marked it at the device or where it was read; representative: nobody."""

    PERSON = "person"
    KEY_OBJECT = "key-object"
    REPRESENTATIVE = "representative"


@dataclass(frozen=True, slots=True)
class PacketPatient:
    """Whom the packet is about. name: alphabetic; other_names: the same in other scripts."""

    name: str
    patient_id: str
    birth_date: str = ""
    sex: str = ""
    other_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PacketService:
    """One line of the authorization. decision: in words, "" while there is none."""

    code: str
    description: str = ""
    modifiers: tuple[str, ...] = ()
    diagnoses: tuple[str, ...] = ()
    units: str = ""
    decision: str = ""


@dataclass(frozen=True, slots=True)
class PacketAuthorization:
    """What it is sent for. number: the payer's, "" while it has none; control_number: ours, which the payer quotes."""

    control_number: str
    payer_name: str
    number: str = ""
    member_id: str = ""
    effective_on: str = ""
    expires_on: str = ""
    services: tuple[PacketService, ...] = ()


@dataclass(frozen=True, slots=True)
class PacketOrder:
    """The order behind it. procedures: in words; reason: why it was asked for, with its codes."""

    accession_number: str = ""
    procedures: tuple[str, ...] = ()
    reason: tuple[str, ...] = ()
    ordered_by: str = ""
    ordered_on: str = ""
    performed_on: str = ""


@dataclass(frozen=True, slots=True)
class PacketReport:
    """A signed report. sections: title and text of each, "" for text under no heading. status: in words."""

    title: str
    status: str
    issued_on: str
    signed_by: str
    sections: tuple[tuple[str, str], ...]
    accession_number: str = ""


@dataclass(frozen=True, slots=True)
class PacketLab:
    """A laboratory result that the payer asks for. words: what, value and unit. observed_on: its day, "YYYY-MM-DD"."""

    words: str
    observed_on: str


@dataclass(frozen=True, slots=True)
class AppendedDocument:
    """A document of a signed report that came as PDF, behind the packet's own pages. digest: SHA-256, as received."""

    title: str
    issued_on: str
    accession_number: str
    pages: int
    digest: str


@dataclass(frozen=True, slots=True)
class PriorStudy:
    """An earlier study of the same region, and whether this packet or the record holds its report."""

    study_date: str
    modality: str
    description: str
    body_part: str = ""
    accession_number: str = ""
    has_report: bool = False


@dataclass(frozen=True, slots=True)
class KeyPicture:
    """
    One chosen image as it is drawn. digest: SHA-256 of the object that it was drawn of, as received.

    frame: from 1. marked_as: the title under which it was marked, "" if it was not. side: "" if unpaired.
    window: centre and width that it is drawn with, in words, "" for values as they are.
    """

    sop_instance_uid: str
    series_instance_uid: str
    digest: str
    study_date: str
    modality: str
    series_description: str = ""
    series_number: str = ""
    instance_number: str = ""
    side: str = ""
    frame: int = 1
    chosen_by: ChosenBy = ChosenBy.PERSON
    marked_as: str = ""
    is_lossy: bool = False
    window: str = ""

    @property
    def is_chosen(self) -> bool:
        """Whether somebody chose it; else it stands for its series."""
        return self.chosen_by != ChosenBy.REPRESENTATIVE


@dataclass(frozen=True, slots=True)
class ManifestSeries:
    """A series of the manifest. digest: SHA-256 over its instances' digests, in order of their UIDs."""

    series_instance_uid: str
    modality: str
    instances: int
    digest: str
    number: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class ManifestStudy:
    """A study of the manifest."""

    study_instance_uid: str
    study_date: str
    accession_number: str = ""
    description: str = ""
    series: tuple[ManifestSeries, ...] = ()


@dataclass(frozen=True, slots=True)
class ShareLink:
    """Where the images can be looked at, and until when."""

    url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Packet:
    """
    Everything that one packet says.

    purpose: for what it may be used, in words. version: from 1, a new one when what it says changes. made_at: when this
    version was made; it is printed, so that the same version always gives the same document. whole_study_because: why its
    payer may look at all images by the link, "" if it may not.
    """

    organization: str
    version: int
    made_at: datetime
    purpose: str
    patient: PacketPatient
    authorization: PacketAuthorization
    order: PacketOrder
    reports: tuple[PacketReport, ...] = ()
    prior_reports: tuple[PacketReport, ...] = ()
    labs: tuple[PacketLab, ...] = ()
    notes: tuple[PacketReport, ...] = ()
    appended: tuple[AppendedDocument, ...] = ()
    priors: tuple[PriorStudy, ...] = ()
    pictures: tuple[KeyPicture, ...] = ()
    manifest: tuple[ManifestStudy, ...] = ()
    link: ShareLink | None = None
    whole_study_because: str = ""
    whole_study_since: datetime | None = None

    def digest(self) -> str:
        """Return the SHA-256 of all that it says but its version, time and link: the same for the same evidence."""
        said = asdict(self)
        for name in ("version", "made_at", "link"):
            del said[name]
        return hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=True, default=str).encode()).hexdigest()


def series_digest(digests: Sequence[tuple[str, str]]) -> str:
    """Return one SHA-256 for a series from (SOP Instance UID, SHA-256 of the object) of each of its instances."""
    every = "".join(f"{uid} {digest}\n" for uid, digest in sorted(digests))
    return hashlib.sha256(every.encode()).hexdigest()
