"""What a payer asks to see of an authorization or a claim: which evidence, under which of its numbers, by when.

Source: HL7 Da Vinci CDex, task attachment request; PAS, request for additional information.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bridge.domain.authorization import number_key


class AskState(StrEnum):
    """waits: nobody knows for certain whose it is; answered: the payer has what was sent; closed: the payer took it back."""

    WAITS = "waits"
    OPEN = "open"
    ANSWERED = "answered"
    DECLINED = "declined"
    CLOSED = "closed"


OPEN_STATES = (AskState.WAITS, AskState.OPEN)


@dataclass(frozen=True, slots=True)
class EvidenceRequest:
    """
    One request. payer: its name in the settings; task_id: the Task there. tracking_id, tracking_system: the number under
    which it wants its answer; administrative_reference: its own. attach_to: "preauthorization" or "claim"; claim_number:
    which one. member_id, patient_name ("FAMILY^GIVEN"), birth_date ("YYYYMMDD"): whom it names. codes: LOINC or PWK01; lines:
    of the request, () for all. service_on: "YYYYMMDD". wants_signature: its answer is to be signed. why: why it waits, or was declined. same_as: the request that this
    one repeats. told: the Task's status as we last wrote it.
    """

    key: int
    payer: str
    task_id: str
    tracking_id: str
    tracking_system: str = ""
    administrative_reference: str = ""
    attach_to: str = "preauthorization"
    claim_number: str = ""
    member_id: str = ""
    patient_name: str = ""
    birth_date: str = ""
    codes: tuple[str, ...] = ()
    lines: tuple[int, ...] = ()
    service_on: str = ""
    wants_signature: bool = False
    purpose_of_use: str = "COVAUTH"
    due_at: datetime | None = None
    heard_at: datetime | None = None
    state: AskState = AskState.OPEN
    why: str = ""
    authorization_key: int | None = None
    same_as: int | None = None
    told: str = ""

    @property
    def is_over(self) -> bool:
        """Say whether nobody wants an answer any more: its payer took it back, or a person declined it."""
        return self.state in (AskState.CLOSED, AskState.DECLINED)

    @property
    def gaps(self) -> tuple[str, ...]:
        """Return what of it no packet answers, in sentences."""
        found = [gap for code in self.codes if (gap := gap_of(code))]
        return (*found, _UNSIGNED) if self.wants_signature else tuple(found)

    def repeats(self, other: EvidenceRequest) -> bool:
        """Say whether it asks again for what *other* asks for: of the same claim, person and evidence."""
        return bool(self.claim_number) and self._subject == other._subject

    @property
    def _subject(self) -> tuple[object, ...]:
        numbers = (number_key(self.claim_number), number_key(self.member_id))
        return (self.payer, *numbers, self.patient_name, self.birth_date, frozenset(self.codes))


# What a packet answers. Source: LOINC, document ontology; X12 data element 755 (PWK01).
_ANSWERED = {
    "18748-4": "report of the study",
    "18726-0": "reports of radiology studies",
    "68604-8": "radiology note",
    "11528-7": "radiology report (a code that LOINC has retired)",
    "55113-5": "key images",
    "72170-4": "images",
    "55115-0": "request for imaging",
    "RR": "radiology reports",
    "RB": "radiology films",
    "DG": "diagnostic report",
    "B3": "physician's order",
}
_REPORTS = frozenset({"18748-4", "18726-0", "68604-8", "11528-7", "RR", "DG"})
_PICTURES = frozenset({"55113-5", "72170-4", "RB"})
_UNSIGNED = "the payer wants it signed, and nothing that leaves here is: ask whether it takes it so, or attest it at the payer's"
_QUESTIONNAIRE = "102089-0"
# What a packet answers if it is here: notes as tables.office_note calls them, results of a laboratory.
_NOTES = {
    "57133-1": "referral note",
    "34117-2": "history and physical",
    "11488-4": "consultation note",
    "34131-3": "outpatient progress note",
    "11506-3": "progress note",
    "09": "progress note",
}
_LABS = {
    "30954-2": "laboratory data",
    "26436-6": "laboratory studies",
    "11502-2": "laboratory report",
    "RT": "report of tests and analysis",
}
_OTHERS = {
    "OZ": "support data for a claim",
    "M1": "medical record attachment",
}
_KNOWN = (_ANSWERED, _NOTES, _LABS, _OTHERS)


def in_words(code: str) -> str:
    """Return what a code asks for, the code itself where nobody here knows it."""
    return next((words for known in _KNOWN if (words := known.get(code))), code)


def notes_asked(codes: Collection[str]) -> tuple[str, ...]:
    """Return which kinds of notes are asked for, as tables.office_note calls them but for case, () for none."""
    return tuple(dict.fromkeys(_NOTES[code] for code in codes if code in _NOTES))


def asks_labs(codes: Collection[str]) -> bool:
    """Say whether results of a laboratory are asked for."""
    return any(code in _LABS for code in codes)


def asks_reports_alone(codes: Collection[str]) -> bool:
    """Say whether a report is asked for and no image: all that is asked for is known here, and none of it is a picture."""
    asked = frozenset(codes)
    is_known = asked <= {_QUESTIONNAIRE, *(code for known in _KNOWN for code in known)}
    return is_known and bool(asked & _REPORTS) and not asked & _PICTURES


def gap_of(code: str) -> str:
    """Return why no packet answers *code*, in a sentence, "" if one does, or would with what may still come."""
    if code in _ANSWERED or code in _NOTES or code in _LABS:
        return ""
    if code == _QUESTIONNAIRE:
        return "the payer asks for its own questionnaire, which is filled in at the payer or in the record system"
    known = _OTHERS.get(code)
    said = f"{known} ({code})" if known else f"{code}, a code that is not known here"
    return f"the payer asks for {said}: no packet holds it; send it by another way, or decline with a reason"
