"""What settings say of FHIR servers: what goes to them, what is fetched from them, and how they open images here."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from bridge.domain.chart import OWN, SELECTION
from bridge.sections.remote import Auth, NoAuth, Published
from bridge.sections.section import ClientTls, Section
from bridge.sections.told import SubscriptionsSection


class OrdersPoll(Section):
    """
    How orders are fetched from a server that does not push them. query: narrows what is asked for, as in an address.

    overlap_secs: how far behind the newest order seen is asked again; since_hours: how far back the first time. told: the
    server says when something changed, and is asked at once.
    """

    every_secs: float = Field(default=60, ge=1, le=86_400)
    query: str = ""
    overlap_secs: float = Field(default=120, ge=0, le=86_400)
    since_hours: float = Field(default=24, ge=0, le=24 * 366)
    told: bool = False


class LaunchSection(Section):
    """
    How an EHR launches us. secret or key: how we show who we are, neither for a public client. users: what it calls people,
    and their accounts here; viewers: kinds of people that may look without one; console: accounts may enter the console.
    """

    client_id: str = Field(min_length=1)
    secret: SecretStr = SecretStr("")
    key: Path | None = None
    key_id: str = ""
    also_published: tuple[Path, ...] = ()
    users: dict[str, str] = Field(default_factory=dict)
    viewers: tuple[Literal["Practitioner", "PractitionerRole", "RelatedPerson", "Person", "Patient"], ...] = ()
    console: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.secret.get_secret_value() and self.key is not None:
            raise ValueError("a client has a secret or a key, not both")
        return self


class FhirServer(Section):
    """
    A FHIR server that we publish to, and may fetch orders and authorizations from. version R4 serves R4B too.

    tls: its certificate authority, and a certificate of ours where it asks for one. connections: requests to it at one
    time, rate_per_sec: in a second, 0 for as many as it answers. patients: looked up, or only named by their number.
    """

    name: str
    base_url: str
    version: Literal["R4", "R5"] = "R4"
    auth: Auth = NoAuth()
    publish: tuple[Published, ...] = ("ImagingStudy",)
    timeout_secs: float = Field(default=20, gt=0, le=300)
    tls: ClientTls | None = None
    connections: int = Field(default=4, ge=1, le=32)
    rate_per_sec: float = Field(default=0, ge=0)
    patients: Literal["look_up", "name"] = "look_up"
    orders: OrdersPoll | None = None
    authorizations: OrdersPoll | None = None
    launch: LaunchSection | None = None

    @field_validator("name")
    @classmethod
    def _not_ours(cls, value: str) -> str:
        if value == OWN:
            raise ValueError("that name is what pages call our own FHIR")
        return value

    @property
    def asked(self) -> tuple[tuple[str, OrdersPoll], ...]:
        """What is fetched from it, and how."""
        asked = [
            ("ServiceRequest", self.orders),
            ("Claim", self.authorizations),
            ("ClaimResponse", self.authorizations),
        ]
        return tuple((kind, how) for kind, how in asked if how is not None)

    @property
    def is_telling(self) -> bool:
        return any(how.told for _, how in self.asked)

    @model_validator(mode="after")
    def _tells_in_r4(self) -> Self:
        if self.is_telling and self.version != "R4":
            raise ValueError("told = true is for version R4")
        return self

    @model_validator(mode="after")
    def _selections_of_studies(self) -> Self:
        if SELECTION in self.publish and (self.version != "R5" or "ImagingStudy" not in self.publish):
            raise ValueError("ImagingSelection is of R5 alone, and points to its ImagingStudy: publish that, too")
        return self


class FhirSection(Section):
    """strict: what is invalid is never sent. validated_share: of what is validated before it is sent all the same."""

    strict: bool = False
    validated_share: float = Field(default=0.01, ge=0, le=1)
    serve: tuple[Literal["R4", "R5"], ...] = ("R4", "R5")
    servers: tuple[FhirServer, ...] = ()
    subscriptions: SubscriptionsSection = SubscriptionsSection()
