"""The pictures of the proof."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bridge.domain.proof import Compared, Figures, Measure, Proof, Share
from bridge.flows.show_proof import month_text, periods, share_text, spread_text
from bridge.web.bars import Bar, Pair, Part, columns, pairs

_GROUPS_MAX = 12


@dataclass(frozen=True, slots=True)
class Pictures:
    """Each as SVG, None where there is nothing to draw."""

    denials: Markup | None
    clean: Markup | None
    payment: Markup | None
    payers: Markup | None
    devices: Markup | None


def pictures(proof: Proof) -> Pictures:
    """Return every picture of a report."""
    decided = [month for month in proof.months if month.whole.tally.decided]
    paid = [month for month in proof.months if month.whole.spread(Measure.PAYMENT).number]
    return Pictures(
        _by_month("Claims denied at first, by month of the exam", decided, _denials, proof.since),
        _by_month("Claims paid at the first answer, by month of the exam", decided, _clean, proof.since),
        _by_month("Days from exam to payment, by month of the exam", paid, _payment, proof.since, unit=""),
        _by_group("Denied for missing documents, by payer", proof, proof.payers),
        _by_group("Denied for missing documents, by device", proof, proof.devices),
    )


def _by_month(
    about: str, months: Sequence[Compared], draw: Callable[[Compared], Bar], since: str, unit: str = "%"
) -> Markup | None:
    bars = [draw(month) for month in months]
    return columns(about, bars, unit, _mark(months, since)) if bars else None


def _mark(months: Sequence[Compared], since: str) -> float | None:
    """Return after how many bars the day lies, None where it lies at an end of them."""
    if not since:
        return None
    before = sum(1 for month in months if month.name < since[:6])
    if before < len(months) and months[before].name == since[:6]:
        return before + (int(since[6:]) - 1) / 31
    return float(before) if 0 < before < len(months) else None


def _denials(month: Compared) -> Bar:
    figures = month.whole
    documents, other = figures.share(Measure.DOCUMENTS), figures.share(Measure.OTHER)
    says = f"{month_text(month.name)}: for missing documents {share_text(documents)}; otherwise {share_text(other)}"
    return Bar(_label(month), says, (_part("main", documents), _part("rest", other)))


def _clean(month: Compared) -> Bar:
    share = month.whole.share(Measure.CLEAN)
    return Bar(_label(month), f"{month_text(month.name)}: {share_text(share)}", (_part("main", share),))


def _payment(month: Compared) -> Bar:
    took = month.whole.spread(Measure.PAYMENT)
    says = f"{month_text(month.name)}: {spread_text(took, 'days')}"
    return Bar(_label(month), says, (Part("main", took.half or 0.0, took.is_few),))


def _by_group(about: str, proof: Proof, groups: Sequence[Compared]) -> Markup | None:
    decided = [group for group in groups if group.whole.tally.decided][:_GROUPS_MAX]
    every = [Pair(group.name, tuple(_end(*one) for one in periods(proof, group))) for group in decided]
    return pairs(about, every) if every else None


def _end(period: str, figures: Figures) -> tuple[Part, str]:
    share = figures.share(Measure.DOCUMENTS)
    said = share_text(share)
    return _part("rest" if period == "before" else "main", share), said if period == "all" else f"{period} {said}"


def _part(kind: str, share: Share) -> Part:
    return Part(kind, (share.value or 0.0) * 100, share.is_few)


def _label(month: Compared) -> str:
    text = month_text(month.name)
    return f"{text[:3]} {text[-2:]}"
