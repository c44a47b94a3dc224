"""In which status a study stands in a chart: the whole table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product

import pytest

from bridge.domain.chart_status import (
    ENDED,
    ChartFacts,
    ChartStatus,
    chart_status,
    is_going,
    is_stopped,
)
from bridge.domain.performed import PerformedStatus, PerformedStep

REGISTERED, AVAILABLE = ChartStatus.REGISTERED, ChartStatus.AVAILABLE
CANCELLED, ERROR = ChartStatus.CANCELLED, ChartStatus.ENTERED_IN_ERROR
BOUND = ChartFacts(is_bound=True, shown=3, received=3)
STEP = PerformedStep(1, "2.25.9", PerformedStatus.IN_PROGRESS, "2.25.77", step_keys=(4,))


@pytest.mark.parametrize(
    ("what", "facts", "status"),
    [
        ("nothing is known", ChartFacts(), None),
        ("its modality has begun", ChartFacts(announced=True), REGISTERED),
        ("and goes on", ChartFacts(standing=REGISTERED, announced=True), REGISTERED),
        ("and has stopped without an image", ChartFacts(standing=REGISTERED, stopped=True), CANCELLED),
        ("and was stopped before it stood there", ChartFacts(stopped=True), None),
        ("begun anew after a stop", ChartFacts(standing=CANCELLED, announced=True), REGISTERED),
        ("its order was moved away", ChartFacts(standing=REGISTERED), ERROR),
        ("what was cancelled stays so", ChartFacts(standing=CANCELLED), None),
        ("what was cancelled is somebody else's", ChartFacts(standing=CANCELLED, stopped=True, misplaced=True), ERROR),
        ("stopped, and never stood there", ChartFacts(stopped=True, misplaced=True), None),
        ("the first image", BOUND, REGISTERED),
        ("more images", replace(BOUND, standing=REGISTERED), REGISTERED),
        ("the last image", replace(BOUND, standing=REGISTERED, is_whole=True), AVAILABLE),
        ("a late image", replace(BOUND, standing=AVAILABLE), AVAILABLE),
        ("the late ones are all here", replace(BOUND, standing=AVAILABLE, is_whole=True), AVAILABLE),
        ("some rejected", replace(BOUND, standing=AVAILABLE, shown=1, is_whole=True), AVAILABLE),
        ("all rejected", replace(BOUND, standing=AVAILABLE, shown=0), CANCELLED),
        ("all rejected before it stood there", replace(BOUND, shown=0), None),
        ("and one taken back", replace(BOUND, standing=CANCELLED, shown=1, is_whole=True), AVAILABLE),
        ("held", replace(BOUND, standing=AVAILABLE, is_bound=False), ERROR),
        ("held while only announced", replace(BOUND, standing=REGISTERED, is_bound=False, announced=True), ERROR),
        ("never bound", replace(BOUND, is_bound=False), None),
        ("not bound though its step is", replace(BOUND, is_bound=False, announced=True), None),
        ("bound again by an undo", replace(BOUND, standing=ERROR, is_whole=True), AVAILABLE),
        ("rejected while in error", replace(BOUND, standing=AVAILABLE, shown=0, is_bound=False), ERROR),
    ],
)
def test_status(what: str, facts: ChartFacts, status: ChartStatus | None) -> None:
    assert chart_status(facts) == status, what


def every_fact() -> list[ChartFacts]:
    counts = [(0, 0), (0, 3), (1, 3), (3, 3)]
    flags = product([None, *ChartStatus], [False, True], counts, *[[False, True]] * 3)
    return [
        ChartFacts(standing, bound, shown, received, whole, announced, stopped)
        for standing, bound, (shown, received), whole, announced, stopped in flags
    ]


@pytest.mark.parametrize("facts", every_fact())
def test_whatever_the_facts_the_rules_hold(facts: ChartFacts) -> None:
    status = chart_status(facts)
    if facts.received and not facts.is_bound:
        assert status in (None, ERROR), "images of nobody are in no chart"
    if status == AVAILABLE:
        assert facts.is_bound
        assert facts.shown
    if facts.standing == AVAILABLE:
        assert facts.shown == 0 or not facts.is_bound or status == AVAILABLE, "available is never registered again"
    if facts.standing is None:
        assert status not in ENDED, "nothing is withdrawn that never stood there"


def test_only_a_step_that_came_from_an_order_announces() -> None:
    assert is_going(STEP)
    assert not is_going(replace(STEP, step_keys=()))
    assert not is_going(replace(STEP, status=PerformedStatus.DISCONTINUED))
    assert not is_going(replace(STEP, timed_out_at=datetime(2026, 3, 2, tzinfo=UTC)))


def test_a_study_is_stopped_when_all_that_began_it_has() -> None:
    stopped = replace(STEP, status=PerformedStatus.DISCONTINUED)
    assert is_stopped([stopped])
    assert not is_stopped([stopped, STEP])
    assert not is_stopped([])
    assert not is_stopped([replace(stopped, discontinuation_code="110514")])
