"""A worklist client so light that the server is what is timed: one association, bytes prepared before the clock starts."""

from __future__ import annotations

import socket
import struct
from types import TracebackType

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence as Items

from bench.servers import HOST, Server
from bridge.codecs.dicom import commands

WORKLIST = "1.2.840.10008.5.1.4.31"
_IMPLICIT = "1.2.840.10008.1.2"
_APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"
_ANSWER_SECS = 60
_CONTEXT_ID = 1
_PDU_BYTES = 16_384
_P_DATA, _RELEASE, _RELEASED = 4, 5, 6
_PENDING = (0xFF00, 0xFF01)

Keys = dict[str, str]

_ROOT_KEYS = (
    "AccessionNumber",
    "ReferringPhysicianName",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "RequestingPhysician",
    "RequestedProcedureDescription",
    "RequestedProcedureID",
    "RequestedProcedurePriority",
)
_STEP_KEYS = (
    "Modality",
    "ScheduledStationAETitle",
    "ScheduledProcedureStepStartDate",
    "ScheduledProcedureStepStartTime",
    "ScheduledPerformingPhysicianName",
    "ScheduledProcedureStepDescription",
    "ScheduledProcedureStepID",
    "ScheduledStationName",
)


def identifier(asked: Keys) -> bytes:
    """Return what a scanner asks for, with the values of *asked* filled in, implicit VR little endian."""
    out, step = Dataset(), Dataset()
    for name in _ROOT_KEYS:
        setattr(out, name, asked.get(name, ""))
    for name in _STEP_KEYS:
        setattr(step, name, asked.get(name, ""))
    out.ScheduledProcedureStepSequence = Items([step])
    target = DicomBytesIO()
    target.is_little_endian, target.is_implicit_VR = True, True
    write_dataset(target, out)
    return bytes(target.getvalue())


class Association:
    """One open association with *server*, for the worklist unless told. Raises: RuntimeError, if it is not had."""

    def __init__(self, server: Server, calling: str, sop_class_uid: str = WORKLIST) -> None:
        self._socket = socket.create_connection((HOST, server.port), _ANSWER_SECS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = self._socket.makefile("rb", 256 << 10)
        self._message_id = 0
        self._socket.sendall(_request(server.ae_title, calling, sop_class_uid))
        kind, _ = self._pdu()
        if kind != 2:
            raise RuntimeError(f"{server.name} refused the association")

    def __enter__(self) -> Association:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.release()
        self._read.close()
        self._socket.close()

    def find(self, asked: bytes) -> int:
        """Send one C-FIND and read every answer; return how many matches came. Raises: RuntimeError, if it failed."""
        self._message_id = self._message_id % 65_535 + 1
        command = commands.encode_command(
            {
                commands.AFFECTED_SOP_CLASS_UID: WORKLIST,
                commands.COMMAND_FIELD: commands.C_FIND_RQ,
                commands.MESSAGE_ID: self._message_id,
                commands.PRIORITY: 0,
                commands.COMMAND_DATA_SET_TYPE: commands.HAS_DATA_SET,
            }
        )
        self._socket.sendall(commands.message(_CONTEXT_ID, command, asked, _PDU_BYTES - commands.PDV_HEADER_BYTES))
        found = 0
        while (status := self._next_status()) in _PENDING:
            found += 1
        if status:
            raise RuntimeError(f"the query ended with {status:04X}")
        return found

    def release(self) -> None:
        """End the association in order."""
        self._socket.sendall(struct.pack(">BBLL", _RELEASE, 0, 4, 0))
        kind, _ = self._pdu()
        if kind != _RELEASED:
            raise RuntimeError("the association was not released")

    def _next_status(self) -> int:
        """Read PDUs until one holds a command set; the data sets between them are let by."""
        while True:
            kind, body = self._pdu()
            if kind != _P_DATA:
                raise RuntimeError("the association ended")
            status = self._status_in(body)
            if status is not None:
                return status

    def _status_in(self, body: bytes) -> int | None:
        for _, control, fragment in commands.values_of(memoryview(body)):
            if control & commands.IS_COMMAND:
                return commands.parse_command(fragment).number(commands.STATUS)
        return None

    def _pdu(self) -> tuple[int, bytes]:
        kind, length = struct.unpack(">BxL", self._read.read(6))
        return kind, self._read.read(length)


def _request(called: str, calling: str, sop_class_uid: str) -> bytes:
    context = struct.pack(">BBBB", _CONTEXT_ID, 0, 0, 0) + _item(0x30, sop_class_uid.encode())
    context += _item(0x40, _IMPLICIT.encode())
    user = _item(0x51, struct.pack(">L", _PDU_BYTES)) + _item(0x52, b"2.25.1")
    body = struct.pack(">HH", 1, 0) + called.encode().ljust(16) + calling.encode().ljust(16) + bytes(32)
    body += _item(0x10, _APPLICATION_CONTEXT) + _item(0x20, context) + _item(0x50, user)
    return struct.pack(">BBL", 1, 0, len(body)) + body


def _item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(body)) + body
