"""Which images of a study a packet shows: those a person chose, else those that somebody marked, else one of each series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bridge.codecs.fhir.elements import clean
from bridge.domain.code import Code
from bridge.domain.image_warnings import ImageWarning
from bridge.domain.key_images import is_evidence
from bridge.domain.packet import ChosenBy, KeyPicture
from bridge.domain.study import Instance, Series, StudyContents, StudyState
from bridge.store import key_objects
from bridge.store.db import ReadTx

MOST_PICTURES = 6
# Marks of a whole stack are no choice of evidence; a person who wants more chooses them.
MOST_MARKED = 12
MOST_CHOSEN = 40
_SIDES: Final = {"L": "left", "R": "right", "B": "both sides"}
_NO_PICTURE: Final = frozenset({"KO", "SR", "PR", "DOC", "PLAN", "RTSTRUCT", "RTPLAN", "REG", "SEG"})
_NO_PIXELS: Final = frozenset({ImageWarning.NO_PIXELS, ImageWarning.PIXELS_CUT, ImageWarning.DOCUMENT})
_MAY_NAME: Final = frozenset({ImageWarning.BURNED_IN, ImageWarning.MAY_BE_BURNED_IN})


@dataclass(frozen=True, slots=True)
class Chosen:
    """An image that is to be drawn, and what stands under it."""

    picture: KeyPicture
    instance: Instance


@dataclass(frozen=True, slots=True)
class PickableSeries:
    """A series to choose from. hidden: how many of its images no payer may be shown, or have no picture."""

    series: Series
    images: tuple[Instance, ...]
    hidden: int


@dataclass(frozen=True, slots=True)
class _Asked:
    """An image that is wanted. frame: 0 for the one in its middle."""

    series: Series
    instance: Instance
    chosen_by: ChosenBy
    frame: int = 0
    marked_as: str = ""


def choose_pictures(
    tx: ReadTx, contents: StudyContents, wanted: Sequence[str], values: Mapping[str, str]
) -> tuple[tuple[Chosen, ...], tuple[str, ...]]:
    """
    Return the images of a packet in the order that they are shown in, and what cannot be, in sentences.

    wanted: SOP Instance UIDs that a person chose, () for none. values: of the study, as they leave.
    """
    chosen, left_out = list[Chosen](), list[str]()
    is_corrected = contents.study.state == StudyState.BOUND_WITH_CORRECTION
    asked, beyond = _asked(tx, contents, wanted)
    for one in asked:
        why = why_not(one.instance, by_hand=one.chosen_by == ChosenBy.PERSON, is_corrected=is_corrected)
        if why:
            left_out.append(f"{_named(one)}: {why}")
        else:
            chosen.append(Chosen(_picture(one, values), one.instance))
    if beyond:
        left_out.append(f"{beyond} more marked image{'' if beyond == 1 else 's'}; choose by hand what the payer needs")
    return tuple(chosen), tuple(left_out)


def pickable(contents: StudyContents) -> tuple[PickableSeries, ...]:
    """Return what a person may choose from: what the study shows, and may be shown to a payer."""
    is_corrected = contents.study.state == StudyState.BOUND_WITH_CORRECTION
    found = []
    for one in contents.series:
        shown = shown_of(contents, one) if one.modality not in _NO_PICTURE else []
        fit = tuple(each for each in shown if not why_not(each, by_hand=True, is_corrected=is_corrected))
        if shown:
            found.append(PickableSeries(one, fit, len(shown) - len(fit)))
    return tuple(found)


def shown_of(contents: StudyContents, series: Series) -> list[Instance]:
    """Return what a series shows, in its order."""
    kept = (one for one in contents.instances.get(series.key, ()) if not one.withheld)
    return sorted(kept, key=lambda one: (one.instance_number or 0, one.key))


def why_not(one: Instance, *, by_hand: bool, is_corrected: bool) -> str:
    """Return why an image is not shown to a payer, "" if it may be: a name in the picture itself cannot be corrected."""
    warned = frozenset(one.warnings.split())
    if one.removed_at is not None:
        return "an archive alone has it by now"
    if warned & _NO_PIXELS:
        return "it has no picture"
    if warned & _MAY_NAME and is_corrected:
        return "it may carry another name in the picture than the record's"
    if ImageWarning.BURNED_IN in warned and not by_hand:
        return "it carries text in the picture; choose it by hand if it may leave"
    return ""


def number_of(value: int | None) -> str:
    """Return a number of the header in words, "" for none."""
    return "" if value is None else str(value)


def _asked(tx: ReadTx, contents: StudyContents, wanted: Sequence[str]) -> tuple[list[_Asked], int]:
    """Return the images that are wanted, and how many that are marked are too many."""
    series = [(one, shown_of(contents, one)) for one in contents.series]
    if wanted:
        uids = frozenset(wanted)
        by_hand = [(of, one) for of, shown in series for one in shown if one.sop_instance_uid in uids]
        return [_Asked(of, one, ChosenBy.PERSON) for of, one in by_hand], 0
    here = {one.sop_instance_uid: (of, one) for of, shown in series for one in shown if of.modality not in _NO_PICTURE}
    marked = _marked(tx, contents.study.key, here)
    if marked:
        return marked[:MOST_MARKED], max(0, len(marked) - MOST_MARKED)
    middles = [(of, shown[len(shown) // 2]) for of, shown in series if shown and of.modality not in _NO_PICTURE]
    return [_Asked(of, one, ChosenBy.REPRESENTATIVE) for of, one in middles[:MOST_PICTURES]], 0


def _marked(tx: ReadTx, study_key: int, here: Mapping[str, tuple[Series, Instance]]) -> list[_Asked]:
    """Return what received documents mark, each once, in their order. Source: PS3.3 C.17.6."""
    found: dict[tuple[str, int], _Asked] = {}
    for key in key_objects.of_study(tx, study_key):
        document = key_objects.get(tx, key)
        if document.stands and is_evidence(document.title):
            for one, frame in ((image, frame) for image in document.images for frame in image.frames or (0,)):
                _mark(found, here.get(one.sop_instance_uid), frame, document.title)
    return list(found.values())


def _mark(found: dict[tuple[str, int], _Asked], shown: tuple[Series, Instance] | None, frame: int, title: Code) -> None:
    if shown is None:
        return
    series, instance = shown
    frame = frame if 0 <= frame <= max(1, instance.number_of_frames) else 0
    words = clean(title.code_meaning) or clean(title.code_value)
    found.setdefault((instance.sop_instance_uid, frame), _Asked(series, instance, ChosenBy.KEY_OBJECT, frame, words))


def _named(one: _Asked) -> str:
    series, image = number_of(one.series.series_number), number_of(one.instance.instance_number)
    return f"Series {series or 'without number'}, image {image or 'without number'}"


def _picture(asked: _Asked, values: Mapping[str, str]) -> KeyPicture:
    series, one = asked.series, asked.instance
    side = values.get("Laterality") or one.image_laterality or series.laterality
    middle = one.number_of_frames // 2 + 1 if one.number_of_frames > 1 else 1
    return KeyPicture(
        sop_instance_uid=one.sop_instance_uid,
        series_instance_uid=series.series_instance_uid,
        digest=one.digest,
        study_date=values["StudyDate"],
        modality=series.modality,
        series_description=clean(series.series_description),
        series_number=number_of(series.series_number),
        instance_number=number_of(one.instance_number),
        side=_SIDES.get(side, ""),
        frame=asked.frame or middle,
        chosen_by=asked.chosen_by,
        marked_as=asked.marked_as,
        is_lossy=ImageWarning.LOSSY in one.warnings.split(),
    )
