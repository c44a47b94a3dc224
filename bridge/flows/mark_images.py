"""What somebody marked among a study's images is kept beside the document that says so. Source: PS3.3 A.35.4."""

from __future__ import annotations

from pathlib import Path

import structlog

from bridge.codecs.dicom.key_objects import read_key_images, read_rejection_note
from bridge.domain.key_images import KeyImages, is_choice
from bridge.domain.rejection import KEY_OBJECT_SELECTION, RejectionNote
from bridge.domain.study import Instance
from bridge.errors import BridgeError
from bridge.store import key_objects
from bridge.store.db import WriteTx

_log = structlog.get_logger(__name__)


def named_in(path: Path, sop_class_uid: str) -> tuple[RejectionNote | None, KeyImages | None]:
    """
    Return what an object rejects of others, or else marks of them.

    Marks that cannot be read are none: the object is kept all the same. Raises: Malformed, Incomplete, as
    `read_rejection_note` does.
    """
    if sop_class_uid != KEY_OBJECT_SELECTION:
        return None, None
    note = read_rejection_note(path)
    return note, _marked(path) if note is None else None


def keep_marks(tx: WriteTx, document: Instance, marked: KeyImages | None) -> Instance:
    """Keep what *document* marks, if anything, in the transaction that keeps it; return the document."""
    if marked is not None:
        key_objects.add(tx, document, marked)
    return document


def _marked(path: Path) -> KeyImages | None:
    try:
        found = read_key_images(path)
    except BridgeError as fault:
        _log.warning("key_objects_unreadable", code=fault.code)
        return None
    return found if found.images and is_choice(found.title) else None
