"""What settings say of the HTTP listener."""

from __future__ import annotations

from pydantic import Field

from bridge.sections.section import Network, Origin, Port, Section, Tls


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
