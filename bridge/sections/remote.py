"""What settings say of places that we call: how we show who we are, how much at a time, and DICOMweb archives."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from bridge.domain.day_hours import read_hours
from bridge.sections.section import Section


class NoAuth(Section):
    kind: Literal["none"] = "none"


class BasicAuth(Section):
    kind: Literal["basic"]
    username: str
    password: SecretStr


class BearerAuth(Section):
    kind: Literal["bearer"]
    token: SecretStr


class SmartBackendAuth(Section):
    """
    SMART Backend Services. key: a PEM file with the private key; also_published: files of keys that sign next, or did.

    Source: HL7 SMART App Launch 2, backend services.
    """

    kind: Literal["smart-backend"]
    client_id: str
    key: Path
    scope: str = "system/*.cruds"
    token_url: str = ""
    key_id: str = ""
    also_published: tuple[Path, ...] = ()


Auth = Annotated[NoAuth | BasicAuth | BearerAuth | SmartBackendAuth, Field(discriminator="kind")]


def _hours(value: str) -> str:
    read_hours(value)
    return value


class SendSection(Section):
    """
    How much of studies goes to a place, and when. associations: at one time, or requests. mb_per_second: 0 for as fast as
    it goes. between: "HH:MM-HH:MM" by the bridge's clock, "" for any time. answer_secs: how long an answer is waited for.
    corrected: what leaves otherwise than it has it is sent there again, or a person is asked to correct it there.
    """

    associations: int = Field(default=2, ge=1, le=16)
    mb_per_second: float = Field(default=0, ge=0)
    between: Annotated[str, AfterValidator(_hours)] = ""
    answer_secs: float = Field(default=120, gt=0, le=3600)
    corrected: Literal["resend", "by_hand"] = "resend"


class DicomwebServer(Section):
    """An archive that takes studies by STOW-RS. base_url: what comes before /studies."""

    name: str = Field(min_length=1)
    base_url: str
    auth: Auth = NoAuth()
    sends: SendSection = SendSection()


class DicomwebSection(Section):
    servers: tuple[DicomwebServer, ...] = ()


class PublishSection(Section):
    """
    study_quiet_secs: without an MPPS, no new image for this long means complete. forward_quiet_secs: archives are sent a
    study once no image of it came for so long, or what is here after fifteen times as long. announce: a study that has
    begun is registered in charts. list_instances: a study with more of them is told to charts by its counts.
    keep_versions_days: so long older versions of chart entries are kept whole; 0: for ever.
    """

    study_quiet_secs: float = Field(default=20, ge=0)
    forward_quiet_secs: float = Field(default=2, ge=0)
    announce: bool = True
    list_instances: int = Field(default=2000, ge=0)
    keep_versions_days: int = Field(default=730, ge=0, le=36500)


# What a FHIR server can be given.
Published = Literal[
    "ImagingStudy",
    "Claim",
    "Provenance",
    "Procedure",
    "DiagnosticReport",
    "DocumentReference",
    "ImagingSelection",
    "ServiceRequest",
]
