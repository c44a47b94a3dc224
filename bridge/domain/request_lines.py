"""The lines of a request to a payer: what was asked, with what the exams under it say, and what it still lacks.

What the authorization says is never overwritten by a guess: an exam fills in what is silent, and changes a line only where
it is now another exam than the payer was asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bridge.domain.authorization import Authorization, AuthorizationLine, number_key
from bridge.domain.authorization_exam import Exam, is_inside, line_of, period_of, side_of_modifiers
from bridge.domain.identifiers import is_npi
from bridge.domain.records import replace

_SIDES = {"L": "LT", "R": "RT", "B": "50"}


@dataclass(frozen=True, slots=True)
class UnderExam:
    """An exam under an authorization. line: what its line is named by. diagnoses: ICD-10; ordering_npi: who asked for it."""

    exam: Exam
    line: str = ""
    diagnoses: tuple[str, ...] = ()
    ordering_npi: str = ""


@dataclass(frozen=True, slots=True)
class AskedLines:
    """Lines with their sequence numbers. cancelled: those that are asked for no more."""

    lines: tuple[AuthorizationLine, ...]
    cancelled: frozenset[int] = frozenset()

    @property
    def standing(self) -> tuple[AuthorizationLine, ...]:
        """What is still asked for."""
        return tuple(one for one in self.lines if one.sequence not in self.cancelled)


@dataclass(frozen=True, slots=True)
class Lack:
    """What a request has not. is_needed: nothing leaves without it; else the payer may ask."""

    where: str
    sentence: str
    is_needed: bool = True


def lines_to_ask(
    one: Authorization,
    exams: Sequence[UnderExam],
    told: Sequence[AuthorizationLine] = (),
    told_cancelled: Iterable[int] = (),
) -> AskedLines:
    """
    Return what is to be asked for an authorization with the *exams* under it.

    told: the lines that the payer has, as they were sent; its answer may have changed the authorization's own. A line that
    no exam is for any more is cancelled if the payer has it, and else left out.
    """
    lines = {line.sequence: line for line in _numbered(told, one.lines)}
    cancelled = set(told_cancelled)
    for under in exams:
        _apply(one, under, exams, lines, cancelled)
    known = {line.sequence for line in told}
    asked = [line for number, line in sorted(lines.items()) if number in known or number not in cancelled]
    return AskedLines(tuple(asked), frozenset(cancelled & known))


def _numbered(told: Sequence[AuthorizationLine], said: Sequence[AuthorizationLine]) -> list[AuthorizationLine]:
    """Return the lines that the payer has, then those that are new, each with a number that no other one ever had."""
    known = {one.sequence for one in told}
    codes = {number_key(one.code) for one in told}
    lines, highest = list(told), max((one.sequence for one in (*told, *said)), default=0)
    for line in said:
        if line.sequence in known or line.decision == "C" or (not line.sequence and number_key(line.code) in codes):
            continue
        if not line.sequence:
            highest += 1
            line = replace(line, sequence=highest)
        lines.append(replace(line, decision="", number="", reason_codes=(), approved_units=""))
    return lines


def _apply(
    one: Authorization,
    under: UnderExam,
    exams: Sequence[UnderExam],
    lines: dict[int, AuthorizationLine],
    cancelled: set[int],
) -> None:
    """Bring the line of an exam in line with it."""
    exam = under.exam
    standing = tuple(line for number, line in lines.items() if number not in cancelled)
    asked = replace(one, lines=standing)
    line = line_of(asked, exam, under.line)
    if exam.is_cancelled:
        if line is not None and not _is_shared(asked, line, under, exams):
            cancelled.add(line.sequence)
        return
    if not exam.codes:
        return
    if line is None or number_key(line.code) not in exam.codes:
        replaced = line if line is not None else _only(asked, exams)
        if replaced is not None:
            cancelled.add(replaced.sequence)
        number = max(lines, default=0) + 1
        modifiers = exam.modifiers or tuple(filter(None, (_SIDES.get(exam.side, ""),)))
        new = AuthorizationLine(exam.codes[0], sequence=number, modifiers=modifiers, requested_units="1")
        lines[number] = _filled(new, under)
        return
    lines[line.sequence] = _moved(one, _filled(line, under), exam)


def _only(asked: Authorization, exams: Sequence[UnderExam]) -> AuthorizationLine | None:
    """Return the line that another exam took the place of: the only one, under the only exam."""
    return asked.lines[0] if len(asked.lines) == 1 and len(exams) == 1 else None


def _is_shared(asked: Authorization, line: AuthorizationLine, under: UnderExam, exams: Sequence[UnderExam]) -> bool:
    others = (each for each in exams if each is not under and not each.exam.is_cancelled)
    return any(line_of(asked, each.exam, each.line) == line for each in others)


def _filled(line: AuthorizationLine, under: UnderExam) -> AuthorizationLine:
    exam = under.exam
    days = sorted(exam.days)
    return replace(
        line,
        diagnoses=line.diagnoses or under.diagnoses,
        ordering_npi=line.ordering_npi or under.ordering_npi,
        rendering_npi=line.rendering_npi or _single(exam.performers),
        site_npi=line.site_npi or _single(exam.site_npis),
        place_of_service=line.place_of_service or _single(exam.places),
        service_from=line.service_from or (days[0] if days else ""),
        service_to=line.service_to or (days[-1] if days and not line.service_from else ""),
    )


def _moved(one: Authorization, line: AuthorizationLine, exam: Exam) -> AuthorizationLine:
    """Return *line* on the exam's side and day, where the authorization has another."""
    decided = next((each for each in one.lines if each.sequence == line.sequence), line)
    first, last = period_of(one, decided)
    if exam.days and (first or last) and not all(is_inside(day, (first, last)) for day in exam.days):
        line = replace(line, service_from=min(exam.days), service_to=max(exam.days))
    side = side_of_modifiers(line.modifiers)
    if exam.side and side and side != exam.side:
        kept = tuple(each for each in line.modifiers if not side_of_modifiers((each,)))
        line = replace(line, modifiers=(_SIDES[exam.side], *kept))
    return line


def _single(values: Sequence[str]) -> str:
    return values[0] if len(values) == 1 else ""


def lacks_of(one: Authorization, asked: AskedLines, provider_npi: str) -> tuple[Lack, ...]:
    """Return what a request lacks. one: with member and payer as they would be sent."""
    found = []
    if not one.payer_id:
        found.append(Lack("payer_id", "The authorization names no payer by its number."))
    if not one.member_id and not one.subscriber_id:
        found.append(
            Lack("member_id", "Nobody's member number is known: it stands on the card, or in the order's IN1.")
        )
    if not is_npi(provider_npi):
        found.append(Lack("npi", "Our own NPI is not set: it goes into [bridge] npi."))
    if not asked.standing:
        found.append(Lack("lines", "No procedure is asked for: its code is missing on the order, or in [codes]."))
    for line in asked.standing:
        found += _lacks_of_line(line)
    return tuple(found)


def _lacks_of_line(line: AuthorizationLine) -> list[Lack]:
    where, name = f"lines[{line.sequence}]", f"Line {line.sequence} ({line.code or 'no code'})"
    found = []
    if not line.code:
        found.append(Lack(f"{where}.code", f"{name} has no procedure code."))
    if not line.diagnoses:
        found.append(Lack(f"{where}.diagnoses", f"{name} has no diagnosis: the order gives none as ICD-10."))
    if not line.place_of_service:
        found.append(Lack(f"{where}.place", f"{name} has no place of service: [sites] names ours."))
    if not line.service_from:
        found.append(Lack(f"{where}.day", f"{name} has no day: the exam is not scheduled.", is_needed=False))
    if not line.ordering_npi:
        found.append(Lack(f"{where}.ordering", f"{name} says nobody's NPI who ordered it.", is_needed=False))
    return found
