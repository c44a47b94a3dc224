"""What a payer wants to see for a service, row by row: what satisfies it, or what is missing and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from bridge.domain.body_parts import BodyParts

# How old a note or a result may be where a checklist does not say, and the results of which one is enough.
DAYS = 90
LABS = ("creatinine", "egfr")
# By how much a sender's clock, or its time zone, may be ahead of ours.
_AHEAD = timedelta(days=1)


class Need(StrEnum):
    """One thing on a payer's checklist. prior-reports: of the prior studies of the region."""

    ORDER = "order"
    REPORT = "report"
    PRIOR_REPORTS = "prior-reports"
    IMAGES = "images"
    KEY_IMAGES = "key-images"
    OFFICE_NOTE = "office-note"
    LABS = "labs"


@dataclass(frozen=True, slots=True)
class NeedRule:
    """
    A checklist. codes: first and last code of each range of services, () for all; payers: ids, () for all.

    modalities: of DICOM; regions: names of parts of the body; () for all. labs: kinds of results of which one is enough.
    notes: kinds of notes of which each is wanted, "" for any, in lower case. office_note_days, labs_days: how old they may be.
    """

    needs: tuple[Need, ...]
    codes: tuple[tuple[str, str], ...] = ()
    payers: frozenset[str] = frozenset()
    office_note_days: int = DAYS
    modalities: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    labs: tuple[str, ...] = LABS
    labs_days: int = DAYS
    notes: tuple[str, ...] = ("",)


@dataclass(frozen=True, slots=True)
class Service:
    """What is asked for, of which payer: codes of its lines, modalities and parts of the body of its exams."""

    payer_id: str
    codes: tuple[str, ...] = ()
    modalities: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Dated:
    """Something of a day that a checklist may want. kind: of a result or a note. words: as people read it, without its day. key: its row."""

    words: str
    at: datetime
    day: str
    kind: str = ""
    key: int = 0


@dataclass(frozen=True, slots=True)
class EvidenceHere:
    """
    What is known here for an authorization, each in words, () for nothing.

    unsigned: reports that nobody has signed; priors, priors_without_report: earlier studies of the region, which nobody can
    look up while is_region_known is False. key_images: those that somebody chose or marked. labs, notes: newest first.
    """

    order: tuple[str, ...] = ()
    reason: tuple[str, ...] = ()
    reports: tuple[str, ...] = ()
    unsigned: int = 0
    images: tuple[str, ...] = ()
    priors: int = 0
    priors_without_report: tuple[str, ...] = ()
    is_region_known: bool = True
    key_images: int = 0
    labs: tuple[Dated, ...] = ()
    notes: tuple[Dated, ...] = ()


@dataclass(frozen=True, slots=True)
class NeedRow:
    """
    One row of a filled checklist. by: what satisfies it. gap: what is missing and what to do, "" if nothing is.

    until: when what satisfies it is too old, None for never.
    """

    need: Need
    by: tuple[str, ...] = ()
    gap: str = ""
    until: datetime | None = None

    @property
    def is_met(self) -> bool:
        return not self.gap


def rule_for(rules: Mapping[str, NeedRule], asked: Service, parts: BodyParts) -> NeedRule | None:
    """
    Return the checklist of what is asked for, None where no rule fits.

    A payer's own rules go before those for all payers. Those that are left count together: everything that one of them
    wants, and of what several want the shortest time.
    """
    fitting = [one for one in rules.values() if _fits(one, asked, parts)]
    own = [one for one in fitting if one.payers]
    counting = own or fitting
    if not counting:
        return None
    notes = [one.office_note_days for one in counting if Need.OFFICE_NOTE in one.needs]
    labs = [one for one in counting if Need.LABS in one.needs]
    return NeedRule(
        tuple(dict.fromkeys(need for one in counting for need in one.needs)),
        office_note_days=min(notes, default=DAYS),
        labs=tuple(dict.fromkeys(kind for one in labs for kind in one.labs)) or LABS,
        labs_days=min((one.labs_days for one in labs), default=DAYS),
    )


def _fits(rule: NeedRule, asked: Service, parts: BodyParts) -> bool:
    codes = [code for code in asked.codes if code]
    return (
        (not rule.payers or asked.payer_id in rule.payers)
        and (not rule.codes or any(first <= code <= last for code in codes for first, last in rule.codes))
        and (not rule.modalities or bool(rule.modalities & asked.modalities))
        and (not rule.regions or any(parts.may_be_same(one, other) for one in rule.regions for other in asked.regions))
    )


def fill(rule: NeedRule, here: EvidenceHere, now: datetime) -> tuple[NeedRow, ...]:
    """Return the checklist with what is here at *now*, in its own order."""
    return tuple(_row(need, rule, here, now) for need in rule.needs)


def with_asked(rule: NeedRule | None, notes: tuple[str, ...], is_labs: bool) -> NeedRule | None:
    """Return a checklist with what its payer asks for beside it, None where neither wants anything. notes: kinds."""
    asked = (*([Need.OFFICE_NOTE] if notes else []), *([Need.LABS] if is_labs else []))
    if not asked:
        return rule
    rule = rule or NeedRule(())
    any_note = rule.notes if Need.OFFICE_NOTE in rule.needs else ()
    wanted = tuple(dict.fromkeys((*any_note, *notes))) or rule.notes
    return replace(rule, needs=tuple(dict.fromkeys((*rule.needs, *asked))), notes=wanted)


def notes_of_kinds(found: Iterable[Dated], rule: NeedRule, now: datetime) -> dict[str, Dated | None]:
    """Return for each kind of note that *rule* wants the newest that is fresh, None where there is none."""
    fresh = _fresh(found, rule.office_note_days, now)
    return {kind: next((one for one in fresh if one.kind.casefold().endswith(kind)), None) for kind in rule.notes}


def still_fresh(found: Iterable[Dated], days: int, now: datetime, kinds: Iterable[str]) -> tuple[Dated, ...]:
    """Return the newest of each kind, of those that are at most so many days old."""
    newest: dict[str, Dated] = {}
    for one in _fresh(found, days, now):
        if one.kind in tuple(kinds):
            newest.setdefault(one.kind, one)
    return tuple(newest.values())


def _fresh(found: Iterable[Dated], days: int, now: datetime) -> list[Dated]:
    """
    Return what is at most so many days old, the newest first; of one moment's, what was heard last.

    What is of a day to come is nothing: it would be fresh for as long as its date is wrong.
    """
    fresh = [one for one in found if now - timedelta(days=days) <= one.at <= now + _AHEAD]
    fresh.sort(key=lambda one: one.at)
    return fresh[::-1]


def _row(need: Need, rule: NeedRule, here: EvidenceHere, now: datetime) -> NeedRow:
    if need == Need.ORDER:
        gap = "" if here.reason else "the order gives no reason: ask whoever ordered it for the indication"
        return NeedRow(need, (*here.order, *here.reason), gap if here.order else "no order is linked: link it below")
    if need == Need.REPORT:
        return NeedRow(need, here.reports, "" if here.reports else _no_report(here.unsigned))
    if need == Need.IMAGES:
        return NeedRow(need, here.images, "" if here.images else "no study is attached: attach one")
    if need == Need.PRIOR_REPORTS:
        return _prior_reports(here)
    if need == Need.KEY_IMAGES:
        found = f"{here.key_images} key image{'' if here.key_images == 1 else 's'}"
        return NeedRow(need, (found,)) if here.key_images else NeedRow(need, gap=_no_key_images(here))
    if need == Need.OFFICE_NOTE:
        notes = notes_of_kinds(here.notes, rule, now)
        lacks = [f"no {kind or 'office note'}" for kind, one in notes.items() if one is None]
        fresh = tuple(dict.fromkeys(one for one in notes.values() if one is not None))
        until = min((one.at for one in fresh), default=None)
        how = "it comes as a document message (MDM)"
        return _dated(need, fresh, until, rule.office_note_days, _lack(", ".join(lacks), rule.office_note_days, how))
    fresh = still_fresh(here.labs, rule.labs_days, now, rule.labs)
    lack = "" if fresh else f"no final {' or '.join(rule.labs)}"
    until = max((one.at for one in fresh), default=None)
    how = "it comes as a result message (ORU)"
    return _dated(need, fresh, until, rule.labs_days, _lack(lack, rule.labs_days, how))


def _lack(what: str, days: int, how: str) -> str:
    return f"{what} of the last {days} days is here: {how}, or send it along" if what else ""


def _dated(need: Need, fresh: tuple[Dated, ...], oldest: datetime | None, days: int, gap: str) -> NeedRow:
    until = oldest + timedelta(days=days) if oldest is not None else None
    return NeedRow(need, tuple(f"{one.words} of {one.day}" for one in fresh), gap, until)


def _no_key_images(here: EvidenceHere) -> str:
    if not here.images:
        return "no study is attached: attach one with its key images"
    return "nobody chose or marked images for a packet: choose them when you attach the study"


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
