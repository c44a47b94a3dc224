"""What one object says as it was received, beside what it says when it leaves."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.codecs.dicom.leaving_rows import TagRow
from bridge.domain.overlay import Overlay
from bridge.domain.study import Instance, Study
from bridge.errors import BridgeError, Conflict, Malformed, Unavailable, Unsupported
from bridge.leaving.objects import LeavingObject
from bridge.store import overlays
from bridge.store.blobs import Blobs
from bridge.store.db import Store

_ITS_RECORD = "OriginalAttributesSequence"


@dataclass(frozen=True, slots=True)
class Comparison:
    """
    The rows of one header. leaves: whether such an object may leave at all; an unbound study's does not.

    trouble: why it cannot leave although its study is bound, or cannot be read, "" if it can.
    """

    rows: tuple[TagRow, ...]
    leaves: bool
    trouble: str = ""

    @property
    def changed(self) -> tuple[TagRow, ...]:
        """The rows that leave otherwise than they came."""
        return tuple(row for row in self.rows if row.is_changed)

    @property
    def corrected(self) -> tuple[TagRow, ...]:
        """The same without the record that the object carries of its corrections (PS3.3 C.12.1.1.9)."""
        return tuple(row for row in self.changed if _ITS_RECORD not in " ".join((*row.path, row.keyword)))


def compare_tags(store: Store, blobs: Blobs, study: Study, instance: Instance) -> Comparison:
    """Return the header of *instance*, and what the study's overlay makes of it on the way out."""
    try:
        with store.read() as tx:
            overlay = overlays.current(tx, study)
    except Unavailable as fault:
        return _as_received(blobs, study, instance, fault)
    try:
        return Comparison(tuple(LeavingObject(blobs, instance, overlay).rows()), study.is_bound)
    except (Malformed, Unsupported) as fault:
        return _as_received(blobs, study, instance, fault)
    except Conflict as fault:
        return Comparison((), leaves=False, trouble=fault.detail)
    except (Unavailable, OSError):
        return Comparison((), leaves=False, trouble="the object cannot be read now")


def _as_received(blobs: Blobs, study: Study, instance: Instance, fault: BridgeError) -> Comparison:
    bare = Overlay(study.key, study.binding_version, study.binding_version)
    try:
        rows = LeavingObject(blobs, instance, bare).rows()
    except (Conflict, Malformed, Unsupported, Unavailable, OSError):
        rows = []
    return Comparison(tuple(rows), leaves=False, trouble=fault.detail)
