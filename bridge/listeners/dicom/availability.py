"""Instance Availability Notification: N-CREATE from archives that say what they have. Source: PS3.4 R.3.2, PS3.7 10.1.5."""

from __future__ import annotations

import time

from pydicom._uid_dict import UID_dictionary
from pydicom.datadict import tag_for_keyword

from bridge.codecs.dicom import commands
from bridge.codecs.dicom.commands import encode_tags
from bridge.codecs.dicom.status import Outcome, Service, outcome_of
from bridge.domain.identifiers import check_uid
from bridge.errors import BridgeError, Conflict, Malformed, Unavailable, Unsupported
from bridge.listeners.dicom.catalogue import INSTANCE_AVAILABILITY_NOTIFICATION
from bridge.listeners.dicom.exchange import Exchange
from bridge.listeners.dicom.messages import Message
from bridge.listeners.dicom.ports import DicomServices

_MISSING_ATTRIBUTE = 0x0120


class AvailabilityNotes:
    """The availability notification service of one door."""

    def __init__(self, services: DicomServices) -> None:
        self._services = services

    def create(self, exchange: Exchange, request: Message) -> None:
        """Answer an N-CREATE-RQ; 0000 only once it is written down. Where it names no instance, the answer does."""
        started, outcome, extra = time.monotonic(), Outcome(), dict[int, int | str | bytes]()
        try:
            extra[commands.AFFECTED_SOP_INSTANCE_UID] = self._note(request, exchange.caller.ae_title)
        except BridgeError as fault:
            outcome = outcome_of(Service.AVAILABILITY, fault)
            tag = tag_for_keyword(fault.where) if fault.where else None
            if outcome.status == _MISSING_ATTRIBUTE and tag is not None:
                extra[commands.ATTRIBUTE_IDENTIFIER_LIST] = encode_tags((tag,))
        except Exception as fault:  # noqa: BLE001  # The peer is waiting for an answer.
            exchange.report_fault(Service.AVAILABILITY, fault)
            outcome = outcome_of(Service.AVAILABILITY, fault)
        exchange.respond(request, outcome, extra)
        exchange.flush()
        secs = round(time.monotonic() - started, 6)
        exchange.report("availability_answered", status=outcome.status, secs=secs)

    def _note(self, request: Message, calling: str) -> str:
        if request.is_repeated:
            raise Conflict("the message id is in use", code="duplicate_invocation", source="PS3.7 C.5.6")
        _check_class(request)
        if request.is_too_large:
            raise Unavailable("more instances than are taken at once", code="too_large", source="PS3.7 C.5.20")
        uid = request.command.text(commands.AFFECTED_SOP_INSTANCE_UID) or ""
        if uid:
            _check_uid(uid)
        syntax = request.context.transfer_syntax
        return self._services.note_availability(uid, request.data_set or b"", syntax, calling)


def _check_class(request: Message) -> None:
    named = request.command.text(commands.AFFECTED_SOP_CLASS_UID)
    if named == INSTANCE_AVAILABILITY_NOTIFICATION:
        return
    if named not in UID_dictionary:
        raise Unsupported("no such SOP class", code="no_such_class", source="PS3.7 C.5.15")
    raise Unsupported("not the class of this context", source="PS3.7 C.5.18")


def _check_uid(uid: str) -> None:
    try:
        check_uid(uid, "AffectedSOPInstanceUID", tolerate_leading_zeros=True)
    except BridgeError as fault:
        raise Malformed(fault.detail, code="invalid_uid", source="PS3.7 C.5.9") from None
