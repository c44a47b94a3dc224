"""Key Object Selection documents: the instances that they reject, or mark. Source: PS3.3 A.35.4, PS3.3 C.17.6."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from bridge.codecs.dicom.elements import Element, Event, Limits, Walk
from bridge.codecs.dicom.part10 import DataSetBytes, dataset_bytes, open_buffer, read_file_meta
from bridge.codecs.dicom.tree import Node, read_tree
from bridge.domain.code import Code
from bridge.domain.identifiers import check_uid
from bridge.domain.key_images import KeyImages, MarkedImage
from bridge.domain.rejection import RejectedInstance, RejectionNote, RejectionReason
from bridge.errors import Incomplete, Malformed

_EVIDENCE = 0x0040A375
_SERIES = 0x00081115
_INSTANCES = 0x00081199
_STUDY_UID = 0x0020000D
_INSTANCE_UID = 0x00081155
_TITLE = 0x0040A043
_CODE = 0x00080100
_SCHEME = 0x00080102
_WANTED = frozenset({_EVIDENCE, _SERIES, _INSTANCES, _STUDY_UID, _INSTANCE_UID, _TITLE, _CODE, _SCHEME})
_MEANING = 0x00080104
_CONTENT, _FRAMES = 0x0040A730, 0x00081160
_DATE, _TIME, _OFFSET = 0x00080023, 0x00080033, 0x00080201
_MOST_NAMED = 100_000
_MOST_MARKED = 2000
_LIMITS = Limits(depth=16, items=200_000)
_LONGEST = 256
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


def read_key_images(path: Path) -> KeyImages:
    """
    Return what a Key Object Selection marks: what its content names, else all of its evidence.

    Raises: Malformed, if it cannot be read, marks more than 2,000 images, or something that is no UID. Source: PS3.3
    C.17.3, C.17.6, PS3.16 TID 2010.
    """
    with open_buffer(path) as data:
        meta = read_file_meta(data)
        dataset = dataset_bytes(data, meta)
        root = read_tree(bytes(dataset.data[dataset.start : dataset.end]), meta.transfer_syntax_uid, _LIMITS)
    title = next(iter(root.items_of(_TITLE)), None)
    marked: dict[str, set[int] | None] = {}
    for image in islice(_marked(root), _MOST_NAMED):
        uid, frames = _uid(image.text(_INSTANCE_UID), "ReferencedSOPInstanceUID"), set(_numbers(image))
        known = marked.get(uid, frames)
        # Named once without frames, all of them are meant.
        marked[uid] = known | frames if known and frames else None
    if len(marked) > _MOST_MARKED:
        raise Malformed("marks too many images", code="too_many_references", where="ReferencedSOPSequence")
    return KeyImages(
        title=Code() if title is None else Code(*(title.text(tag) for tag in (_CODE, _SCHEME, _MEANING))),
        made_local=root.text(_DATE) + (root.text(_TIME).partition(".")[0] if root.text(_DATE) else ""),
        timezone_offset_from_utc=root.text(_OFFSET),
        images=tuple(MarkedImage(uid, tuple(sorted(frames or ()))) for uid, frames in marked.items()),
    )


def _marked(root: Node) -> Iterator[Node]:
    """Yield the references of the content's own items; where it has none, those of the evidence."""
    chosen = [image for item in root.items_of(_CONTENT) for image in item.items_of(_INSTANCES)]
    if chosen:
        return iter(chosen)
    every = (series for study in root.items_of(_EVIDENCE) for series in study.items_of(_SERIES))
    return (image for series in every for image in series.items_of(_INSTANCES))


def _numbers(image: Node) -> tuple[int, ...]:
    """Return the frames that a reference names, () for all. Source: PS3.3 C.17.4 (Referenced Frame Number)."""
    said = image[_FRAMES].value.decode("latin-1").split("\\") if _FRAMES in image else []
    plain = (one.strip(" \0") for one in said)
    return tuple(int(one) for one in plain if one.isascii() and one.isdecimal() and len(one) < 10 and int(one) > 0)


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
