"""Why money was not paid: the category of a CARC with the remarks beside it, by `tables/reasons.toml`.

The sorting and its words are ours; the texts of the code lists are licensed, and are not here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Any

from bridge.domain.claim_outcome import ReasonCategory


def category_of(reason: str, remarks: Iterable[str]) -> ReasonCategory:
    """
    Return the category of one adjustment.

    reason: CARC. remarks: the RARC of its claim or line; one about documents makes a general reason one about documents.
    """
    row = _table()["carc"].get(reason.lstrip("0").upper() or "0")
    if row is None:
        return ReasonCategory.OTHER
    if row.get("with_remark") and any(is_about_documents(remark) for remark in remarks):
        return ReasonCategory.DOCUMENTATION
    return ReasonCategory(row["category"])


def is_about_documents(remark: str) -> bool:
    """Say whether a RARC is about documents that are missing, late, incomplete or not readable."""
    return remark.upper() in _table()["rarc"]


def words_for(code: str) -> str:
    """Return in our own words what a CARC or RARC is about, "" for one that was not sorted."""
    table = _table()
    row = table["rarc"].get(code.upper()) or table["carc"].get(code.lstrip("0").upper())
    return str(row["about"]) if row else ""


@cache
def _table() -> dict[str, dict[str, dict[str, Any]]]:
    content = resources.files("bridge.codecs.x12").joinpath("tables", "reasons.toml").read_text("utf-8")
    return tomllib.loads(content)
