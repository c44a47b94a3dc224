"""Images that somebody marked: what a Key Object Selection names. Source: PS3.3 A.35.4, PS3.3 C.17.6."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bridge.domain.code import Code


@dataclass(frozen=True, slots=True)
class KeyImage:
    """One image that is named. frames: of a multi-frame image, counted from 1; () for all of them."""

    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    frames: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class KeyImages:
    """
    What one document says of the images of its own study.

    title: of CID 7010. description: what its author wrote beside. made_at: when it was made, None where it says no zone.
    """

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    title: Code
    description: str = ""
    made_at: datetime | None = None
    images: tuple[KeyImage, ...] = ()
