"""What somebody marked among a study's images is kept beside the document that says so. Source: PS3.3 A.35.4."""

from __future__ import annotations

from pathlib import Path

import structlog

from bridge.codecs.dicom.key_objects import read_key_images
from bridge.domain.key_images import KeyImages, is_choice
from bridge.domain.rejection import KEY_OBJECT_SELECTION
from bridge.domain.study import Instance
from bridge.errors import BridgeError
from bridge.store import key_objects
from bridge.store.db import WriteTx

_log = structlog.get_logger(__name__)


def marked_in(path: Path, sop_class_uid: str) -> KeyImages | None:
    """Return the images that an object marks, None if it marks none, or cannot be read so: it is kept all the same."""
    if sop_class_uid != KEY_OBJECT_SELECTION:
        return None
    try:
        found = read_key_images(path)
    except BridgeError as fault:
        _log.warning("key_objects_unreadable", code=fault.code)
        return None
    return found if found.images and is_choice(found.title) else None


def keep_marks(tx: WriteTx, document: Instance, marked: KeyImages | None) -> None:
    """Keep what a document marks, if anything, in the transaction that keeps it."""
    if marked is not None:
        key_objects.add(tx, document, marked)
