"""The flows behind the DICOM door, in memory: they refuse what the real ones refuse and promise what they promise."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from bridge.codecs.dicom import datasets, keys
from bridge.codecs.dicom.announced import check_identity
from bridge.codecs.dicom.availability_note import read_note
from bridge.codecs.dicom.commitment import read_report, read_request
from bridge.codecs.dicom.performed import read_performed
from bridge.domain.commitment import NO_SUCH_INSTANCE, Failure, Report, Request
from bridge.domain.performed import AttributeList
from bridge.domain.study import OutgoingObject, Spooled
from bridge.domain.worklist_query import AskedQuery
from bridge.errors import Conflict, Incomplete
from bridge.flows.answer_worklist import Answer, Answers
from bridge.flows.record_performed_step import Recorded
from bridge.flows.search_studies import Found
from bridge.listeners.dicom.ports import DicomConfig, Leaving, Limits, Peer, SendObjects
from bridge.listeners.dicom.server import DicomServer

PENDING = 0xFF00


class Kept(list[OutgoingObject]):
    """Objects that may always leave."""

    def check(self, place: int) -> None:
        assert place < len(self)


@dataclass
class MemoryServices:
    """
    Keeps objects in *folder* by UID, answers every worklist query with *worklist*.

    before_receive: run before an object is kept, to be slow or to fail.
    """

    folder: Path
    worklist: list[bytes] = field(default_factory=list)
    found: list[bytes] = field(default_factory=list)
    before_receive: Callable[[], None] = lambda: None
    before_answer: Callable[[], None] = lambda: None
    room: Callable[[], None] = lambda: None
    kept: dict[str, tuple[Spooled, Path]] = field(default_factory=dict)
    steps: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    noted: list[AskedQuery] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)
    uids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def check_room(self) -> None:
        self.room()

    def receive_instance(self, spooled: Spooled) -> None:
        self.before_receive()
        header = datasets.read_header(spooled.path)
        check_identity(header, spooled.affected_sop_class_uid, spooled.affected_sop_instance_uid)
        with self.lock:
            known = self.kept.get(header.sop_instance_uid)
            if known is None:
                path = self.folder / spooled.digest
                shutil.move(spooled.path, path)
                self.kept[header.sop_instance_uid] = (spooled, path)
            elif known[0].digest != spooled.digest:
                raise Conflict("the same UID with other content", code="duplicate")

    def answer_worklist(self, identifier: bytes, transfer_syntax_uid: str, calling_ae_title: str) -> Answers:
        keys.read_identifier(identifier, transfer_syntax_uid)
        self.before_answer()
        return Answers(Answer(PENDING, encoded, number) for number, encoded in enumerate(self.worklist, 1))

    def note_query(self, asked: AskedQuery) -> None:
        self.noted.append(asked)

    def find_studies(self, identifier: bytes, transfer_syntax_uid: str, calling_ae_title: str, origin: str) -> Found:
        keys.read_identifier(identifier, transfer_syntax_uid)
        return Found(self.found)

    def open_retrieval(
        self, identifier: bytes, transfer_syntax_uid: str, calling_ae_title: str, origin: str, destination: str = ""
    ) -> AbstractContextManager[Leaving]:
        keys.read_identifier(identifier, transfer_syntax_uid)
        return contextlib.nullcontext(
            Kept(
                OutgoingObject(path, kept.affected_sop_class_uid, uid, kept.transfer_syntax_uid)
                for uid, (kept, path) in self.kept.items()
            )
        )

    def create_performed_step(self, uid: str | None, received: AttributeList, calling_ae_title: str) -> Recorded:
        uid = uid or f"2.25.{next(self.uids)}"
        draft = read_performed(received)
        if not draft.status:
            raise Incomplete(
                "a required attribute is absent", code="missing_attribute", where="PerformedProcedureStepStatus"
            )
        if uid in self.steps:
            raise Conflict("known already", code="duplicate")
        self.steps[uid] = draft.status
        return Recorded(uid, draft.out_of_range)

    def set_performed_step(self, uid: str, received: AttributeList, calling_ae_title: str) -> Recorded:
        draft = read_performed(received)
        if uid not in self.steps:
            raise Conflict("no such performed step", code="unknown")
        if self.steps[uid] != "IN PROGRESS":
            raise Conflict("may no longer be updated", code="performed_step_final")
        self.steps[uid] = draft.status or self.steps[uid]
        return Recorded(uid, draft.out_of_range)

    def get_performed_step(
        self, uid: str, tags: tuple[int, ...], transfer_syntax_uid: str, calling_ae_title: str
    ) -> tuple[bytes, tuple[int, ...]]:
        if uid not in self.steps:
            raise Conflict("no such performed step", code="unknown")
        return b"", ()

    def note_availability(self, uid: str, data: bytes, transfer_syntax_uid: str, calling_ae_title: str) -> str:
        read_note(data, transfer_syntax_uid)
        return uid or f"2.25.{next(self.uids)}"

    def request_commitment(self, data: bytes, transfer_syntax_uid: str, calling_ae_title: str) -> int:
        with self.lock:
            self.asked.append(read_request(data, transfer_syntax_uid))
            return len(self.asked)

    def commitment_report(self, request_key: int) -> Report | None:
        asked = self.asked[request_key - 1]
        unknown = [one for one in asked.references if one.sop_instance_uid not in self.kept]
        failed = tuple(Failure(one, NO_SUCH_INSTANCE) for one in unknown)
        return Report(asked.transaction_uid, tuple(one for one in asked.references if one not in unknown), failed)

    def note_report(self, request_key: int, *, told: bool) -> None:
        assert 0 < request_key <= len(self.asked)

    def take_report(self, data: bytes, transfer_syntax_uid: str, calling_ae_title: str) -> None:
        read_report(data, transfer_syntax_uid)
        raise Conflict("no such transaction of this archive", code="unknown")


@dataclass
class Events:
    """What the door said, in order."""

    seen: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def __call__(self, kind: str, /, **fields: object) -> None:
        self.seen.append((kind, fields))

    def of(self, kind: str) -> list[dict[str, object]]:
        return [fields for name, fields in self.seen if name == kind]


PEERS = (
    Peer("MODALITY", "127.0.0.1", 11113, ("modality",)),
    Peer("FAULTS", "127.0.0.1", 11114, ("modality",)),
    Peer("VIEWER", "127.0.0.1", 11115, ("viewer",)),
    Peer("REFERRER", "127.0.0.1", 11116, ("referrer",)),
    Peer("ELSEWHERE", "192.0.2.7", 11117, ("modality",)),
)


@dataclass
class Room:
    """A running door with everything around it."""

    server: DicomServer
    services: MemoryServices
    events: Events
    spool: Path

    @property
    def port(self) -> int:
        return self.server.port


@contextlib.contextmanager
def running(
    folder: Path,
    *,
    limits: Limits | None = None,
    peers: tuple[Peer, ...] = PEERS,
    send: SendObjects | None = None,
    **config: object,
) -> Iterator[Room]:
    """Run a door on a free loopback port."""
    spool, kept = folder / "spool", folder / "kept"
    kept.mkdir(parents=True, exist_ok=True)
    services, events = MemoryServices(kept), Events()
    settings = {"port": 0, "limits": limits or Limits(), **config}
    server = DicomServer(
        DicomConfig("BRIDGE", spool, **settings),  # type: ignore[arg-type]
        peers,
        services,
        events,
        send=send,
    )
    server.start()
    try:
        yield Room(server, services, events, spool)
    finally:
        server.stop()
