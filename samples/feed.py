"""The EHR's side of HL7: frames on one kept-open connection, each answered before the next is sent."""

from __future__ import annotations

import socket

START, END = b"\x0b", b"\x1c\r"


class Feed:
    """An MLLP connection to the bridge. Source: HL7 2.5.1 implementation guide, appendix C."""

    def __init__(self, host: str, port: int, timeout_secs: float = 20) -> None:
        self._socket = socket.create_connection((host, port), timeout_secs)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, message: bytes) -> tuple[str, str]:
        """Send one message and return its acknowledgement: MSA-1 and what the bridge said about it."""
        self._socket.sendall(START + message + END)
        received = b""
        while not received.endswith(END):
            part = self._socket.recv(65536)
            if not part:
                raise ConnectionError("the bridge closed the connection without an answer")
            received += part
        segments = [line.split("|") for line in received.strip(START + END).decode("utf-8", "replace").split("\r")]
        found = {fields[0]: fields for fields in segments}
        msa = found.get("MSA", ["MSA", ""])
        remarks = [*msa[3:4], *("|".join(fields[1:]) for fields in segments if fields[0] == "ERR")]
        return msa[1], "; ".join(remark for remark in remarks if remark)

    def close(self) -> None:
        self._socket.close()
