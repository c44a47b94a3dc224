"""What settings say of DICOM: the listener, and every remote that may call it or is called."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from bridge.domain.identifiers import is_oid
from bridge.sections.device import Modality, WorklistSection
from bridge.sections.remote import SendSection
from bridge.sections.section import AETitle, Network, Port, Section, Tls, each_once

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
