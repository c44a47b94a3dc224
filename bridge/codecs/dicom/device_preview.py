"""How a device shows a worklist entry: the very answer it would get, read back, beside what is stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.datadict import keyword_for_tag

from bridge.codecs.dicom import answers, charset, values
from bridge.codecs.dicom.answers import Plan, Record
from bridge.codecs.dicom.charset import CharacterSet
from bridge.codecs.dicom.device_text import Reading
from bridge.codecs.dicom.elements import vr_of
from bridge.codecs.dicom.keys import Key
from bridge.domain.device_losses import Loss, losses_of_text

PATIENT_NAME = 0x00100010
PATIENT_ID = 0x00100020
_STEP_SEQUENCE = 0x00400100
_IN_STEP = (0x00400006, 0x00400007)
_IMPLICIT = "1.2.840.10008.1.2"


def _key(tag: int) -> Key:
    return Key(tag, vr_of(tag))


_AT_ROOT = (0x00080090, PATIENT_NAME, PATIENT_ID, 0x00321032, 0x00321060)
_ASKED: Plan = answers.plan(
    (*map(_key, _AT_ROOT), Key(_STEP_SEQUENCE, "SQ", items=tuple(map(_key, _IN_STEP)))), _IMPLICIT
)


@dataclass(frozen=True, slots=True)
class Shown:
    """One text. stored: as it is kept; shown: as the device gets it; losses: () where it gets all of it."""

    keyword: str
    stored: str
    shown: str
    losses: tuple[Loss, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """character_set: (0008,0005) of the answer, "" for the default repertoire. texts: what has a value, the name first."""

    character_set: str
    texts: tuple[Shown, ...]

    @property
    def losses(self) -> tuple[Shown, ...]:
        """The texts that the device does not get whole."""
        return tuple(one for one in self.texts if one.losses)


def preview(
    encoded: bytes, reading: Reading, patient_id_length: int = 0, wanted: CharacterSet | None = None
) -> Preview:
    """
    Return how the stored item *encoded* reads on a device.

    patient_id_length: what it keeps of a number, 0 for all. wanted: the set that its query declares.
    """
    got = answers.give(_ASKED, encoded, wanted, reading).identifier
    full = got
    if reading.cuts:
        full = answers.give(_ASKED, encoded, wanted, Reading(reading.character_set)).identifier
    stored, spelled, shown = (dict(_texts(one)) for one in (encoded, full, got))
    texts = [_shown(tag, stored[tag], spelled.get(tag, ""), shown.get(tag, ""), patient_id_length) for tag in stored]
    return Preview(_declared(got), tuple(sorted(texts, key=lambda one: one.keyword != "PatientName")))


def may_lose(encoded: bytes, reading: Reading, patient_id_length: int = 0) -> bool:
    """Say whether the stored item *encoded* is worth a preview: plain letters are lost on no device that cuts nothing."""
    if reading.cuts or patient_id_length:
        return True
    if reading.character_set is None:
        return False
    record = answers.read_record(encoded)
    steps = answers.read_items(record.get(_STEP_SEQUENCE, b""))
    texts = [record.get(tag, b"") for tag in _AT_ROOT] + [step.get(tag, b"") for step in steps for tag in _IN_STEP]
    return not all(text.isascii() for text in texts)


def preview_name(patient_name: str, reading: Reading, wanted: CharacterSet | None = None) -> Preview:
    """Return how a person name reads on a device."""
    return preview(answers.encode_record({PATIENT_NAME: values.person_name(patient_name)}), reading, 0, wanted)


def _shown(tag: int, stored: str, spelled: str, shown: str, patient_id_length: int) -> Shown:
    losses = losses_of_text(stored, spelled, shown, is_name=vr_of(tag) == "PN")
    if tag == PATIENT_ID and patient_id_length and len(stored) > patient_id_length:
        losses = (*losses, Loss.NUMBER)
    return Shown(keyword_for_tag(tag), stored, shown, losses)


def _texts(encoded: bytes) -> Iterator[tuple[int, str]]:
    record = answers.read_record(encoded)
    declared = record.get(answers.CHARACTER_SET)
    # What is stored says nothing of itself: it is UTF-8. An answer without a set is in the default repertoire, which that holds.
    chosen = charset.UTF8 if declared is None else charset.parse(declared.strip(b" \0"))
    steps = answers.read_items(record.get(_STEP_SEQUENCE, b""))
    yield from _decoded(record, _AT_ROOT, chosen)
    for step in steps[:1]:
        yield from _decoded(step, _IN_STEP, chosen)


def _decoded(record: Record, tags: tuple[int, ...], chosen: CharacterSet) -> Iterator[tuple[int, str]]:
    for tag in tags:
        value = record.get(tag, b"").rstrip(b" \0")
        if value:
            yield tag, chosen.decode(value, person_name=vr_of(tag) == "PN")[0]


def _declared(got: bytes) -> str:
    return answers.read_record(got).get(answers.CHARACTER_SET, b"").decode("ascii").strip(" \0")
