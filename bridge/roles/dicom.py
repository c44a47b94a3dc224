"""The role dicom: the DICOM listener over the flows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import structlog

from bridge import safety
from bridge.building.targets import archive_target, asks_commitment
from bridge.codecs.dicom.status import Service
from bridge.domain.commitment import Report
from bridge.domain.performed import AttributeList
from bridge.domain.study import Outgoing, Spooled
from bridge.domain.worklist_query import AskedQuery, QueryOutcome
from bridge.errors import Unavailable
from bridge.flows.answer_worklist import Answers
from bridge.flows.commit_storage import StorageCommitment
from bridge.flows.hear_commitment import hear_commitment
from bridge.flows.note_availability import note_availability
from bridge.flows.note_queries import QueryBook
from bridge.flows.note_refusals import Refusal, RefusalBook
from bridge.flows.record_performed_step import Recorded
from bridge.flows.search_studies import Asker, Found
from bridge.listeners.dicom.ports import DicomConfig, Leaving, Limits, Peer
from bridge.listeners.dicom.server import DicomServer
from bridge.publishers import dicom_client
from bridge.sections.dicom import Peer as PeerSettings
from bridge.wiring import House, Role

_log = structlog.get_logger(__name__)

# No answer came for an object of a C-MOVE: a processing failure to whoever asked. Source: PS3.7 C.5.16.
_NO_ANSWER = 0x0110


class _DicomServices:
    """The DICOM listener's port on the flows: whoever calls is looked up by AE title."""

    def __init__(self, house: House, queries: QueryBook | None) -> None:
        self._house = house
        self._queries = queries
        asking = {one.ae_title for one in house.settings.dicom.peers if asks_commitment(one)}
        self._commitments = StorageCommitment(house.store, house.clock, asking.__contains__)

    def check_room(self) -> None:
        self._house.blobs.check_room()

    def receive_instance(self, spooled: Spooled) -> None:
        self._house.instances.receive(spooled)

    def answer_worklist(self, identifier: bytes, transfer_syntax_uid: str, calling_ae_title: str) -> Answers:
        return self._house.answer_worklist(identifier, transfer_syntax_uid, calling_ae_title)

    def note_query(self, asked: AskedQuery) -> None:
        if self._queries is not None:
            self._queries.note(replace(asked, called_ae_title=self._house.settings.dicom.ae_title))

    def find_studies(self, identifier: bytes, transfer_syntax_uid: str, calling_ae_title: str, origin: str) -> Found:
        return self._house.search.find(identifier, transfer_syntax_uid, self._asker(calling_ae_title, origin))

    def open_retrieval(
        self, identifier: bytes, transfer_syntax_uid: str, calling_ae_title: str, origin: str, destination: str = ""
    ) -> AbstractContextManager[Leaving]:
        asker = self._asker(calling_ae_title, origin)
        if destination:
            unbound = asker.unbound and self._may_get_unbound(destination)
            asker = replace(asker, unbound=unbound, destination=destination)
        return self._house.search.open(identifier, transfer_syntax_uid, asker)

    def create_performed_step(self, uid: str | None, received: AttributeList, calling_ae_title: str) -> Recorded:
        return self._house.performed_steps.create(uid, received, calling_ae_title)

    def set_performed_step(self, uid: str, received: AttributeList, calling_ae_title: str) -> Recorded:
        return self._house.performed_steps.set(uid, received, calling_ae_title)

    def get_performed_step(
        self, uid: str, tags: tuple[int, ...], transfer_syntax_uid: str, calling_ae_title: str
    ) -> tuple[bytes, tuple[int, ...]]:
        return self._house.performed_steps.get(uid, tags, transfer_syntax_uid, calling_ae_title)

    def note_availability(self, uid: str, data: bytes, transfer_syntax_uid: str, calling_ae_title: str) -> str:
        house = self._house
        received = AttributeList(data, transfer_syntax_uid)
        return note_availability(house.store, house.clock, uid, received, calling_ae_title)

    def request_commitment(self, data: bytes, transfer_syntax_uid: str, calling_ae_title: str) -> int:
        return self._commitments.request(data, transfer_syntax_uid, calling_ae_title)

    def commitment_report(self, request_key: int) -> Report | None:
        return self._commitments.report(request_key)

    def note_report(self, request_key: int, *, told: bool) -> None:
        self._commitments.note_report(request_key, told=told)

    def take_report(self, data: bytes, transfer_syntax_uid: str, calling_ae_title: str) -> None:
        hear_commitment(self._house.store, self._house.clock, data, transfer_syntax_uid, calling_ae_title)

    def _asker(self, ae_title: str, origin: str) -> Asker:
        peer = self._house.peer(ae_title)
        if peer is None:
            return Asker(ae_title, origin=origin, relational=False)
        with self._house.store.read() as tx:
            charset = self._house.devices.of(tx, ae_title).charset
        return Asker(ae_title, charset, peer.sees_unbound, origin, relational=False)

    def _may_get_unbound(self, ae_title: str) -> bool:
        peer = self._house.peer(ae_title)
        return peer is not None and peer.sees_unbound


class DicomRole:
    """
    The DICOM listener over the flows.

    takes_over_at: where it takes over the associations that move images from the process at the door; it has no port then.
    """

    def __init__(self, house: House, *, takes_over_at: Path | None = None) -> None:
        self._house = house
        self._takes_over_at = takes_over_at
        # Bound once: a line for each object is most of what the log costs.
        self._log = _log.bind()
        self._book = RefusalBook(house.store, house.clock)
        keeps = house.settings.dicom.keep_queries_days > 0
        self._queries = QueryBook(house.store, house.clock) if keeps else None
        self._server = DicomServer(
            self._config(),
            [_listener_peer(peer) for peer in house.settings.dicom.peers],
            _DicomServices(house, self._queries),
            self._on_event,
            clock=house.clock,
            send=self._send,
            unpack=house.decoders.unpack,
        )

    def start(self) -> None:
        self._house.mapping_watch.start()
        self._book.start()
        if self._queries is not None:
            self._queries.start()
        self._server.start()

    def stop(self) -> None:
        self._server.stop()
        self._house.decoders.close()
        if self._queries is not None:
            self._queries.stop()
        self._book.stop()
        self._house.mapping_watch.stop()

    @property
    def is_alive(self) -> bool:
        return self._server.is_listening and not (self._house.store.is_failing or self._house.blobs.is_failing)

    @property
    def addresses(self) -> Mapping[str, str]:
        if self._takes_over_at is not None:
            return {}
        dicom = self._house.settings.dicom
        names = ["dicom", "dicom+tls"] if self._config().port is not None else ["dicom+tls"]
        return {
            name: f"{dicom.ae_title}@{dicom.host}:{port}" for name, port in zip(names, self._server.ports, strict=False)
        }

    def _config(self) -> DicomConfig:
        dicom = self._house.settings.dicom
        tls = dicom.tls
        only_tls = tls is not None and tls.port is None
        return DicomConfig(
            hands_on_to=() if self._takes_over_at is not None else tuple(self._house.images_lines.values()),
            takes_over_at=self._takes_over_at,
            ae_title=dicom.ae_title,
            spool=self._house.blobs.spool,
            host=dicom.host,
            port=None if only_tls else dicom.port,
            tls_port=None if tls is None else (dicom.port if tls.port is None else tls.port),
            tls_context=None if tls is None else safety.server_context(tls),
            any_caller=dicom.callers == "any",
            plain_from=dicom.plain_from,
            private_sop_classes=dicom.private_sop_classes,
            limits=Limits(associations=dicom.max_associations, instance_bytes=dicom.max_instance_mb << 20),
        )

    def _send(
        self,
        destination: Peer,
        objects: Iterable[Outgoing],
        on_result: Callable[[str, int], bool],
        move_originator: tuple[str, int],
    ) -> None:
        peer = self._house.peer(destination.ae_title)
        if peer is None:
            raise Unavailable("the destination is no longer configured")
        unpack = None if peer.decompress is False else self._house.decoders.unpack
        target = archive_target(self._house.settings, peer, unpack)
        dicom_client.store_files(
            target,
            self._house.settings.dicom.ae_title,
            objects,
            on_result=lambda one: on_result(one.sop_instance_uid, _NO_ANSWER if one.status is None else one.status),
            move_originator=move_originator,
        )

    def _on_event(self, kind: str, /, **fields: str | int | float | bool) -> None:
        self._log.info("dicom_event", kind=kind, **fields)
        refusal = self._worklist_look(kind, fields) or _refusal_of(kind, fields)
        if refusal is not None:
            self._book.note(refusal)
        turned_away = _turned_away(kind, fields)
        if turned_away is not None and self._queries is not None:
            self._queries.note(turned_away)

    def _worklist_look(self, kind: str, fields: Mapping[str, str | int | float | bool]) -> Refusal | None:
        """Return what the trail says of a look at the worklist, None for any other event."""
        if kind != "query_answered" or fields["service"] != Service.WORKLIST:
            return None
        title, status = str(fields["peer"]), int(fields["status"])
        said = {"count": int(fields["matches"])}
        known = self._house.peer(title) is not None
        return Refusal(
            "worklist_answered", str(fields["address"]), f"{status:04X}" if status else "", f"peer:{title}", said, known
        )


# What is no refusal, or none that a person could do anything about.
_STORED = frozenset({0x0000, 0xB000, 0xB006, 0xB007})
_BROKEN = frozenset({"aborted", "lost"})
_TURNED_AWAY = frozenset({"association_rejected", "association_violated", "connection_refused", "handler_failed"})


def _refusal_of(kind: str, fields: Mapping[str, str | int | float | bool]) -> Refusal | None:
    """Return what the trail says of an event, None if it is none of a refusal."""
    action, outcome = kind, str(fields.get("code", fields.get("reason", fields.get("error", ""))))
    if kind == "instance_received" and fields["status"] not in _STORED:
        action, outcome = "instance_refused", f"{fields['status']:04X}"
    elif kind == "association_closed" and fields["ended"] in _BROKEN:
        action, outcome = "association_broken", str(fields["ended"])
    elif kind not in _TURNED_AWAY:
        return None
    title = fields.get("peer", fields.get("calling", ""))
    said = {name: str(fields[name]) for name in ("association", "called", "sop_class_uid", "comment") if name in fields}
    return Refusal(action, str(fields.get("address", "")), outcome, f"peer:{title}" if title else "stranger", said)


def _turned_away(kind: str, fields: Mapping[str, str | int | float | bool]) -> AskedQuery | None:
    """Return what is remembered of somebody who wanted a worklist and may not have one, None if an event is none of that."""
    if kind == "association_rejected" and fields["worklist"]:
        title, association, outcome = fields["calling"], "", QueryOutcome.REJECTED
    elif kind == "worklist_refused":
        title, association, outcome = fields["peer"], str(fields["association"]), QueryOutcome.REFUSED
    else:
        return None
    called, reason = str(fields["called"]), str(fields["reason"])
    return AskedQuery(str(title), str(fields["address"]), association, outcome, called, reason=reason)


def _listener_peer(peer: PeerSettings) -> Peer:
    decompress = peer.decompress is not False
    return Peer(peer.ae_title, peer.host, peer.port, peer.roles, peer.from_networks, peer.tls, peer.aliases, decompress)


def make(house: House) -> Role:
    """Build the role over *house*."""
    return DicomRole(house)
