"""What a person should know of images before they rely on them: lossy, a name in the picture, nothing to display."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bridge.domain.study import ENCAPSULATED, Header


class ImageWarning(StrEnum):
    """One thing about one object; several may hold."""

    LOSSY = "lossy"
    BURNED_IN = "burned_in"
    MAY_BE_BURNED_IN = "may_be_burned_in"
    NO_PIXELS = "no_pixels"
    PIXELS_CUT = "pixels_cut"
    UNKNOWN_SYNTAX = "unknown_syntax"
    SIGNED = "signed"
    DOCUMENT = "document"


@dataclass(frozen=True, slots=True)
class WarningWords:
    """One warning about a study, for people. count: of how many objects it holds. is_grave: it may mislead a decision."""

    kind: str
    count: int
    sentence: str
    is_grave: bool = False


_SYNTAXES = "1.2.840.10008.1.2"
_NATIVE = frozenset({_SYNTAXES, f"{_SYNTAXES}.1", f"{_SYNTAXES}.2", f"{_SYNTAXES}.1.99"})
# JPEG baseline and extended, JPEG-LS near lossless, JPEG XL, and every video. Source: PS3.5 A.4.
_LOSSY = frozenset(f"{_SYNTAXES}.4.{number}" for number in (50, 51, 81, 112, *range(100, 109)))
# They may hold either: JPEG 2000, its part 2, HTJ2K, JPEG XL.
_MAY_BE_LOSSY = frozenset(f"{_SYNTAXES}.4.{number}" for number in (91, 93, 111, 203))
_CLASSES = "1.2.840.10008.5.1.4.1.1"
# Ultrasound, secondary captures and what scanners of paper make usually carry text in the picture.
_OFTEN_BURNED_IN = frozenset(f"{_CLASSES}.{last}" for last in ("3", "3.1", "6", "6.1", "7", "7.1", "7.2", "7.3", "7.4"))
_DOCUMENTS = (f"{_CLASSES}.104.1", f"{_CLASSES}.104.2")

_SENTENCES: Mapping[str, tuple[str, bool]] = {
    ImageWarning.LOSSY: ("{what} lossy compressed: small detail may be lost, and measurements may differ", False),
    ImageWarning.BURNED_IN: (
        "{what} marked as carrying text in the picture itself: a name burned in there cannot be corrected",
        True,
    ),
    ImageWarning.MAY_BE_BURNED_IN: (
        "{what} of a kind that often carries a name in the picture, and nothing says otherwise",
        False,
    ),
    ImageWarning.NO_PIXELS: ("{what} without the picture that the header announces: nothing can be displayed", True),
    ImageWarning.PIXELS_CUT: ("{what} shorter than rows and columns ask for: the picture is not whole", True),
    ImageWarning.UNKNOWN_SYNTAX: ("{what} encoded in a way that is not known here and may not be displayed", True),
    ImageWarning.SIGNED: ("{what} digitally signed: a correction on the way out makes the signature invalid", False),
    ImageWarning.DOCUMENT: ("{what} encapsulated text (PDF, CDA): a name written inside cannot be corrected", False),
}
_FOLLOW_UP = "This is an oncology exam with lossy images ({what}): compare and measure on the original images before judging a change."


def warnings_of(header: Header) -> tuple[ImageWarning, ...]:
    """Return what a person should know of the object that *header* is of."""
    found = [_lossy(header), *_burned_in(header), _pixels(header)]
    if not header.transfer_syntax_uid.startswith(_SYNTAXES):
        found.append(ImageWarning.UNKNOWN_SYNTAX)
    if "digital_signature" in header.faults:
        found.append(ImageWarning.SIGNED)
    if header.sop_class_uid in _DOCUMENTS:
        found.append(ImageWarning.DOCUMENT)
    return tuple(one for one in found if one is not None)


def in_words(counts: Mapping[str, int], total: int, *, is_oncology: bool) -> list[WarningWords]:
    """Return *counts*, warnings to objects, of a study of *total* objects as sentences, grave ones first."""
    found = []
    if is_oncology and counts.get(ImageWarning.LOSSY):
        number = counts[ImageWarning.LOSSY]
        found.append(WarningWords("lossy_follow_up", number, _FOLLOW_UP.format(what=f"{number} of {total}"), True))
    for kind, (sentence, is_grave) in _SENTENCES.items():
        if number := counts.get(kind, 0):
            found.append(WarningWords(str(kind), number, sentence.format(what=_what(number, total)) + ".", is_grave))
    return sorted(found, key=lambda one: not one.is_grave)


def _what(number: int, total: int) -> str:
    if number == total:
        return "All images are" if total > 1 else "The image is"
    return f"{number} of {total} images {'are' if number > 1 else 'is'}"


def _lossy(header: Header) -> ImageWarning | None:
    if header.lossy_image_compression == "01" or header.transfer_syntax_uid in _LOSSY:
        return ImageWarning.LOSSY
    is_open = header.transfer_syntax_uid in _MAY_BE_LOSSY and header.lossy_image_compression != "00"
    return ImageWarning.LOSSY if is_open else None


def _burned_in(header: Header) -> list[ImageWarning]:
    said = header.burned_in_annotation.upper()
    if said == "YES":
        return [ImageWarning.BURNED_IN]
    is_usual = header.sop_class_uid in _OFTEN_BURNED_IN
    return [ImageWarning.MAY_BE_BURNED_IN] if is_usual and said != "NO" else []


def _pixels(header: Header) -> ImageWarning | None:
    """Say what is wrong with the pixels of an object that announces some. Source: PS3.3 C.7.6.3.1."""
    if not header.rows or not header.columns:
        return None
    if header.pixel_bytes is None:
        return ImageWarning.NO_PIXELS
    if header.pixel_bytes == ENCAPSULATED or header.transfer_syntax_uid not in _NATIVE or not header.bits_allocated:
        return None
    # Of YBR_FULL_422 two samples stand for three (PS3.3 C.7.6.3.1.2).
    samples = 2 if header.samples_per_pixel == 3 else header.samples_per_pixel or 1
    bits = header.rows * header.columns * header.number_of_frames * samples * header.bits_allocated
    return ImageWarning.PIXELS_CUT if header.pixel_bytes < bits // 8 else None
