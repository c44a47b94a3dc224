"""The four roles a node can take, each an object with start and stop over one `House`: hl7, dicom, web, worker."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import structlog
from pydicom.dataset import Dataset

from bridge import __version__, safety
from bridge.codecs.hl7 import framing
from bridge.codecs.hl7.framing import Frame
from bridge.destinations import archive_target, publishers
from bridge.domain.study import OutgoingObject, Spooled
from bridge.errors import BridgeError, Unavailable
from bridge.flows.answer_worklist import Answer, answer_worklist
from bridge.flows.receive_message import Received
from bridge.flows.search_studies import Asker
from bridge.housekeeping import Housekeeping
from bridge.listeners.dicom.ports import DicomConfig, Limits, Peer
from bridge.listeners.dicom.server import DicomServer
from bridge.listeners.mllp import MllpLimits, MllpListener
from bridge.outbox.worker import Worker
from bridge.publishers import dicom_client
from bridge.settings import Peer as PeerSettings
from bridge.web.app import create_app
from bridge.web.server import HttpServer
from bridge.web.services import WebServices
from bridge.web_flows import web_flows
from bridge.wiring import House, Role

_log = structlog.get_logger(__name__)

# No answer came for an object of a C-MOVE: a processing failure to whoever asked. Source: PS3.7 C.5.16.
_NO_ANSWER = 0x0110
_LOOPBACK = ("127.0.0.0/8", "::1/128")


class Hl7Role:
    """MLLP listeners on one event loop of their own, in front of the one writer."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mllp", daemon=True)
        self._listeners = list(self._make_listeners())

    def start(self) -> None:
        self._house.message_queue.start()
        self._thread.start()
        for _, listener in self._listeners:
            self._run(listener.start())

    def stop(self) -> None:
        for _, listener in self._listeners:
            self._run(listener.stop())
        self._house.message_queue.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive() and self._house.message_queue.is_alive

    @property
    def addresses(self) -> Mapping[str, str]:
        host = self._house.settings.hl7.host
        return {name: f"{host}:{listener.port}" for name, listener in self._listeners}

    def _make_listeners(self) -> Iterable[tuple[str, MllpListener]]:
        hl7 = self._house.settings.hl7
        frame_bytes = hl7.max_message_mb << 20
        plain = MllpLimits(frame_bytes=frame_bytes, peers=(*_LOOPBACK, *hl7.plain_from) if hl7.plain_from else ())
        if hl7.tls is None or hl7.tls.port is not None:
            yield "hl7", MllpListener(hl7.host, hl7.port, self._handle, None, plain)
        if hl7.tls is not None:
            port = hl7.port if hl7.tls.port is None else hl7.tls.port
            context = safety.server_context(hl7.tls)
            yield "hl7+tls", MllpListener(hl7.host, port, self._handle, context, MllpLimits(frame_bytes=frame_bytes))

    async def _handle(self, frame: Frame, peer: str) -> bytes | None:
        fault: BridgeError | None = None
        try:
            framing.check(frame)
        except BridgeError as doubt:
            fault = doubt
        received = Received(frame.payload, peer, fault)
        return await asyncio.wrap_future(self._house.message_queue.submit(received))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)


class _DicomServices:
    """The DICOM listener's port on the flows: whoever calls is looked up by AE title."""

    def __init__(self, house: House) -> None:
        self._house = house

    def check_room(self) -> None:
        self._house.blobs.check_room()

    def receive_instance(self, spooled: Spooled) -> None:
        self._house.instances.receive(spooled)

    def answer_worklist(self, identifier: bytes, transfer_syntax_uid: str, calling_ae_title: str) -> list[Answer]:
        peer = self._house.peer(calling_ae_title)
        charset = peer.charset if peer is not None else ""
        return answer_worklist(self._house.store, identifier, transfer_syntax_uid, charset, calling_ae_title)

    def find_studies(self, identifier: bytes, transfer_syntax_uid: str, calling_ae_title: str) -> list[bytes]:
        return self._house.search.find(identifier, transfer_syntax_uid, self._asker(calling_ae_title))

    def open_retrieval(
        self, identifier: bytes, transfer_syntax_uid: str, calling_ae_title: str
    ) -> AbstractContextManager[Collection[OutgoingObject]]:
        return self._house.search.open(identifier, transfer_syntax_uid, self._asker(calling_ae_title))

    def create_performed_step(self, uid: str | None, attributes: Dataset, calling_ae_title: str) -> str:
        return self._house.performed_steps.create(uid, attributes, calling_ae_title)

    def set_performed_step(self, uid: str, attributes: Dataset, calling_ae_title: str) -> None:
        self._house.performed_steps.set(uid, attributes, calling_ae_title)

    def _asker(self, ae_title: str) -> Asker:
        peer = self._house.peer(ae_title)
        return Asker(ae_title) if peer is None else Asker(ae_title, peer.charset, peer.unbound)


class DicomRole:
    """The DICOM listener over the flows."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._server = DicomServer(
            self._config(),
            [_listener_peer(peer) for peer in house.settings.dicom.peers],
            _DicomServices(house),
            self._on_event,
            clock=house.clock,
            send=self._send,
        )

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    @property
    def is_alive(self) -> bool:
        return self._server.is_listening

    @property
    def addresses(self) -> Mapping[str, str]:
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
        objects: Iterable[OutgoingObject],
        on_result: Callable[[str, int], bool],
        move_originator: tuple[str, int],
    ) -> None:
        peer = self._house.peer(destination.ae_title)
        if peer is None:
            raise Unavailable("the destination is no longer configured")
        target = archive_target(self._house.settings, peer)
        dicom_client.store_files(
            target,
            self._house.settings.dicom.ae_title,
            objects,
            on_result=lambda one: on_result(one.sop_instance_uid, _NO_ANSWER if one.status is None else one.status),
            move_originator=move_originator,
        )

    def _on_event(self, kind: str, /, **fields: str | int | float | bool) -> None:
        _log.info(f"dicom_{kind}", **fields)


class WebRole:
    """Console, REST, FHIR and DICOMweb."""

    def __init__(self, house: House) -> None:
        self._house = house
        services = WebServices(
            settings=house.settings,
            store=house.store,
            clock=house.clock,
            flows=web_flows(house),
            blobs=house.blobs,
            search=house.search,
            is_demo=house.is_demo,
            version=__version__,
        )
        self._server = HttpServer(create_app(services), house.settings.http)

    def start(self) -> None:
        self._house.message_queue.start()
        self._server.start()

    def stop(self) -> None:
        self._server.stop()
        self._house.message_queue.stop()

    @property
    def is_alive(self) -> bool:
        return self._server.is_alive and self._house.message_queue.is_alive

    @property
    def addresses(self) -> Mapping[str, str]:
        http = self._house.settings.http
        scheme = "https" if http.tls is not None else "http"
        return {"http": f"{scheme}://{http.host}:{self._server.port}/"}


class WorkerRole:
    """Deliveries, and the periodic chores of whoever holds the lead."""

    def __init__(self, house: House) -> None:
        self._worker = Worker(house.store, house.clock, publishers(house), owner=house.node)
        self._housekeeping = Housekeeping(house)

    def start(self) -> None:
        self._worker.start()
        self._housekeeping.start()

    def stop(self) -> None:
        self._housekeeping.stop()
        self._worker.stop()

    @property
    def is_alive(self) -> bool:
        return self._worker.is_alive

    @property
    def addresses(self) -> Mapping[str, str]:
        return {}


def make_role(name: str, house: House) -> Role:
    """Build the role called *name* over *house*."""
    makers: dict[str, Callable[[House], Role]] = {
        "hl7": Hl7Role,
        "dicom": DicomRole,
        "web": WebRole,
        "worker": WorkerRole,
    }
    return makers[name](house)


def _listener_peer(peer: PeerSettings) -> Peer:
    return Peer(peer.ae_title, peer.host, peer.port, peer.roles, peer.from_networks, peer.tls)
