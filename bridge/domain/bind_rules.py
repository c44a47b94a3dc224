"""The bind rules: which grades suffice for which keys. FAMILY and NONE never bind."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.domain.birth_dates import BirthDateGrade, SexGrade
from bridge.domain.case import Case, Graded
from bridge.domain.name_grades import NameGrade
from bridge.domain.wording import fit_of

_ANY_DATE = frozenset(BirthDateGrade)
_NOT_DIFFERENT = _ANY_DATE - {BirthDateGrade.DIFF}
_SAME_OR_SLIPPED = frozenset({BirthDateGrade.EQUAL, BirthDateGrade.SWAP, BirthDateGrade.NEAR})
_SAME_YEAR_AT_LEAST = _SAME_OR_SLIPPED | {BirthDateGrade.PARTIAL}
_ONLY_EQUAL = frozenset({BirthDateGrade.EQUAL})

# Name grade → birth date grades that suffice.
_BOTH_KEYS: Mapping[NameGrade, frozenset[BirthDateGrade]] = {
    NameGrade.EQUAL: _ANY_DATE,
    NameGrade.CLOSE: _NOT_DIFFERENT,
    NameGrade.GIVEN: _SAME_OR_SLIPPED,
    NameGrade.NA: _SAME_YEAR_AT_LEAST,
}
_ONE_KEY: Mapping[NameGrade, frozenset[BirthDateGrade]] = {
    NameGrade.EQUAL: _NOT_DIFFERENT,
    NameGrade.CLOSE: _SAME_YEAR_AT_LEAST,
    NameGrade.GIVEN: _ONLY_EQUAL,
}
_IMPORT: Mapping[NameGrade, frozenset[BirthDateGrade]] = {
    NameGrade.EQUAL: _ONLY_EQUAL,
    NameGrade.CLOSE: _ONLY_EQUAL,
}
_NO_DATES: frozenset[BirthDateGrade] = frozenset()


def bind_rule_of(case: Case, patient_key: int) -> str:
    """Return the rule by whose keys a patient was reached, "" if by none."""
    by_identity = patient_key in case.identity_patients
    if case.foreign:
        if by_identity:
            return "B04"
        return "B05" if patient_key in case.import_patients else ""
    by_order = patient_key in case.fitting_order_patients
    if by_order and by_identity:
        return "B01"
    if by_order:
        return "B02"
    return "B03" if by_identity else ""


def shortfall(case: Case, target: Graded) -> str:
    """Return why the grades of *target* do not suffice for its rule, "" if they do."""
    rule = bind_rule_of(case, target.key)
    if rule in case.rules.disable:
        return f"rule {rule} is switched off here"
    table = {"B01": _BOTH_KEYS, "B05": _IMPORT}.get(rule, _ONE_KEY)
    if target.birth_date not in table.get(target.name.grade, _NO_DATES):
        return fit_of(target)
    if rule == "B01":
        return _shortfall_of_both_keys(target)
    if target.patient.multiple_birth and not _may_be_this_twin(rule, target):
        return "it is one of a multiple birth, and the given name is not equal"
    if rule == "B05":
        return _shortfall_of_import(case, target)
    if target.name.grade == NameGrade.GIVEN and not _may_have_changed_surname(case, target):
        return "only the given name agrees, and nothing speaks for a changed surname"
    return ""


def _shortfall_of_both_keys(target: Graded) -> str:
    if target.name.grade != NameGrade.NA:
        return ""
    if target.sex == SexGrade.DIFF:
        return "the name cannot be compared and the sex differs"
    return "the name cannot be compared, and it is one of a multiple birth" if target.patient.multiple_birth else ""


def _may_be_this_twin(rule: str, target: Graded) -> bool:
    if rule != "B05" and target.name.grade == NameGrade.CLOSE:
        return False
    return target.name.given_is_equal


def _may_have_changed_surname(case: Case, target: Graded) -> bool:
    sexes = {case.evidence.header.patient_sex.strip().upper()[:1], target.patient.patient.patient_sex.upper()[:1]}
    return "F" in sexes and target.sex != SexGrade.DIFF


def _shortfall_of_import(case: Case, target: Graded) -> str:
    if target.sex == SexGrade.DIFF:
        return "the sex differs"
    if len(case.imports) != 1:
        return "several import orders wait that it may belong to"
    equal = [
        one
        for one in case.graded.values()
        if one.name.grade == NameGrade.EQUAL and one.birth_date == BirthDateGrade.EQUAL and one.sex != SexGrade.DIFF
    ]
    return "several patients have this name and birth date" if len(equal) > 1 else ""
