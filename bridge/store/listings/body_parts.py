"""Body parts that charts are told in words alone, as no code is known for what devices write: what a mapping lacks."""

from __future__ import annotations

import re
from collections import Counter

from sqlalchemy import func, select

from bridge.codecs.fhir import body_parts
from bridge.store.db import ReadTx
from bridge.store.searches.imaging_studies import body_parts_seen
from bridge.store.tables import series

# A Code String (PS3.5 6.2); a longer or freer text may hold anything, and is counted without its words.
_CODE_STRING = re.compile(r"[A-Z0-9 _]{1,16}")
OTHER_TEXT = "other text"


def without_code(tx: ReadTx) -> dict[str, int]:
    """Return how many series have each Body Part Examined that no code is known for, the most first."""
    unknown = [one for one in body_parts_seen(tx) if body_parts.code_of(one) is None]
    if not unknown:
        return {}
    part = series.c.body_part_examined
    found: Counter[str] = Counter()
    for said, number in tx.execute(select(part, func.count()).where(part.in_(unknown)).group_by(part)):
        found[said if _CODE_STRING.fullmatch(said) else OTHER_TEXT] += int(number)
    return dict(found.most_common())
