"""Storage commitment over associations of ours: asking an archive, and reporting to whoever asked us. Source: PS3.4 J.3."""

from __future__ import annotations

from typing import Final

from bridge.codecs.dicom import commands
from bridge.codecs.dicom.commands import Command, message
from bridge.codecs.dicom.commitment import (
    STORAGE_COMMITMENT_PUSH_MODEL,
    encode_report,
    encode_request,
    read_report,
    report_answer,
    report_command,
    request_command,
)
from bridge.codecs.dicom.elements import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from bridge.domain.commitment import Report, Request
from bridge.errors import BridgeError, Refused, Unavailable, Unsupported
from bridge.publishers.dicom_connection import Accepted, Proposal, Requestor, Target, Timeouts

_SYNTAXES: Final = (IMPLICIT_LITTLE, EXPLICIT_LITTLE)
# Some archives report at once, on the association that asked; the others call back.
LINGER_SECS: Final = 2.0


def ask(
    target: Target,
    calling_ae_title: str,
    request: Request,
    linger_secs: float = LINGER_SECS,
    timeouts: Timeouts | None = None,
) -> tuple[int, Report | None]:
    """
    Ask *target* to keep what *request* names; return the status, and its report if that comes within *linger_secs*.

    Raises: Unsupported, code "not_offered", if it does not commit; Unavailable, if nobody answers.
    """
    proposal = Proposal(STORAGE_COMMITMENT_PUSH_MODEL, _SYNTAXES)
    with Requestor(target, calling_ae_title, [proposal], timeouts) as association:
        if not association.accepted:
            raise Unsupported("the archive does not offer storage commitment", code="not_offered")
        context, message_id = association.accepted[0], association.next_message_id()
        data = encode_request(request, context.transfer_syntax)
        _send(association, context, request_command(message_id), data)
        status = _status(_await_answer(association, message_id))
        report = _early_report(association, context, linger_secs) if status == 0 else None
    return status, report


def tell(target: Target, calling_ae_title: str, report: Report, timeouts: Timeouts | None = None) -> int:
    """
    Report to *target* what it asked for, as SCP of an association that we open; return its status.

    Raises: Refused, if it takes no such context; Unavailable, if nobody answers.
    """
    proposal = Proposal(STORAGE_COMMITMENT_PUSH_MODEL, _SYNTAXES, as_scp=True)
    with Requestor(target, calling_ae_title, [proposal], timeouts) as association:
        if not association.accepted:
            raise Refused("the other side takes no storage commitment reports", code="context_rejected")
        context, message_id = association.accepted[0], association.next_message_id()
        data = encode_report(report, context.transfer_syntax)
        _send(association, context, report_command(message_id, report.event_type), data)
        return _status(_await_answer(association, message_id))


def _send(association: Requestor, context: Accepted, command: bytes, data: bytes) -> None:
    association.send(message(context.context_id, command, data, association.fragment_bytes))


def _await_answer(association: Requestor, message_id: int) -> Command:
    while True:
        answer, _ = association.receive()
        if answer.is_response and answer.number(commands.MESSAGE_ID_BEING_RESPONDED_TO) == message_id:
            return answer


def _status(answer: Command) -> int:
    status = answer.number(commands.STATUS)
    if status is None:
        raise Unavailable("the other side answered without a status", code="bad_peer")
    return status


def _early_report(association: Requestor, context: Accepted, secs: float) -> Report | None:
    """Return a report that comes before we leave; one that cannot be read will come again."""
    try:
        command, data = association.receive(secs)
        if command.command_field != commands.N_EVENT_REPORT_RQ:
            return None
        report = read_report(data, context.transfer_syntax)
        association.send(message(context.context_id, report_answer(command), None, association.fragment_bytes))
    except BridgeError:
        return None
    return report
