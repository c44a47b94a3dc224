"""Images that somebody marked: what a Key Object Selection names. Source: PS3.3 A.35.4, PS3.3 C.17.6."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bridge.domain.code import Code

# Titles of documents that list what there is; nobody chose anything. Source: PS3.16 CID 7010.
_LISTS_ALL: Final = frozenset({"113030", "113031", "113032", "113033", "113034", "113035"})
# Titles of images that are poor, or must not be used. Source: PS3.16 CID 7010, CID 7011.
_BAD: Final = frozenset({"113001", "113010", "113037", "113038", "113039"})
_DCM: Final = "DCM"


@dataclass(frozen=True, slots=True)
class MarkedImage:
    """One object that a document names. frames: of a multi-frame image, counted from 1; () for all of it."""

    sop_instance_uid: str
    frames: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class KeyImages:
    """
    What one document says.

    title: of CID 7010. made_local: "YYYYMMDDHHMMSS", or less of it, as its maker's clock said; timezone_offset_from_utc:
    of that clock, "" where it does not say.
    """

    title: Code
    made_local: str = ""
    timezone_offset_from_utc: str = ""
    images: tuple[MarkedImage, ...] = ()


@dataclass(frozen=True, slots=True)
class SelectedImage:
    """A marked image that its study shows, as it was received."""

    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    instance_number: int | None = None
    frames: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class KeySelection:
    """
    A kept document with what its study shows of the images that it names now.

    withheld: why the document itself is not shown, "" if it is. title, made_local, timezone_offset_from_utc: as in KeyImages.
    """

    key: int
    study_key: int
    study_instance_uid: str
    sop_instance_uid: str
    withheld: str
    title: Code
    made_local: str
    timezone_offset_from_utc: str
    images: tuple[SelectedImage, ...]

    @property
    def stands(self) -> bool:
        """Whether there is something to look at."""
        return not self.withheld and bool(self.images)


def is_choice(title: Code) -> bool:
    """Say whether somebody chose the images under this title, rather than listed all there are."""
    return not (title.coding_scheme_designator == _DCM and title.code_value in _LISTS_ALL)


def is_evidence(title: Code) -> bool:
    """Say whether images under this title may stand for an exam: not those that somebody marked as bad."""
    return is_choice(title) and not (title.coding_scheme_designator == _DCM and title.code_value in _BAD)
