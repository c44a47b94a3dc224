"""What charts have of a study, on its page and by REST: version by version, published again, withdrawn, for each role."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.building.destinations import publishers
from bridge.domain.accounts import Role
from bridge.domain.chart import OWN, Cause, Whose, Why
from bridge.domain.study import Study
from bridge.outbox import enqueue
from bridge.outbox.enqueue import IMAGING_STUDY
from bridge.outbox.worker import Worker
from bridge.store import chart_parts, chart_versions
from bridge.store.chart_parts import ChartPart
from bridge.store.chart_versions import Standing
from tests.fakes.chart_scene import QUIET
from tests.fakes.console import Console

# What a page says does not depend on the database.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

UID = "2.25.1001"
PAGE = "/studies/1/chart"


def run(console: Console, study: Study) -> None:
    """Let everything leave that the study owes its charts."""
    console.clinic.queue(IMAGING_STUDY, OWN, study)
    console.clock.at += QUIET
    Worker(console.store, console.clock, publishers(console.house), owner="test").run_due()


def own(said: dict[str, Any]) -> dict[str, Any]:
    """Return the chart that is read here."""
    return next(one for one in said["charts"] if one["own"])


@pytest.fixture
def study(console: Console) -> Study:
    """Somebody's study, served in two versions: three images more than at first."""
    patient = console.clinic.patient("00041001")
    found = console.clinic.bind(console.clinic.study(UID), patient, console.clinic.order(patient, "A1"))
    console.clinic.clock = console.clock
    run(console, found)
    for number in (1, 2, 3):
        console.clinic.instance(found, 3, number)
    run(console, found)
    return found


def test_the_page_tells_versions_and_what_changed_in_words_and_element_by_element(
    console: Console, study: Study
) -> None:
    page = console.browser(Role.VIEWER).get(PAGE).get_data(as_text=True)
    for words in ("Version 1", "Version 2", "3 more images came", "1 series added", "3 images added", "HALVORSEN"):
        assert words in page
    assert "series[2.25.1001.3]" in page
    assert "Withdraw from every chart" not in page
    assert "Publish again" not in page


@pytest.mark.parametrize("role", [Role.INTAKE, Role.IT, Role.ADMIN])
def test_a_study_is_withdrawn_and_let_back_by_those_who_act(console: Console, study: Study, role: Role) -> None:
    browser = console.browser(role)
    token = console.form_token(browser)
    refused = browser.post(f"{PAGE}/withdraw", data={"csrf_token": token, "reason": " "})
    assert refused.status_code == 422
    answer = browser.post(f"{PAGE}/withdraw", data={"csrf_token": token, "reason": "sent too early"})
    assert answer.status_code == 303
    page = browser.get(answer.headers["Location"]).get_data(as_text=True)
    assert "took this study out of every chart" in page
    assert "Status available → entered-in-error" in page or role == Role.IT
    answer = browser.post(f"{PAGE}/withdraw/undo", data={"csrf_token": token, "reason": "read now"})
    assert answer.status_code == 303
    run(console, study)
    versions = own(console.machine().get(f"/api/studies/{UID}/chart").json)["versions"]
    assert [one["status"] for one in versions] == ["available", "entered-in-error", *["available"] * 2]
    assert [one["cause"] for one in versions] == ["person", "person", "event", "rule"]


def test_it_sees_states_and_counts_and_no_patient(console: Console, study: Study) -> None:
    page = console.browser(Role.IT).get(PAGE).get_data(as_text=True)
    said = console.machine(Role.IT).get(f"/api/studies/{UID}/chart").json
    assert "HALVORSEN" not in page
    assert "00041001" not in page
    assert "Version 2" in page
    version = own(said)["versions"][0]
    assert (version["subject"], version["changes"], version["elements"]) == (None, None, None)
    assert (version["number"], version["status"], version["why"]) == (2, "available", "3 more images came")


def test_an_unbound_study_is_shown_to_those_who_may_see_such(console: Console, study: Study) -> None:
    console.clinic.question(study)
    assert console.browser(Role.VIEWER).get(PAGE).status_code == 403
    assert console.machine(Role.VIEWER).get(f"/api/studies/{UID}/chart").status_code == 403
    assert "Nobody has confirmed" in console.browser(Role.INTAKE).get(PAGE).get_data(as_text=True)
    listed = console.browser(Role.VIEWER).get("/chart").get_data(as_text=True)
    assert f'href="{PAGE}"' not in listed


def test_the_list_names_the_exam_but_not_to_those_who_keep_the_machines(console: Console, study: Study) -> None:
    intake, it = (console.browser(role).get("/chart").get_data(as_text=True) for role in (Role.INTAKE, Role.IT))
    assert f'<a class="row" href="{PAGE}"><span class="id">A1</span></a>' in intake
    assert ">A1<" not in it
    assert f'<a class="row" href="{PAGE}">Study 1</a>' in it


def test_by_rest_a_study_is_published_again_withdrawn_and_let_back(console: Console, study: Study) -> None:
    machine = console.machine(Role.INTAKE)
    base = f"/api/studies/{UID}"
    assert machine.post(f"{base}/publish", json={}).json["servers"] == ["ehr", OWN]
    assert machine.post(f"{base}/publish", json={"server": "nowhere"}).status_code == 400
    assert machine.post(f"{base}/withdraw", json={}).status_code == 422
    said = machine.post(f"{base}/withdraw", json={"reason": "too early"}).json
    assert said["withdrawn"]["reason"] == "too early"
    assert own(said)["standing"][0]["status"] == "entered-in-error"
    assert machine.post(f"{base}/withdraw", json={"reason": "again"}).status_code == 409
    assert machine.post(f"{base}/publish", json={}).status_code == 409
    said = machine.post(f"{base}/withdraw/undo", json={"reason": "it was right"}).json
    assert (said["withdrawn"], said["withdrawals"][0]["taken_back_reason"]) == (None, "it was right")
    assert machine.get("/api/studies/9.9/chart").status_code == 404


def test_what_was_written_last_is_listed_and_narrowed_to_one_chart(console: Console, study: Study) -> None:
    browser = console.browser()
    assert browser.get("/chart").get_data(as_text=True).count(f'<tr data-href="{PAGE}"') == 2
    assert "Nothing in a chart yet" in browser.get("/chart?server=ehr").get_data(as_text=True)


@pytest.fixture
def exam(console: Console, study: Study) -> Study:
    """The same study, whose order the EHR has, told of by hand: what the chart page shows of it."""
    at = console.clock.now()
    said = {"resourceType": "DiagnosticReport", "id": "9", "status": "final", "subject": {"reference": "Patient/1"}}
    whose = Whose(study.key, study.patient_key, study.order_key)
    with console.store.write() as tx:
        for number, status in ((1, "preliminary"), (2, "final")):
            standing = Standing("ehr", "DiagnosticReport/9", {"R4": said | {"status": status}}, str(number))
            kept = chart_versions.keep(tx, standing, whose, Why(Cause.EVENT, "", "its report changed"), at)
        assert kept is not None
        chart_parts.put(tx, ChartPart("ehr", "DiagnosticReport:9", "DiagnosticReport/9", "2", "final", 1, "", at))
        enqueue.enqueue(tx, enqueue.provenance(kept), at)
    return study


def test_what_rests_on_a_study_is_on_its_page_with_its_versions_and_their_provenance(
    console: Console, exam: Study
) -> None:
    page = console.browser(Role.VIEWER).get(PAGE).get_data(as_text=True)
    for words in ("DiagnosticReport", "Status preliminary → final", "its report changed", "provenance is not told"):
        assert words in page
    said = console.machine().get(f"/api/studies/{UID}/chart").json
    (part,) = next(one for one in said["charts"] if one["server"] == "ehr")["parts"]
    assert (part["part"], part["of_exam"], part["standing"][0]["status"]) == ("DiagnosticReport:9", False, "final")
    assert [one["number"] for one in part["versions"]] == [2, 1]
    assert part["versions"][0]["provenance"]["state"] == "pending"


def test_a_part_that_the_exam_does_not_have_cannot_be_named(console: Console, exam: Study) -> None:
    machine = console.machine(Role.INTAKE)
    for action, body in (("publish", {}), ("withdraw", {"reason": "no"}), ("withdraw/undo", {"reason": "no"})):
        answer = machine.post(f"/api/studies/{UID}/{action}", json={**body, "part": "DiagnosticReport:9"})
        assert answer.status_code == 404
    browser = console.browser(Role.INTAKE)
    data = {"csrf_token": console.form_token(browser), "reason": "no", "part": "nonsense"}
    assert browser.post(f"{PAGE}/withdraw", data=data).status_code == 404
