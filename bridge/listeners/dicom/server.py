"""Start and stop the DICOM door: plain and TLS ports over one set of services."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pydicom.config
import pynetdicom._config
from pydicom.uid import UID
from pynetdicom.ae import ApplicationEntity

from bridge.clock import Clock
from bridge.codecs.dicom import commands
from bridge.codecs.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from bridge.codecs.dicom.status import Service
from bridge.codecs.dicom.unpacked import Unpack
from bridge.errors import Misconfigured
from bridge.listeners.dicom.admission import Admission, parse_networks
from bridge.listeners.dicom.association import Door, Operation, echo
from bridge.listeners.dicom.availability import AvailabilityNotes
from bridge.listeners.dicom.catalogue import offered_services
from bridge.listeners.dicom.commitment import Commitments
from bridge.listeners.dicom.connections import Connections
from bridge.listeners.dicom.handover import HEAVY, Handover, TakeoverTransport
from bridge.listeners.dicom.performed_steps import PerformedSteps
from bridge.listeners.dicom.ports import DicomConfig, DicomServices, OnEvent, Peer, SendObjects
from bridge.listeners.dicom.queries import Queries
from bridge.listeners.dicom.retrieve import Retrieval
from bridge.listeners.dicom.storage import Storage, sweep
from bridge.listeners.dicom.transport import DicomTransport

_BIND_SECS: Final = 5.0
_BIND_EVERY_SECS: Final = 0.25
# A spool file that nobody has written to for so long belongs to a process that is gone.
_LEFTOVER_SECS: Final = 3600


class DicomServer:
    """
    The role "dicom": an object with start and stop.

    send: carries out C-MOVE sub-operations; None: C-MOVE answers that no destination is known. unpack: decompresses what
    a peer that asks by C-GET takes in no other way; None: such objects fail.
    on_event: hears what happened; it must not raise and must not wait.
    """

    def __init__(
        self,
        config: DicomConfig,
        peers: Sequence[Peer],
        services: DicomServices,
        on_event: OnEvent,
        *,
        clock: Clock | None = None,
        send: SendObjects | None = None,
        unpack: Unpack | None = None,
    ) -> None:
        self._config = config
        self._on_event = on_event
        self._admission = Admission(config.ae_title, peers, any_caller=config.any_caller)
        self._connections = Connections(config.limits)
        storage = Storage(services, config.spool)
        retrieval = Retrieval(services, self._admission.peer, send, config.spool, unpack)
        self._door = Door(
            admission=self._admission,
            services=offered_services(config.private_sop_classes),
            operations=_operations(services, storage, retrieval),
            open_spool=storage.open_spool,
            limits=config.limits,
            on_event=on_event,
            new_id=(clock or Clock()).new_id,
            connections=self._connections,
            hand_on=Handover(config.hands_on_to, config.limits).hand_on if config.hands_on_to else None,
            heavy=HEAVY,
        )
        self._transports: list[DicomTransport | TakeoverTransport] = []

    @property
    def port(self) -> int:
        """The plain port, or the TLS port where there is no plain one. Raises: RuntimeError, before `start`."""
        if not self._transports:
            raise RuntimeError("not started")
        return self._transports[0].port

    @property
    def ports(self) -> tuple[int, ...]:
        """All ports that are listened on, the plain one first."""
        return tuple(transport.port for transport in self._transports)

    @property
    def is_listening(self) -> bool:
        """Say whether every port is served."""
        return bool(self._transports) and all(transport.is_listening for transport in self._transports)

    def start(self) -> None:
        """
        Listen.

        Raises: Misconfigured, if a port stays taken for some seconds or cannot be had.
        """
        _silence_libraries()
        self._config.spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        sweep(self._config.spool, time.time() - _LEFTOVER_SECS)
        for title in self._admission.unresolved:
            self._on_event("peer_unresolved", peer=title)
        try:
            if self._config.takes_over_at is not None:
                self._transports.append(self._take_over(self._config.takes_over_at))
                self._transports[0].start()
                return
            if self._config.port is not None:
                self._transports.append(self._bind(self._config.port, tls=False))
            if self._config.tls_port is not None:
                self._transports.append(self._bind(self._config.tls_port, tls=True))
        except Misconfigured:
            self._close_ports()
            raise
        for transport in self._transports:
            transport.start()
            self._on_event("listener_started", port=transport.port)

    def stop(self) -> None:
        """Accept no more, let what is being served end, then close everything."""
        for transport in self._transports:
            transport.close()
        self._connections.end_all(self._config.limits.stop_secs)
        self._transports.clear()

    def _close_ports(self) -> None:
        for transport in self._transports:
            transport.server_close()
        self._transports.clear()

    def _take_over(self, path: Path) -> TakeoverTransport:
        try:
            return TakeoverTransport(_entity(self._config.ae_title), path, self._door)
        except OSError as fault:
            raise Misconfigured([f"dicom: {path}: {fault.strerror or 'cannot be listened on'}"]) from fault

    def _bind(self, port: int, *, tls: bool) -> DicomTransport:
        config = self._config
        if tls and config.tls_context is None:
            raise Misconfigured(["dicom.tls: a port without a certificate"])
        deadline = time.monotonic() + _BIND_SECS
        while True:
            try:
                return DicomTransport(
                    _entity(config.ae_title),
                    (config.host, port),
                    self._door,
                    config.tls_context if tls else None,
                    parse_networks(config.plain_from),
                )
            except OSError as fault:
                # The process that held the port may be on its way out.
                if fault.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                    reason = fault.strerror or "cannot be listened on"
                    raise Misconfigured([f"dicom: {config.host}:{port}: {reason}"]) from fault
                time.sleep(_BIND_EVERY_SECS)


def _operations(
    services: DicomServices, storage: Storage, retrieval: Retrieval
) -> Mapping[tuple[Service, int], Operation]:
    queries, steps, commitments = Queries(services), PerformedSteps(services), Commitments(services)
    notes = AvailabilityNotes(services)
    return {
        (Service.VERIFICATION, commands.C_ECHO_RQ): echo,
        (Service.STORAGE, commands.C_STORE_RQ): storage.store,
        (Service.WORKLIST, commands.C_FIND_RQ): queries.find,
        (Service.FIND, commands.C_FIND_RQ): queries.find,
        (Service.GET, commands.C_GET_RQ): retrieval.get,
        (Service.MOVE, commands.C_MOVE_RQ): retrieval.move,
        (Service.PERFORMED_STEP, commands.N_CREATE_RQ): steps.create,
        (Service.PERFORMED_STEP, commands.N_SET_RQ): steps.change,
        (Service.PERFORMED_STEP, commands.N_GET_RQ): steps.read,
        (Service.COMMITMENT, commands.N_ACTION_RQ): commitments.request,
        (Service.COMMITMENT, commands.N_EVENT_REPORT_RQ): commitments.hear,
        (Service.AVAILABILITY, commands.N_CREATE_RQ): notes.create,
    }


def _entity(ae_title: str) -> ApplicationEntity:
    entity = ApplicationEntity(ae_title)
    entity.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    return entity


def _silence_libraries() -> None:
    """
    Keep pynetdicom and pydicom from saying what strangers sent.

    One logs identifiers, and decoders' complaints with the values in them; the other warns on stderr, value and all, of each
    UID that it does not like. What is wrong with a value is for our own checks to say.
    """
    pynetdicom._config.LOG_HANDLER_LEVEL = "none"
    pynetdicom._config.LOG_REQUEST_IDENTIFIERS = False
    pynetdicom._config.LOG_RESPONSE_IDENTIFIERS = False
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    for library in ("pynetdicom", "pydicom"):
        logging.getLogger(library).setLevel(logging.CRITICAL + 1)
