"""
What a performed step makes of its scheduled one, of what others are told, and of the order as FHIR has it: a test for each row.

The system that ordered the exam is at the other end of a socket. Source: PS3.4 F.7.2, IHE RAD TF-2 4.6, HL7 table 0038.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from bridge.codecs.fhir.service_request import service_request
from bridge.store import orders, studies
from bridge.store.listings.served import Wanted, find
from tests.cast import PLAIN, image, order, spooled, study_uid
from tests.flows.asking import say, sent, worklist_of
from tests.flows.test_order_notices import QUIET, MakeRis, Ris, make_ris  # noqa: F401
from tests.flows.test_orders import cast_mpps

# What its sender is told turns on nothing that differs between the databases.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def stands(ris: Ris) -> tuple[list[str], str]:
    """Return the states of the order's steps, and the order's as FHIR has it."""
    with ris.house.store.read() as tx:
        found, steps = orders.get(tx, 1), orders.steps_of(tx, 1)
    resource = service_request(found, tuple(steps), "Patient/1", ris.house.settings.identity.system_of)
    return [step.status.value for step in steps], resource["status"]


def is_listed(ris: Ris) -> bool:
    return bool(worklist_of(ris.house))


def is_served(ris: Ris) -> bool:
    """Say whether FHIR has an ImagingStudy of the exam."""
    with ris.house.store.read() as tx:
        keys, _ = find(tx, Wanted(ris.house.clock.now() - QUIET), before=None, limit=1)
    return bool(keys)


def receive(ris: Ris, *numbers: int) -> None:
    for number in numbers:
        ris.house.instances.receive(spooled(ris.house, image(PLAIN, "A1", number), "CT1"))
    ris.worker.run_due()


def rest(ris: Ris) -> None:
    ris.pass_time(QUIET)
    while ris.house.exam_watch.work():
        pass
    ris.worker.run_due()


def test_in_progress_starts_the_step_tells_sc_ip_and_leaves_the_request_active(make_ris: MakeRis) -> None:  # noqa: F811
    ris = make_ris(messages=["ORM^O01"])
    ris.perform("IN PROGRESS")
    assert (stands(ris), ris.told, is_served(ris)) == ((["STARTED"], "active"), ["ORM IP"], False)


def test_completed_completes_the_step_tells_sc_cm_and_the_request(make_ris: MakeRis) -> None:  # noqa: F811
    ris = make_ris(messages=["ORM^O01"])
    ris.perform("IN PROGRESS")
    ris.perform("COMPLETED")
    assert (stands(ris), ris.told) == ((["COMPLETED"], "completed"), ["ORM IP", "ORM CM"])
    assert not is_listed(ris)


def test_completed_makes_the_study_available_once_its_instances_are_here(make_ris: MakeRis) -> None:  # noqa: F811
    ris = make_ris(messages=["ORM^O01"])
    ris.perform("IN PROGRESS")
    attributes = cast_mpps("A1", "COMPLETED")
    series = type(attributes)()
    series.ReferencedImageSequence = []
    for number in (1, 2):
        reference = type(attributes)()
        reference.ReferencedSOPInstanceUID = image(PLAIN, "A1", number).SOPInstanceUID
        series.ReferencedImageSequence.append(reference)
    attributes.PerformedSeriesSequence = [series]
    ris.house.performed_steps.set("2.25.77", sent(attributes), "CT1")
    receive(ris, 1)
    assert not is_served(ris)
    receive(ris, 2)
    assert is_served(ris)


def test_discontinued_discontinues_the_step_tells_sc_dc_and_revokes_the_request(make_ris: MakeRis) -> None:  # noqa: F811
    ris = make_ris(messages=["ORM^O01"])
    ris.perform("IN PROGRESS")
    ris.perform("DISCONTINUED", reason="110501")
    assert (stands(ris), ris.told) == ((["DISCONTINUED"], "revoked"), ["ORM IP", "ORM DC"])


@pytest.mark.parametrize(
    "reason",
    [
        pytest.param("110514", id="110514 incorrect worklist entry"),
        pytest.param("110528", id="110528 rescheduled"),
        pytest.param("110529", id="110529 rescheduling recommended"),
    ],
)
def test_discontinued_puts_the_step_back_on_the_list_and_tells_sc_sc(make_ris: MakeRis, reason: str) -> None:  # noqa: F811
    ris = make_ris(messages=["ORM^O01"])
    ris.perform("IN PROGRESS")
    ris.perform("DISCONTINUED", reason=reason)
    assert (stands(ris), ris.told) == ((["SCHEDULED"], "active"), ["ORM IP", "ORM SC"])
    assert is_listed(ris)


@pytest.mark.parametrize(
    "reason",
    [
        pytest.param("110500", id="110500 doctor canceled"),
        pytest.param("110507", id="110507 patient did not arrive"),
        pytest.param("110510", id="110510 duplicate order"),
    ],
)
def test_discontinued_proposes_to_cancel_and_cancels_nothing_by_itself(make_ris: MakeRis, reason: str) -> None:  # noqa: F811
    ris = make_ris(messages=["ORM^O01"])
    ris.perform("IN PROGRESS")
    ris.perform("DISCONTINUED", reason=reason)
    assert (stands(ris), ris.told) == ((["DISCONTINUED"], "revoked"), ["ORM IP", "ORM DC"])
    ris.house.exam_proposals.cancel(1, "user:kim", "asked the ward")
    assert stands(ris) == (["CANCELED"], "revoked")


def test_normal_one_step_one_performed_step(make_ris: MakeRis) -> None:  # noqa: F811
    ris = make_ris(messages=["ORM^O01"])
    ris.perform("IN PROGRESS")
    ris.perform("COMPLETED")
    assert stands(ris) == (["COMPLETED"], "completed")


def test_group_one_performed_step_of_two_orders(make_ris: MakeRis) -> None:  # noqa: F811
    ris = make_ris(messages=["ORM^O01"])
    say(ris.house, order(PLAIN, "A2"))
    attributes = cast_mpps("A1")
    attributes.ScheduledStepAttributesSequence.append(cast_mpps("A2").ScheduledStepAttributesSequence[0])
    ris.house.performed_steps.create("2.25.77", sent(attributes), "CT1")
    ris.perform("COMPLETED")
    assert sorted(ris.told) == ["ORM CM", "ORM CM"]


def test_append_a_second_performed_step_leaves_the_completed_step_so(make_ris: MakeRis) -> None:  # noqa: F811
    ris = make_ris(messages=["ORM^O01"])
    ris.perform("IN PROGRESS")
    ris.perform("COMPLETED")
    ris.perform("IN PROGRESS", uid="2.25.78")
    ris.perform("COMPLETED", uid="2.25.78")
    assert (stands(ris), ris.told) == ((["COMPLETED"], "completed"), ["ORM IP", "ORM CM"])


def test_unscheduled_moves_no_order_and_tells_nobody(make_ris: MakeRis) -> None:  # noqa: F811
    ris = make_ris(messages=["ORM^O01"])
    attributes = cast_mpps("NONE")
    attributes.ScheduledStepAttributesSequence[0].StudyInstanceUID = "2.25.99"
    ris.house.performed_steps.create("2.25.77", sent(attributes), "CT1")
    ris.worker.run_due()
    assert (stands(ris), ris.told) == ((["SCHEDULED"], "active"), [])


def test_abandoned_discontinued_without_an_image(make_ris: MakeRis) -> None:  # noqa: F811
    ris = make_ris(messages=["ORM^O01"])
    ris.perform("IN PROGRESS")
    ris.perform("DISCONTINUED")
    assert (stands(ris), ris.told) == ((["DISCONTINUED"], "revoked"), ["ORM IP", "ORM DC"])


def test_without_mpps_the_first_image_starts_the_step(make_ris: MakeRis) -> None:  # noqa: F811
    ris = make_ris(messages=["ORM^O01"])
    receive(ris, 1)
    assert (stands(ris), ris.told) == ((["STARTED"], "active"), [])


def test_without_mpps_a_rest_completes_the_step_and_tells_sc_cm(make_ris: MakeRis) -> None:  # noqa: F811
    ris = make_ris(messages=["ORM^O01"])
    receive(ris, 1)
    rest(ris)
    assert (stands(ris), ris.told) == ((["COMPLETED"], "completed"), ["ORM CM"])
    assert is_served(ris)


def test_without_mpps_an_order_message_completes_the_step_and_its_sender_is_not_told(make_ris: MakeRis) -> None:  # noqa: F811
    ris = make_ris(messages=["ORM^O01"])
    say(ris.house, order(PLAIN, "A1", "SC", status="CM", at="20260302110000"))
    ris.worker.run_due()
    assert (stands(ris), ris.told) == ((["COMPLETED"], "completed"), [])


def test_left_open_with_images_completes_the_step_and_tells_sc_cm(make_ris: MakeRis) -> None:  # noqa: F811
    ris = make_ris(messages=["ORM^O01"])
    ris.perform("IN PROGRESS")
    receive(ris, 1)
    ris.pass_time(timedelta(minutes=60))
    rest(ris)
    assert (stands(ris), ris.told) == ((["COMPLETED"], "completed"), ["ORM IP", "ORM CM"])


def test_wrong_entry_holds_the_images_that_were_bound_by_it(make_ris: MakeRis) -> None:  # noqa: F811
    ris = make_ris(messages=["ORM^O01"])
    ris.perform("IN PROGRESS")
    receive(ris, 1)
    ris.perform("DISCONTINUED", reason="110514")
    with ris.house.store.read() as tx:
        study = studies.by_uid(tx, study_uid("A1"))
    assert study is not None
    assert not study.is_bound
    assert stands(ris) == (["SCHEDULED"], "active")
