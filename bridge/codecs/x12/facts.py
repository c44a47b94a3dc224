"""What X12 says in one segment each: traces, references, dates, codes, evidence, decisions, refusals, services.

Each class is one segment: `read` takes it apart, `segment` builds it. Source: ASC X12.22 for the positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Protocol

from bridge.codecs.x12.segments import Segment, build

ATTACHMENT_CONTROL_NUMBER = "AC"
LOINC = "LOI"
_COMPONENTS_OF_A_CODE = 4


class Stated(Protocol):
    """What is one segment."""

    def segment(self) -> Segment: ...


def written(*stated: Stated | None) -> list[Segment]:
    """Return the segments of what there is, in order."""
    return [one.segment() for one in stated if one is not None]


@dataclass(frozen=True, slots=True)
class Trace:
    """TRN. kind: "1" by whom it is asked, "2" the number that is answered. originator: TRN03, detail: TRN04."""

    kind: str
    number: str
    originator: str = ""
    detail: str = ""

    @classmethod
    def read(cls, segment: Segment) -> Trace:
        return cls(*(segment.element(place) for place in range(1, 5)))

    def segment(self) -> Segment:
        return build("TRN", self.kind, self.number, self.originator, self.detail)


@dataclass(frozen=True, slots=True)
class Reference:
    """REF. code: what the number is ("BB" authorization, "G1" prior authorization, "EJ" patient account)."""

    code: str
    number: str
    description: str = ""

    @classmethod
    def read(cls, segment: Segment) -> Reference:
        return cls(*(segment.element(place) for place in range(1, 4)))

    def segment(self) -> Segment:
        return build("REF", self.code, self.number, self.description)


@dataclass(frozen=True, slots=True)
class When:
    """DTP (or DTM). code: what happened ("472" service). text: as sent; form: "D8" a day, "RD8" from day to day."""

    code: str
    text: str
    form: str = "D8"

    @classmethod
    def read(cls, segment: Segment) -> When:
        return cls(segment.element(1), segment.element(3), segment.element(2))

    def segment(self) -> Segment:
        return build("DTP", self.code, self.form, self.text)

    @property
    def begins(self) -> date | None:
        """Its first day, None where it tells none."""
        return day(self.text.split("-")[0])

    @property
    def ends(self) -> date | None:
        """Its last day: the first one where it is a single day."""
        return day(self.text.split("-")[-1])


@dataclass(frozen=True, slots=True)
class Code:
    """One composite of an HI. system: "ABK" principal and "ABF" further diagnosis (ICD-10-CM), "LOI" a LOINC."""

    system: str
    code: str
    form: str = ""
    dated: str = ""

    def composite(self) -> tuple[str, ...]:
        return (self.system, self.code, self.form, self.dated)


def read_codes(segments: list[Segment]) -> tuple[Code, ...]:
    """Return what HI segments hold, in order."""
    found = []
    for segment in segments:
        for place in range(1, len(segment.elements())):
            parts = [one.strip(" ") for one in segment.components(place)[:_COMPONENTS_OF_A_CODE]]
            if len(parts) > 1 and parts[1]:
                found.append(Code(*parts))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Evidence:
    """PWK: what supports the request, or is asked for. control_number: by which a 275 finds it (PWK06)."""

    report_type: str
    transmission: str = ""
    control_number: str = ""
    description: str = ""

    @classmethod
    def read(cls, segment: Segment) -> Evidence:
        return cls(segment.element(1), segment.element(2), segment.element(6), segment.element(7))

    def segment(self) -> Segment:
        qualifier = ATTACHMENT_CONTROL_NUMBER if self.control_number else ""
        values = (self.report_type, self.transmission, "", "", qualifier, self.control_number, self.description)
        return build("PWK", *values)


@dataclass(frozen=True, slots=True)
class Review:
    """
    UM: what kind of service is reviewed.

    category: UM01 (HS, AR, SC). certification: UM02 (I initial, S revised, 3 cancel …). service_type: UM03.
    facility: (code, qualifier) of UM04, "B" for a place of service. causes: UM05. level_of_service: UM06.
    """

    category: str
    certification: str = ""
    service_type: str = ""
    facility: tuple[str, str] = ("", "")
    causes: tuple[str, ...] = ()
    level_of_service: str = ""

    @classmethod
    def read(cls, segment: Segment) -> Review:
        return cls(
            category=segment.element(1),
            certification=segment.element(2),
            service_type=segment.element(3),
            facility=(segment.component(4, 1), segment.component(4, 2)),
            causes=tuple(one.strip(" ") for one in segment.components(5)),
            level_of_service=segment.element(6),
        )

    def segment(self) -> Segment:
        first = (self.category, self.certification, self.service_type)
        return build("UM", *first, self.facility, self.causes, self.level_of_service)


@dataclass(frozen=True, slots=True)
class Decision:
    """HCR. action: HCR01, which alone says what was decided; number: HCR02, a tracking number where it is pended."""

    action: str
    number: str = ""
    reasons: tuple[str, ...] = ()

    @classmethod
    def read(cls, segment: Segment) -> Decision:
        reasons = tuple(parts[0].strip(" ") for parts in segment.repetitions(3) if parts[0].strip(" "))
        return cls(segment.element(1), segment.element(2), reasons)

    def segment(self) -> Segment:
        return build("HCR", self.action, self.number, list(self.reasons))


@dataclass(frozen=True, slots=True)
class Rejection:
    """AAA: the request could not be worked on. reason: AAA03; follow_up: AAA04. loop: where it stands, "" when written."""

    reason: str
    follow_up: str = ""
    valid: str = "N"

    @classmethod
    def read(cls, segment: Segment) -> Rejection:
        return cls(segment.element(3), segment.element(4), segment.element(1))

    def segment(self) -> Segment:
        return build("AAA", self.valid, "", self.reason, self.follow_up)


@dataclass(frozen=True, slots=True)
class Delivery:
    """HSD: how much, how often. values: its eight elements in order ("VS", "1" for one visit)."""

    values: tuple[str, ...]

    @classmethod
    def read(cls, segment: Segment) -> Delivery:
        values = [one.strip(" ") for one in segment.elements()[1:9]]
        while values and not values[-1]:
            values.pop()
        return cls(tuple(values))

    def segment(self) -> Segment:
        return build("HSD", *self.values)


@dataclass(frozen=True, slots=True)
class Service:
    """
    SV1 (or SV2, SV3): the procedure of a line. code: CPT or HCPCS where system is "HC".

    charge, quantity: as written ("1", "350.00"). unit: "UN" units. pointers: to the diagnoses, from "1".
    revenue_code: SV201. kind: which of the three it is.
    """

    code: str
    system: str = "HC"
    modifiers: tuple[str, ...] = ()
    description: str = ""
    charge: str = ""
    unit: str = ""
    quantity: str = ""
    pointers: tuple[str, ...] = ()
    revenue_code: str = ""
    kind: str = "SV1"

    @classmethod
    def read(cls, segment: Segment) -> Service:
        kind = segment.name
        at = 2 if kind == "SV2" else 1
        parts = [one.strip(" ") for one in segment.components(at)] + [""] * 7
        unit_at = 0 if kind == "SV3" else at + 2
        return cls(
            code=parts[1],
            system=parts[0],
            modifiers=tuple(one for one in parts[2:6] if one),
            description=parts[6],
            charge=segment.element(at + 1),
            unit=segment.element(unit_at) if unit_at else "",
            quantity=segment.element(unit_at + 1 if unit_at else 6),
            pointers=tuple(one.strip(" ") for one in segment.components(7)) if kind == "SV1" else (),
            revenue_code=segment.element(1) if kind == "SV2" else "",
            kind=kind,
        )

    def segment(self) -> Segment:
        blanks = ("",) * (4 - len(self.modifiers))
        procedure = (self.system, self.code, *self.modifiers, *blanks, self.description)
        if self.kind == "SV2":
            return build("SV2", self.revenue_code, procedure, self.charge, self.unit, self.quantity)
        if self.kind == "SV3":
            return build("SV3", procedure, self.charge, "", "", "", self.quantity)
        return build("SV1", procedure, self.charge, self.unit, self.quantity, "", "", self.pointers)


def day(text: str) -> date | None:
    """Return the day of a CCYYMMDD (a time may follow), None where it is none."""
    if len(text) < 8 or not (text[:8].isascii() and text[:8].isdigit()):
        return None
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return None
