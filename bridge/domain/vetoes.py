"""The vetoes, in their order. Each returns why a study must be held, or nothing; none can be switched off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bridge.domain.bind_rules import shortfall
from bridge.domain.birth_dates import BirthDateGrade, grade_birth_date
from bridge.domain.case import Case, Graded
from bridge.domain.evidence import NamedIdentity
from bridge.domain.identity_keys import is_placeholder_id, same_number
from bridge.domain.name_grades import NameGrade, grade_texts, is_better
from bridge.domain.wording import fit_of, keys_of, label, names_of, short_name, signal_words

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
    others = list(other_people(case))
    if not others:
        return ""
    names = " and ".join(f"{short_name(other.patient_name)} ({other.patient_id or 'no ID'})" for other in others[:3])
    header = case.evidence.header
    return (
        f"images of this study name more than one patient: {short_name(header.patient_name)} "
        f"({header.patient_id or 'no ID'}), but also {names}."
    )


def other_people(case: Case) -> Iterator[NamedIdentity]:
    """Yield whom the study's other instances name, where that is not the header's person written differently."""
    for other in case.evidence.other_identities:
        if not _is_same_person(case, other):
            yield other


def _is_same_person(case: Case, other: NamedIdentity) -> bool:
    header, rules = case.evidence.header, case.rules
    placeholders = rules.placeholder_birth_dates
    name = grade_texts(header.patient_name, other.patient_name, rules).grade
    birth_date = grade_birth_date(header.patient_birth_date, [other.patient_birth_date], placeholders)
    ids = (header.patient_id, other.patient_id)
    if is_placeholder_id(ids[0], rules) or is_placeholder_id(ids[1], rules):
        return name in (NameGrade.EQUAL, NameGrade.CLOSE, NameGrade.NA) and birth_date != BirthDateGrade.DIFF
    if same_number(*ids, rules):
        issuers = {rules.authority_of(header.issuer_of_patient_id), rules.authority_of(other.issuer_of_patient_id)}
        if len(issuers - {""}) > 1:
            return False
        fits = name not in (NameGrade.NONE, NameGrade.FAMILY)
        return fits and (birth_date != BirthDateGrade.DIFF or name == NameGrade.EQUAL)
    return False


def _signals(case: Case) -> str:
    if not case.signals:
        return ""
    words = dict.fromkeys(signal_words(signal.code) for signal in case.signals)
    return f"{' and '.join(words)}."


def _nobody(case: Case) -> str:
    return "" if case.ranked else "no patient here fits this header, and none of its numbers is known."


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
    if any(lead.contradicts for lead in case.identities):
        patients = [lead.patient for lead in case.identities]
        return f"its patient numbers belong to different patients: {names_of(patients, case.rules)}."
    return ""


def _contradiction(case: Case, by_order: int, by_identity: list[int]) -> str:
    ordered = case.graded[by_order]
    identified = [case.graded[key] for key in by_identity]
    order_keys = keys_of(case, by_order)
    names = names_of([one.patient for one in identified], case.rules)
    best = max((ordered, *identified), key=lambda one: (one.demographics, -one.key))
    fit = f"Of name and birth date: {fit_of(best)} with {short_name(best.patient.patient.patient_name)}'s record."
    return (
        f"{order_keys} is {label(ordered.patient, case.rules)}'s, but {keys_of(case, by_identity[0])} is {names}'s. "
        f"{fit} Someone may have picked the wrong worklist entry, or typed the ID."
    )


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
                f"{keys_of(case, target.key)} names {label(target.patient, case.rules)} ({fit_of(target)}), but another "
                f"patient fits better: {label(other.patient, case.rules)} ({fit_of(other)})."
            )
    return ""


def _namesake_with_the_date(case: Case) -> str:
    target = _target(case)
    if target is None or target.birth_date == BirthDateGrade.EQUAL:
        return ""
    for other in _namesakes(case, target, frozenset({BirthDateGrade.EQUAL})):
        return (
            f"{keys_of(case, target.key)} names {label(target.patient, case.rules)} ({fit_of(target)}), but a namesake, "
            f"{label(other.patient, case.rules)}, has exactly the birth date of the header."
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
    return f"{keys_of(case, target.key)} names {label(target.patient, case.rules)}, but {reason}."


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
