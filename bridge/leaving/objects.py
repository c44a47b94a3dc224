"""Objects on their way out, each corrected when its turn comes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.codecs.dicom.leaving_rows import TagRow, tag_rows
from bridge.codecs.dicom.overlay import corrected_copy
from bridge.domain.overlay import Overlay
from bridge.domain.study import Instance
from bridge.errors import Conflict
from bridge.store.blobs import Blobs

MODIFYING_SYSTEM = "Imaging Bridge"


@dataclass(frozen=True, slots=True)
class LeavingObject:
    """One instance under its study's overlay, to be opened when it is sent; it may be opened again."""

    blobs: Blobs
    instance: Instance
    overlay: Overlay

    @property
    def sop_class_uid(self) -> str:
        return self.instance.sop_class_uid

    @property
    def sop_instance_uid(self) -> str:
        return self.instance.sop_instance_uid

    @property
    def transfer_syntax_uid(self) -> str:
        return self.instance.transfer_syntax_uid

    @contextmanager
    def at_hand(self) -> Iterator[Path]:
        """
        Yield a Part 10 file of the object as it leaves, to read: what was received where nothing differs, else a copy
        that is gone afterwards.

        Raises: Malformed, Unsupported, where the corrections cannot be made: it does not leave then; Conflict, "object_removed",
        for what an archive alone has by now; Unavailable, OSError.
        """
        with self.received() as received:
            if not self.overlay.layers:
                yield received
                return
            handle, name = tempfile.mkstemp(prefix="leaving-", suffix=".dcm", dir=self.blobs.spool)
            os.close(handle)
            copy = Path(name)
            try:
                is_changed = corrected_copy(received, copy, self.overlay.layers, MODIFYING_SYSTEM)
                yield copy if is_changed else received
            finally:
                copy.unlink(missing_ok=True)

    @contextmanager
    def received(self) -> Iterator[Path]:
        """Yield the object as received. Raises: Conflict, "object_removed", for what an archive alone has; Unavailable."""
        if self.instance.removed_at is not None:
            raise Conflict("an archive keeps it, here it was removed", code="object_removed")
        with self.blobs.at_hand(self.instance.blob) as path:
            yield path

    def rows(self) -> list[TagRow]:
        """
        Return each attribute as received beside what leaves.

        Raises: Malformed, Unsupported, where it cannot be read or its corrections cannot be made.
        """
        with self.received() as received:
            return tag_rows(received, self.overlay.layers, MODIFYING_SYSTEM)
