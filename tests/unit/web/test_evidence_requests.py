"""What payers ask to see, as billing has it on a page and by the API; nobody else."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bridge.domain.accounts import Role
from bridge.domain.evidence_request import AskState, EvidenceRequest
from bridge.store import evidence_requests
from tests.fakes.console import Console

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def request_key(console: Console) -> int:
    """A request that names a number that nobody knows here."""
    now = console.clock.now()
    said = EvidenceRequest(
        0,
        "acme",
        "t1",
        "PAYER-77",
        claim_number="PA9",
        codes=("18748-4", "99999-9"),
        due_at=now + timedelta(hours=5),
        state=AskState.WAITS,
        why="its number leads to no authorization of this payer",
    )
    with console.store.write() as tx:
        return evidence_requests.add(tx, said, now).key


def test_the_page_says_what_is_wanted_until_when_and_what_no_packet_answers(console: Console, request_key: int) -> None:
    page = console.browser(Role.BILLING).get("/authorizations/requests").get_data(as_text=True)
    for words in ("report of the study", "PAYER-77", "99999-9, a code that is not known here", "nobody knows"):
        assert words in page


def test_the_authorization_s_page_says_what_its_payer_waits_for(console: Console, request_key: int) -> None:
    console.order("A1")
    browser = console.browser(Role.BILLING)
    assert "asks for report of the study" not in browser.get("/authorizations/1").text
    with console.store.write() as tx:
        evidence_requests.settle(tx, request_key, AskState.OPEN, authorization_key=1)
    page = browser.get("/authorizations/1").text
    for words in (
        "acme asks for report of the study",
        "PAYER-77",
        "decline with a reason",
        "a code that is not known here",
    ):
        assert words in page
    with console.store.write() as tx:
        evidence_requests.settle(tx, request_key, AskState.ANSWERED)
    assert "asks for report of the study" not in browser.get("/authorizations/1").text


def test_a_number_that_leads_nowhere_changes_nothing_and_is_said(console: Console, request_key: int) -> None:
    browser = console.browser(Role.BILLING)
    form = {"csrf_token": console.form_token(browser), "number": "PA8"}
    answer = browser.post(f"/authorizations/requests/{request_key}/assign", data=form)
    assert answer.status_code == 422
    assert "No one authorization goes by that number" in answer.get_data(as_text=True)


def test_what_is_declined_by_the_api_waits_no_more(console: Console, request_key: int) -> None:
    api = console.machine(Role.BILLING)
    (row,) = api.get("/api/evidence-requests").json["evidence_requests"]
    assert (row["id"], row["state"], row["tasks"]) == (request_key, "waits", ["t1"])
    said = api.post(f"/api/evidence-requests/{request_key}/decline", json={"reason": "not ours"}).json
    assert (said["state"], said["why"]) == ("declined", "not ours")
    again = api.post(f"/api/evidence-requests/{request_key}/decline", json={"reason": "not ours"})
    assert (again.status_code, api.get("/api/evidence-requests").json["evidence_requests"]) == (409, [])
