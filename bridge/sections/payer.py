"""What settings say of payers: where each is reached, what it takes, and what was agreed with it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr, model_validator

from bridge.domain.host_key import read_host_key
from bridge.domain.narrative import Says
from bridge.sections.remote import Auth, NoAuth
from bridge.sections.section import ClientTls, Port, Section

# What portals and clearinghouses commonly take.
MAX_PACKET_MB = 10.0
# Where payers tell by themselves what they decided; behind it their names.
NOTIFICATIONS = "/api/payer-notifications"
# Where servers say that something changed there; behind it what, and the server's name.
CHANGES = "/api/change-notifications"
_PARTY_MAX = 15


def _zone(value: str) -> str:
    try:
        ZoneInfo(value or "UTC")
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{value!r} is no time zone") from None
    return value


def _party(value: str) -> str:
    qualifier, _, number = value.partition(":")
    if value and (len(qualifier) != 2 or not 1 <= len(number) <= _PARTY_MAX or not number.isascii()):
        raise ValueError('write qualifier and id, as "ZZ:CLEARVIEW", the id of up to 15 characters')
    return value


def _host_key(value: str) -> str:
    read_host_key(value)
    return value


TimeZone = Annotated[str, AfterValidator(_zone)]
HostKey = Annotated[str, AfterValidator(_host_key)]
InterchangeParty = Annotated[str, AfterValidator(_party)]


class Payer(Section):
    """
    A payer's endpoint. id: its number on claims (X12 NM109).

    narrative: what a claim's text leads to images by; anything but our control number where a payer agreed to it.
    share_days: for how long it may look at a whole study by a link, 0 for never.
    max_packet_mb: the largest PDF that it takes. timeout_secs: how long its answer is waited for. tls: as of a FHIR server.
    requests_every_secs: how often it is asked what it wants to see (kind "cdex"), 0 for never.
    requests_told: it says when that changed, and is asked at once. asks_while_pended: it is asked again by itself what it
    has not decided. tells: it tells by itself what it decided (kind "pas"). clearinghouse: who passes X12 on to it, "" for
    nobody; documents: how it wants them in a 275; announce: a 278 goes with them while nobody has asked it yet.
    """

    name: str
    id: str
    base_url: str = ""
    share_days: int = Field(default=0, ge=0, le=30)
    asks_while_pended: bool = False
    tells: bool = False
    kind: tuple[Literal["cdex", "pas"], ...] = ()
    auth: Auth = NoAuth()
    narrative: Literal["control-number", "accession", "study-uid"] = "control-number"
    max_packet_mb: float = Field(default=MAX_PACKET_MB, gt=0, le=100)
    requests_every_secs: float = Field(default=300, ge=0, le=86_400)
    requests_told: bool = False
    timeout_secs: float = Field(default=60, gt=0, le=300)
    tls: ClientTls | None = None
    clearinghouse: str = ""
    documents: Literal["005010X210", "006020X314"] = "006020X314"
    announce: bool = False

    @model_validator(mode="after")
    def _can_tell(self) -> Self:
        if self.tells and not ("pas" in self.kind and self.base_url):
            raise ValueError('tells = true is for a payer with kind = ["pas"] and a base_url')
        if self.requests_told and not ("cdex" in self.kind and self.base_url and self.requests_every_secs):
            raise ValueError(
                'requests_told = true is for a payer with kind = ["cdex"], requests_every_secs and a base_url'
            )
        return self


class Sftp(Section):
    """
    A host that files are handed over to. host_key: its line of ssh-keyscan; folder: "" for where the user begins.

    key: file of the user's private key; password: where there is none.
    """

    host: str = Field(min_length=1)
    port: Port = 22
    user: str = Field(min_length=1)
    host_key: HostKey
    folder: str = ""
    key: Path | None = None
    password: SecretStr = SecretStr("")
    timeout_secs: float = Field(default=30, gt=0, le=300)

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.key is None) == (not self.password.get_secret_value()):
            raise ValueError("sftp: a key or a password, one of them")
        return self


class Clearinghouse(Section):
    """
    Who passes X12 files on. inbox: the folder in which it puts answers, or in which a program fetches them.

    outbox or sftp: where it takes files. sender, receiver: ISA05 to ISA08, as "ZZ:CLEARVIEW"; sender_code, receiver_code: GS02
    and GS03, the ids where "". zone: in which files tell the time, "" for the bridge's own. first_control_number: ISA13 of
    the first file, for a site that sent some before. test: files say that they are tests (ISA15).
    """

    name: str = Field(min_length=1)
    inbox: Path | None = None
    outbox: Path | None = None
    sftp: Sftp | None = None
    sender: InterchangeParty = ""
    receiver: InterchangeParty = ""
    sender_code: str = Field(default="", max_length=15)
    receiver_code: str = Field(default="", max_length=15)
    zone: TimeZone = ""
    first_control_number: int = Field(default=1, ge=1, le=900_000_000)
    test: bool = False
    line_ends: bool = False

    @model_validator(mode="after")
    def _can_do_something(self) -> Self:
        if self.outbox is not None and self.sftp is not None:
            raise ValueError("a clearinghouse takes files in outbox or by sftp, not both")
        if self.takes_files and not (self.sender and self.receiver):
            raise ValueError("files for a clearinghouse need sender and receiver")
        if self.inbox is None and not self.takes_files:
            raise ValueError("name an inbox, an outbox or sftp")
        if self.inbox is not None and self.inbox == self.outbox:
            raise ValueError("inbox and outbox are two folders: what is written to one would be read from it")
        return self

    @property
    def takes_files(self) -> bool:
        """Whether files can be handed over to it."""
        return self.outbox is not None or self.sftp is not None


def narratives(payers: Iterable[Payer]) -> dict[str, Says]:
    """Return what the text on a claim leads to images by, by payer id."""
    return {one.id: Says(one.narrative) for one in payers}


def packet_limits(payers: Iterable[Payer]) -> dict[str, int]:
    """Return the bytes of the largest PDF that each takes, by payer id and by name."""
    return {key: int(one.max_packet_mb * 1_000_000) for one in payers for key in (one.id, one.name)}


def share_days(payers: Iterable[Payer]) -> dict[str, int]:
    """Return for how many days a link to a study is good, by payer id and by name."""
    return {key: one.share_days for one in payers for key in (one.id, one.name)}


def calling(payers: Iterable[Payer]) -> list[str]:
    """Return the names of payers that call us: by links to studies, or to tell what they decided."""
    return [one.name for one in payers if one.share_days or one.tells or one.requests_told]
