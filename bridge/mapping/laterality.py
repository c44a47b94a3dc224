"""Which side an exam is of, where only a modifier says so: the person at the device reads the description.

Source: HL7 2.5.1 4.5.3.45 (OBR-45), 4.5.3.46 (OBR-46); HL7 table 0340 (CPT modifiers), table 0411.
"""

from __future__ import annotations

import re
from dataclasses import replace

from bridge.domain.order import OrderDraft
from bridge.mapping.convert import Context, Raw
from bridge.mapping.grammar import Path
from bridge.mapping.targets import TARGETS

_SIDES = {
    "L": "L", "LT": "L", "LFT": "L", "LEFT": "L", "7771000": "L",
    "R": "R", "RT": "R", "RGH": "R", "RIGHT": "R", "24028007": "R",
    "B": "B", "50": "B", "BLT": "B", "BIL": "B", "BILAT": "B", "BILATERAL": "B", "51440002": "B",
}  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+")
# Words that name a side already, in the languages of the presets.
_NAMED = frozenset(
    [
        "l",
        "r",
        "lt",
        "rt",
        "left",
        "right",
        "bilateral",
        "bilat",
        "both",
        "li",
        "re",
        "links",
        "rechts",
        "bds",
        "beidseits",
        "gauche",
        "droit",
        "droite",
        "bilatéral",
        "bilatérale",
    ]
)
_LIMIT = TARGETS["requested_procedure.description"].limit


def side(context: Context, raw: Raw, path: Path) -> str | None:
    """Return L, R or B of a field's repetitions, modifiers of another kind left out; None where none names a side."""
    found = {_SIDES.get(context.message.part(repetition, path.component or 1).upper(), "") for repetition in raw} - {""}
    if not found:
        return None
    return found.pop() if len(found) == 1 else "B"


def with_side(draft: OrderDraft, named: str) -> OrderDraft:
    """Return *draft* with the side behind its descriptions, where they name none themselves and have room for it."""
    if not named:
        return draft
    steps = tuple(
        replace(step, scheduled_procedure_step_description=_said(step.scheduled_procedure_step_description, named))
        for step in draft.steps
    )
    description = _said(draft.requested_procedure_description, named)
    return replace(draft, requested_procedure_description=description, steps=steps)


def _said(description: str | None, named: str) -> str | None:
    if not description or (_NAMED | {named.casefold()}) & set(_WORD.findall(description.casefold())):
        return description
    longer = f"{description}, {named}"
    return longer if len(longer) <= _LIMIT else description
