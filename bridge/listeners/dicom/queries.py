"""C-FIND on the worklist and on studies: answers go out as they come, joined, until done or cancelled. Source: PS3.4 C.4.1, K.4."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from bridge.codecs.dicom import commands, status
from bridge.codecs.dicom.commands import encode_command
from bridge.codecs.dicom.status import Outcome, Service, outcome_of
from bridge.domain.worklist_query import AskedQuery, QueryOutcome
from bridge.errors import BridgeError, Malformed
from bridge.listeners.dicom.exchange import Exchange
from bridge.listeners.dicom.messages import Message
from bridge.listeners.dicom.ports import DicomServices, WorklistAnswers
from bridge.listeners.dicom.upper_layer import PeerGone

# A cancellation is looked for each so many answers: the look costs a system call.
_LOOK_EVERY: Final = 16

Answers = Iterable[tuple[int, bytes]]


@dataclass(slots=True)
class _Course:
    """How one query goes. given: the worklist's answers; reason: a slug of what went wrong."""

    started: float
    sent: int = 0
    final: Outcome = field(default_factory=Outcome)
    reason: str = ""
    was_cut: bool = False
    given: WorklistAnswers | None = None

    @property
    def secs(self) -> float:
        return round(time.monotonic() - self.started, 6)


class Queries:
    """The query services of one door."""

    def __init__(self, services: DicomServices) -> None:
        self._services = services

    def find(self, exchange: Exchange, request: Message) -> None:
        """Answer a C-FIND-RQ: each match as pending, then the final status; then a worklist's query is noted."""
        service, course = request.context.service, _Course(time.monotonic())
        is_gone = True
        try:
            self._answer(exchange, request, course)
            exchange.respond(request, course.final)
            exchange.flush()
            is_gone = False
        finally:
            if service == Service.WORKLIST:
                self._services.note_query(_asked(exchange, request, course, is_gone=is_gone))
        final = course.final.status
        counted = {"matches": course.sent, "secs": course.secs, "cut": course.was_cut}
        exchange.report("query_answered", service=service, status=final, **counted)

    def _answer(self, exchange: Exchange, request: Message, course: _Course) -> None:
        service = request.context.service
        try:
            if request.data_set is None:
                raise Malformed("no identifier", code="no_identifier", source="PS3.7 9.1.2")
            pending: dict[int, bytes] = {}
            for code, identifier in self._answers(exchange, request, request.data_set, course):
                if course.sent % _LOOK_EVERY == 0 and exchange.is_cancelled(request):
                    course.final = Outcome(status.CANCELLED)
                    break
                if code not in pending:
                    pending[code] = _pending(request, code)
                exchange.queue(request.context.context_id, pending[code], identifier)
                course.sent += 1
        except BridgeError as fault:
            course.final, course.reason = outcome_of(service, fault), fault.code
        except PeerGone:
            raise
        except Exception as fault:  # noqa: BLE001  # The peer is waiting for a final status.
            exchange.report_fault(service, fault)
            course.final, course.reason = outcome_of(service, fault), "internal_error"

    def _answers(self, exchange: Exchange, request: Message, identifier: bytes, course: _Course) -> Answers:
        syntax, calling = request.context.transfer_syntax, exchange.caller.ae_title
        if request.context.service == Service.WORKLIST:
            course.given = self._services.answer_worklist(identifier, syntax, calling)
            return ((one.status, one.identifier) for one in course.given)
        found = self._services.find_studies(identifier, syntax, calling, exchange.caller.address)
        course.was_cut = found.was_cut
        return ((found.status, one) for one in found)


def _asked(exchange: Exchange, request: Message, course: _Course, *, is_gone: bool) -> AskedQuery:
    caller, given = exchange.caller, course.given
    return AskedQuery(
        caller.ae_title,
        caller.address,
        caller.association_id,
        QueryOutcome.BROKEN_OFF if is_gone else _outcome_of(course.final.status),
        status=None if is_gone else course.final.status,
        reason=course.reason,
        identifier=request.data_set or b"",
        transfer_syntax_uid=request.context.transfer_syntax,
        step_keys=() if given is None else given.step_keys[: course.sent],
        was_cut=given is not None and given.was_cut,
        secs=course.secs,
    )


def _outcome_of(final: int) -> QueryOutcome:
    if final == status.SUCCESS:
        return QueryOutcome.ANSWERED
    return QueryOutcome.CANCELLED if final == status.CANCELLED else QueryOutcome.FAILED


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
