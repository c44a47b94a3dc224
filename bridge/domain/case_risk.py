"""How urgent it is that a person decides a case: what may do harm soonest stands first in the queue."""

from __future__ import annotations

from enum import IntEnum

URGENT_PRIORITIES = frozenset({"STAT", "HIGH"})


class CaseRisk(IntEnum):
    """
    Lowest first, as the queue is read; the numbers are kept and never change.

    SAFETY: a signal says that the wrong patient may have been imaged. WITHDRAWN: it stood in somebody's chart and was
    taken back. LEFT: images have left the house under a name that is in doubt. URGENT: an order it may be of is urgent.
    """

    SAFETY = 0
    WITHDRAWN = 1
    LEFT = 2
    URGENT = 3
    ROUTINE = 4


def risk_of(*, has_signal: bool, was_published: bool, has_left: bool, is_urgent: bool) -> CaseRisk:
    """
    Return the gravest risk that is so.

    >>> risk_of(has_signal=False, was_published=False, has_left=True, is_urgent=True).name
    'LEFT'
    """
    found = (
        (has_signal, CaseRisk.SAFETY),
        (was_published, CaseRisk.WITHDRAWN),
        (has_left, CaseRisk.LEFT),
        (is_urgent, CaseRisk.URGENT),
    )
    return next((risk for is_so, risk in found if is_so), CaseRisk.ROUTINE)
