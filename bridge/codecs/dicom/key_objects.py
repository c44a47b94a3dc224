"""Key Object Selection documents: their title, and which instances they name. Source: PS3.3 A.35.4, PS3.3 C.17.6."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from bridge.codecs.dicom import charset
from bridge.codecs.dicom.charset import CharacterSet
from bridge.codecs.dicom.elements import Element, Event, Limits, Walk
from bridge.codecs.dicom.part10 import DataSetBytes, dataset_bytes, open_buffer, read_file_meta
from bridge.codecs.dicom.tree import Node, read_tree
from bridge.domain.code import Code
from bridge.domain.identifiers import check_uid
from bridge.domain.key_images import KeyImage, KeyImages
from bridge.domain.rejection import RejectedInstance, RejectionNote, RejectionReason
from bridge.errors import Incomplete, Malformed

_EVIDENCE = 0x0040A375
_SERIES = 0x00081115
_INSTANCES = 0x00081199
_STUDY_UID = 0x0020000D
_INSTANCE_UID = 0x00081155
_TITLE = 0x0040A043
_CONTENT, _TEXT, _FRAMES = 0x0040A730, 0x0040A160, 0x00081160
_SERIES_UID, _SOP_UID, _CLASS_UID = 0x0020000E, 0x00080018, 0x00081150
_MEANING = 0x00080104
_CODE = 0x00080100
_SCHEME = 0x00080102
_WANTED = frozenset({_EVIDENCE, _SERIES, _INSTANCES, _STUDY_UID, _INSTANCE_UID, _TITLE, _CODE, _SCHEME})
_MOST_NAMED = 100_000
_LONGEST = 256
_LIMITS = Limits(depth=16, items=200_000)
_DCM = "DCM"
_REASONS = {one.value: one for one in RejectionReason}


@dataclass(slots=True)
class _Evidence:
    """What a document says. title: code and its scheme by tag; named: a study's UID and its instances', as written."""

    title: dict[int, str] = field(default_factory=dict)
    named: list[tuple[str, str]] = field(default_factory=list)
    study: str = ""
    instances: list[str] = field(default_factory=list)

    def end_study(self) -> None:
        """Take in an item of the evidence: its study may be named behind its instances."""
        self.named += [(self.study, uid) for uid in self.instances]
        self.study, self.instances = "", []


def read_rejection_note(path: Path) -> RejectionNote | None:
    """
    Return what a Key Object Selection rejects, None where its title is none of a rejection note.

    Raises: Malformed, if it names more than 100,000 instances, or something that is no UID; Incomplete, if it names
    none, or no study of one. Source: PS3.16 CID 7010, PS3.3 C.17.6.2.
    """
    with open_buffer(path) as data:
        said = _read(dataset_bytes(data, read_file_meta(data)))
    reason = _REASONS.get(said.title.get(_CODE, ""))
    if reason is None or said.title.get(_SCHEME) != _DCM:
        return None
    if not said.named:
        raise Incomplete("a rejection note that names nothing", code="missing", where="ReferencedSOPSequence")
    if len(said.named) > _MOST_NAMED:
        raise Malformed("names too many instances", code="too_many_references", where="ReferencedSOPSequence")
    named = (
        RejectedInstance(_uid(study, "StudyInstanceUID"), _uid(uid, "SOPInstanceUID")) for study, uid in said.named
    )
    return RejectionNote(reason, tuple(dict.fromkeys(named)))


def read_key_images(path: Path, *, default_charset: CharacterSet = charset.LATIN_1) -> KeyImages:
    """
    Return the images of its own study that a Key Object Selection names, with the frames of each.

    Raises: Malformed, if it cannot be read or names something that is no UID. Source: PS3.3 C.17.6, PS3.16 TID 2010.
    """
    with open_buffer(path) as data:
        meta = read_file_meta(data)
        dataset = dataset_bytes(data, meta)
        root = read_tree(
            bytes(dataset.data[dataset.start : dataset.end]),
            meta.transfer_syntax_uid,
            _LIMITS,
            default_charset=default_charset,
        )
    content = root.items_of(_CONTENT)
    title = next(iter(root.items_of(_TITLE)), None)
    study = _uid(root.text(_STUDY_UID), "StudyInstanceUID")
    return KeyImages(
        study_instance_uid=study,
        series_instance_uid=_uid(root.text(_SERIES_UID), "SeriesInstanceUID"),
        sop_instance_uid=_uid(root.text(_SOP_UID), "SOPInstanceUID"),
        title=Code() if title is None else Code(*(title.text(tag) for tag in (_CODE, _SCHEME, _MEANING))),
        description=next((one.text(_TEXT) for one in content if one.text(_TEXT)), ""),
        images=tuple(_key_images(root, study, _frames(content))),
    )


def _key_images(root: Node, study: str, frames: dict[str, tuple[int, ...]]) -> Iterator[KeyImage]:
    of_study = (one for one in root.items_of(_EVIDENCE) if one.text(_STUDY_UID) == study)
    named = (
        (series, image) for one in of_study for series in one.items_of(_SERIES) for image in series.items_of(_INSTANCES)
    )
    for series, image in islice(named, _MOST_NAMED):
        uid = _uid(image.text(_INSTANCE_UID), "ReferencedSOPInstanceUID")
        yield KeyImage(
            _uid(series.text(_SERIES_UID), "SeriesInstanceUID"),
            uid,
            _uid(image.text(_CLASS_UID), "ReferencedSOPClassUID"),
            frames.get(uid, ()),
        )


def _frames(content: Iterable[Node]) -> dict[str, tuple[int, ...]]:
    """Return the frames that are named of each image. Source: PS3.3 C.17.4 (Referenced Frame Number)."""
    images = (image for one in content for image in one.items_of(_INSTANCES))
    return {image.text(_INSTANCE_UID): _numbers(image) for image in images}


def _numbers(image: Node) -> tuple[int, ...]:
    said = image[_FRAMES].value.decode("latin-1").strip(" \0").split("\\") if _FRAMES in image else []
    return tuple(int(one) for one in map(str.strip, said) if one.isascii() and one.isdecimal() and len(one) < 10)


def _read(dataset: DataSetBytes) -> _Evidence:
    said = _Evidence()
    where: list[int] = []
    for element in Walk(dataset.data, dataset.start, dataset.end, dataset.syntax, wanted=_WANTED):
        if element.event is Event.SEQUENCE:
            where.append(element.tag)
        elif element.event is Event.SEQUENCE_END:
            where.pop()
        elif element.event is Event.ITEM_END and where == [_EVIDENCE]:
            said.end_study()
        elif element.event is Event.VALUE:
            _take(said, where, element, dataset)
    return said


def _take(said: _Evidence, where: list[int], element: Element, dataset: DataSetBytes) -> None:
    if where == [_TITLE] and element.tag in (_CODE, _SCHEME):
        said.title.setdefault(element.tag, _text(dataset, element))
    elif where == [_EVIDENCE] and element.tag == _STUDY_UID:
        said.study = _text(dataset, element)
    elif where == [_EVIDENCE, _SERIES, _INSTANCES] and element.tag == _INSTANCE_UID:
        said.instances.append(_text(dataset, element))


def _uid(value: str, keyword: str) -> str:
    return check_uid(value, keyword, tolerate_leading_zeros=True)


def _text(dataset: DataSetBytes, element: Element) -> str:
    raw = bytes(dataset.data[element.value_at : element.value_at + min(element.length, _LONGEST)])
    return raw.decode("latin-1").strip(" \0")
