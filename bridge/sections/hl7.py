"""What settings say of HL7: who may send to us over MLLP, and who is told."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from bridge.sections.section import ClientTls, Network, Port, Section, Tls, each_once

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
