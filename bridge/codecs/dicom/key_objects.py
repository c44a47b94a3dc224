"""Rejection notes: Key Object Selection documents whose title rejects the instances they name. Source: PS3.3 A.35.4, C.17.6."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bridge.codecs.dicom.elements import Element, Event, Walk
from bridge.codecs.dicom.part10 import DataSetBytes, dataset_bytes, open_buffer, read_file_meta
from bridge.domain.identifiers import check_uid
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
_MOST_NAMED = 100_000
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
