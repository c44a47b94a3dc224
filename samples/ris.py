"""The system that placed the orders, listening for what became of them: keeps each message it is told, and answers AA.

python -m samples.ris PORT FOLDER
"""

from __future__ import annotations

import socketserver
import sys
from datetime import datetime
from pathlib import Path

from samples.feed import END, START


def serve(port: int, folder: Path) -> None:
    """Listen on loopback until stopped; a message told twice is kept once, under its control ID."""

    class Told(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            waiting = b""
            while part := self.connection.recv(65536):
                waiting += part
                while END in waiting:
                    frame, _, waiting = waiting.partition(END)
                    self._keep(frame.removeprefix(START))

        def _keep(self, message: bytes) -> None:
            control_id = message.split(b"\r")[0].split(b"|")[9].decode("ascii")
            target, being_written = folder / f"{control_id}.hl7", folder / f".{control_id}"
            being_written.write_bytes(message)
            being_written.rename(target)
            header = (
                f"MSH|^~\\&|RIVRIS|RIVERSIDE|IMAGING_BRIDGE||{datetime.now():%Y%m%d%H%M%S}||ACK|A{control_id}|P|2.5.1"
            )
            self.connection.sendall(START + f"{header}\rMSA|AA|{control_id}\r".encode() + END)

    with socketserver.ThreadingTCPServer(("127.0.0.1", port), Told) as server:
        server.daemon_threads = True
        server.serve_forever()


def told(folder: Path) -> set[tuple[str, str, str]]:
    """Return accession number, order status (ORC-5) and study status (OBX-11, "" for none) of each message so far."""
    found = set()
    for file in folder.glob("*.hl7"):
        fields = {line[:3]: line.split("|") for line in file.read_bytes().decode("utf-8").split("\r")}
        found.add((fields["OBR"][18], fields["ORC"][5], fields["OBX"][11] if "OBX" in fields else ""))
    return found


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]))
