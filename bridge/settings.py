"""Frozen settings from one TOML file and the environment over it; an unknown key stops the start with the nearest right word.

Every value has a safe default. What an unsafe start is, and why it is refused, stands in `bridge/safety.py`.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from bridge.device_section import Modality, WorklistSection
from bridge.domain.identifiers import is_oid
from bridge.errors import Misconfigured
from bridge.fhir_section import FhirSection
from bridge.outside_section import OutsideSection
from bridge.payer_section import Clearinghouse, Payer, calling
from bridge.remote_sections import DicomwebSection, PublishSection, SendSection
from bridge.sections import AETitle, Hl7Section, Network, Npi, Origin, Port, Section, Tls, each_once
from bridge.store_section import StoreSection
from bridge.told_sections import Webhooks

ENVIRONMENT_PREFIX = "IMAGING_BRIDGE__"


class BridgeSection(Section):
    """Where things lie and what house this is. mappings: laid over the shipped mappings/. npi: the house's, for payers."""

    data: Path = Path("var")
    mappings: Path | None = None
    time_zone: str = "UTC"
    organization: str = "Imaging Bridge"
    npi: Npi = ""

    @field_validator("mappings", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as fault:
            raise ValueError("no such time zone") from fault
        return value


PeerRole = Literal["modality", "archive", "viewer", "referrer"]


class Peer(Section):
    """
    A configured DICOM remote. host, port: where it listens; its own calls must come from host, or from one of the
    networks in from. aliases: other titles it calls with, from the same places. charset: what the device can read, "" to
    follow its query. worklist: what it is shown. unbound: may also see unbound studies.
    sends: how studies go there. notify: is told which studies can be retrieved here.
    forward_mpps: is told what devices report (MPPS). lenient_mpps: its own reports may lack what the standard requires.
    commitment: whether an archive is asked to keep what it took; None: where it offers that.
    decompress: objects that it takes in no other way; None: what it retrieves, and what is forwarded unless to an archive.
    """

    ae_title: AETitle
    host: str
    port: Port
    roles: tuple[PeerRole, ...]
    aliases: tuple[AETitle, ...] = ()
    charset: str = ""
    modality: Modality = ""
    worklist: WorklistSection = WorklistSection()
    unbound: bool = False
    tls: bool = False
    sends: SendSection = SendSection()
    notify: bool = False
    commitment: bool | None = None
    decompress: bool | None = None
    forward_mpps: bool = False
    lenient_mpps: bool = False
    from_networks: tuple[Network, ...] = Field(default=(), alias="from")

    @property
    def sees_unbound(self) -> bool:
        """Whether unbound studies exist for it; never for an archive: what it keeps is no longer ours to hold back."""
        return self.unbound and "archive" not in self.roles


class DicomSection(Section):
    """
    The DICOM listener. max_instance_mb: a larger object is cut off and refused. keep_queries_days: how long what devices
    asked of the worklist is kept, 0 not at all.

    mpps_idle_minutes: a performed step that nothing was heard of for so long is waited for no more.
    private_sop_classes: kept like the standard's storage classes; "any": whatever is not the standard's.
    """

    host: str = "127.0.0.1"
    port: Port = 11112
    ae_title: AETitle = "BRIDGE"
    callers: Literal["known", "any"] = "known"
    tls: Tls | None = None
    plain_from: tuple[Network, ...] = ()
    max_instance_mb: int = Field(default=2048, ge=1)
    max_associations: int = Field(default=60, ge=1, le=1000)
    keep_queries_days: int = Field(default=14, ge=0, le=365)
    private_sop_classes: tuple[str, ...] = ()
    mpps_idle_minutes: int = Field(default=60, ge=1)
    peers: tuple[Peer, ...] = ()

    @field_validator("peers")
    @classmethod
    def _one_entry_each(cls, value: tuple[Peer, ...]) -> tuple[Peer, ...]:
        each_once(tuple(title for peer in value for title in (peer.ae_title, *peer.aliases)), str)
        return value

    @field_validator("private_sop_classes")
    @classmethod
    def _uids_or_any(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for uid in value:
            if uid != "any" and not is_oid(uid):
                raise ValueError(f'{uid!r} is no UID, nor "any"')
        return value


class HttpSection(Section):
    """
    Console, REST, FHIR and DICOMweb. public_url: what links say, "" for the listener's own address.

    cors_origins: sites whose scripts may read DICOMweb with a token.
    """

    host: str = "127.0.0.1"
    port: Port = 8080
    public_url: str = ""
    tls: Tls | None = None
    behind_proxy: tuple[Network, ...] = ()
    cors_origins: tuple[Origin, ...] = ()
    max_body_mb: int = Field(default=64, ge=1)
    idle_minutes: int = Field(default=15, ge=1)


class Authority(Section):
    """One assigning authority under its three names. name: HL7 CX.4.1; oid: CX.4.2; system: FHIR Identifier.system."""

    name: str
    oid: str = ""
    system: str = ""


class IdentitySection(Section):
    """authority: what an identifier without an assigning authority means here."""

    authority: str = "LOCAL"
    authorities: tuple[Authority, ...] = ()

    def system_of(self, issuer: str) -> str:
        """
        Return the FHIR system of *issuer*, "" meaning our own authority.

        One that is not configured gets a URN of ours, never its bare name.
        """
        issuer = issuer or self.authority
        for authority in self.authorities:
            if issuer in (authority.name, authority.oid):
                return authority.system or (f"urn:oid:{authority.oid}" if authority.oid else _own_urn(issuer))
        return _own_urn(issuer)

    def issuer_of(self, system: str) -> str:
        """Return the name we keep for whoever a FHIR *system* stands for, "" meaning our own authority; else itself."""
        own = system.removeprefix(_own_urn(""))
        if not system or own != system:
            return own or self.authority
        found = next((one.name for one in self.authorities if self.system_of(one.name) == system), "")
        return found or self.name_of(system.removeprefix("urn:oid:"))

    def oid_of(self, issuer: str) -> str:
        """Return the OID of *issuer*, "" if none is configured."""
        return next((a.oid for a in self.authorities if a.name == issuer), "")

    def name_of(self, issuer: str) -> str:
        """Return the one name we keep for *issuer*, which may come as its name or its OID."""
        return next((a.name for a in self.authorities if a.oid and a.oid == issuer), issuer)


def _own_urn(issuer: str) -> str:
    return f"urn:imaging-bridge:authority:{issuer}"


class Settings(Section):
    """Everything a node needs to know, checked as a whole."""

    bridge: BridgeSection = BridgeSection()
    store: StoreSection = StoreSection()
    hl7: Hl7Section = Hl7Section()
    dicom: DicomSection = DicomSection()
    http: HttpSection = HttpSection()
    fhir: FhirSection = FhirSection()
    dicomweb: DicomwebSection = DicomwebSection()
    payers: tuple[Payer, ...] = ()
    clearinghouses: tuple[Clearinghouse, ...] = ()
    publish: PublishSection = PublishSection()
    identity: IdentitySection = IdentitySection()
    outside: OutsideSection = OutsideSection()
    webhooks: Webhooks = ()

    @model_validator(mode="after")
    def _sections_fit(self) -> Self:
        each_once(tuple(one.name for one in self.clearinghouses), str)
        takers = {one.name for one in self.clearinghouses if one.takes_files}
        if lost := [one.name for one in self.payers if one.clearinghouse and one.clearinghouse not in takers]:
            raise ValueError(f"payers: {lost[0]!r} names a clearinghouse that takes no files in [[clearinghouses]]")
        places = (*(one.ae_title for one in self.dicom.peers), *(one.name for one in self.dicomweb.servers))
        each_once(places, str)
        if unknown := [archive for _, archive in self.hl7.adt_doors if archive not in places]:
            raise ValueError(f"hl7.destinations: no archive {unknown[0]!r} in [dicom] or [dicomweb]")
        linked = [one.name for one in self.hl7.destinations if one.link] + calling(self.payers)
        linked += [one.name for one in self.fhir.servers if one.is_telling]
        if linked and not self.http.public_url:
            raise ValueError(
                f"a link for {linked[0]!r} (hl7.destinations, payers, fhir.servers) needs [http] public_url"
            )
        return self

    @property
    def corrected_by_hand(self) -> tuple[str, ...]:
        """The places that are never sent again what they have otherwise."""
        peers, servers = self.dicom.peers, self.dicomweb.servers
        sends = {one.ae_title: one.sends for one in peers} | {one.name: one.sends for one in servers}
        return tuple(name for name, how in sends.items() if how.corrected == "by_hand")

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the store."""
        return self.store.database or f"sqlite:///{(self.bridge.data / 'bridge.db').absolute()}"

    @property
    def blob_folder(self) -> Path:
        """Folder of the received objects; of what is on its way to and from a bucket, where they lie in one."""
        return Path(self.store.blobs) if self.store.blobs and not self.store.is_s3 else self.bridge.data / "blobs"

    @property
    def time_zone(self) -> ZoneInfo:
        return ZoneInfo(self.bridge.time_zone)


def load(path: Path | None, environment: Mapping[str, str] | None = None) -> Settings:
    """
    Read settings from *path* (None: defaults only) with the environment laid over them.

    environment: os.environ unless given; names are IMAGING_BRIDGE__SECTION__KEY, values TOML or plain text.
    Relative paths in the file are relative to the file's folder.
    Raises: Misconfigured, with every fault.
    """
    tree: dict[str, Any] = {}
    if path is not None:
        try:
            tree = tomllib.loads(path.read_text("utf-8"))
        except OSError as fault:
            raise Misconfigured([f"{path}: {fault.strerror or 'cannot be read'}"]) from fault
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
            raise Misconfigured([f"{path}: {fault}"]) from fault
    _lay_over(tree, os.environ if environment is None else environment)
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as fault:
        raise Misconfigured(_sentences(fault)) from None
    return _anchored(settings, path.parent if path is not None else Path())


def _lay_over(tree: dict[str, Any], environment: Mapping[str, str]) -> None:
    for name in sorted(environment):
        if not name.startswith(ENVIRONMENT_PREFIX):
            continue
        steps = [step.lower() for step in name.removeprefix(ENVIRONMENT_PREFIX).split("__")]
        place: Any = tree
        for step in steps[:-1]:
            place = place[int(step)] if isinstance(place, list) and step.isdigit() else place.setdefault(step, {})
        place[steps[-1]] = _value(environment[name])


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text


def _anchored(settings: Settings, folder: Path) -> Settings:
    """Return *settings* with every path, however deep, taken from *folder*."""
    anchored: Settings = _anchor(settings, folder)
    blobs = anchored.store.blobs
    if not blobs or anchored.store.is_s3:
        return anchored
    store = anchored.store.model_copy(update={"blobs": str(folder / blobs)})
    return anchored.model_copy(update={"store": store})


def _anchor(value: Any, folder: Path) -> Any:
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, tuple):
        return tuple(_anchor(one, folder) for one in value)
    if isinstance(value, BaseModel):
        return value.model_copy(
            update={name: _anchor(getattr(value, name), folder) for name in type(value).model_fields}
        )
    return value


def _sentences(fault: ValidationError) -> list[str]:
    """Return one sentence for each fault; values are left out, since some are secrets."""
    lines = []
    for error in fault.errors(include_input=False, include_url=False):
        place = ".".join(str(step) for step in error["loc"])
        if error["type"] == "extra_forbidden":
            near = _nearest(error["loc"])
            lines.append(f"{place}: unknown key" + (f", did you mean {near!r}?" if near else ""))
        else:
            said = error["msg"].removeprefix("Value error, ")
            lines.append(f"{place}: {said[:1].lower()}{said[1:]}")
    return lines


def _nearest(place: tuple[int | str, ...]) -> str:
    model: Any = Settings
    for step in place[:-1]:
        if isinstance(step, int):
            continue
        field = getattr(model, "model_fields", {}).get(step)
        model = _model_of(field.annotation) if field is not None else None
    names = [f.alias or name for name, f in getattr(model, "model_fields", {}).items()]
    return next(iter(difflib.get_close_matches(str(place[-1]), names, n=1, cutoff=0.6)), "")


def _model_of(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_of(inner)
        if found is not None:
            return found
    return None
