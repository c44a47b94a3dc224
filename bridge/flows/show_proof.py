"""The proof in words and rows: the same on the page, on paper, as CSV and in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from bridge.codecs.x12.reasons import words_for
from bridge.domain.proof import (
    SHARES,
    SPREADS,
    Compared,
    Figures,
    Measure,
    Proof,
    Share,
    Spread,
    change,
    is_better,
    may_be_chance,
)
from bridge.errors import Malformed
from bridge.store.listings.proof import Window

_SHOWN = timedelta(days=731)

Cell = str | int | float | None
Row = tuple[Cell, ...]

NAMES: Mapping[Measure, str] = {
    Measure.DOCUMENTS: "Denied for missing documents",
    Measure.OTHER: "Denied for another reason",
    Measure.CLEAN: "Paid at the first answer",
    Measure.WARNED: "Warned before the exam",
    Measure.PAYMENT: "Days from exam to payment",
    Measure.EVIDENCE: "Hours from last image to attachment",
}
MEANINGS: Mapping[Measure, str] = {
    Measure.DOCUMENTS: "Of the claims that the first insurer decided: those that it denied at first, in whole or in part, for want "
    "of documents (CARC 163, 164, 226, 227, 250, 251, 252 and their like, or a general one with a remark about documents).",
    Measure.OTHER: "Of the same claims: those denied at first, in whole or in part, and not for want of documents.",
    Measure.CLEAN: "Of the claims that were answered: those paid in whole by the first decision, and never sent back unread.",
    Measure.WARNED: "Of the exams under an authorization that something was wrong with: those warned of before their first image.",
    Measure.PAYMENT: "From the day of the service to the first insurer's first payment that stands; half took no longer.",
    Measure.EVIDENCE: "From an exam's last image until the first attachment was at the other side; half took no longer.",
}
SHORT: Mapping[Measure, str] = {
    Measure.DOCUMENTS: "Denied for documents",
    Measure.OTHER: "Denied otherwise",
    Measure.CLEAN: "Paid at first answer",
    Measure.WARNED: "Warned in time",
    Measure.PAYMENT: "Exam to payment",
    Measure.EVIDENCE: "Image to attachment",
}
CATEGORIES: Mapping[str, str] = {
    "documentation": "documents missing",
    "information": "claim incomplete or wrong",
    "authorization": "authorization",
    "eligibility": "patient not insured there",
    "coverage": "not covered",
    "necessity": "not held to be necessary",
    "coding": "codes do not fit",
    "bundled": "part of another service",
    "duplicate": "sent twice",
    "timely-filing": "sent too late",
    "other-payer": "another insurer's",
    "limit": "limit reached",
    "other": "not sorted",
}
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@dataclass(frozen=True, slots=True)
class ProofTable:
    """One table of plain values. columns: as a file names them; a share stands as part and whole."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def window_of(begins: str, ends: str, since: str, today: date) -> Window:
    """
    Return what is asked for: two years up to *today*, unless said otherwise.

    begins, ends, since: "YYYY-MM-DD" or "". Raises: Malformed, for what is no day, and a window that ends before it begins.
    """
    last = _day(ends, "to") or today
    first = _day(begins, "from") or last - _SHOWN
    if first > last:
        raise Malformed("the first day comes after the last", code="period", where="from")
    parted = _day(since, "since")
    return Window(f"{first:%Y%m%d}", f"{last:%Y%m%d}", f"{parted:%Y%m%d}" if parted else "")


def _day(text: str, where: str) -> date | None:
    try:
        found = date.fromisoformat(text) if text else None
    except ValueError:
        found = date.min
    if found is not None and found.year < 1900:
        raise Malformed("a day is wanted, as YYYY-MM-DD", code="date", where=where)
    return found


def share_text(share: Share) -> str:
    """
    Return a share in numbers, with its percentage where it is of enough.

    >>> share_text(Share(38, 1810)), share_text(Share(3, 7)), share_text(Share(0, 0))
    ('2.1 % (38 of 1,810)', '3 of 7', 'none yet')
    """
    if share.value is None:
        return "none yet"
    numbers = f"{share.part:,} of {share.whole:,}"
    return numbers if share.is_few else f"{share.value * 100:.1f} % ({numbers})"


def spread_text(spread: Spread, unit: str) -> str:
    """
    Return how long something took.

    >>> spread_text(Spread(120, 21, 40), "days"), spread_text(Spread(1, 2.5, 2.5), "hours")
    ('21 days (nine in ten: 40; of 120)', '2.5 hours (of 1)')
    """
    if spread.half is None or spread.most is None:
        return "none yet"
    most = "" if spread.is_few else f"nine in ten: {_number(spread.most)}; "
    return f"{_number(spread.half)} {unit} ({most}of {spread.number:,})"


def figure_text(figures: Figures, measure: Measure) -> str:
    """Return one measure of a group."""
    if measure in SHARES:
        return share_text(figures.share(measure))
    return spread_text(figures.spread(measure), "days" if measure == Measure.PAYMENT else "hours")


def brief_text(figures: Figures, measure: Measure) -> str:
    """Return one measure of a group where there is little room: a spread without its longest tenth."""
    if measure in SHARES:
        return share_text(figures.share(measure))
    took = figures.spread(measure)
    unit = "days" if measure == Measure.PAYMENT else "hours"
    return "none yet" if took.half is None else f"{_number(took.half)} {unit} (of {took.number:,})"


def change_text(group: Compared, measure: Measure) -> tuple[str, str]:
    """Return how a measure changed, and what to think of it: "better", "worse" or ""."""
    if measure in SPREADS:
        return _spread_change(group.before.spread(measure), group.since.spread(measure), measure)
    before, since = group.before.share(measure), group.since.share(measure)
    difference = change(before, since)
    if difference is None:
        return "too few to compare", ""
    points = f"{difference * 100:+.1f} points".replace("-", "−")
    if may_be_chance(before, since):
        return f"{points}, may be chance", ""
    return points, "better" if is_better(measure, difference) else "worse"


def _spread_change(before: Spread, since: Spread, measure: Measure) -> tuple[str, str]:
    if before.is_few or since.is_few or before.half is None or since.half is None:
        return "too few to compare", ""
    difference = since.half - before.half
    unit = "days" if measure == Measure.PAYMENT else "hours"
    if not round(difference, 1):
        return "the same", ""
    words = "sooner" if difference < 0 else "later"
    return f"{_number(abs(difference))} {unit} {words}", "better" if difference < 0 else "worse"


def month_text(month: str) -> str:
    """
    Return a month as people write it.

    >>> month_text("202603")
    'Mar 2026'
    """
    return f"{_MONTHS[int(month[4:6]) - 1]} {month[:4]}" if len(month) == 6 and month.isdecimal() else month


def tables_of(proof: Proof) -> tuple[ProofTable, ...]:
    """Return every table of the report, values only."""
    groups: tuple[tuple[str, Sequence[Compared], Callable[[str], str]], ...] = (
        ("months", proof.months, _iso_month),
        ("payers", proof.payers, str),
        ("devices", proof.devices, str),
    )
    reasons = tuple(
        (one.category, one.code, words_for(one.code.rpartition("-")[2]), one.before, one.since) for one in proof.reasons
    )
    every = tuple(
        (one.category, "", CATEGORIES.get(one.category, ""), one.before, one.since) for one in proof.categories
    )
    return (
        ProofTable("measures", ("measure", *_MEASURED), tuple(_measure_rows(proof))),
        *(
            ProofTable(name, (name[:-1], "period", *_GROUPED), tuple(_group_rows(proof, some, say)))
            for name, some, say in groups
        ),
        ProofTable("reasons", ("category", "code", "about", "before", "since"), every + reasons),
    )


_MEASURED = ("meaning", "period", "part", "whole", "half", "nine_in_ten")
_GROUPED = (
    *("claims", "decided", "denied_for_documents", "denied_otherwise", "sent_back", "documents_asked_for"),
    *("answered", "paid_at_first_answer", "days_to_payment_half", "days_to_payment_of"),
    *("exams", "exams_warned_of", "warned_before_exam", "hours_to_attachment_half", "hours_to_attachment_of"),
)


def periods(proof: Proof, group: Compared) -> list[tuple[str, Figures]]:
    """Return a group before and since the day, or as a whole where there is none."""
    if not proof.since:
        return [("all", group.since)]
    return [("before", group.before), ("since", group.since)]


def _measure_rows(proof: Proof) -> list[Row]:
    rows: list[Row] = []
    for measure in Measure:
        for period, figures in periods(proof, proof.overall):
            if measure in SHARES:
                share = figures.share(measure)
                rows.append((NAMES[measure], MEANINGS[measure], period, share.part, share.whole, None, None))
            else:
                took = figures.spread(measure)
                rows.append((NAMES[measure], MEANINGS[measure], period, None, took.number, took.half, took.most))
    return rows


def _group_rows(proof: Proof, groups: Sequence[Compared], say: Callable[[str], str]) -> list[Row]:
    return [
        (say(group.name), period, *_counts(figures))
        for group in groups
        for period, figures in periods(proof, group)
        if figures.tally.claims or figures.tally.exams
    ]


def _counts(figures: Figures) -> Row:
    tally, clean = figures.tally, figures.share(Measure.CLEAN)
    days, hours = figures.spread(Measure.PAYMENT), figures.spread(Measure.EVIDENCE)
    return (
        *(tally.claims, tally.decided, tally.documents, tally.otherwise, tally.returned, tally.asked),
        *(clean.whole, clean.part, days.half, days.number),
        *(tally.exams, tally.warned, tally.in_time, hours.half, hours.number),
    )


def _iso_month(month: str) -> str:
    return f"{month[:4]}-{month[4:]}"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
