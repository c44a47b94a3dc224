"""Bars as SVG, drawn here: they stretch with the page while their letters do not, and take its colours, light and dark.

Widths are percentages and heights pixels, so nothing has a style of its own and no script is needed. Each bar says its
numbers on hover; whoever sees no picture has the table beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

_LEFT, _EDGE = 9.0, 95.0
_PLOT_PX, _TOP_PX, _FOOT_PX = 150, 14, 24
_LABELS_MAX = 6
# What a lying bar leaves is for the text at its end, on a phone too.
_LYING = 46
_STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a bar. kind: its class ("main", "rest"); few: of too few cases, and drawn so."""

    kind: str
    value: float
    few: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, its parts upon one another. label: under it; says: everything about it, in words."""

    label: str
    says: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """What is compared under one name: each bar with the text at its end."""

    name: str
    bars: tuple[tuple[Part, str], ...]


def columns(about: str, bars: Sequence[Bar], unit: str = "", mark_at: float | None = None) -> Markup:
    """
    Return upright bars side by side. about: what the picture is of, for whoever does not see it.

    unit: of the axis ("%"). mark_at: after so many bars stands the line that parts before from since; None for none.
    """
    top = ceiling(max((sum(part.value for part in bar.parts) for bar in bars), default=0.0))
    high = _TOP_PX + _PLOT_PX + _FOOT_PX
    wide = (100 - _LEFT) / max(1, len(bars))
    every = -(-len(bars) // _LABELS_MAX)
    drawn = [*_axis(top, unit)]
    for number, bar in enumerate(bars):
        left = _LEFT + number * wide
        drawn.append(_column(bar, (left + wide * 0.14, wide * 0.72), top))
        if number % every == 0:
            at, anchor = (left + wide / 2, "middle") if left + wide / 2 < _EDGE else (100.0, "end")
            text = Markup('<text class="tick" x="{:.2f}%" y="{}" text-anchor="{}">{}</text>')
            drawn.append(text.format(at, high - 6, anchor, bar.label))
    if mark_at is not None:
        at = _LEFT + mark_at * wide
        drawn.append(
            Markup('<line class="mark" x1="{0:.2f}%" x2="{0:.2f}%" y1="0" y2="{1}"/>').format(at, _TOP_PX + _PLOT_PX)
        )
    return _picture("columns", about, high, drawn)


def pairs(about: str, every: Sequence[Pair]) -> Markup:
    """Return lying bars, those of one name under it."""
    most = max((part.value for pair in every for part, _ in pair.bars), default=0.0) or 1.0
    drawn, y = [], 0
    for pair in every:
        drawn.append(Markup('<text class="name" x="0" y="{}">{}</text>').format(y + 14, pair.name))
        y += 20
        for part, text in pair.bars:
            wide = part.value / most * _LYING
            drawn.append(
                Markup('<rect class="{}" x="0" y="{}" width="{:.2f}%" height="12"/>').format(_class(part), y, wide)
            )
            drawn.append(Markup('<text class="tick" x="{:.2f}%" dx="6" y="{}">{}</text>').format(wide, y + 10, text))
            y += 16
        y += 12
    return _picture("pairs", about, max(1, y), drawn)


def ceiling(value: float) -> float:
    """
    Return a round number that is not less, for the top of an axis.

    >>> ceiling(7.3), ceiling(0.021), ceiling(23), ceiling(0), ceiling(100)
    (10.0, 0.025, 25.0, 1.0, 100.0)
    """
    if value <= 0:
        return 1.0
    scale = 1.0
    while scale * 10 < value:
        scale *= 10
    while scale >= value:
        scale /= 10
    return next(round(step * scale, 10) for step in _STEPS if step * scale >= value - 1e-12)


def _axis(top: float, unit: str) -> list[Markup]:
    lines = []
    for share in (0.0, 0.5, 1.0):
        y = _TOP_PX + _PLOT_PX * (1 - share)
        lines.append(
            Markup(
                '<line class="grid" x1="{0}%" x2="100%" y1="{1}" y2="{1}"/>'
                '<text class="tick" x="{0}%" dx="-6" y="{2}" text-anchor="end">{3}</text>'
            ).format(_LEFT, y, y + 4, f"{top * share:g}{unit}")
        )
    return lines


def _column(bar: Bar, place: tuple[float, float], top: float) -> Markup:
    left, wide = place
    drawn, y = Markup(""), float(_TOP_PX + _PLOT_PX)
    for part in bar.parts:
        high = _PLOT_PX * part.value / top
        y -= high
        drawn += Markup('<rect class="{}" x="{:.2f}%" y="{:.1f}" width="{:.2f}%" height="{:.1f}"/>').format(
            _class(part), left, y, wide, high
        )
    return Markup("<g><title>{}</title>{}</g>").format(bar.says, drawn)


def _class(part: Part) -> str:
    return f"{part.kind} few" if part.few else part.kind


def _picture(kind: str, about: str, high: int, drawn: Sequence[Markup]) -> Markup:
    return Markup('<svg class="bars {}" role="img" aria-label="{}" width="100%" height="{}">{}</svg>').format(
        kind, about, high, Markup("").join(drawn)
    )
