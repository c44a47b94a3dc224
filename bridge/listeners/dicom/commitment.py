"""
Storage commitment: N-ACTION from whoever wants its objects kept, N-EVENT-REPORT from archives that we asked.

A request is answered once it is written down; the report follows when every object was looked at, on the same association
if that still stands, else by the outbox on one of ours. Source: PS3.4 J.3.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from pydicom._uid_dict import UID_dictionary

from bridge.codecs.dicom import commands, status
from bridge.codecs.dicom.commitment import (
    PUSH_MODEL_INSTANCE,
    STORAGE_COMMITMENT_PUSH_MODEL,
    encode_report,
    report_command,
)
from bridge.codecs.dicom.status import Outcome, Service, outcome_of
from bridge.domain.commitment import Report
from bridge.domain.identifiers import check_uid
from bridge.errors import BridgeError, Conflict, Malformed, Unavailable, Unsupported
from bridge.listeners.dicom.exchange import Exchange
from bridge.listeners.dicom.messages import Context, Message
from bridge.listeners.dicom.ports import DicomServices

_REQUEST_COMMITMENT: Final = 1
_EVENT_TYPES: Final = frozenset({1, 2})
# How long an association is looked at before the report goes another way.
_PATIENCE_SECS: Final = 30.0
_ANSWER_SECS: Final = 30.0


class Commitments:
    """The storage commitment service of one door."""

    def __init__(self, services: DicomServices) -> None:
        self._services = services

    def request(self, exchange: Exchange, request: Message) -> None:
        """Answer an N-ACTION-RQ; 0000 only once it is written down."""
        said = {commands.ACTION_TYPE_ID: request.command.number(commands.ACTION_TYPE_ID) or 0}
        key = self._answer(exchange, request, said, self._request)
        if key is not None:
            exchange.tell_later(_Owed(self._services, exchange, request.context, key))

    def hear(self, exchange: Exchange, request: Message) -> None:
        """Answer an N-EVENT-REPORT-RQ; 0000 only once it is written down."""
        said = {commands.EVENT_TYPE_ID: request.command.number(commands.EVENT_TYPE_ID) or 0}
        self._answer(exchange, request, said, self._hear)

    def _request(self, exchange: Exchange, request: Message) -> int:
        _check_instance(request, commands.REQUESTED_SOP_CLASS_UID, commands.REQUESTED_SOP_INSTANCE_UID)
        if request.command.number(commands.ACTION_TYPE_ID) != _REQUEST_COMMITMENT:
            raise Unsupported("no such action", code="no_such_action", source="PS3.4 J.3.2.1.1")
        if request.data_set is None:
            raise Malformed("nothing is referenced", code="no_such_argument", source="PS3.4 J.3.2.1.1")
        syntax = request.context.transfer_syntax
        return self._services.request_commitment(request.data_set, syntax, exchange.caller.ae_title)

    def _hear(self, exchange: Exchange, request: Message) -> None:
        _check_instance(request, commands.AFFECTED_SOP_CLASS_UID, commands.AFFECTED_SOP_INSTANCE_UID)
        if request.command.number(commands.EVENT_TYPE_ID) not in _EVENT_TYPES:
            raise Unsupported("no such event", code="no_such_event", source="PS3.4 J.3.3.1.1")
        if request.data_set is None:
            raise Malformed("nothing is reported", code="no_such_argument", source="PS3.4 J.3.3.1.1")
        self._services.take_report(request.data_set, request.context.transfer_syntax, exchange.caller.ae_title)

    def _answer(
        self,
        exchange: Exchange,
        request: Message,
        said: Mapping[int, int],
        carry_out: Callable[[Exchange, Message], int | None],
    ) -> int | None:
        started, outcome, done = time.monotonic(), Outcome(), None
        try:
            _check_message(request)
            done = carry_out(exchange, request)
        except BridgeError as fault:
            outcome = outcome_of(Service.COMMITMENT, fault)
        except Exception as fault:  # noqa: BLE001  # The peer is waiting for an answer.
            exchange.report_fault(Service.COMMITMENT, fault)
            outcome = outcome_of(Service.COMMITMENT, fault)
        exchange.respond(request, outcome, {commands.AFFECTED_SOP_INSTANCE_UID: PUSH_MODEL_INSTANCE, **said})
        exchange.flush()
        operation = "report" if request.command.command_field == commands.N_EVENT_REPORT_RQ else "request"
        secs = round(time.monotonic() - started, 6)
        exchange.report("commitment_answered", operation=operation, status=outcome.status, secs=secs)
        return done


class _Owed:
    """The report on one request, told on the association that asked as long as that stands."""

    def __init__(self, services: DicomServices, exchange: Exchange, context: Context, key: int) -> None:
        self._services = services
        self._exchange = exchange
        self._context = context
        self._key = key
        self._until = time.monotonic() + _PATIENCE_SECS

    def is_done(self) -> bool:
        """Tell the report if it is ready; say whether this association has done with it."""
        try:
            report = self._services.commitment_report(self._key)
            if report is not None:
                told = self._tell(report)
                self._services.note_report(self._key, told=told)
                return True
        except BridgeError as fault:
            self._exchange.report("commitment_reported", status=outcome_of(Service.COMMITMENT, fault).status)
        return time.monotonic() > self._until

    def abandon(self) -> None:
        """Let the report go by an association of ours, now."""
        try:
            self._services.note_report(self._key, told=False)
        except BridgeError:
            # The outbox has it all the same, due a little later.
            return

    def _tell(self, report: Report) -> bool:
        exchange, message_id = self._exchange, self._exchange.next_message_id()
        exchange.queue(
            self._context.context_id,
            report_command(message_id, report.event_type),
            encode_report(report, self._context.transfer_syntax),
        )
        answer = exchange.await_response(message_id, _ANSWER_SECS)
        code = None if answer is None else answer.number(commands.STATUS)
        exchange.report("commitment_reported", status=status.PROCESSING_FAILURE if code is None else code)
        return code == status.SUCCESS


def _check_message(request: Message) -> None:
    if request.is_repeated:
        raise Conflict("the message id is in use", code="duplicate_invocation", source="PS3.7 C.5.6")
    if request.is_too_large:
        raise Unavailable("more references than are taken at once", code="too_large", source="PS3.7 C.5.20")


def _check_instance(request: Message, class_element: int, instance_element: int) -> None:
    """Raises: Unsupported, Malformed, Conflict, unless the command names the push model and its one instance."""
    named, instance = request.command.text(class_element), request.command.text(instance_element)
    if named != STORAGE_COMMITMENT_PUSH_MODEL:
        if named in UID_dictionary:
            raise Conflict("not the class of this context", code="class_instance_conflict", source="PS3.7 C.5.3")
        raise Unsupported("no such SOP class", code="no_such_class", source="PS3.7 C.5.15")
    if instance == PUSH_MODEL_INSTANCE:
        return
    try:
        check_uid(instance, "RequestedSOPInstanceUID")
    except BridgeError as fault:
        raise Malformed(fault.detail, code="invalid_uid", source="PS3.7 C.5.9") from None
    raise Conflict("not the well-known instance", code="unknown", source="PS3.4 J.3.5")
