"""What every section of the settings is made of: frozen, no unknown key."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

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
