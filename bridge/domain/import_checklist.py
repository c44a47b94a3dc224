"""
What the images of a study say beside what their order says, line by line in words, for whoever takes them in.

A line asks a person to look; it binds nothing, holds nothing and corrects nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone, tzinfo
from enum import StrEnum

from bridge.domain.body_parts import BodyParts, Sides
from bridge.domain.checklist_rules import ChecklistRules
from bridge.domain.image_warnings import ImageWarning
from bridge.domain.leads import exam_local, read_day, read_local
from bridge.domain.order import Order, Step
from bridge.domain.study import Series, Study


class Finding(StrEnum):
    """How one line came out."""

    FINE = "fine"
    LOOK = "look"
    UNKNOWN = "cannot_say"


class Subject(StrEnum):
    """What a line is about."""

    IDENTITY = "identity"
    LATERALITY = "laterality"
    BODY_PART = "body_part"
    DATE = "date"
    MODALITY = "modality"
    LOSSY = "lossy"
    BURNED_IN = "burned_in"


@dataclass(frozen=True, slots=True)
class Line:
    """One line. images, order: what each says, "" for nothing."""

    subject: Subject
    finding: Finding
    sentence: str
    images: str = ""
    order: str = ""


@dataclass(frozen=True, slots=True)
class CheckedStudy:
    """
    What is compared. order: the one it is bound to, else the one its accession number names; None if there is none.

    sides: Image Laterality of its objects. differences: keywords whose value leaves otherwise than it came. warnings: kinds
    to the number of objects, of *count*.
    """

    study: Study
    series: Sequence[Series] = ()
    sides: frozenset[str] = frozenset()
    order: Order | None = None
    steps: Sequence[Step] = ()
    differences: Sequence[str] = ()
    warnings: Mapping[str, int] = field(default_factory=dict)
    count: int = 0


def checklist_of(checked: CheckedStudy, rules: ChecklistRules) -> tuple[Line, ...]:
    """Return every line, in the order in which people go through them."""
    return (
        _identity(checked),
        _laterality(checked, rules),
        _body_part(checked, rules),
        _date(checked, rules),
        _modality(checked, rules),
        _lossy(checked),
        _burned_in(checked),
    )


# What a person is asked to look at: the case itself asks whose a study is, and what is lossy or has text inside is said
# with its images.
ASKED = frozenset({Subject.LATERALITY, Subject.BODY_PART, Subject.DATE, Subject.MODALITY})


def looks_of(study: Study, lines: Sequence[Line]) -> dict[str, str]:
    """Return what a person should look at, subject to sentence; nothing of a study that is closed."""
    asked = ASKED | {Subject.IDENTITY} if study.is_bound and not study.decided_by.startswith("user:") else ASKED
    found = [line for line in lines if line.finding == Finding.LOOK and line.subject in asked]
    return {} if study.closed_reason else {line.subject.value: line.sentence for line in found}


# What of the header names the person; who differs there is looked at although a rule was sure.
_PERSON = {"PatientBirthDate": "birth date", "PatientSex": "sex"}


def _identity(checked: CheckedStudy) -> Line:
    study = checked.study
    if not study.is_bound:
        return Line(Subject.IDENTITY, Finding.LOOK, study.sentence or "Nobody has said whose images these are.")
    unlike = [words for keyword, words in _PERSON.items() if keyword in checked.differences]
    if unlike:
        said = f"The {' and the '.join(unlike)} in the images differ{'s' * (len(unlike) == 1)} from the record, though {_who_decided(study)}."
        return Line(Subject.IDENTITY, Finding.LOOK, said)
    if checked.differences:
        said = "Bound; names and numbers that were written otherwise leave as the record has them."
        return Line(Subject.IDENTITY, Finding.FINE, said)
    return Line(Subject.IDENTITY, Finding.FINE, "The images name the patient as the record does.")


def _who_decided(study: Study) -> str:
    return "a person bound them" if study.decided_by.startswith("user:") else f"rule {study.rule} was sure"


_SIDE_WORDS = {frozenset("L"): "left", frozenset("R"): "right", frozenset("LR"): "both sides"}
_NO_ORDER = "No order is known to compare with."


def _laterality(checked: CheckedStudy, rules: ChecklistRules) -> Line:
    subject = Subject.LATERALITY
    marked, described = _sides_of_images(checked, rules.sides)
    ordered = rules.sides.named_in(_texts(checked), _codes(checked)) if checked.order else frozenset()
    says = _SIDE_WORDS.get(marked or described, "")
    asks = _SIDE_WORDS.get(ordered, "")
    if marked and described and not marked & described:
        said = f"The images are marked {_SIDE_WORDS[marked]}, and their description says {_SIDE_WORDS[described]}."
        return Line(subject, Finding.LOOK, said, says, asks)
    if says and asks and not (marked or described) <= ordered:
        return Line(subject, Finding.LOOK, f"The order asks for {asks}, the images say {says}.", says, asks)
    if says and asks:
        return Line(subject, Finding.FINE, f"Both say {says}." if says == asks else "The side fits.", says, asks)
    if not says and not asks and not rules.body_parts.is_paired(_parts_of_images(checked, rules.body_parts)):
        return Line(subject, Finding.FINE, "Neither images nor order name a side.")
    missing = _NO_ORDER if not checked.order else f"The {'order' if says else 'images'} name{'s' * bool(says)} no side."
    return Line(subject, Finding.UNKNOWN, missing, says, asks)


def _sides_of_images(checked: CheckedStudy, sides: Sides) -> tuple[frozenset[str], frozenset[str]]:
    """Return the sides that the images are marked with, and those that their descriptions name. Source: PS3.3 C.7.3.1."""
    header = checked.study.received
    values = {header.laterality, *checked.sides, *(one.laterality for one in checked.series)}
    marked = frozenset(side for value in values for side in ("LR" if value == "B" else value) if side in "LR")
    texts = [header.study_description, *(one.series_description for one in checked.series)]
    return marked, sides.named_in(texts)


def _texts(checked: CheckedStudy) -> list[str]:
    """Return what an order says of the exam in words."""
    assert checked.order is not None
    found = [checked.order.requested_procedure_description, checked.order.requested_procedure_code.code_meaning]
    for step in checked.steps:
        found += [step.scheduled_procedure_step_description, step.scheduled_protocol_code.code_meaning]
    return found


def _codes(checked: CheckedStudy) -> list[str]:
    assert checked.order is not None
    protocols = [step.scheduled_protocol_code.code_value for step in checked.steps]
    return [checked.order.requested_procedure_code.code_value, *protocols]


def _parts_of_images(checked: CheckedStudy, parts: BodyParts) -> frozenset[str]:
    """Return the parts by Body Part Examined, where that says nothing by what the device calls the study."""
    header = checked.study.received
    examined = [header.body_part_examined, *(one.body_part_examined for one in checked.series)]
    return parts.named_in(examined, examined) or parts.named_in([header.study_description])


def _body_part(checked: CheckedStudy, rules: ChecklistRules) -> Line:
    subject, parts = Subject.BODY_PART, rules.body_parts
    shown = _parts_of_images(checked, parts)
    says = parts.titles(shown) or checked.study.received.body_part_examined.lower()
    if checked.order is None:
        return Line(subject, Finding.UNKNOWN, _NO_ORDER, says)
    ordered = parts.named_in(_texts(checked), _codes(checked))
    asks = parts.titles(ordered)
    if not shown or not ordered:
        missing = "The images name no body part that is known here." if not shown else "The order names no body part."
        return Line(subject, Finding.UNKNOWN, missing, says, asks)
    strange = [one for one in shown if not any(parts.may_be_same(one, other) for other in ordered)]
    if strange:
        said = f"The images are of the {parts.titles(strange)}, the order is of the {asks}."
        return Line(subject, Finding.LOOK, said, says, asks)
    return Line(subject, Finding.FINE, "The body part fits the order.", says, asks)


def _date(checked: CheckedStudy, rules: ChecklistRules) -> Line:
    subject, header = Subject.DATE, checked.study.received
    taken = exam_local(header)
    scheduled = _scheduled_days(checked)
    says = f"{taken:%Y-%m-%d}" if taken is not None else ""
    asks = " or ".join(f"{day}" for day in scheduled)
    if taken is None:
        return Line(subject, Finding.UNKNOWN, "The images name no date.", says, asks)
    arrived = _arrived_local(checked.study, rules.zone)
    if arrived is not None and taken > arrived + rules.clock_ahead:
        ahead = _span(taken - arrived)
        said = f"By its own clock the device made them {ahead} after they came here: its clock goes wrong."
        return Line(subject, Finding.LOOK, said, says, asks)
    born = read_day(header.patient_birth_date)
    if born is not None and taken.date() < born:
        return Line(subject, Finding.LOOK, "The exam is dated before the patient's birth.", says, asks)
    if not scheduled:
        return Line(subject, Finding.UNKNOWN, "No order says when it was to be.", says, asks)
    apart = min(abs((taken.date() - day).days) for day in scheduled)
    if apart > rules.days and not checked.study.foreign:
        said = f"The exam is dated {apart} days from the day it was scheduled for."
        return Line(subject, Finding.LOOK, said, says, asks)
    return Line(subject, Finding.FINE, "The day fits the schedule.", says, asks)


def _arrived_local(study: Study, zone: tzinfo) -> datetime | None:
    """Return when the first object came, by a clock that goes right where the device stands. Source: PS3.3 C.12.1.1.8."""
    if study.first_instance_at is None:
        return None
    said = study.received.timezone_offset_from_utc
    if len(said) == 5 and said[0] in "+-" and said[1:].isdecimal() and int(said[1:3]) < 15 and int(said[3:]) < 60:
        offset = timedelta(hours=int(said[1:3]), minutes=int(said[3:]))
        zone = timezone(-offset if said[0] == "-" else offset)
    return study.first_instance_at.astimezone(zone).replace(tzinfo=None)


def _scheduled_days(checked: CheckedStudy) -> list[date]:
    found = (read_local(step.scheduled_start_local) for step in checked.steps if step.scheduled_start_local)
    return sorted({one.date() for one in found if one is not None})


def _span(time: timedelta) -> str:
    minutes = int(time.total_seconds()) // 60
    for size, words in ((1440, "days"), (60, "hours")):
        if minutes >= 2 * size:
            return f"{round(minutes / size)} {words}"
    return f"{minutes} minutes"


def _modality(checked: CheckedStudy, rules: ChecklistRules) -> Line:
    subject = Subject.MODALITY
    shown = {one.modality for one in checked.series} or {checked.study.received.modality}
    shown = {one for one in shown if one and one not in rules.beside}
    ordered = {step.modality for step in checked.steps if step.modality}
    says, asks = ", ".join(sorted(shown)), ", ".join(sorted(ordered))
    if not shown or not ordered:
        missing = "The images are none of an exam by themselves." if not shown else "No order names a modality."
        return Line(subject, Finding.UNKNOWN, missing, says, asks)
    if all(_is_alike(one, ordered, rules.alike) for one in shown):
        return Line(subject, Finding.FINE, "The modality fits the order.", says, asks)
    return Line(subject, Finding.LOOK, f"The order asks for {asks}, the images are {says}.", says, asks)


def _is_alike(modality: str, ordered: Iterable[str], alike: Sequence[frozenset[str]]) -> bool:
    return any(modality == one or any({modality, one} <= group for group in alike) for one in ordered)


def _lossy(checked: CheckedStudy) -> Line:
    number = checked.warnings.get(ImageWarning.LOSSY, 0)
    if number:
        said = f"{number} of {checked.count} images are lossy compressed: fine detail may be lost."
        return Line(Subject.LOSSY, Finding.LOOK, said, "lossy")
    return Line(Subject.LOSSY, Finding.FINE, "No image says that detail was lost.")


def _burned_in(checked: CheckedStudy) -> Line:
    subject, warnings = Subject.BURNED_IN, checked.warnings
    if number := warnings.get(ImageWarning.BURNED_IN, 0):
        said = f"{number} of {checked.count} images carry text in the picture: read whether it names the right person."
        return Line(subject, Finding.LOOK, said, "text in the picture")
    if warnings.get(ImageWarning.MAY_BE_BURNED_IN):
        return Line(
            subject, Finding.UNKNOWN, "Such images often carry a name in the picture, and none says it does not."
        )
    return Line(subject, Finding.FINE, "No image says that it carries text in the picture.")
