"""What we ask of other DICOM nodes: keep objects (C-STORE), are you there (C-ECHO), what is scheduled (C-FIND)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID

from bridge.codecs.dicom import commands
from bridge.codecs.dicom.commands import IS_LAST, Command, encode_command, message, p_data_header
from bridge.codecs.dicom.elements import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from bridge.codecs.dicom.part10 import open_buffer, read_file_meta
from bridge.codecs.dicom.reencode import LITTLE_ENDIAN, can_become_plain, reencode
from bridge.codecs.dicom.status import (
    NOT_AUTHORIZED,
    OUT_OF_RESOURCES,
    PENDING,
    PENDING_UNSUPPORTED_KEYS,
    PROCESSING_FAILURE,
    SOP_CLASS_NOT_SUPPORTED,
    SUCCESS,
    is_warning,
)
from bridge.codecs.dicom.unpacked import Unpack
from bridge.domain.study import NOT_HERE, Outgoing
from bridge.errors import BridgeError, Conflict, Malformed, Refused, Unavailable, Unsupported
from bridge.publishers.dicom_connection import Accepted, Proposal, Requestor, Target, Timeouts

__all__ = ["NOT_ACCEPTED", "StoreResult", "Target", "Timeouts", "echo", "find_worklist", "store_files"]

_VERIFICATION: Final = "1.2.840.10008.1.1"
_MODALITY_WORKLIST_FIND: Final = "1.2.840.10008.5.1.4.31"
_MOST_CONTEXTS: Final = 128
NOT_ACCEPTED: Final = "not_accepted"
_MOST_ANSWERS: Final = 10_000
_NO_DECODER_NOW: Final = ("decoders_busy", "no_decoder")
_JOINED_BYTES: Final = 60 << 10
_CHARACTER_SET: Final = "ISO_IR 192"

_STEP_KEYS: Final = (
    "Modality",
    "ScheduledStationAETitle",
    "ScheduledProcedureStepStartDate",
    "ScheduledProcedureStepStartTime",
    "ScheduledPerformingPhysicianName",
    "ScheduledProcedureStepDescription",
    "ScheduledProcedureStepID",
    "ScheduledStationName",
    "ScheduledProcedureStepLocation",
)
_ITEM_KEYS: Final = (
    "AccessionNumber",
    "ReferringPhysicianName",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "RequestedProcedureID",
    "RequestedProcedureDescription",
    "AdmissionID",
)


@dataclass(frozen=True, slots=True)
class StoreResult:
    """
    What became of one object.

    status: as answered, None if no answer came; that one may or may not be kept there. fault: why it was not sent: it
    could not be made ready to leave, or the other side takes no such thing (code `NOT_ACCEPTED`).
    """

    sop_instance_uid: str
    status: int | None
    comment: str = ""
    fault: BridgeError | None = None

    @property
    def is_kept(self) -> bool:
        """Say whether the other side has promised to keep it. Source: PS3.4 B.2.3."""
        return self.status is not None and (self.status == SUCCESS or is_warning(self.status))


def store_files(
    target: Target,
    calling_ae_title: str,
    files: Iterable[Outgoing],
    *,
    on_result: Callable[[StoreResult], bool] = lambda result: True,
    move_originator: tuple[str, int] | None = None,
    timeouts: Timeouts | None = None,
    priority: int = 0,
) -> list[StoreResult]:
    """
    Send *files* and return one result for each, in order.

    One association, more only where they need over 128 contexts. Each is opened when its turn comes, and streamed.
    on_result: told each result; returning False ends the transfer. move_originator: AE title and message id of the
    C-MOVE behind it. priority: 0 medium, 1 high, 2 low (PS3.7 9.3.1.1).
    Raises: Unavailable, if there is no association; when one is lost on the way, the rest has status None.
    """
    transfer = _Transfer(list(files), on_result)
    while transfer.left:
        batch = _fitting(transfer.left, target.unpack)
        try:
            with Requestor(target, calling_ae_title, _proposals(batch, target.unpack), timeouts) as association:
                transfer.run(batch, _Sender(association, move_originator, priority, target.unpack))
        except Unavailable as fault:
            if not transfer.has_begun:
                raise
            transfer.give_up(fault)
    return transfer.results


class _Transfer:
    """What is still to be sent, and what became of the rest."""

    def __init__(self, left: list[Outgoing], on_result: Callable[[StoreResult], bool]) -> None:
        self.left = left
        self.results: list[StoreResult] = []
        self.has_begun = False
        self._on_result = on_result

    def run(self, batch: list[Outgoing], sender: _Sender) -> None:
        """Send *batch*, the start of what is left; nothing is left once the listener has had enough."""
        self.has_begun = True
        for found in batch:
            result = sender.store(found)
            del self.left[0]
            self.results.append(result)
            if not self._on_result(result):
                self.left.clear()
                return

    def give_up(self, fault: Unavailable) -> None:
        """Nobody knows of what is left whether it arrived."""
        self.results.extend(StoreResult(found.sop_instance_uid, None, fault.detail) for found in self.left)
        self.left.clear()


def echo(target: Target, calling_ae_title: str, timeouts: Timeouts | None = None) -> float:
    """Ask *target* whether it is there; return the seconds that its answer took. Raises: Unavailable, Refused."""
    proposal = Proposal(_VERIFICATION, (IMPLICIT_LITTLE,))
    with Requestor(target, calling_ae_title, [proposal], timeouts) as association:
        context = _only_context(association, "verification")
        started = time.monotonic()
        request: dict[int, int | str] = {
            commands.AFFECTED_SOP_CLASS_UID: _VERIFICATION,
            commands.COMMAND_FIELD: commands.C_ECHO_RQ,
            commands.MESSAGE_ID: association.next_message_id(),
            commands.COMMAND_DATA_SET_TYPE: commands.NO_DATA_SET,
        }
        association.send(message(context.context_id, encode_command(request), None, association.fragment_bytes))
        answer, _ = association.receive()
        _check_final(answer)
        return time.monotonic() - started


def find_worklist(
    target: Target, calling_ae_title: str, keys: Mapping[str, str], timeouts: Timeouts | None = None
) -> list[Dataset]:
    """
    Return what *target* has scheduled.

    keys: DICOM keyword to matching value; a keyword of the scheduled step goes into its sequence. The usual return keys
    are asked for besides. Raises: Malformed for an unknown keyword, Unavailable, Refused. Source: PS3.4 K.6.1.2.2.
    """
    identifier = _encode(_worklist_identifier(keys))
    proposal = Proposal(_MODALITY_WORKLIST_FIND, (IMPLICIT_LITTLE, EXPLICIT_LITTLE))
    found: list[Dataset] = []
    with Requestor(target, calling_ae_title, [proposal], timeouts) as association:
        context = _only_context(association, "the worklist")
        implicit = context.transfer_syntax == IMPLICIT_LITTLE
        request: dict[int, int | str] = {
            commands.AFFECTED_SOP_CLASS_UID: _MODALITY_WORKLIST_FIND,
            commands.COMMAND_FIELD: commands.C_FIND_RQ,
            commands.MESSAGE_ID: association.next_message_id(),
            commands.PRIORITY: 0,
            commands.COMMAND_DATA_SET_TYPE: commands.HAS_DATA_SET,
        }
        data_set = identifier if implicit else _encode(_worklist_identifier(keys), implicit=False)
        encoded = encode_command(request)
        association.send(message(context.context_id, encoded, data_set, association.fragment_bytes))
        while True:
            answer, data = association.receive()
            if answer.number(commands.STATUS) not in (PENDING, PENDING_UNSUPPORTED_KEYS):
                _check_final(answer)
                return found
            if len(found) >= _MOST_ANSWERS:
                raise Unavailable("the worklist is endless", code="bad_peer")
            found.append(read_dataset(BytesIO(data), implicit, True))


class _Sender:
    """Sends objects over one open association."""

    def __init__(
        self, association: Requestor, move_originator: tuple[str, int] | None, priority: int, unpack: Unpack | None
    ) -> None:
        self._association = association
        self._unpack = unpack
        self._move_originator = move_originator
        self._priority = priority

    def store(self, found: Outgoing) -> StoreResult:
        """Send one object and wait for its answer. Raises: Unavailable, once the association is lost."""
        context = self._context_for(found)
        if context is None:
            return _not_taken(found)
        message_id = self._association.next_message_id()
        command = self._command(found, message_id)
        try:
            with found.at_hand() as path:
                self._send_in(context, command, path, found)
        except OSError:
            return StoreResult(found.sop_instance_uid, PROCESSING_FAILURE, "the file cannot be read")
        except (Malformed, Unsupported) as fault:
            return StoreResult(found.sop_instance_uid, PROCESSING_FAILURE, "the file cannot be read", fault)
        except (Conflict, Unavailable) as fault:
            if fault.code in _NO_DECODER_NOW:
                return StoreResult(found.sop_instance_uid, OUT_OF_RESOURCES, fault.detail)
            # Of an object that is gone; a lost association ends the transfer.
            if fault.code not in NOT_HERE:
                raise
            # Damaged bytes may be mended; what an archive alone has is nothing that trying again brings.
            removed = fault if isinstance(fault, Conflict) else None
            return StoreResult(found.sop_instance_uid, PROCESSING_FAILURE, "the file cannot be read", removed)
        while True:
            answer, _ = self._association.receive()
            if answer.number(commands.MESSAGE_ID_BEING_RESPONDED_TO) == message_id:
                comment = answer.text(commands.ERROR_COMMENT)
                return StoreResult(found.sop_instance_uid, answer.number(commands.STATUS), comment)

    def _send_in(self, context: Accepted, command: bytes, path: Path, found: Outgoing) -> None:
        if context.transfer_syntax == found.transfer_syntax_uid:
            self._send(context, command, path)
            return
        with TemporaryDirectory(prefix="imaging-bridge-") as folder:
            copy = Path(folder) / "object.dcm"
            try:
                reencode(path, copy, context.transfer_syntax, self._unpack)
            except (Malformed, Unsupported) as fault:
                if found.transfer_syntax_uid in LITTLE_ENDIAN:
                    raise
                raise _not_accepted(found, f", and it cannot be decompressed: {fault.detail}") from fault
            self._send(context, command, copy)

    def _context_for(self, found: Outgoing) -> Accepted | None:
        fitting = [cx for cx in self._association.accepted if cx.abstract_syntax == found.sop_class_uid]
        exact = next((cx for cx in fitting if cx.transfer_syntax == found.transfer_syntax_uid), None)
        if exact is not None or not can_become_plain(found.transfer_syntax_uid, self._unpack):
            return exact
        return next((cx for cx in fitting if cx.transfer_syntax in LITTLE_ENDIAN), None)

    def _command(self, found: Outgoing, message_id: int) -> bytes:
        values: dict[int, int | str] = {
            commands.AFFECTED_SOP_CLASS_UID: found.sop_class_uid,
            commands.COMMAND_FIELD: commands.C_STORE_RQ,
            commands.MESSAGE_ID: message_id,
            commands.PRIORITY: self._priority,
            commands.COMMAND_DATA_SET_TYPE: commands.HAS_DATA_SET,
            commands.AFFECTED_SOP_INSTANCE_UID: found.sop_instance_uid,
        }
        if self._move_originator is not None:
            values[commands.MOVE_ORIGINATOR_AE_TITLE] = self._move_originator[0]
            values[commands.MOVE_ORIGINATOR_MESSAGE_ID] = self._move_originator[1]
        return encode_command(values)

    def _send(self, context: Accepted, command: bytes, path: Path) -> None:
        """Send one C-STORE-RQ; what can be wrong with the file shows before the first byte is sent."""
        step = self._association.fragment_bytes
        with open_buffer(path) as mapped:
            at, end = read_file_meta(mapped).dataset_at, len(mapped)
            outgoing = bytearray(message(context.context_id, command, None, step))
            while at < end:
                part = mapped[at : at + step]
                at += len(part)
                outgoing += p_data_header(context.context_id, IS_LAST if at >= end else 0, len(part)) + part
                if len(outgoing) >= _JOINED_BYTES:
                    self._association.send(outgoing)
                    outgoing = bytearray()
            if outgoing:
                self._association.send(outgoing)


def _not_taken(found: Outgoing) -> StoreResult:
    """Return the result of an object for which the other side accepted no context: it was not sent."""
    said = "not accepted in this transfer syntax"
    return StoreResult(found.sop_instance_uid, SOP_CLASS_NOT_SUPPORTED, said, _not_accepted(found))


def _not_accepted(found: Outgoing, more: str = "") -> Unsupported:
    what = f"{UID(found.sop_class_uid).name} in {UID(found.transfer_syntax_uid).name}"
    return Unsupported(f"the other side takes no {what}{more}", code=NOT_ACCEPTED)


def _pairs(found: Outgoing, unpack: Unpack | None) -> list[tuple[str, str]]:
    """Return the classes and syntaxes to propose for *found*: as it is kept, and unpacked in a context of its own."""
    own, plain = found.transfer_syntax_uid, can_become_plain(found.transfer_syntax_uid, unpack)
    syntaxes = [own, EXPLICIT_LITTLE] if plain and own not in LITTLE_ENDIAN else [own]
    return [(found.sop_class_uid, syntax) for syntax in syntaxes]


def _fitting(files: list[Outgoing], unpack: Unpack | None) -> list[Outgoing]:
    """Return the longest start of *files* that one association has contexts for. Source: PS3.8 9.3.2.2 (odd ids to 255)."""
    pairs: set[tuple[str, str]] = set()
    for place, found in enumerate(files):
        pairs.update(_pairs(found, unpack))
        if len(pairs) > _MOST_CONTEXTS:
            return files[:place]
    return list(files)


def _proposals(files: list[Outgoing], unpack: Unpack | None) -> list[Proposal]:
    """Return a context for each class and syntax that is sent; an uncompressed object can go in either VR."""
    pairs = dict.fromkeys(pair for found in files for pair in _pairs(found, unpack))
    return [
        Proposal(abstract, (syntax, *sorted(LITTLE_ENDIAN - {syntax})) if syntax in LITTLE_ENDIAN else (syntax,))
        for abstract, syntax in pairs
    ]


def _only_context(association: Requestor, what: str) -> Accepted:
    if not association.accepted:
        raise Refused(f"the other side does not offer {what}", code="context_rejected")
    return association.accepted[0]


def _check_final(answer: Command) -> None:
    code = answer.number(commands.STATUS)
    if code == SUCCESS:
        return
    said = "no status" if code is None else f"{code:04X}"
    if code in (SOP_CLASS_NOT_SUPPORTED, NOT_AUTHORIZED):
        raise Refused(f"the other side answered {said}", code="peer_refused")
    if code is not None and 0xA700 <= code <= 0xA7FF:
        raise Unavailable(f"the other side answered {said}", code="peer_busy")
    raise Malformed(f"the other side answered {said}", code="peer_failed")


def _worklist_identifier(keys: Mapping[str, str]) -> Dataset:
    query, step = Dataset(), Dataset()
    query.SpecificCharacterSet = _CHARACTER_SET
    for keyword in _ITEM_KEYS:
        setattr(query, keyword, None)
    for keyword in _STEP_KEYS:
        setattr(step, keyword, None)
    for keyword, value in keys.items():
        if tag_for_keyword(keyword) is None:
            raise Malformed("not a DICOM keyword", code="unknown_keyword", where=keyword)
        setattr(step if keyword in _STEP_KEYS else query, keyword, value)
    query.ScheduledProcedureStepSequence = DicomSequence([step])
    return query


def _encode(dataset: Dataset, *, implicit: bool = True) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = implicit, True
    write_dataset(buffer, dataset)
    return buffer.getvalue()
