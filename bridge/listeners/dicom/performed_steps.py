"""MPPS: N-CREATE and N-SET of a performed procedure step. Source: PS3.4 F.7, PS3.7 10.1.3, 10.1.5."""

from __future__ import annotations

import time
from io import BytesIO

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from bridge.codecs.dicom import commands
from bridge.codecs.dicom.elements import Walk, syntax_of
from bridge.codecs.dicom.status import Outcome, Service, outcome_of
from bridge.domain.identifiers import check_uid
from bridge.errors import BridgeError, Conflict, Malformed
from bridge.listeners.dicom.exchange import Exchange
from bridge.listeners.dicom.messages import Message
from bridge.listeners.dicom.ports import DicomServices


class PerformedSteps:
    """The performed step service of one door."""

    def __init__(self, services: DicomServices) -> None:
        self._services = services

    def create(self, exchange: Exchange, request: Message) -> None:
        """Answer an N-CREATE-RQ; where it names no instance, the answer does."""
        named = request.command.text(commands.AFFECTED_SOP_INSTANCE_UID)
        self._answer(exchange, request, named, creates=True)

    def change(self, exchange: Exchange, request: Message) -> None:
        """Answer an N-SET-RQ."""
        named = request.command.text(commands.REQUESTED_SOP_INSTANCE_UID)
        self._answer(exchange, request, named, creates=False)

    def _answer(self, exchange: Exchange, request: Message, named: str, *, creates: bool) -> None:
        started = time.monotonic()
        uid, outcome = "", Outcome()
        try:
            uid = _check(named, needed=not creates)
            attributes = _decode(request)
            uid = self._carry_out(uid, attributes, exchange.caller.ae_title, creates=creates)
        except BridgeError as fault:
            outcome = outcome_of(Service.PERFORMED_STEP, fault)
        except Exception as fault:  # noqa: BLE001  # The device is waiting for an answer.
            exchange.report_fault(Service.PERFORMED_STEP, fault)
            outcome = outcome_of(Service.PERFORMED_STEP, fault)
        exchange.respond(request, outcome, {commands.AFFECTED_SOP_INSTANCE_UID: uid} if uid else None)
        exchange.flush()
        exchange.report(
            "performed_step_answered",
            operation="create" if creates else "set",
            status=outcome.status,
            secs=round(time.monotonic() - started, 6),
        )

    def _carry_out(self, uid: str, attributes: Dataset, calling_ae_title: str, *, creates: bool) -> str:
        if creates:
            return self._services.create_performed_step(uid or None, attributes, calling_ae_title)
        self._services.set_performed_step(uid, attributes, calling_ae_title)
        return uid


def _check(named: str, *, needed: bool) -> str:
    if not named:
        if needed:
            raise Conflict("no SOP Instance UID", code="unknown", source="PS3.7 10.1.3")
        return ""
    try:
        return check_uid(named, "SOPInstanceUID", tolerate_leading_zeros=True)
    except BridgeError as fault:
        raise Malformed(fault.detail, code="invalid_uid", where=fault.where, source=fault.source) from None


def _decode(request: Message) -> Dataset:
    """Return the attribute list, walked first: pydicom alone accepts cut values. Raises: Malformed."""
    data = request.data_set or b""
    syntax = syntax_of(request.context.transfer_syntax)
    for _ in Walk(data, 0, len(data), syntax):
        pass
    dataset = read_dataset(BytesIO(data), syntax.implicit, not syntax.big_endian)
    dataset.set_original_encoding(syntax.implicit, not syntax.big_endian)
    return dataset
