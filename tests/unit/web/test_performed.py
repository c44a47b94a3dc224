"""What devices report, on pages and over REST: dose in words, exams of no order, reasons to cancel one."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from bridge.domain.accounts import Role
from bridge.store import orders
from tests.fakes.console import Console
from tests.flows.asking import sent
from tests.flows.test_orders import cast_mpps

# What a page says does not depend on the database.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def perform(console: Console, accession: str, **said: object) -> None:
    """Let a device begin an exam, and end it if anything is said of its end."""
    begun = cast_mpps("A1")
    item = begun.ScheduledStepAttributesSequence[0]
    item.AccessionNumber, item.RequestedProcedureID, item.ScheduledProcedureStepID = accession, f"R{accession}", ""
    item.RequestedProcedureID, item.StudyInstanceUID = f"RP{accession}", "2.25.4711"
    begun.PatientName = "HALVORSEN^INGRID"
    console.house.performed_steps.create("2.25.77", sent(begun), "CT1")
    if said:
        ended = Dataset()
        for keyword, value in said.items():
            setattr(ended, keyword, value)
        console.house.performed_steps.set("2.25.77", sent(ended), "CT1")


def reason(code: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, "DCM", "said by the device"
    return item


def state(console: Console) -> str:
    with console.store.read() as tx:
        return orders.get(tx, 1).status.value


def test_an_exam_s_page_and_rest_show_what_its_device_reports(console: Console) -> None:
    console.order()
    perform(console, "A1", PerformedProcedureStepStatus="COMPLETED", EntranceDose=40)
    page = console.browser().get("/exams/A1").get_data(as_text=True)
    assert "Reported by the device" in page
    assert "40 dGy" in page
    assert "did not say its end and its series" in page
    (one,) = console.machine().get("/api/exams/A1").json["performed"]
    assert (one["status"], one["details"]) == ("COMPLETED", [{"what": "Entrance dose", "value": "40 dGy"}])


@pytest.mark.parametrize(("action", "expected"), [("cancel", "CANCELED"), ("keep", "DISCONTINUED")])
def test_a_reason_to_cancel_is_asked_about_and_answered_once(console: Console, action: str, expected: str) -> None:
    console.order()
    codes = [reason("110510")]
    perform(
        console,
        "A1",
        PerformedProcedureStepStatus="DISCONTINUED",
        PerformedProcedureStepDiscontinuationReasonCodeSequence=codes,
    )
    browser = console.browser(Role.INTAKE)
    assert "Shall the order be cancelled?" in browser.get("/exams/A1").get_data(as_text=True)
    form = {"action": action, "reason": "ordered twice", "csrf_token": console.form_token(browser)}
    assert browser.post("/performed/1/proposal", data=form | {"reason": " "}).status_code == 422
    assert browser.post("/performed/1/proposal", data=form).status_code == 303
    assert state(console) == expected
    assert "Shall the order be cancelled?" not in browser.get("/exams/A1").get_data(as_text=True)
    assert browser.post("/performed/1/proposal", data=form).status_code == 409


def test_an_exam_of_no_order_is_linked_at_the_intake_desk(console: Console) -> None:
    console.order()
    perform(console, "B7")
    browser = console.browser(Role.INTAKE)
    assert "Exams of no order" in browser.get("/mismatches").get_data(as_text=True)
    form = {"accession_number": "A1", "reason": "she was the only one", "csrf_token": console.form_token(browser)}
    assert browser.post("/performed/1/link", data=form | {"accession_number": "ZZ"}).status_code == 422
    assert browser.post("/performed/1/link", data=form).status_code == 303
    assert state(console) == "STARTED"
    assert "Exams of no order" not in browser.get("/mismatches").get_data(as_text=True)


@pytest.mark.parametrize("place", ["proposal", "link"])
def test_who_only_reads_answers_nothing(console: Console, place: str) -> None:
    console.order()
    perform(console, "B7")
    browser = console.browser(Role.VIEWER)
    form = {"reason": "because", "csrf_token": console.form_token(browser)}
    assert browser.post(f"/performed/1/{place}", data=form).status_code == 403
