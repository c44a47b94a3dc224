"""What the intake desk asks whoever made the images. An answer is evidence for a person; it binds nothing."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class AnswerKind(StrEnum):
    """What a person answered: one of those shown was imaged, none of them was, or something in words."""

    PATIENT = "patient"
    NEITHER = "neither"
    WORDS = "words"


class SettledAs(StrEnum):
    """How a question came to need nobody any more."""

    ANSWERED = "answered"
    WITHDRAWN = "withdrawn"
    DECIDED = "decided"


_WHICH = "Which of these people was in the room?"
# One question for each reason that a case can have, as one would ask it across the corridor.
_BY_RULE: Mapping[str, str] = {
    "V01": "Was this a test, or a patient?",
    "V02": "The images of this study name more than one person. Whose are they, and were two exams put into one?",
    "V03": "Did you pick the wrong line on the worklist?",
    "V04": "Who is this? Nobody we know resembles what the images say.",
    "V05": "The numbers in the images lead to orders of different people. Whose exam was this?",
    "V06": "The accession number is one person's, the patient number another's. Who was in the room?",
    "V07": "Nothing but the name leads to a patient. Was it this person?",
    "V08": "Somebody else fits what the images say better. Which of these people was in the room?",
    "V09": "A namesake was born on the day that the images say. Which of the two was in the room?",
    "V10": "The images and the record do not agree well enough. Was it this person?",
}


def wording_for(rule: str) -> str:
    """Return what is asked about a case that *rule* holds."""
    return _BY_RULE.get(rule, _WHICH)
