"""A study that a modality has only begun stands in the chart of whom its order is of now, and in nobody's where that is in doubt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from pydicom.dataset import Dataset

from bridge.wiring import House
from samples.strict_ehr import StrictEhr
from tests import cast
from tests.cast import PLAIN, STRANGER, adt, image, merge, order
from tests.flows.asking import say, sent
from tests.flows.test_images import receive
from tests.flows.test_orders import cast_mpps
from tests.flows.test_rejected_outside import ON_ONE_DATABASE, Outside

MPPS = "2.25.4711"
WRONG_ENTRY = "110514"


@pytest.fixture
def outside(make_house: Callable[..., House]) -> Iterator[Outside]:
    ehr = StrictEhr(version="R4").start()
    found = Outside(make_house, ehr, announces=True)
    say(found.house, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"))
    yield found
    found.stop()
    ehr.stop()


def begin(outside: Outside, *, patient_id: str = "", issuer: str = "") -> None:
    said = cast_mpps("A1")
    if patient_id:
        said.PatientID, said.IssuerOfPatientID = patient_id, issuer
    outside.house.performed_steps.create(MPPS, sent(said), "CT1")
    outside.run()


def discontinue(outside: Outside, code: str) -> None:
    said, reason = cast_mpps("A1", "DISCONTINUED"), Dataset()
    reason.CodeValue, reason.CodingSchemeDesignator, reason.CodeMeaning = code, "DCM", "why"
    said.PerformedProcedureStepDiscontinuationReasonCodeSequence = [reason]
    said.PerformedProcedureStepEndDate, said.PerformedProcedureStepEndTime = "20260302", "101700"
    outside.house.performed_steps.set(MPPS, sent(said), "CT1")
    outside.run()


def charts(outside: Outside) -> list[tuple[str, str]]:
    """Return (status, patient number) of every study at the server."""
    books = outside.ehr.books
    numbers = {f"Patient/{one['id']}": one["identifier"][0]["value"] for one in books.search("Patient", {})}
    found = books.search("ImagingStudy", {})
    return sorted((one["status"], numbers[one["subject"]["reference"]]) for one in found)


def ids(outside: Outside) -> list[str]:
    return [str(one["id"]) for one in outside.ehr.books.search("ImagingStudy", {})]


def complete(outside: Outside, *images: Dataset) -> None:
    """Let the scanner complete its exam, naming *images*."""
    said = cast_mpps("A1", "COMPLETED")
    series = Dataset()
    series.SeriesInstanceUID, series.ProtocolName = "2.25.4712", "CHEST"
    series.ReferencedImageSequence = [reference_to(one) for one in images]
    said.PerformedSeriesSequence = [series]
    said.PerformedProcedureStepEndDate, said.PerformedProcedureStepEndTime = "20260302", "101700"
    outside.house.performed_steps.set(MPPS, sent(said), "CT1")
    outside.run()


def reference_to(one: Dataset) -> Dataset:
    found = Dataset()
    found.ReferencedSOPClassUID, found.ReferencedSOPInstanceUID = one.SOPClassUID, one.SOPInstanceUID
    return found


def wait(outside: Outside, time: timedelta) -> None:
    outside.clock.at += time
    while outside.house.exam_watch.work():
        pass
    outside.run()


REGISTERED = ("registered", PLAIN.patient_id)
TAKEN_BACK = ("entered-in-error", PLAIN.patient_id)


@ON_ONE_DATABASE
def test_an_order_that_becomes_another_patients_takes_its_announcement_along(outside: Outside) -> None:
    begin(outside)
    assert charts(outside) == [REGISTERED]
    say(outside.house, order(STRANGER, "A1", "XO", at="20260302110000"))
    outside.run()
    assert charts(outside) == [TAKEN_BACK, ("registered", STRANGER.patient_id)]


@ON_ONE_DATABASE
def test_a_record_that_became_another_person_loses_what_was_announced_in_it(outside: Outside) -> None:
    begin(outside)
    say(outside.house, adt(cast.renamed(PLAIN, "BRAUN^OTTO", "19450101"), "A08", at="20260302110000"))
    outside.run()
    assert charts(outside) == [TAKEN_BACK]


@ON_ONE_DATABASE
def test_a_merged_patients_announcement_is_the_survivors(outside: Outside) -> None:
    begin(outside)
    before = ids(outside)
    say(outside.house, merge(STRANGER, PLAIN, at="20260302110000"))
    outside.run()
    assert charts(outside) == [("registered", STRANGER.patient_id)]
    assert ids(outside) == before


@ON_ONE_DATABASE
def test_a_merged_patients_study_that_has_only_begun_stays_one_entry_until_it_is_whole(outside: Outside) -> None:
    receive(outside.house, image(PLAIN, "A1"))
    outside.run_once()
    assert charts(outside) == [REGISTERED]
    before = ids(outside)
    say(outside.house, merge(STRANGER, PLAIN, at="20260302110000"))
    outside.run()
    assert (charts(outside), ids(outside)) == ([("available", STRANGER.patient_id)], before)


@ON_ONE_DATABASE
@pytest.mark.parametrize("issuer", ["", "RIVERSIDE"])
def test_a_device_that_names_another_patient_than_its_order_announces_nothing(outside: Outside, issuer: str) -> None:
    begin(outside, patient_id=STRANGER.patient_id, issuer=issuer)
    assert charts(outside) == []


@ON_ONE_DATABASE
def test_a_device_that_names_the_orders_patient_announces_the_study(outside: Outside) -> None:
    begin(outside, patient_id=PLAIN.patient_id, issuer="RIVERSIDE")
    assert charts(outside) == [REGISTERED]


@ON_ONE_DATABASE
def test_a_wrong_worklist_entry_was_an_error_in_that_chart(outside: Outside) -> None:
    begin(outside)
    discontinue(outside, WRONG_ENTRY)
    assert charts(outside) == [TAKEN_BACK]


@ON_ONE_DATABASE
def test_an_exam_that_was_given_up_stands_as_begun_no_more(outside: Outside) -> None:
    begin(outside)
    wait(outside, timedelta(days=1))
    assert charts(outside) == [("cancelled", PLAIN.patient_id)]


@ON_ONE_DATABASE
def test_a_cancelled_study_was_an_error_in_the_chart_of_whom_its_order_is_no_more(outside: Outside) -> None:
    begin(outside)
    discontinue(outside, "110515")
    assert charts(outside) == [("cancelled", PLAIN.patient_id)]
    say(outside.house, order(STRANGER, "A1", "XO", at="20260302110000"))
    outside.run()
    assert charts(outside) == [TAKEN_BACK]


@ON_ONE_DATABASE
def test_a_cancelled_study_of_a_merged_patient_stays_cancelled(outside: Outside) -> None:
    begin(outside)
    discontinue(outside, "110515")
    say(outside.house, merge(STRANGER, PLAIN, at="20260302110000"))
    outside.run()
    assert [status for status, _ in charts(outside)] == ["cancelled"]


@ON_ONE_DATABASE
def test_an_exam_that_was_completed_without_an_image_is_cancelled_once_none_came_for_long(outside: Outside) -> None:
    begin(outside)
    complete(outside)
    wait(outside, timedelta(minutes=40))
    assert charts(outside) == [REGISTERED]
    wait(outside, timedelta(minutes=20))
    assert charts(outside) == [("cancelled", PLAIN.patient_id)]
    receive(outside.house, image(PLAIN, "A1"))
    outside.run()
    assert charts(outside) == [("available", PLAIN.patient_id)]


@ON_ONE_DATABASE
def test_an_exam_whose_device_names_images_is_waited_for_until_they_come(outside: Outside) -> None:
    begin(outside)
    complete(outside, image(PLAIN, "A1"))
    wait(outside, timedelta(days=1))
    assert charts(outside) == [REGISTERED]


@ON_ONE_DATABASE
def test_what_is_announced_of_somebody_else_makes_nobodys_cancelled_study_an_error(outside: Outside) -> None:
    say(outside.house, order(STRANGER, "A2"))
    outside.house.performed_steps.create("2.25.4713", sent(cast_mpps("A2")), "CT1")
    begin(outside)
    discontinue(outside, "110515")
    assert charts(outside) == [("cancelled", PLAIN.patient_id), ("registered", STRANGER.patient_id)]
