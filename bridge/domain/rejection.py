"""Rejection notes: word from a device or an archive that images are not to be used. Source: IHE RAD TF-3 4.66, PS3.16 CID 7010."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

KEY_OBJECT_SELECTION: Final = "1.2.840.10008.5.1.4.1.1.88.59"
# What an instance that is a rejection note is withheld as: it is kept and sent on, and no part of what a study shows.
NOTE: Final = "note"
# An original that a copy stands for in a study of its own, and such a copy once both were joined again.
SPLIT_OFF: Final = "split"
JOINED: Final = "joined"


class RejectionReason(StrEnum):
    """Why instances were rejected: the code of the note's title, in DCM."""

    QUALITY = "113001"
    PATIENT_SAFETY = "113037"
    WRONG_WORKLIST_ENTRY = "113038"
    RETENTION = "113039"

    @property
    def questions_patient(self) -> bool:
        """Say whether the note says that the images may be another patient's."""
        return self in (RejectionReason.PATIENT_SAFETY, RejectionReason.WRONG_WORKLIST_ENTRY)

    @property
    def meets_later_images(self) -> bool:
        """Say whether the note is about images that come after it: what only expired may be sent again."""
        return self != RejectionReason.RETENTION

    @property
    def words(self) -> str:
        """Return the reason as a person would say it."""
        return _WORDS[self]


_WORDS: Final = {
    RejectionReason.QUALITY: "for quality",
    RejectionReason.PATIENT_SAFETY: "for patient safety",
    RejectionReason.WRONG_WORKLIST_ENTRY: "for a wrong worklist entry",
    RejectionReason.RETENTION: "as their retention ended",
}


class RejectionState(StrEnum):
    """
    What became of a note in one study.

    APPLIED: what it names is withheld. NOT_ALLOWED: its sender may not reject these; a person may. UNDONE: a person took
    it back. OVERRULED: a person said whose the images are all the same.
    """

    APPLIED = "applied"
    NOT_ALLOWED = "not_allowed"
    UNDONE = "undone"
    OVERRULED = "overruled"


@dataclass(frozen=True, slots=True)
class RejectedInstance:
    """One instance that a note names, with the study it is said to be of."""

    study_instance_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class RejectionNote:
    """What a rejection note says. named: each instance once, in the note's order."""

    reason: RejectionReason
    named: tuple[RejectedInstance, ...]

    @property
    def study_instance_uids(self) -> tuple[str, ...]:
        """Return the studies that it speaks of, each once."""
        return tuple(dict.fromkeys(one.study_instance_uid for one in self.named))


@dataclass(frozen=True, slots=True)
class Rejection:
    """
    A note in one study, as kept. sop_instance_uid, note_key: the note's own. instances: how many it names there.

    own_only: it is about what its sender brought alone.
    decided_by, decided_at, why: who applied it, took it back or overruled it, "" and None while nobody has.
    """

    key: int
    sop_instance_uid: str
    note_key: int
    study_instance_uid: str
    reason: RejectionReason
    state: RejectionState
    received_at: datetime
    received_from: str
    own_only: bool = False
    instances: int = 0
    decided_by: str = ""
    decided_at: datetime | None = None
    why: str = ""


def speaks_for_all(roles: frozenset[str]) -> bool:
    """Say whether a peer with *roles* may reject what others sent: the house's devices and archives do, a referrer not."""
    return bool(roles & {"modality", "archive"})


def gravest(reasons: Iterable[str]) -> str:
    """Return the one of several reasons that an instance is withheld for, "" for none."""
    known = set(reasons)
    return next((one.value for one in _GRAVEST_FIRST if one.value in known), "")


_GRAVEST_FIRST: Final = (
    RejectionReason.PATIENT_SAFETY,
    RejectionReason.WRONG_WORKLIST_ENTRY,
    RejectionReason.QUALITY,
    RejectionReason.RETENTION,
)
