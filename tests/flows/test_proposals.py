"""A device's reason to cancel an order is put before a person, who answers once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from pydicom.dataset import Dataset

from bridge.clock import FixedClock
from bridge.domain.performed import Proposal
from bridge.errors import Conflict
from bridge.store import events, orders, performed
from bridge.store.listings.unscheduled import unscheduled
from bridge.wiring import House
from tests.cast import PLAIN, adt, image, order, spooled
from tests.flows.asking import say, sent
from tests.flows.test_orders import cast_mpps

MakeHouse = Callable[..., House]


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    found = make_house(FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC)), fhir={})
    say(found, adt(PLAIN), order(PLAIN, "A1"))
    return found


def stop(house: House, code: str) -> None:
    house.performed_steps.create("2.25.77", sent(cast_mpps("A1")), "CT1")
    attributes, reason = cast_mpps("A1", "DISCONTINUED"), Dataset()
    reason.CodeValue, reason.CodingSchemeDesignator, reason.CodeMeaning = code, "DCM", "Duplicate order"
    attributes.PerformedProcedureStepDiscontinuationReasonCodeSequence = [reason]
    house.performed_steps.set("2.25.77", sent(attributes), "CT1")


def stands(house: House) -> tuple[str, Proposal]:
    with house.store.read() as tx:
        found = performed.by_uid(tx, "2.25.77")
        assert found is not None
        return orders.get(tx, 1).status.value, found.proposal


def test_a_duplicate_order_is_cancelled_only_when_a_person_says_so(house: House) -> None:
    stop(house, "110510")
    assert stands(house) == ("DISCONTINUED", Proposal.OPEN)
    house.exam_proposals.cancel(1, "user:kim", "it was ordered twice")
    assert stands(house) == ("CANCELED", Proposal.TAKEN)
    with house.store.read() as tx:
        lines = [line.what for line in events.timeline(tx, [1], [])]
    assert lines[-2:] == [
        "Exam discontinued on CT1: duplicate order; no image was made; it did not say its end and its series",
        "Order cancelled, as the device proposed (duplicate order): it was ordered twice",
    ]


def test_a_proposal_that_was_declined_is_answered(house: House) -> None:
    stop(house, "110507")
    house.exam_proposals.decline(1, "user:kim", "comes tomorrow")
    assert stands(house) == ("DISCONTINUED", Proposal.DECLINED)
    with pytest.raises(Conflict):
        house.exam_proposals.cancel(1, "user:kim", "no")


def test_a_reason_that_proposes_nothing_is_not_asked_about(house: House) -> None:
    stop(house, "110501")
    assert stands(house) == ("DISCONTINUED", Proposal.NONE)
    with pytest.raises(Conflict):
        house.exam_proposals.cancel(1, "user:kim", "no")


def test_an_exam_of_no_order_waits_at_the_desk_until_its_images_come(house: House) -> None:
    attributes = cast_mpps("NONE")
    attributes.ScheduledStepAttributesSequence[0].StudyInstanceUID = "2.25.99"
    attributes.PatientName, attributes.PatientID = PLAIN.name, PLAIN.patient_id
    house.performed_steps.create("2.25.77", sent(attributes), "CT1")
    with house.store.read() as tx:
        (one,) = unscheduled(tx)
    assert (one.patient.name, one.patient.patient_id, one.step.sop_instance_uid) == (
        PLAIN.name,
        PLAIN.patient_id,
        "2.25.77",
    )
    house.instances.receive(spooled(house, image(PLAIN, "A1", study="2.25.99"), "CT1"))
    with house.store.read() as tx:
        assert unscheduled(tx) == []
