"""What a text loses on its way to a device that cannot take all of it."""

from __future__ import annotations

from enum import StrEnum
from itertools import zip_longest


class Loss(StrEnum):
    """A way in which a device shows less than is stored; `LOSS_WORDS` says it for people. The first is the worst."""

    UNREADABLE = "unreadable"
    RESPELLED = "respelled"
    LEFT_OUT = "left_out"
    CUT = "cut"
    NUMBER = "number_too_long"


LOSS_WORDS: dict[Loss, str] = {
    Loss.UNREADABLE: "has characters that the device cannot show; they read ?",
    Loss.RESPELLED: "is spelled with other letters",
    Loss.LEFT_OUT: "comes without its form in another script",
    Loss.CUT: "is cut",
    Loss.NUMBER: "is longer than the device keeps, and may be cut there",
}


TEXT_WORDS = {
    "PatientName": "the patient's name",
    "PatientID": "the patient ID",
    "ReferringPhysicianName": "the referring physician",
    "RequestingPhysician": "the requesting physician",
    "RequestedProcedureDescription": "the procedure",
    "ScheduledProcedureStepDescription": "the step",
    "ScheduledPerformingPhysicianName": "the performing physician",
}


def losses_of_text(stored: str, spelled: str, shown: str, *, is_name: bool) -> tuple[Loss, ...]:
    """
    Return what *stored* has lost when a device shows *shown*.

    spelled: as it would be shown were it not too long. is_name: a PN, whose groups are looked at one by one.
    """
    found: list[Loss] = []
    if spelled.count("?") > stored.count("?"):
        found.append(Loss.UNREADABLE)
    groups = _groups(stored, spelled) if is_name else [(stored, spelled)]
    # A group that took the place of an empty first one is itself, in another place.
    moved = {after for before, after in groups if after and not before}
    if any(after and before != after and not (not before and after in stored.split("=")) for before, after in groups):
        found.append(Loss.RESPELLED)
    if any(before and not after and before not in moved for before, after in groups):
        found.append(Loss.LEFT_OUT)
    if shown != spelled:
        found.append(Loss.CUT)
    return tuple(found)


def _groups(stored: str, spelled: str) -> list[tuple[str, str]]:
    return list(zip_longest(stored.split("="), spelled.split("="), fillvalue=""))
