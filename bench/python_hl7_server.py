"""python-hl7's MLLP server as its documentation has it: every message parsed and answered, none stored.

python -m bench.python_hl7_server PORT
"""

from __future__ import annotations

import asyncio
import sys

from hl7.mllp import HL7StreamReader, HL7StreamWriter, start_hl7_server


async def answer_all(reader: HL7StreamReader, writer: HL7StreamWriter) -> None:
    """Answer AA to what comes on one connection."""
    try:
        while not writer.is_closing():
            message = await reader.readmessage()
            writer.writemessage(message.create_ack())
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def serve(port: int) -> None:
    """Serve until the process is ended."""
    async with await start_hl7_server(answer_all, "127.0.0.1", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
