"""In which status a study stands in a chart, from facts alone. Source: FHIR R4 and R5 ImagingStudy.status.

registered says that images are to come, available that all of them are here. What was available is never registered
again. A study that is bound no more was an error in that chart; one without images any more was none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from bridge.domain.performed import PerformedStatus, PerformedStep
from bridge.domain.performed_reasons import INCORRECT_WORKLIST_ENTRY


class ChartStatus(StrEnum):
    """Source: value set imagingstudy-status."""

    REGISTERED = "registered"
    AVAILABLE = "available"
    CANCELLED = "cancelled"
    ENTERED_IN_ERROR = "entered-in-error"


ENDED = frozenset({ChartStatus.CANCELLED, ChartStatus.ENTERED_IN_ERROR})


@dataclass(frozen=True, slots=True)
class ChartFacts:
    """
    What decides. standing: the status in which it stands in the chart, None if it never did.

    is_bound: to the chart's patient. shown: how many of its instances show; received: how many came at all.
    is_whole: it is complete. announced: its modality has begun it for an order of the patient, and has not stopped;
    stopped: all that had begun it has stopped. misplaced: it was announced in the chart of somebody whose it is not by now.
    """

    standing: ChartStatus | None = None
    is_bound: bool = False
    shown: int = 0
    received: int = 0
    is_whole: bool = False
    announced: bool = False
    stopped: bool = False
    misplaced: bool = False


def chart_status(facts: ChartFacts) -> ChartStatus | None:
    """Return the status in which a study is to stand in its patient's chart, None if it is not to be written there."""
    if facts.received and not facts.is_bound:
        return ChartStatus.ENTERED_IN_ERROR if facts.standing is not None else None
    if facts.shown:
        return _with_images(facts)
    if facts.received or (facts.stopped and not facts.announced and not facts.misplaced):
        return ChartStatus.CANCELLED if facts.standing is not None else None
    if facts.announced:
        return ChartStatus.REGISTERED
    # An announcement that nothing holds any more: its order was moved to somebody else, or its step taken back.
    stays = (None,) if facts.misplaced else (None, ChartStatus.CANCELLED)
    return ChartStatus.ENTERED_IN_ERROR if facts.standing not in stays else None


def _with_images(facts: ChartFacts) -> ChartStatus:
    if facts.is_whole or facts.standing == ChartStatus.AVAILABLE:
        return ChartStatus.AVAILABLE
    return ChartStatus.REGISTERED


def is_going(step: PerformedStep) -> bool:
    """Say whether a modality has begun *step* for an order, and has not stopped it, or ended it, without an image."""
    return bool(step.step_keys) and step.status != PerformedStatus.DISCONTINUED and not step.timed_out_at


def is_stopped(steps: Iterable[PerformedStep]) -> bool:
    """
    Say whether everything that had begun a study has stopped, each for its own order.

    What stopped since it was the wrong worklist entry was no exam of that order's patient at all. Source: PS3.16 CID 9300.
    """
    known = list(steps)
    if any(one.discontinuation_code == INCORRECT_WORKLIST_ENTRY for one in known):
        return False
    return bool(known) and all(one.status == PerformedStatus.DISCONTINUED or one.timed_out_at for one in known)
