"""C-FIND on the worklist and on studies: answers go out as they come, joined, until done or cancelled. Source: PS3.4 C.4.1, K.4."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Final

from bridge.codecs.dicom import commands, status
from bridge.codecs.dicom.commands import encode_command
from bridge.codecs.dicom.status import Outcome, Service, outcome_of
from bridge.errors import BridgeError, Malformed
from bridge.listeners.dicom.exchange import Exchange
from bridge.listeners.dicom.messages import Message
from bridge.listeners.dicom.ports import DicomServices
from bridge.listeners.dicom.upper_layer import PeerGone

# A cancellation is looked for each so many answers: the look costs a system call.
_LOOK_EVERY: Final = 16

Answers = Iterable[tuple[int, bytes]]


class Queries:
    """The query services of one door."""

    def __init__(self, services: DicomServices) -> None:
        self._services = services

    def find(self, exchange: Exchange, request: Message) -> None:
        """Answer a C-FIND-RQ: each match as pending, then the final status."""
        started, sent = time.monotonic(), 0
        service = request.context.service
        final = Outcome()
        try:
            if request.data_set is None:
                raise Malformed("no identifier", source="PS3.7 9.1.2")
            for code, identifier in self._answers(exchange, request, request.data_set):
                if sent % _LOOK_EVERY == 0 and exchange.is_cancelled(request):
                    final = Outcome(status.CANCELLED)
                    break
                exchange.queue(request.context.context_id, _pending(request, code), identifier)
                sent += 1
        except BridgeError as fault:
            final = outcome_of(service, fault)
        except PeerGone:
            raise
        except Exception as fault:  # noqa: BLE001  # The peer is waiting for a final status.
            exchange.report_fault(service, fault)
            final = outcome_of(service, fault)
        exchange.respond(request, final)
        exchange.flush()
        secs = round(time.monotonic() - started, 6)
        exchange.report("query_answered", service=service, status=final.status, matches=sent, secs=secs)

    def _answers(self, exchange: Exchange, request: Message, identifier: bytes) -> Answers:
        syntax, calling = request.context.transfer_syntax, exchange.caller.ae_title
        if request.context.service == Service.WORKLIST:
            return _worklist(self._services, identifier, syntax, calling)
        found = self._services.find_studies(identifier, syntax, calling, exchange.caller.address)
        return ((status.PENDING, one) for one in found)


def _worklist(services: DicomServices, identifier: bytes, syntax: str, calling: str) -> Iterator[tuple[int, bytes]]:
    for answer in services.answer_worklist(identifier, syntax, calling):
        yield answer.status, answer.identifier


def _pending(request: Message, code: int) -> bytes:
    return encode_command(
        {
            commands.AFFECTED_SOP_CLASS_UID: request.context.abstract_syntax,
            commands.COMMAND_FIELD: request.command.command_field | commands.RESPONSE,
            commands.MESSAGE_ID_BEING_RESPONDED_TO: request.command.message_id,
            commands.COMMAND_DATA_SET_TYPE: commands.HAS_DATA_SET,
            commands.STATUS: code,
        }
    )
