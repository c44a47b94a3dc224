"""One N-CREATE or N-SET to another receiver of performed steps. Source: PS3.4 F.7.1, PS3.7 10.1.3, 10.1.5."""

from __future__ import annotations

from typing import Final

from bridge.codecs.dicom import commands
from bridge.codecs.dicom.commands import encode_command, message
from bridge.codecs.dicom.elements import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from bridge.codecs.dicom.performed_answer import whole
from bridge.domain.performed import AttributeList
from bridge.errors import Refused, Unavailable
from bridge.publishers.dicom_connection import Accepted, Proposal, Requestor, Target, Timeouts

_PERFORMED_STEP: Final = "1.2.840.10008.3.1.2.3.3"
_SYNTAXES: Final = (IMPLICIT_LITTLE, EXPLICIT_LITTLE)


def send_performed_step(
    target: Target,
    calling_ae_title: str,
    sop_instance_uid: str,
    received: AttributeList,
    *,
    creates: bool,
    timeouts: Timeouts | None = None,
) -> tuple[int, int | None]:
    """
    Send what a device said as it said it; return the status and the Error ID that come back.

    In another value representation only where the other side takes no other. Raises: Unavailable, if nobody answers;
    Refused, if the other side does not take performed steps; Malformed, if it would have to be rewritten and cannot be.
    """
    others = tuple(syntax for syntax in _SYNTAXES if syntax != received.transfer_syntax_uid)
    proposals = [Proposal(_PERFORMED_STEP, (received.transfer_syntax_uid,)), Proposal(_PERFORMED_STEP, others)]
    with Requestor(target, calling_ae_title, proposals, timeouts) as association:
        context = _context(association, received)
        data = received.data
        if context.transfer_syntax != received.transfer_syntax_uid:
            data, _ = whole([received], (), context.transfer_syntax)
        message_id = association.next_message_id()
        command = _command(sop_instance_uid, message_id, creates=creates)
        association.send(message(context.context_id, command, data, association.fragment_bytes))
        while True:
            answer, _ = association.receive()
            if answer.number(commands.MESSAGE_ID_BEING_RESPONDED_TO) == message_id:
                break
    status = answer.number(commands.STATUS)
    if status is None:
        raise Unavailable("the other side answered without a status", code="bad_peer")
    return status, answer.number(commands.ERROR_ID)


def _context(association: Requestor, received: AttributeList) -> Accepted:
    if not association.accepted:
        raise Refused("the other side does not take performed steps", code="context_rejected")
    exact = (cx for cx in association.accepted if cx.transfer_syntax == received.transfer_syntax_uid)
    return next(exact, association.accepted[0])


def _command(sop_instance_uid: str, message_id: int, *, creates: bool) -> bytes:
    class_uid = commands.AFFECTED_SOP_CLASS_UID if creates else commands.REQUESTED_SOP_CLASS_UID
    instance_uid = commands.AFFECTED_SOP_INSTANCE_UID if creates else commands.REQUESTED_SOP_INSTANCE_UID
    return encode_command(
        {
            class_uid: _PERFORMED_STEP,
            commands.COMMAND_FIELD: commands.N_CREATE_RQ if creates else commands.N_SET_RQ,
            commands.MESSAGE_ID: message_id,
            commands.COMMAND_DATA_SET_TYPE: commands.HAS_DATA_SET,
            instance_uid: sop_instance_uid,
        }
    )
