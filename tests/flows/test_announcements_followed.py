"""A study that a modality has only begun stands in the chart of whom its order is of now, and in nobody's where that is in doubt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from pydicom.dataset import Dataset

from bridge.wiring import House
from samples.strict_ehr import StrictEhr
from tests import cast
from tests.cast import PLAIN, STRANGER, adt, merge, order
from tests.flows.asking import say, sent
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
    say(outside.house, merge(STRANGER, PLAIN, at="20260302110000"))
    outside.run()
    assert charts(outside) == [TAKEN_BACK, ("registered", STRANGER.patient_id)]


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
    outside.clock.at += timedelta(days=1)
    while outside.house.exam_watch.work():
        pass
    outside.run()
    assert charts(outside) == [("cancelled", PLAIN.patient_id)]
