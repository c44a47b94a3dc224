"""A small archive: keeps what the bridge forwards, one file for each object. Used where dcmtk's storescp is not installed.

python -m samples.archive PORT FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.events import Event


def serve(port: int, folder: Path) -> None:
    """Listen on loopback until stopped."""

    def keep(event: Event) -> int:
        name = str(event.file_meta.MediaStorageSOPInstanceUID).replace("/", "_")
        target, waiting = folder / name, folder / f".{name}"
        waiting.write_bytes(event.encoded_dataset())
        waiting.rename(target)
        return 0x0000

    entity = AE("PACS")
    entity.supported_contexts = AllStoragePresentationContexts
    entity.add_supported_context("1.2.840.10008.1.1")
    entity.start_server(("127.0.0.1", port), evt_handlers=[(evt.EVT_C_STORE, keep)])


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]))
