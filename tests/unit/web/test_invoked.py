"""Invoke Image Display: a link from elsewhere opens bound studies for whoever is signed in. Source: IHE RAD TF-2 4.106."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from bridge.domain import viewer_links
from bridge.domain.accounts import Role
from bridge.store import audit
from bridge.wiring import House
from tests.cast import NEAR_TWIN, PLAIN, merge, study_uid
from tests.fakes.console import Console
from tests.flows.asking import say
from tests.unit.web.studied import row_of, studied

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

INVOKE = viewer_links.INVOKE_PATH


@pytest.fixture
def console(make_house: Callable[..., House]) -> Console:
    return studied(make_house)


def asked(console: Console, query: str) -> tuple[int, str, str]:
    """Return status, where it leads, and the page."""
    answer = console.browser(Role.VIEWER).get(f"{INVOKE}?{query}")
    return answer.status_code, answer.headers.get("Location", ""), answer.get_data(as_text=True)


def test_a_link_that_was_made_opens_its_study(console: Console) -> None:
    link = urlsplit(viewer_links.study_link("https://bridge.example.org", study_uid("A1")))
    assert link.path == INVOKE
    assert asked(console, link.query)[:2] == (303, f"/studies/{row_of(console, 'A1')}")


def test_a_stranger_signs_in_and_comes_to_where_the_link_leads(console: Console) -> None:
    query = f"requestType=STUDY&studyUID={study_uid('A1')},{study_uid('A2')},{study_uid('B1')}"
    client = console.app.test_client()
    answer = client.get(f"{INVOKE}?{query}")
    assert answer.status_code == 303
    page = client.get(answer.headers["Location"]).get_data(as_text=True)
    assert f'name="next" value="{INVOKE}?requestType=STUDY' in page


def test_a_patients_number_as_hl7_writes_it_survives_the_sign_in(console: Console) -> None:
    client, said = console.app.test_client(), "requestType=PATIENT&patientID=00041001^^^RIVERSIDE"
    answer = client.get(f"{INVOKE}?{said}")
    assert f'name="next" value="{INVOKE}?{said.replace("&", "&amp;")}"' in client.get(answer.headers["Location"]).text


def test_an_accession_number_names_a_study_however_the_parameter_is_written(console: Console) -> None:
    for query in ("requestType=STUDY&accessionNumber=A2", "requesttype=study&AccessionNumber=A2"):
        assert asked(console, query)[:2] == (303, f"/studies/{row_of(console, 'A2')}")


def test_a_patient_with_several_studies_is_a_list_of_them_and_no_one_elses(console: Console) -> None:
    for number in ("00041001", "00041001%5E%5E%5ERIVERSIDE"):
        status, _, page = asked(console, f"requestType=PATIENT&patientID={number}")
        assert status == 200
        assert "HALVORSEN, INGRID" in page
        assert "2 studies" in page
        assert "INGEBORG" not in page


def test_a_retired_number_leads_to_the_survivors_studies(console: Console) -> None:
    say(console.house, merge(PLAIN, NEAR_TWIN))
    _, _, page = asked(console, "requestType=PATIENT&patientID=00041002%5E%5E%5ERIVERSIDE")
    assert "4 studies" in page
    assert "INGEBORG" not in page


def test_studies_of_several_people_are_told_apart(console: Console) -> None:
    _, _, page = asked(console, "requestType=STUDY&accessionNumber=A1,B1")
    assert "Studies of 2 patients" in page
    assert "INGEBORG" in page


ASKED = {
    "requestType=PATIENT&patientID=00041001&mostRecentResults=1": 303,
    "requestType=PATIENT&patientID=00041001&lowerDateTime=2026-03-02T00:00:00": 200,
    "requestType=PATIENT&patientID=00041001&upperDateTime=20260301": 404,
    "requestType=PATIENT&patientID=00041001&modalitiesInStudy=MR,US": 404,
    "requestType=PATIENT&patientID=00041001%5E%5E%5EELSEWHERE": 404,
    "requestType=PATIENT&patientID=00041001&mostRecentResults=many": 400,
    "requestType=PATIENT&patientID=00041001&lowerDateTime=soon": 400,
    "requestType=PATIENT": 422,
    "requestType=STUDY": 422,
    "studyUID=1.2.3": 422,
    "requestType=STUDY&studyUID=1.2.3": 404,
    "requestType=STUDY&studyUID=2.25.77": 404,
    f"requestType=STUDY&studyUID={study_uid('A1')}&accessionNumber=A2": 404,
}


def test_what_is_asked_is_what_is_opened(console: Console) -> None:
    browser = console.browser()
    said = {query: browser.get(f"{INVOKE}?{query}").status_code for query in ASKED}
    assert said == ASKED


def test_the_look_is_in_the_audit_trail(console: Console) -> None:
    asked(console, "requestType=PATIENT&patientID=00041001")
    with console.store.read() as tx:
        newest = audit.recent(tx, limit=3)
    assert any(row.action == "studies_invoked" and row.patient_key for row in newest)
