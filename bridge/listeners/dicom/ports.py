"""What the DICOM listener needs of the rest of the house, and how it is configured."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bridge.domain.commitment import Report
from bridge.domain.performed import AttributeList
from bridge.domain.study import Outgoing, Spooled
from bridge.domain.worklist_query import AskedQuery


@dataclass(frozen=True, slots=True)
class Peer:
    """
    A remote that may call.

    host: name or address its calls come from; networks: further sources, as CIDR. port: where it listens itself.
    roles: of modality, archive, viewer, referrer. tls: call it with TLS. aliases: other titles that it calls with.
    decompress: what it retrieves is decompressed where it takes nothing else.
    """

    ae_title: str
    host: str
    port: int
    roles: tuple[str, ...]
    networks: tuple[str, ...] = ()
    tls: bool = False
    aliases: tuple[str, ...] = ()
    decompress: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """
    What one stranger, and all of them together, may cost.

    Seconds: pdu_secs from a PDU's first byte to its last; artim_secs for a connection's first PDU (PS3.8 9.1.5);
    idle_secs between messages, message_secs between the PDUs of one message; linger_secs for a peer to close after our
    last word. waiting: connections that have not negotiated yet.
    """

    associations: int = 60
    waiting_per_address: int = 20
    waiting: int = 100
    waiting_grace_secs: float = 1
    backlog: int = 128
    pdu_bytes: int = 128 << 10
    unassociated_pdu_bytes: int = 64 << 10
    command_bytes: int = 64 << 10
    data_set_bytes: int = 4 << 20
    instance_bytes: int = 2048 << 20
    queued_messages: int = 8
    pdu_secs: float = 10
    artim_secs: float = 30
    handshake_secs: float = 5
    idle_secs: float = 600
    message_secs: float = 60
    send_secs: float = 30
    linger_secs: float = 3
    stop_secs: float = 10


@dataclass(frozen=True, slots=True)
class DicomConfig:
    """
    One node's DICOM door.

    port: None for no plain listener, 0 for any free one. tls_port: None for none; tls_context goes with it.
    any_caller: a stranger counts as a modality. plain_from: networks beyond loopback that may come without TLS.
    spool: a folder on the blobs' file system. private_sop_classes: kept like the standard's storage classes.
    hands_on_to: the UNIX sockets of the processes that carry the associations that move images, () to carry them here;
    takes_over_at: where to listen for them, instead of at any port.
    """

    ae_title: str
    spool: Path
    host: str = "127.0.0.1"
    port: int | None = 11112
    tls_port: int | None = None
    tls_context: ssl.SSLContext | None = None
    any_caller: bool = False
    plain_from: tuple[str, ...] = ()
    private_sop_classes: tuple[str, ...] = ()
    limits: Limits = Limits()
    hands_on_to: tuple[Path, ...] = ()
    takes_over_at: Path | None = None


class WorklistAnswer(Protocol):
    """One match. status: 0xFF00, or 0xFF01 with unsupported optional keys. identifier: encoded in the context's syntax."""

    @property
    def status(self) -> int: ...

    @property
    def identifier(self) -> bytes: ...


class WorklistAnswers(Iterable[WorklistAnswer], Protocol):
    """All matches, complete. step_keys: the row of each match's step. was_cut: more matched than a device is sent."""

    @property
    def step_keys(self) -> tuple[int, ...]: ...

    @property
    def was_cut(self) -> bool: ...


class StudyAnswers(Iterable[bytes], Protocol):
    """All matches, complete. status: 0xFF00, or 0xFF01 with unsupported optional keys. was_cut: more matched than are sent."""

    @property
    def status(self) -> int: ...

    @property
    def was_cut(self) -> bool: ...


class RecordedStep(Protocol):
    """What became of an N-CREATE or N-SET. out_of_range: kept as sent; ignored: left as it was. Both by keyword."""

    @property
    def sop_instance_uid(self) -> str: ...

    @property
    def out_of_range(self) -> tuple[str, ...]: ...

    @property
    def ignored(self) -> tuple[str, ...]: ...


class Leaving(Collection[Outgoing], Protocol):
    """The objects of one retrieval, walked once, in order; each may be made when its turn comes."""

    def check(self, place: int) -> None:
        """Ask again whether the object at *place* may leave. Raises: Conflict, if what allowed it has changed."""


class DicomServices(Protocol):
    """
    The flows behind the door. Each may raise a BridgeError, which becomes a status by `codecs.dicom.status`.

    A query comes as received: *identifier* in *transfer_syntax_uid*, unread and untrusted. Answers are encoded in the
    same transfer syntax. origin: the address it came from. Called from many threads.
    """

    def check_room(self) -> None:
        """Refuse an object before its data are taken. Raises: Unavailable, when the disk is nearly full."""

    def receive_instance(self, spooled: Spooled) -> None:
        """Keep *spooled*; returning means committed and on disk. The file is gone or forgotten afterwards."""

    def answer_worklist(self, identifier: bytes, transfer_syntax_uid: str, calling_ae_title: str) -> WorklistAnswers:
        """Return the worklist entries that match, each with its status."""

    def note_query(self, asked: AskedQuery) -> None:
        """Take down what was asked of the worklist and what came of it. At once, and without fail."""

    def find_studies(
        self, identifier: bytes, transfer_syntax_uid: str, calling_ae_title: str, origin: str
    ) -> StudyAnswers:
        """Return the identifiers of what matches a Study Root query."""
        ...

    def open_retrieval(
        self, identifier: bytes, transfer_syntax_uid: str, calling_ae_title: str, origin: str, destination: str = ""
    ) -> AbstractContextManager[Leaving]:
        """
        Open what a Study Root retrieval names; what was made for the way out goes when the context closes.

        destination: the peer that a C-MOVE sends to, "" for the caller itself: both must be allowed to have it.
        """

    def create_performed_step(self, uid: str | None, received: AttributeList, calling_ae_title: str) -> RecordedStep:
        """Create a performed step; None: we assign its SOP Instance UID."""

    def set_performed_step(self, uid: str, received: AttributeList, calling_ae_title: str) -> RecordedStep:
        """Change a performed step."""

    def get_performed_step(
        self, uid: str, tags: tuple[int, ...], transfer_syntax_uid: str, calling_ae_title: str
    ) -> tuple[bytes, tuple[int, ...]]:
        """Return a performed step's attributes, all or those asked for, and which of them it has not."""

    def note_availability(self, uid: str, data: bytes, transfer_syntax_uid: str, calling_ae_title: str) -> str:
        """Take down what a peer says can be had from it; return the notification's UID, one of ours where *uid* is ""."""
        ...

    def request_commitment(self, data: bytes, transfer_syntax_uid: str, calling_ae_title: str) -> int:
        """Take an N-ACTION's Action Information down; returning means it will be reported on. Return its row."""
        ...

    def commitment_report(self, request_key: int) -> Report | None:
        """Return what is to be reported on a request, None while its objects are still looked at."""

    def note_report(self, request_key: int, *, told: bool) -> None:
        """Note that a report has reached its asker, or that it must reach it by another association."""

    def take_report(self, data: bytes, transfer_syntax_uid: str, calling_ae_title: str) -> None:
        """Take down what an archive reports of what we asked it to keep."""


class SendObjects(Protocol):
    """
    Carries out the sub-operations of a C-MOVE at a configured peer.

    on_result: told each object's UID and status; returning False ends the transfer. move_originator: who asked, and
    under which message id. Raises: Unavailable, if there is no association.
    """

    def __call__(
        self,
        destination: Peer,
        objects: Iterable[Outgoing],
        on_result: Callable[[str, int], bool],
        move_originator: tuple[str, int],
    ) -> None: ...


class OnEvent(Protocol):
    """
    Hears what happened at the door, for log, audit and metrics; no field holds patient data.

    Kinds: listener_started, peer_unresolved, connection_refused, connection_evicted, connection_lost,
    association_rejected, association_opened, association_violated, association_closed, instance_received, query_answered,
    worklist_refused, retrieval_answered, object_held, performed_step_answered, commitment_answered,
    commitment_reported, availability_answered, handler_failed. instance_received tells of an object that was refused, kept
    with a remark or slow to be kept; association_closed of how many others were stored. Fields of all that belong to an association: association, peer, address.
    """

    def __call__(self, kind: str, /, **fields: str | int | float | bool) -> None: ...
