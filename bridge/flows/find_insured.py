"""Whose an authorization is: by the order, by a number, by the member, never by a name alone."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.domain.authorization_news import AuthorizationNews
from bridge.domain.birth_dates import BirthDateGrade, grade_birth_date
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.name_grades import NameGrade, grade_texts
from bridge.domain.order import Order
from bridge.domain.patient import Patient
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.store import coverages, orders, patients
from bridge.store.db import ReadTx

_NAMES_FIT = frozenset({NameGrade.EQUAL, NameGrade.CLOSE, NameGrade.GIVEN, NameGrade.NA})
_DATES_FIT = frozenset(
    {BirthDateGrade.EQUAL, BirthDateGrade.SWAP, BirthDateGrade.NEAR, BirthDateGrade.PARTIAL, BirthDateGrade.NA}
)


@dataclass(frozen=True, slots=True)
class Insured:
    """
    Whose news are: a live record, or why nobody can say. contradicts: what leads to somebody does not agree.
    """

    patient_key: int | None = None
    why: str = ""
    contradicts: bool = False


def find_insured(
    tx: ReadTx, said: AuthorizationNews, rules: ReconcileRules, order: Order | None = None, chosen: int | None = None
) -> Insured:
    """
    Return the live record that news belong to.

    order: the order that named them; chosen: the record a person chose. Everything that leads to a record must lead to the
    same one, and a name and birth date beside it must not be another person's. A member number counts only where one live
    record has it, with an equal name and birth date. Source: HL7 Da Vinci CDex, attachment requests.
    """
    if chosen is not None:
        return Insured(patients.survivor(tx, chosen).key)
    if order is not None:
        return Insured(patients.survivor(tx, order.patient_key).key)
    led = {patients.survivor(tx, key).key for key in _by_numbers(tx, said, rules)}
    named = order_named(tx, said, None)
    if named is not None:
        led.add(patients.survivor(tx, named.patient_key).key)
    if len(led) > 1:
        return Insured(why="its numbers lead to different patients", contradicts=True)
    if led:
        found = patients.get(tx, led.pop())
        if _is_somebody_else(found, said, rules):
            return Insured(why="name or birth date are another person's than its numbers'", contradicts=True)
        return Insured(found.key)
    by_member = _by_member(tx, said, rules)
    if by_member is not None:
        return Insured(by_member)
    return Insured(why="nothing in it says for certain whose it is")


def order_named(tx: ReadTx, said: AuthorizationNews, patient_key: int | None) -> Order | None:
    """Return the one order that news name, of one patient's orders if patient_key is given; None where it is not certain."""
    found = None
    if said.placer_order_number or said.filler_order_number:
        found = orders.find(tx, said.filler_order_number, said.placer_order_number, ("", ""))
    same = [found] if found is not None else []
    if not same and said.accession_number:
        same = orders.by_accession(tx, said.accession_number)
    if patient_key is not None:
        same = [one for one in same if patients.survivor(tx, one.patient_key).key == patient_key]
    return same[0] if len(same) == 1 else None


def _by_numbers(tx: ReadTx, said: AuthorizationNews, rules: ReconcileRules) -> list[int]:
    found = []
    for number in said.patient_numbers:
        issuer = rules.authority_of(number.issuer_of_patient_id) or rules.authority
        holder = patients.find(tx, PatientIdentifier(number.patient_id, issuer))
        if holder is not None:
            found.append(holder.key)
    return found


def _is_somebody_else(patient: Patient, said: AuthorizationNews, rules: ReconcileRules) -> bool:
    name, birth_date = grades_of(patient, said, rules)
    return name not in _NAMES_FIT or birth_date not in _DATES_FIT


def _by_member(tx: ReadTx, said: AuthorizationNews, rules: ReconcileRules) -> int | None:
    live = {patients.survivor(tx, key).key for key in coverages.records_of_member(tx, said.payer_id, said.member_id)}
    if len(live) != 1:
        return None
    found = patients.get(tx, live.pop())
    fits = grades_of(found, said, rules) == (NameGrade.EQUAL, BirthDateGrade.EQUAL)
    return found.key if fits else None


def grades_of(patient: Patient, said: AuthorizationNews, rules: ReconcileRules) -> tuple[NameGrade, BirthDateGrade]:
    """Return how well the name and the birth date that news say fit a record; the best of its names counts."""
    known = (patient.patient_name, *patient.other_patient_names)
    graded = [grade_texts(said.patient_name, name, rules).grade for name in known if name and said.patient_name]
    name = min(graded, key=_BEST_FIRST.index, default=NameGrade.NA)
    dates = (patient.patient_birth_date,)
    return name, grade_birth_date(said.birth_date, dates, rules.placeholder_birth_dates)


_BEST_FIRST = (
    NameGrade.EQUAL,
    NameGrade.CLOSE,
    NameGrade.GIVEN,
    NameGrade.FAMILY,
    NameGrade.NA,
    NameGrade.NONE,
)
