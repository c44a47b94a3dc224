"""What had left of a study under a patient whose it was not: whom it reached, and when. Source: 45 CFR 164.402, 164.528."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final


class DisclosureKind(StrEnum):
    """How it reached somebody: a chart's entry, copies of images, an authorization, an HL7 notice, somebody's look."""

    CHART = "chart"
    COPY = "copy"
    AUTHORIZATION = "authorization"
    NOTICE = "notice"
    LOOK = "look"


@dataclass(frozen=True, slots=True)
class Disclosure:
    """
    One thing that somebody got. recipient: a server, an AE title, an actor. what: in words, without patient data.

    first_at, last_at: when; the same, if it was once.
    """

    kind: DisclosureKind
    recipient: str
    what: str
    first_at: datetime
    last_at: datetime
    count: int = 1


@dataclass(frozen=True, slots=True)
class Incident:
    """
    What had left under one wrong patient when a study turned out to be another's; append-only.

    wrong_patient_key: under whom it had left. right_patient_key: whose it was said to be then, None for nobody's here.
    """

    key: int
    study_key: int
    decision_key: int | None
    found_at: datetime
    found_by: str
    wrong_patient_key: int
    right_patient_key: int | None
    disclosures: tuple[Disclosure, ...] = ()


# The one task that is not about whose the images are: a note that was taken back here rejects them there still.
SHOW_AGAIN: Final = "it rejected images by a note that was taken back here: have them shown there again"

# What an archive was told by ADT stands there, beside whatever else is wrong with the images.
TOLD_AS_ONE: Final = "it was told by ADT"


@dataclass(frozen=True, slots=True)
class OutsideTask:
    """What a person must do at another system, as no message does it. done_at: None while it waits."""

    key: int
    study_key: int
    destination: str
    what: str
    opened_at: datetime
    done_at: datetime | None = None
    done_by: str = ""
    why: str = ""


_WORDS = {
    DisclosureKind.CHART: "the chart at {}",
    DisclosureKind.COPY: "copies at {}",
    DisclosureKind.AUTHORIZATION: "authorization {}",
    DisclosureKind.NOTICE: "notices to {}",
    DisclosureKind.LOOK: "seen by {}",
}


def in_words(disclosures: Iterable[Disclosure]) -> str:
    """Return one sentence's worth of what had left."""
    return ", ".join(dict.fromkeys(_WORDS[one.kind].format(one.recipient) for one in disclosures))
