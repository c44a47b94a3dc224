"""What kind of object a SOP class is, in the words that routing rules choose by. Source: PS3.4 B.5, PS3.3 A."""

from __future__ import annotations

from typing import Final

_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
_KEY_OBJECTS: Final = _STORAGE + "88.59"
_PREFIXES: Final = (
    (_STORAGE + "88.", "report"),
    (_STORAGE + "104.", "document"),
    (_STORAGE + "11.", "presentation_state"),
    (_STORAGE + "9.", "waveform"),
    (_STORAGE + "66", "other"),
    (_STORAGE + "67", "other"),
    (_STORAGE, "image"),
)

KINDS: Final = ("image", "report", "key_objects", "document", "presentation_state", "waveform", "other")


def kind_of(sop_class_uid: str) -> str:
    """Return one of `KINDS`; a private class counts as an image."""
    if sop_class_uid == _KEY_OBJECTS:
        return "key_objects"
    return next((kind for prefix, kind in _PREFIXES if sop_class_uid.startswith(prefix)), "image")
