"""What a payer wants to see for a service, row by row: what satisfies it, or what is missing and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Need(StrEnum):
    """One thing on a payer's checklist. prior-reports: of the prior studies of the region."""

    ORDER = "order"
    REPORT = "report"
    PRIOR_REPORTS = "prior-reports"
    IMAGES = "images"
    OFFICE_NOTE = "office-note"
    CREATININE = "creatinine"


@dataclass(frozen=True, slots=True)
class NeedRule:
    """A checklist. codes: first and last code of each range of services, () for all; payers: ids, () for all."""

    needs: tuple[Need, ...]
    codes: tuple[tuple[str, str], ...] = ()
    payers: frozenset[str] = frozenset()
    office_note_days: int = 90


@dataclass(frozen=True, slots=True)
class EvidenceHere:
    """
    What is known here for an authorization, each in words, () for nothing.

    unsigned: reports that nobody has signed; priors, priors_without_report: earlier studies of the region, which nobody can
    look up while is_region_known is False.
    """

    order: tuple[str, ...] = ()
    reason: tuple[str, ...] = ()
    reports: tuple[str, ...] = ()
    unsigned: int = 0
    images: tuple[str, ...] = ()
    priors: int = 0
    priors_without_report: tuple[str, ...] = ()
    is_region_known: bool = True


@dataclass(frozen=True, slots=True)
class NeedRow:
    """One row of a filled checklist. by: what satisfies it. gap: what is missing and what to do, "" if nothing is."""

    need: Need
    by: tuple[str, ...] = ()
    gap: str = ""

    @property
    def is_met(self) -> bool:
        return not self.gap


def rule_for(rules: Mapping[str, NeedRule], payer_id: str, codes: Iterable[str]) -> NeedRule | None:
    """
    Return the checklist of a service at a payer: one of that payer's before one of all, one of codes before one of all.

    None where no rule fits.
    """
    wanted = [code for code in codes if code]
    fitting = [one for one in rules.values() if _fits(one, payer_id, wanted)]
    return max(fitting, key=lambda one: (bool(one.payers), bool(one.codes)), default=None)


def _fits(rule: NeedRule, payer_id: str, codes: list[str]) -> bool:
    if rule.payers and payer_id not in rule.payers:
        return False
    return not rule.codes or any(first <= code <= last for code in codes for first, last in rule.codes)


def fill(rule: NeedRule, here: EvidenceHere) -> tuple[NeedRow, ...]:
    """Return the checklist with what is here, in its own order."""
    return tuple(_row(need, rule, here) for need in rule.needs)


def _row(need: Need, rule: NeedRule, here: EvidenceHere) -> NeedRow:
    if need == Need.ORDER:
        gap = "" if here.reason else "the order gives no reason: ask whoever ordered it for the indication"
        return NeedRow(need, (*here.order, *here.reason), gap if here.order else "no order is linked: link it below")
    if need == Need.REPORT:
        return NeedRow(need, here.reports, "" if here.reports else _no_report(here.unsigned))
    if need == Need.IMAGES:
        return NeedRow(need, here.images, "" if here.images else "no study is attached: attach one")
    if need == Need.PRIOR_REPORTS:
        return _prior_reports(here)
    if need == Need.OFFICE_NOTE:
        days = rule.office_note_days
        return NeedRow(need, (), f"no office note is kept here: send one of the last {days} days along")
    return NeedRow(need, (), "no creatinine is kept here: send the result along if contrast is given")


def _no_report(unsigned: int) -> str:
    if unsigned:
        return "the report is not signed yet: wait for it, or ask the radiologist"
    return "no report is here: it comes with the exam's result message (ORU)"


def _prior_reports(here: EvidenceHere) -> NeedRow:
    if not here.is_region_known:
        return NeedRow(Need.PRIOR_REPORTS, (), "what is examined is not known yet: link its order, or attach a study")
    if not here.priors:
        return NeedRow(Need.PRIOR_REPORTS, ("no earlier study of the region in 24 months is known",))
    found = here.priors - len(here.priors_without_report)
    by = (f"{found} of {here.priors} earlier studies of the region have a report here",) if found else ()
    missing = ", ".join(here.priors_without_report)
    return NeedRow(Need.PRIOR_REPORTS, by, f"no report of {missing}: ask for it where it was read" if missing else "")
