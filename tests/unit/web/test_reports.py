"""Reports as people and programs see them: on the exam, on the authorization, as a file."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from bridge.domain.accounts import Role
from bridge.store import audit
from tests.cast import PLAIN, STRANGER, report
from tests.fakes.console import Console
from tests.flows.asking import say
from tests.unit.web.test_api import UID, bind

PDF = b"%PDF-1.4\n% an invented report\n"
DOCUMENT = f"OBX|3|ED|PDF^Signed report^L||RIS^application^pdf^Base64^{base64.b64encode(PDF).decode()}||||||F\r"
LINK = "OBX|4|RP|V^Viewer^L||https://pacs.example/study^x||||||F\r"


def exam(console: Console, reference: str = "A1") -> dict[str, Any]:
    answer = console.machine(Role.VIEWER).get(f"/api/exams/{reference}")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json
    return found


def page(console: Console, path: str = "/exams/A1", role: Role = Role.VIEWER) -> str:
    answer = console.browser(role).get(path)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def test_an_exam_tells_its_report_whole(console: Console) -> None:
    console.order()
    say(console.house, report(PLAIN, "A1", extra=DOCUMENT + LINK))

    (found,) = exam(console)["reports"]
    assert (found["status"], found["is_signed"], found["title"]) == ("final", True, "CT CHEST WITH CONTRAST")
    assert found["interpreters"] == ["BRANDT^EVA^^DR"]
    assert found["sections"] == [
        {"title": "Findings", "text": "Lungs clear."},
        {"title": "Impression", "text": "No acute finding."},
    ]
    assert found["links"] == ["https://pacs.example/study"]
    assert [one["number"] for one in found["versions"]] == [1]
    assert found["documents"][0]["url"] == "/api/documents/1"


def test_an_exam_without_a_report_says_so_by_an_empty_list(console: Console) -> None:
    console.order()

    assert exam(console)["reports"] == []
    assert "Report</h2>" not in page(console)


def test_the_exam_page_shows_who_read_it_and_what_it_says(console: Console) -> None:
    console.order()
    say(console.house, report(PLAIN, "A1", extra=DOCUMENT + LINK))

    html = page(console)
    for words in ("No acute finding.", "Impression", "final", "BRANDT", "Signed report", "https://pacs.example/study"):
        assert words in html, words
    assert 'href="https://pacs.example' not in html
    assert "versions" not in html


def test_the_text_of_a_report_is_text_and_never_markup(console: Console) -> None:
    console.order()
    say(console.house, report(PLAIN, "A1", text="<script>alert(1)</script>"))

    assert "<script>alert" not in page(console)
    assert "&lt;script&gt;alert" in page(console)


def test_the_exam_page_lists_every_version_and_says_which_stands(console: Console) -> None:
    console.order()
    say(console.house, report(PLAIN, "A1", "P"), report(PLAIN, "A1", "F", at="20260302130000"))

    html = page(console, role=Role.ADMIN)
    assert "2 versions" in html
    assert html.count("this one stands") == 1
    assert html.index("preliminary") < html.index("this one stands")


def test_a_withdrawn_report_is_named_and_its_text_is_gone(console: Console) -> None:
    console.order()
    say(console.house, report(PLAIN, "A1", text="Fracture.", extra=DOCUMENT))
    say(console.house, report(PLAIN, "A1", "W", at="20260302130000", text="Fracture."))

    (found,) = exam(console)["reports"]
    assert (found["status"], found["sections"], found["documents"]) == ("entered-in-error", [], [])
    assert "Fracture." not in page(console)
    assert "taken back" in page(console)
    assert console.machine(Role.VIEWER).get("/api/documents/1").status_code == 404


@pytest.mark.parametrize("path", ["/api/documents/1", "/documents/1"])
def test_a_document_is_stored_by_the_browser_and_never_shown(console: Console, path: str) -> None:
    console.order()
    say(console.house, report(PLAIN, "A1", extra=DOCUMENT))
    caller = console.machine(Role.VIEWER) if path.startswith("/api") else console.browser(Role.VIEWER)

    answer = caller.get(path)
    assert (answer.status_code, answer.data, answer.content_type) == (200, PDF, "application/pdf")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="report-1.pdf"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    with console.store.read() as tx:
        newest = audit.recent(tx, limit=1)[0]
    assert (newest.action, newest.patient_key) == ("document_read", 1)


@pytest.mark.parametrize("role", [Role.IT, Role.SYSTEM])
def test_a_document_is_not_for_who_may_not_see_exams(console: Console, role: Role) -> None:
    console.order()
    say(console.house, report(PLAIN, "A1", extra=DOCUMENT))

    assert console.machine(role).get("/api/documents/1").status_code == 403


def test_a_document_of_a_report_that_waits_is_not_handed_out(console: Console) -> None:
    say(console.house, report(PLAIN, "A1", extra=DOCUMENT))

    assert console.machine(Role.ADMIN).get("/api/documents/1").status_code == 404


def test_a_report_of_a_study_without_an_order_is_on_its_exam(console: Console) -> None:
    patient = console.clinic.patient(PLAIN.patient_id, PLAIN.name, PLAIN.birth_date)
    console.clinic.bind(console.clinic.study(UID), patient)
    study = f"OBX|4|ST|113014^DICOM Study^DCM||{UID}||||||O\r"
    say(console.house, report(PLAIN, "", numbered=False, extra=study))

    (found,) = exam(console, "study-1")["reports"]
    assert found["impression"] == "No acute finding."


def test_an_authorization_names_the_reports_that_a_packet_could_hold(console: Console) -> None:
    console.order()
    console.order("A2")
    say(console.house, report(PLAIN, "A1", extra=DOCUMENT), report(PLAIN, "A2"))
    api = console.machine(Role.BILLING)
    row = api.get("/api/authorizations", query_string={"q": "PAA1"}).json["authorizations"][0]

    found = api.get(f"/api/authorizations/{row['id']}").json["reports"]
    assert [one["filler_order_number"] for one in found] == ["FA1"]
    assert found[0]["documents"][0]["content_type"] == "application/pdf"
    html = page(console, f"/authorizations/{row['id']}", Role.BILLING)
    assert "Signed report" in html


def test_a_draft_is_no_evidence_and_a_withdrawn_report_no_material(console: Console) -> None:
    console.order()
    say(console.house, report(PLAIN, "A1", "P"))
    api = console.machine(Role.BILLING)
    row = api.get("/api/authorizations", query_string={"q": "PAA1"}).json["authorizations"][0]
    place = f"/api/authorizations/{row['id']}"
    assert [one["is_signed"] for one in api.get(place).json["reports"]] == [False]
    assert "no evidence for a payer" in page(console, f"/authorizations/{row['id']}", Role.BILLING)

    say(console.house, report(PLAIN, "A1", "X", at="20260302130000"))
    assert api.get(place).json["reports"] == []


def test_the_report_of_an_attached_study_is_material_too(console: Console) -> None:
    console.order()
    console.order("A2")
    bind(console)
    say(console.house, report(PLAIN, "A1"))
    api = console.machine(Role.BILLING)
    row = api.get("/api/authorizations", query_string={"q": "PAA2"}).json["authorizations"][0]
    place = f"/api/authorizations/{row['id']}"
    assert api.get(place).json["reports"] == []

    attached = api.post(f"{place}/attachments", json={"study_instance_uid": UID, "as": ["claim"]})
    assert attached.status_code == 201
    assert [one["filler_order_number"] for one in api.get(place).json["reports"]] == ["FA1"]


def test_a_report_stays_off_the_exam_of_another_patient_that_its_order_moved_to(console: Console) -> None:
    console.order()
    say(console.house, report(PLAIN, "A1", text="Mine alone."))
    moved = console.order("B1", STRANGER.name, STRANGER.patient_id)
    assert b"|AA|" in moved
    xo = f"MSH|^~\\&|RIVEHR|RIVERSIDE|BRIDGE|RIVERSIDE|20260302150000||ORM^O01|XO1|P|2.5.1\r{STRANGER.pid}\r"
    xo += "ORC|XO|PA1^RIVEHR|FA1^RIVRIS||SC||||20260302150000\rOBR|1|PA1^RIVEHR|FA1^RIVRIS|71260^CT^C4|||||||||||||A1|A1|SPA1||||CT\r"
    (answer,) = say(console.house, xo.encode())
    assert b"|AA|" in answer

    assert exam(console)["reports"] == []
    assert "Mine alone." not in page(console)


def test_a_dry_run_of_a_report_shows_the_resource_that_it_would_be(console: Console) -> None:
    raw = report(PLAIN, "A1", extra=DOCUMENT)
    (found,) = console.services.flows.map_messages(raw, "", is_text=False)

    (resource,) = [one for one in found["fhir"] if one["resourceType"] == "DiagnosticReport"]
    assert (resource["status"], resource["conclusion"]) == ("final", "No acute finding.")
    assert [form["contentType"] for form in resource["presentedForm"]] == [
        "text/plain; charset=utf-8",
        "application/pdf",
    ]
    with console.store.read() as tx:
        assert audit.recent(tx, limit=1) == []
