"""An order as a ServiceRequest."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bridge.codecs.fhir.service_request import service_request
from bridge.domain.identifiers import EntityIdentifier
from bridge.domain.order import Code, Order, Step, StepStatus

ORDER = Order(
    key=1,
    patient_key=1,
    accession_number="A-77",
    issuer_of_accession_number="RIS",
    placer_order_number=EntityIdentifier("P-1", "EHR"),
    filler_order_number=EntityIdentifier("F-1", "RIS"),
    requested_procedure_id="RP-1",
    study_instance_uid="1.2.3",
    status=StepStatus.SCHEDULED,
    requested_procedure_description="CT of the head",
    requested_procedure_code=Code("70450", "C4", "CT head"),
    requested_procedure_priority="STAT",
    reason_for_the_requested_procedure="headache",
    requesting_physician="QUILL^NORA^^Dr",
    transaction_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
)
STEP = Step(1, 1, "S-1", StepStatus.SCHEDULED, scheduled_start_at=datetime(2026, 3, 2, 9, tzinfo=UTC))


def made(order: Order = ORDER, *steps: Step) -> dict[str, object]:
    return service_request(order, steps or (STEP,), "Patient/1", lambda issuer: f"urn:x:{issuer}")


def test_an_order_carries_its_numbers_code_time_and_reason() -> None:
    found = made()

    assert [one["value"] for one in found["identifier"]] == ["P-1", "F-1", "A-77"]  # type: ignore[attr-defined]
    assert (found["status"], found["intent"], found["priority"]) == ("active", "order", "stat")
    assert found["code"] == {
        "coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "70450", "display": "CT head"}],
        "text": "CT of the head",
    }
    assert (found["occurrenceDateTime"], found["authoredOn"]) == (
        "2026-03-02T09:00:00+00:00",
        "2026-03-01T12:00:00+00:00",
    )
    assert found["requester"] == {"type": "Practitioner", "display": "Dr NORA QUILL"}
    assert found["reasonCode"] == [{"text": "headache"}]


@pytest.mark.parametrize(
    ("status", "written"),
    [
        (StepStatus.STARTED, "active"),
        (StepStatus.HELD, "on-hold"),
        (StepStatus.CANCELED, "revoked"),
        (StepStatus.DISCONTINUED, "revoked"),
        (StepStatus.COMPLETED, "completed"),
    ],
)
def test_a_state_is_written_as_fhir_has_it(status: StepStatus, written: str) -> None:
    assert made(replace(ORDER, status=status))["status"] == written


def test_what_is_not_known_is_left_out() -> None:
    bare = replace(
        ORDER, requested_procedure_code=Code("X1", "99OWN", ""), requesting_physician="", transaction_at=None
    )
    found = made(
        replace(bare, reason_for_the_requested_procedure="", requested_procedure_priority=""),
        Step(1, 1, "S", StepStatus.SCHEDULED),
    )

    assert found["code"] == {"coding": [{"code": "X1"}], "text": "CT of the head"}
    assert not {"requester", "reasonCode", "priority", "occurrenceDateTime", "authoredOn", "note"} & set(found)
