"""The vetoes, in their order. Each returns why a study must be held, or nothing; none can be switched off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bridge.domain.bind_rules import shortfall
from bridge.domain.birth_dates import BirthDateGrade
from bridge.domain.case import Case, Graded
from bridge.domain.name_grades import is_better
from bridge.domain.wording import (
    belongs_to,
    fit_of,
    label,
    named_by,
    names_of,
    other_orders_words,
    short_name,
    signal_words,
)

_SURE_DATES = frozenset({BirthDateGrade.EQUAL, BirthDateGrade.SWAP})


@dataclass(frozen=True, slots=True)
class Held:
    """A veto that applies."""

    rule: str
    reason: str


def first_veto(case: Case) -> tuple[Held | None, tuple[str, ...]]:
    """Return the first veto that applies, and the codes of all that were tried up to it."""
    tried: list[str] = []
    for code, check in _VETOES:
        tried.append(code)
        reason = check(case)
        if reason:
            return Held(code, reason), tuple(tried)
    return None, tuple(tried)


def target_of(case: Case) -> int | None:
    """Return the one patient whom the keys lead to; None if they lead to nobody or to several."""
    keys = set(case.fitting_order_patients) | set(case.identity_patients)
    if case.foreign and not keys:
        keys = set(case.import_patients)
    return keys.pop() if len(keys) == 1 else None


def _test_words(case: Case) -> str:
    words = sorted(case.name.parsed.words & case.rules.test_words)
    return f"the name holds a test word ({', '.join(words)}); this is no patient's study." if words else ""


def _several_patients(case: Case) -> str:
    if not case.other_people:
        return ""
    names = " and ".join(_written(other.patient_name, other.patient_id) for other in case.other_people[:3])
    header = case.evidence.header
    return (
        "images of this study name more than one patient: "
        f"{_written(header.patient_name, header.patient_id)}, but also {names}."
    )


def _written(patient_name: str, patient_id: str) -> str:
    return f"{short_name(patient_name)} ({patient_id or 'no ID'})"


def _signals(case: Case) -> str:
    if not case.signals:
        return _record_in_question(case)
    words = dict.fromkeys(signal_words(signal.code) for signal in case.signals)
    return f"{' and '.join(words)}."


def _record_in_question(case: Case) -> str:
    target = _target(case)
    if target is None or not target.patient.in_question:
        return ""
    return (
        f"{named_by(case, target.key)}, but name and birth date of that record became another person's, and nobody has "
        "said yet which person it is."
    )


def _nobody(case: Case) -> str:
    if case.ranked:
        return ""
    shown = " Whoever comes nearest is shown." if case.nearest else ""
    return f"no patient here fits this header, and none of its numbers is known.{shown}"


def _orders_of_several(case: Case) -> str:
    if len(case.order_patients) < 2 or len(case.fitting_order_patients) == 1:
        return ""
    patients = [case.graded[key].patient for key in case.order_patients]
    return (
        f"its order numbers belong to different patients, {names_of(patients, case.rules)}, and name and birth date "
        "do not single one of them out."
    )


def _keys_disagree(case: Case) -> str:
    orders, identities = set(case.fitting_order_patients), set(case.identity_patients)
    if case.foreign:
        orders = set(case.import_patients) if len(case.import_patients) == 1 else set()
    if identities and orders and not orders & identities:
        return _contradiction(case, min(orders), sorted(identities))
    if any(lead.is_parted for lead in case.identities):
        names = names_of([lead.patient for lead in case.identities], case.rules)
        return f"its patient ID came to {names} by a merge, and registration said since that the two are two people."
    if any(lead.contradicts for lead in case.identities):
        patients = [lead.patient for lead in case.identities]
        return f"its patient numbers belong to different patients: {names_of(patients, case.rules)}."
    return other_orders_words(case, target_of(case))


def _contradiction(case: Case, by_order: int, by_identity: list[int]) -> str:
    sides = [case.graded[key] for key in (by_order, *by_identity)]
    claims = ", ".join(belongs_to(case, one.key) for one in sides)
    return f"{claims}. {_whom_it_fits(sides)} Someone may have picked the wrong worklist entry, or typed the ID."


def _whom_it_fits(sides: list[Graded]) -> str:
    names = [one for one in sides if one.is_namesake]
    dates = [one for one in sides if one.birth_date in _SURE_DATES]
    both = [one for one in names if one in dates]
    if both:
        return f"Name and birth date fit {_short(both)}."
    name = f"The name fits {_short(names)}." if names else "The name fits neither."
    return f"{name} The birth date fits {_short(dates)}." if dates else name


def _short(patients: list[Graded]) -> str:
    return " and ".join(short_name(one.patient.patient.patient_name) for one in patients)


def _demographics_alone(case: Case) -> str:
    if case.keyed:
        return ""
    best = case.graded[case.ranked[0]]
    where = " It comes from another hospital, whose numbers mean nothing here." if case.foreign else ""
    return (
        f"no number and no order names a patient.{where} {label(best.patient, case.rules)} fits best "
        f"({fit_of(best)}), but name and birth date alone never decide."
    )


def _better_fit(case: Case) -> str:
    target = _target(case)
    if target is None:
        return ""
    for other in _namesakes(case, target, _SURE_DATES):
        if is_better(other.name.grade, target.name.grade) or other.demographics > target.demographics:
            return (
                f"{named_by(case, target.key)} ({fit_of(target)}), but another patient fits better: "
                f"{label(other.patient, case.rules)} ({fit_of(other)})."
            )
    return ""


def _namesake_with_the_date(case: Case) -> str:
    target = _target(case)
    if target is None or target.birth_date == BirthDateGrade.EQUAL:
        return ""
    for other in _namesakes(case, target, frozenset({BirthDateGrade.EQUAL})):
        return (
            f"{named_by(case, target.key)} ({fit_of(target)}), but a namesake, {label(other.patient, case.rules)}, has "
            "exactly the birth date of the header."
        )
    return ""


def _namesakes(case: Case, target: Graded, dates: frozenset[BirthDateGrade]) -> list[Graded]:
    """Return everybody else with such a name and birth date, the best fit first."""
    others = [one for one in case.graded.values() if one.key != target.key and one.is_namesake]
    fitting = [one for one in others if one.birth_date in dates]
    return sorted(fitting, key=lambda one: (-one.demographics, one.key))


def _grades_fall_short(case: Case) -> str:
    target = _target(case)
    if target is None:
        patients = [case.graded[key].patient for key in sorted(case.keyed)]
        return f"its keys fit several patients: {names_of(patients, case.rules)}."
    reason = shortfall(case, target)
    if not reason:
        return ""
    return f"{named_by(case, target.key)}, but {reason}."


def _target(case: Case) -> Graded | None:
    key = target_of(case)
    return None if key is None else case.graded[key]


_VETOES: tuple[tuple[str, Callable[[Case], str]], ...] = (
    ("V01", _test_words),
    ("V02", _several_patients),
    ("V03", _signals),
    ("V04", _nobody),
    ("V05", _orders_of_several),
    ("V06", _keys_disagree),
    ("V07", _demographics_alone),
    ("V08", _better_fit),
    ("V09", _namesake_with_the_date),
    ("V10", _grades_fall_short),
)
