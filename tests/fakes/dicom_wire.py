"""A DICOM requestor built by hand from PS3.8 and PS3.7, so that wrong bytes can be sent as easily as right ones."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence

from bridge.codecs.dicom.commands import Command, encode_command, parse_command

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
VERIFICATION = "1.2.840.10008.1.1"
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
WORKLIST = "1.2.840.10008.5.1.4.31"
PERFORMED_STEP = "1.2.840.10008.3.1.2.3.3"
STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_GET = "1.2.840.10008.5.1.4.1.2.2.3"

Contexts = Sequence[tuple[str, Sequence[str]]]


def item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(body)) + body


def pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBL", kind, 0, len(body)) + body


def pdv(context_id: int, control: int, data: bytes) -> bytes:
    return struct.pack(">LBB", len(data) + 2, context_id, control) + data


def p_data(*values: bytes) -> bytes:
    return pdu(4, b"".join(values))


def associate_rq(
    contexts: Contexts, called: str = "BRIDGE", calling: str = "MODALITY", maximum: int = 16384, more: bytes = b""
) -> bytes:
    body = struct.pack(">HH", 1, 0) + called.encode().ljust(16) + calling.encode().ljust(16) + bytes(32)
    body += item(0x10, b"1.2.840.10008.3.1.1.1")
    for place, (abstract, syntaxes) in enumerate(contexts):
        proposed = b"".join(item(0x40, syntax.encode()) for syntax in syntaxes)
        body += item(0x20, bytes((2 * place + 1, 0, 0, 0)) + item(0x30, abstract.encode()) + proposed)
    user = item(0x51, struct.pack(">L", maximum)) + item(0x52, b"2.25.1") + more
    return pdu(1, body + item(0x50, user))


def role(abstract: str, scu: int, scp: int) -> bytes:
    return item(0x54, struct.pack(">H", len(abstract)) + abstract.encode() + bytes((scu, scp)))


def element(group: int, number: int, value: bytes) -> bytes:
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HHL", group, number, len(value)) + value


def an_object(sop_instance_uid: str, pixels: int = 64, sop_class_uid: str = CT_IMAGE) -> bytes:
    """Return a small CT data set in implicit VR."""
    study = b"1.2.826.0.1.3680043.10.77.1"
    return b"".join(
        (
            element(8, 0x16, sop_class_uid.encode()),
            element(8, 0x18, sop_instance_uid.encode()),
            element(8, 0x60, b"CT"),
            element(0x10, 0x10, b"Larch^Ada "),
            element(0x10, 0x20, b"WIRE-1"),
            element(0x20, 0x0D, study),
            element(0x20, 0x0E, study + b".1"),
            element(0x28, 0x10, struct.pack("<H", 8)),
            element(0x28, 0x11, struct.pack("<H", max(1, pixels // 8))),
            element(0x7FE0, 0x10, bytes(pixels)),
        )
    )


class Caller:
    """One connection to a door. Nothing here waits longer than *secs*."""

    def __init__(self, port: int, secs: float = 10) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), secs)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._message_id = 0

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def associate(self, contexts: Contexts, **options: object) -> int:
        """Send an association request; return the answering PDU's type."""
        self.send(associate_rq(contexts, **options))  # type: ignore[arg-type]
        kind, self.acceptance = self.read_pdu()
        return kind

    def results(self) -> dict[int, tuple[int, str]]:
        """Return context id to (result, transfer syntax) of the acceptance."""
        found, at = {}, 68
        while at + 4 <= len(self.acceptance):
            kind, _, length = struct.unpack_from(">BBH", self.acceptance, at)
            if kind == 0x21:
                body = self.acceptance[at + 4 : at + 4 + length]
                found[body[0]] = (body[2], body[8:].decode().rstrip("\0"))
            at += 4 + length
        return found

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read_pdu(self) -> tuple[int, bytes]:
        """Return the next PDU's type and body; type 0 once the other side has closed."""
        header = self._read(6)
        if len(header) < 6:
            return 0, b""
        kind, length = struct.unpack(">BxL", header)
        return kind, self._read(length)

    def _read(self, wanted: int) -> bytes:
        data = b""
        while len(data) < wanted:
            try:
                more = self.socket.recv(wanted - len(data))
            except ConnectionError:
                more = b""
            if not more:
                return data
            data += more
        return data

    def command(self, field: int, abstract: str, data_set: bool, **values: int | str) -> bytes:
        self._message_id += 1
        return encode_command(
            {0x0002: abstract, 0x0100: field, 0x0110: self._message_id, 0x0800: 0x0001 if data_set else 0x0101}
            | {int(name[1:], 16): value for name, value in values.items()}
        )

    def answer(self) -> tuple[Command | None, bytes]:
        """Return the next message; None if the association ended instead."""
        command, data_set = None, b""
        while True:
            kind, body = self.read_pdu()
            if kind != 4:
                return None, b""
            at = 0
            while at < len(body):
                length, _, control = struct.unpack_from(">LBB", body, at)
                part = body[at + 6 : at + 4 + length]
                at += 4 + length
                if control & 1:
                    command = parse_command(part)
                else:
                    data_set += part
                if control & 2 and command and (not command.has_data_set or not control & 1):
                    return command, data_set

    def status(self) -> int | None:
        command, _ = self.answer()
        return command.number(0x0900) if command else None

    def store(
        self, uid: str, data_set: bytes, *, context_id: int = 1, abstract: str = CT_IMAGE, step: int = 15000
    ) -> int | None:
        """Store an object and return the status, None if the association ended instead."""
        self.send(p_data(pdv(context_id, 3, self.command(1, abstract, True, x1000=uid))))
        for at in range(0, len(data_set), step):
            last = 2 if at + step >= len(data_set) else 0
            self.send(p_data(pdv(context_id, last, data_set[at : at + step])))
        return self.status()

    def echo(self, context_id: int = 1) -> int | None:
        self.send(p_data(pdv(context_id, 3, self.command(0x30, VERIFICATION, False))))
        return self.status()

    def release(self) -> bool:
        self.send(pdu(5, bytes(4)))
        return self.read_pdu()[0] == 6

    def is_closed(self) -> bool:
        """Wait for the other side to close, letting by what it still says."""
        while self.read_pdu()[0]:
            pass
        return True


def echoes(port: int, calling: str = "MODALITY") -> bool:
    """Say whether a well-behaved caller is served now."""
    with Caller(port) as caller:
        return caller.associate([(VERIFICATION, [IMPLICIT])], calling=calling) == 2 and caller.echo() == 0
