"""The tables that our documents are set in, on US Letter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import LETTER
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, KeepTogether, Table, TableStyle

from bridge.codecs.pdf.paragraphs import paragraph, strong

MARGIN = 18 * mm
WIDTH = LETTER[0] - 2 * MARGIN
_RULE = HexColor("#9aa5b1")
_SHADE = HexColor("#eef1f4")
_NOTHING = "\u2013"


def facts(title: str, *rows: tuple[str, str]) -> Flowable:
    """Return names and values under a heading; a row without a value is left out."""
    said = [(strong(name, "small"), paragraph(value, "body")) for name, value in rows if value]
    table = Table(
        [(strong(title, "heading"), ""), *said],
        colWidths=[42 * mm, WIDTH - 42 * mm],
        hAlign="LEFT",
    )
    table.setStyle(
        TableStyle(
            [
                ("SPAN", (0, 0), (-1, 0)),
                ("LINEBELOW", (0, 0), (-1, 0), 0.6, _RULE),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
                ("TOPPADDING", (0, 0), (-1, -1), 1.5),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
            ]
        )
    )
    return table


def table_of(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    widths_mm: Sequence[float],
    *,
    title: str = "",
    style: str = "small",
) -> Flowable:
    """Return a table with heads that stand on every page it runs over; nothing in a cell is a dash."""
    body: list[list[Any]] = [[strong(head, "small") for head in heads]]
    body += [[paragraph(cell or _NOTHING, style) for cell in row] for row in rows]
    scale = WIDTH / (sum(widths_mm) * mm)
    table = Table(body, colWidths=[one * mm * scale for one in widths_mm], repeatRows=1, hAlign="LEFT")
    table.setStyle(
        TableStyle(
            [
                ("BACKGROUND", (0, 0), (-1, 0), _SHADE),
                ("LINEBELOW", (0, 0), (-1, -1), 0.4, _RULE),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LEFTPADDING", (0, 0), (-1, -1), 3),
                ("RIGHTPADDING", (0, 0), (-1, -1), 3),
            ]
        )
    )
    return KeepTogether([paragraph(title, "heading"), table]) if title else table
