"""MPPS: N-CREATE, N-SET and N-GET of a performed procedure step. Source: PS3.4 F.7, F.8, PS3.7 10.1.2, 10.1.3, 10.1.5."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydicom._uid_dict import UID_dictionary
from pydicom.datadict import tag_for_keyword

from bridge.codecs.dicom import commands, status
from bridge.codecs.dicom.commands import encode_tags
from bridge.codecs.dicom.performed import read_attributes
from bridge.codecs.dicom.performed_answer import attribute_list
from bridge.codecs.dicom.status import Outcome, Service, outcome_of
from bridge.domain.identifiers import check_uid
from bridge.domain.performed import AttributeList
from bridge.errors import BridgeError, Conflict, Malformed, Unavailable, Unsupported
from bridge.listeners.dicom.catalogue import (
    MODALITY_PERFORMED_PROCEDURE_STEP,
    MODALITY_PERFORMED_PROCEDURE_STEP_RETRIEVE,
)
from bridge.listeners.dicom.exchange import Exchange
from bridge.listeners.dicom.messages import Message
from bridge.listeners.dicom.ports import DicomServices, RecordedStep

_CHANGING: Final = frozenset({MODALITY_PERFORMED_PROCEDURE_STEP})
_READING: Final = frozenset({MODALITY_PERFORMED_PROCEDURE_STEP, MODALITY_PERFORMED_PROCEDURE_STEP_RETRIEVE})
# Whether an answer names its attributes by tag, or brings them along. Source: PS3.7 C.4, C.5.
_BY_TAG: Final = frozenset({0x0107, 0x0120})
_WITH_VALUES: Final = frozenset({0x0106, 0x0116})
_WITHOUT_VALUES: Final = frozenset({0x0121})


@dataclass(slots=True)
class _Answer:
    """What goes back. keywords: the attributes that an outcome is about. data_set: what an N-GET found."""

    uid: str = ""
    outcome: Outcome = field(default_factory=Outcome)
    keywords: tuple[str, ...] = ()
    tags: tuple[int, ...] = ()
    data_set: bytes | None = None


class PerformedSteps:
    """The performed step service of one door."""

    def __init__(self, services: DicomServices) -> None:
        self._services = services

    def create(self, exchange: Exchange, request: Message) -> None:
        """Answer an N-CREATE-RQ; where it names no instance, the answer does."""
        self._answer(exchange, request, "create", self._create)

    def change(self, exchange: Exchange, request: Message) -> None:
        """Answer an N-SET-RQ."""
        self._answer(exchange, request, "set", self._set)

    def read(self, exchange: Exchange, request: Message) -> None:
        """Answer an N-GET-RQ, on either of the two classes: devices ask on the one they report with."""
        self._answer(exchange, request, "get", self._get)

    def _create(self, request: Message, calling: str, answer: _Answer) -> None:
        _check_class(request, _CHANGING)
        answer.uid = _uid(request, commands.AFFECTED_SOP_INSTANCE_UID, needed=False)
        recorded = self._services.create_performed_step(answer.uid or None, _attributes(request), calling)
        answer.uid = recorded.sop_instance_uid
        _warn(answer, recorded)

    def _set(self, request: Message, calling: str, answer: _Answer) -> None:
        _check_class(request, _CHANGING)
        answer.uid = _uid(request, commands.REQUESTED_SOP_INSTANCE_UID, needed=True)
        if request.data_set is None:
            raise Malformed("an N-SET without a modification list", code="mistyped_argument", source="PS3.7 10.1.3")
        _warn(answer, self._services.set_performed_step(answer.uid, _attributes(request), calling))

    def _get(self, request: Message, calling: str, answer: _Answer) -> None:
        _check_class(request, _READING)
        answer.uid = _uid(request, commands.REQUESTED_SOP_INSTANCE_UID, needed=True)
        tags = request.command.tags(commands.ATTRIBUTE_IDENTIFIER_LIST)
        if tags is None:
            raise Malformed("not a list of attributes", code="mistyped_argument", source="PS3.7 10.1.2")
        syntax = request.context.transfer_syntax
        answer.data_set, answer.tags = self._services.get_performed_step(answer.uid, tags, syntax, calling)
        if answer.tags:
            answer.outcome = Outcome(status.ATTRIBUTE_LIST_ERROR, "attributes that the performed step has not")

    def _answer(
        self, exchange: Exchange, request: Message, operation: str, carry_out: Callable[[Message, str, _Answer], None]
    ) -> None:
        started = time.monotonic()
        answer = _Answer()
        try:
            _check_message(request)
            carry_out(request, exchange.caller.ae_title, answer)
        except BridgeError as fault:
            answer.outcome = outcome_of(Service.PERFORMED_STEP, fault)
            answer.keywords = tuple(fault.where.split(",")) if fault.where else ()
        except Exception as fault:  # noqa: BLE001  # The device is waiting for an answer.
            exchange.report_fault(Service.PERFORMED_STEP, fault)
            answer.outcome = outcome_of(Service.PERFORMED_STEP, fault)
        data_set = answer.data_set if answer.data_set is not None else _data_set(request, answer)
        exchange.respond(request, answer.outcome, _extra(answer), data_set)
        exchange.flush()
        exchange.report(
            "performed_step_answered",
            operation=operation,
            status=answer.outcome.status,
            secs=round(time.monotonic() - started, 6),
        )


def _check_message(request: Message) -> None:
    if request.is_repeated:
        raise Conflict("the message id is in use", code="duplicate_invocation", source="PS3.7 C.5.6")
    if request.is_too_large:
        raise Unavailable("the attribute list is too large", code="too_large", source="PS3.7 C.5.20")


def _check_class(request: Message, served: frozenset[str]) -> None:
    command = request.command
    named = command.text(commands.AFFECTED_SOP_CLASS_UID) or command.text(commands.REQUESTED_SOP_CLASS_UID)
    if (named or request.context.abstract_syntax) in served:
        return
    if named not in UID_dictionary:
        raise Unsupported("no such SOP class", code="no_such_class", source="PS3.7 C.5.15")
    raise Unsupported("not a class of this operation", source="PS3.7 C.5.18")


def _uid(request: Message, element: int, *, needed: bool) -> str:
    named = request.command.text(element)
    if not named:
        if needed:
            raise Malformed("no SOP Instance UID", code="mistyped_argument", source="PS3.7 10.1.3")
        return ""
    try:
        return check_uid(named, "SOPInstanceUID", tolerate_leading_zeros=True)
    except BridgeError as fault:
        raise Malformed(fault.detail, code="invalid_uid", where=fault.where, source=fault.source) from None


def _attributes(request: Message) -> AttributeList:
    return AttributeList(request.data_set or b"", request.context.transfer_syntax)


def _warn(answer: _Answer, recorded: RecordedStep) -> None:
    """Say what was kept though it is out of range, or else left as it was."""
    if recorded.out_of_range:
        answer.outcome = Outcome(status.VALUE_OUT_OF_RANGE, f"kept as sent: {', '.join(recorded.out_of_range)}")
        answer.keywords = recorded.out_of_range
    elif recorded.ignored:
        answer.outcome = Outcome(status.ATTRIBUTE_LIST_ERROR, f"left as it was: {', '.join(recorded.ignored)}")
        answer.keywords = recorded.ignored


def _extra(answer: _Answer) -> Mapping[int, int | str | bytes]:
    extra: dict[int, int | str | bytes] = {commands.AFFECTED_SOP_INSTANCE_UID: answer.uid} if answer.uid else {}
    tags = answer.tags or _tags(answer.keywords)
    if tags and answer.outcome.status in _BY_TAG:
        extra[commands.ATTRIBUTE_IDENTIFIER_LIST] = encode_tags(tags)
    return extra


def _data_set(request: Message, answer: _Answer) -> bytes | None:
    """Return the attributes that an outcome is about, as the request wrote them, None where it brings none."""
    tags = _tags(answer.keywords)
    if not tags or answer.outcome.status not in _WITH_VALUES | _WITHOUT_VALUES:
        return None
    try:
        root = read_attributes(_attributes(request))
    except Malformed:
        return None
    syntax = request.context.transfer_syntax
    return attribute_list(root, tags, syntax, values=answer.outcome.status in _WITH_VALUES)


def _tags(keywords: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(tag for keyword in keywords if (tag := tag_for_keyword(keyword)) is not None)
