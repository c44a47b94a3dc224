"""What every section of the settings is made of, and HL7's: who may send to us, and who is told. Frozen, no unknown key."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from bridge.domain.identifiers import check_ae_title, is_npi
from bridge.errors import BridgeError

T = TypeVar("T")

Port = Annotated[int, Field(ge=0, le=65535)]


def _ae_title(value: str) -> str:
    try:
        return check_ae_title(value, "ae_title")
    except BridgeError as fault:
        raise ValueError(fault.detail) from fault


def _network(value: str) -> str:
    ipaddress.ip_network(value, strict=False)
    return value


def _origin(value: str) -> str:
    scheme, _, host = value.partition("://")
    if scheme not in ("http", "https") or not host or set(host) & set("/*?#@ ") or value != value.lower():
        raise ValueError("an origin is https://host or https://host:port, in lower case, without a path")
    return value


def each_once(entries: tuple[T, ...], name_of: Callable[[T], str]) -> tuple[T, ...]:
    """Return *entries* if no two have one name. Raises: ValueError."""
    names = [name_of(entry) for entry in entries]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"listed twice: {', '.join(twice)}")
    return entries


def _npi(value: str) -> str:
    if value and not is_npi(value):
        raise ValueError("no National Provider Identifier: its check digit does not fit")
    return value


AETitle = Annotated[str, AfterValidator(_ae_title)]
Network = Annotated[str, AfterValidator(_network)]
Origin = Annotated[str, AfterValidator(_origin)]
Npi = Annotated[str, AfterValidator(_npi)]


class Section(BaseModel):
    """One section."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Tls(Section):
    """
    Certificate and key as PEM files. client_ca: whoever has no certificate of it cannot connect; where client_certificates
    is "optional" whoever shows none can, but a wrong one is refused. port: TLS there, plain on the section's port.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None
    client_certificates: Literal["required", "optional"] = "required"
    port: Port | None = None


class ClientTls(Section):
    """
    How we call with TLS. ca: whose certificate the other side must show, the system's if none is named. certificate, key:
    ours, where it asks for one. server_name: what its certificate says, "" for the host's own name.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str = ""

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        return self


# Names of HL7 table 0211 that a whole message can be written in.
Hl7Charset = Literal[
    "ASCII", "8859/1", "8859/2", "8859/3", "8859/4", "8859/5", "8859/6", "8859/7", "8859/8", "8859/9", "8859/15",
    "ISO IR87", "KS X 1001", "GB 18030-2000", "BIG-5", "UNICODE UTF-8",
]  # fmt: skip
NoticeType = Literal["ORM^O01", "OMG^O19", "ORU^R01", "ADT"]
_STATUS_TYPES = ("ORM^O01", "OMG^O19")


class Hl7Destination(Section):
    """
    A system that is told over MLLP how orders stand. sites: whose orders, by the names of mappings/sites; () for all.

    plain: without TLS although it is beyond this machine. messages: status as ORM^O01 or OMG^O19, images as ORU^R01.
    link: an address that opens the images goes with them, as OBX of type RP (pointer) or ST (text), "" for none.
    archive: whose door it is, by its AE title or its name in [dicomweb]; it is told by ADT who its images' patients are.
    max_attempts: 0 for as long as any delivery is tried.
    """

    name: str = Field(min_length=1)
    host: str
    port: Annotated[int, Field(ge=1, le=65535)]
    tls: ClientTls | None = None
    plain: bool = False
    sites: tuple[str, ...] = ()
    messages: tuple[NoticeType, ...] = Field(default=("ORM^O01",), min_length=1)
    link: Literal["", "RP", "ST"] = ""
    archive: str = ""
    version: Literal["2.3.1", "2.5.1"] = "2.5.1"
    charset: Hl7Charset = "UNICODE UTF-8"
    sending_application: str = "IMAGING_BRIDGE"
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    timeout_secs: float = Field(default=30, gt=0, le=300)
    max_attempts: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _can_be_said(self) -> Self:
        if len(set(self.messages).intersection(_STATUS_TYPES)) > 1:
            raise ValueError("a status is told as ORM^O01 or as OMG^O19, not both")
        if bool(self.archive) != ("ADT" in self.messages):
            raise ValueError('ADT is told to an archive\'s door: name both archive and messages = ["ADT"]')
        if "OMG^O19" in self.messages and self.version == "2.3.1":
            raise ValueError("OMG^O19 needs version 2.5.1")
        if self.link and not {"ORU^R01", "OMG^O19"}.intersection(self.messages):
            raise ValueError("a link goes with images: messages names neither ORU^R01 nor OMG^O19")
        return self

    @property
    def tells_orders(self) -> bool:
        """Whether it is told anything of orders."""
        return any(one != "ADT" for one in self.messages)


class Hl7Section(Section):
    """
    The MLLP listener, and who is told over MLLP.

    senders: "known" refuses who is in no site's match list; "any" is for a trial on loopback. from_networks: where
    senders may connect from, () for anywhere; plain_from says it for those without TLS.
    """

    host: str = "127.0.0.1"
    port: Port = 2575
    tls: Tls | None = None
    from_networks: tuple[Network, ...] = Field(default=(), alias="from")
    plain_from: tuple[Network, ...] = ()
    senders: Literal["known", "any"] = "known"
    max_message_mb: int = Field(default=16, ge=1, le=256)
    destinations: tuple[Hl7Destination, ...] = ()

    @field_validator("destinations")
    @classmethod
    def _one_entry_each(cls, value: tuple[Hl7Destination, ...]) -> tuple[Hl7Destination, ...]:
        each_once(tuple(one for one in value if one.archive), lambda destination: destination.archive)
        return each_once(value, lambda destination: destination.name)

    @property
    def adt_doors(self) -> tuple[tuple[str, str], ...]:
        """Return the destinations that are archives' ADT doors, each with its archive."""
        return tuple((one.name, one.archive) for one in self.destinations if one.archive)
