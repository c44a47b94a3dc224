"""What settings say of other registries that are asked who somebody is, where nobody here is known for a study."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bridge.sections.hl7 import Hl7Charset
from bridge.sections.remote import Auth, NoAuth
from bridge.sections.section import ClientTls, Section, each_once


class OutsideFhir(Section):
    """
    A FHIR server that is asked by Patient search. match: by Patient/$match, too, where no number leads to anybody; only
    a certain match counts.
    """

    name: str = Field(min_length=1)
    base_url: str
    version: Literal["R4", "R5"] = "R4"
    auth: Auth = NoAuth()
    match: bool = True
    timeout_secs: float = Field(default=10, gt=0, le=120)


class OutsideHl7(Section):
    """
    A registry that is asked over MLLP. ask: "PIX" whose number one is, "PDQ" who that is. plain: without TLS although it
    is beyond this machine.
    """

    name: str = Field(min_length=1)
    host: str
    port: Annotated[int, Field(ge=1, le=65535)]
    ask: tuple[Literal["PIX", "PDQ"], ...] = Field(default=("PIX", "PDQ"), min_length=1)
    tls: ClientTls | None = None
    plain: bool = False
    charset: Hl7Charset = "UNICODE UTF-8"
    sending_application: str = "IMAGING_BRIDGE"
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    timeout_secs: float = Field(default=10, gt=0, le=120)


class OutsideSection(Section):
    """
    Who is asked. remember_hours: how long a patient that was named serves for the same question about another study;
    remember_nobody_hours: how long the answer that there is nobody does. attempts: how often a question without an answer
    is asked before a person is left to ask again.
    """

    remember_hours: float = Field(default=24, ge=0, le=24 * 30)
    remember_nobody_hours: float = Field(default=4, ge=0, le=24 * 30)
    attempts: int = Field(default=4, ge=1, le=20)
    fhir: tuple[OutsideFhir, ...] = ()
    hl7: tuple[OutsideHl7, ...] = ()

    @model_validator(mode="after")
    def _each_once(self) -> OutsideSection:
        each_once(self.names, str)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Everybody who is asked, in the order of the file."""
        return (*(one.name for one in self.hl7), *(one.name for one in self.fhir))
