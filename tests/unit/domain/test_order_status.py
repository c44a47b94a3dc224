"""What devices made of an order, and what its sender made of it and is not told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bridge.domain.identifiers import EntityIdentifier
from bridge.domain.order import Order, Step, StepStatus
from bridge.domain.order_status import StatusFact, code_of, status_fact
from bridge.domain.performed import PerformedStatus, PerformedStep

AT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
LATER = AT + timedelta(minutes=20)
RUNNING = PerformedStep(1, "1", PerformedStatus.IN_PROGRESS, "2.25.1", created_at=AT, updated_at=LATER)
DONE = PerformedStep(2, "2", PerformedStatus.COMPLETED, "2.25.1", created_at=AT, updated_at=LATER)
STOPPED = PerformedStep(3, "3", PerformedStatus.DISCONTINUED, "2.25.1", created_at=AT, updated_at=LATER)


def order(status: StepStatus) -> Order:
    nobody = EntityIdentifier()
    return Order(1, 1, "A1", "", nobody, nobody, "R1", "2.25.1", status)


def steps(*statuses: StepStatus) -> list[Step]:
    return [Step(n, 1, f"S{n}", status) for n, status in enumerate(statuses, 1)]


@pytest.mark.parametrize(
    ("status", "stepwise", "performed", "told"),
    [
        (StepStatus.STARTED, [StepStatus.STARTED], [RUNNING], ("IP", AT)),
        (StepStatus.COMPLETED, [StepStatus.COMPLETED], [DONE], ("CM", LATER)),
        (StepStatus.COMPLETED, [StepStatus.COMPLETED], [STOPPED, DONE], ("CM", LATER)),
        (StepStatus.DISCONTINUED, [StepStatus.DISCONTINUED], [STOPPED], ("DC", LATER)),
        (StepStatus.SCHEDULED, [StepStatus.COMPLETED, StepStatus.SCHEDULED], [DONE], ("A", LATER)),
        (StepStatus.SCHEDULED, [StepStatus.SCHEDULED], [STOPPED], ("SC", LATER)),
        (StepStatus.SCHEDULED, [StepStatus.SCHEDULED], [], None),
        (StepStatus.STARTED, [StepStatus.STARTED], [], None),
        (StepStatus.COMPLETED, [StepStatus.COMPLETED], [RUNNING], None),
        (StepStatus.SCHEDULED, [StepStatus.COMPLETED, StepStatus.SCHEDULED], [], None),
        (StepStatus.CANCELED, [StepStatus.CANCELED], [STOPPED], None),
        (StepStatus.HELD, [StepStatus.HELD], [STOPPED], None),
    ],
)
def test_only_what_devices_made_of_an_order_is_a_fact_of_ours(
    status: StepStatus, stepwise: list[StepStatus], performed: list[PerformedStep], told: tuple[str, datetime] | None
) -> None:
    expected = None if told is None else StatusFact(*told)
    assert status_fact(order(status), steps(*stepwise), performed) == expected


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (StepStatus.SCHEDULED, "A"),
        (StepStatus.STARTED, "A"),
        (StepStatus.COMPLETED, "CM"),
        (StepStatus.DISCONTINUED, "DC"),
        (StepStatus.CANCELED, "CA"),
        (StepStatus.HELD, "HD"),
    ],
)
def test_images_are_told_with_the_order_s_status_whoever_said_it(status: StepStatus, code: str) -> None:
    assert code_of(order(status), has_images=True) == code


def test_an_order_that_waits_without_images_is_scheduled() -> None:
    assert code_of(order(StepStatus.READY), has_images=False) == "SC"
    assert code_of(order(StepStatus.STARTED), has_images=False) == "IP"
