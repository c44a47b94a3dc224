"""The billing desk's list: the most urgent first, narrowed by payer, status, due time and what is missing."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text, update

from bridge.domain.accounts import Role
from bridge.flows.notice_news import Audience, NewsWatch
from bridge.store.db import insert_row
from bridge.store.listings import billing_queue
from bridge.store.listings.authorizations import LACKS, Wanted
from bridge.store.tables import attachments, packets, payer_submissions
from tests.fakes.console import Console

UID = "1.2.840.99.8"
WHO = {"patient_id": "00041001", "issuer_of_patient_id": "RIVERSIDE"}


def entered(console: Console, trace: str, **said: Any) -> int:
    body = {"number": "", "payer": "60054", "payer_name": "ACME", "patient": WHO, "trace": trace}
    body |= {"status": "submitted", "lines": [{"code": "71260"}]} | said
    made = console.machine(Role.BILLING).post("/api/authorizations", json=body)
    assert made.status_code == 201, made.text
    return int(made.json["id"])


def asked_before(console: Console, **ago: int) -> str:
    return (console.clock.now() - timedelta(**ago)).isoformat(timespec="minutes")


def looked_at(console: Console) -> None:
    house = console.house
    watch = NewsWatch(house.store, house.clock, timedelta(0), Audience(), owner="test", rules=house.rules)
    while watch.work():
        pass


def three(console: Console) -> tuple[int, int, int, int]:
    """Enter one that nothing is wrong with, one that was denied, and two whose answer is due in five and in two days."""
    console.order()
    plain = entered(console, "T0", status="not-required")
    denied = entered(console, "T1", status="denied", accession_number="A1")
    late = entered(console, "T2", received_at=asked_before(console, days=2))
    soon = entered(console, "T3", received_at=asked_before(console, days=5))
    looked_at(console)
    return plain, denied, late, soon


def keys(console: Console, wanted: Wanted | None = None, size: int = 50) -> list[int]:
    found: list[int] = []
    after: billing_queue.Position | None = None
    with console.store.read() as tx:
        while True:
            rows, end = billing_queue.page(tx, wanted or Wanted(), after=after, limit=size)
            found += [row.authorization.key for row in rows]
            if end is None:
                return found
            after = billing_queue.position_of(end.numbers)
            assert after == end


def test_the_soonest_due_stands_first_then_what_is_amiss_then_the_rest(console: Console) -> None:
    plain, denied, late, soon = three(console)
    found = keys(console)
    assert found[:2] == [soon, late]
    assert found.index(denied) < found.index(plain)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("size", [1, 2])
def test_pages_leave_nothing_out_and_repeat_nothing(console: Console, size: int) -> None:
    three(console)
    assert keys(console, size=size) == keys(console)


@pytest.mark.parametrize("numbers", [(), (1,), (1, 9, 0), (1, 2, 3, 4)])
def test_another_lists_cursor_is_no_place_here(numbers: tuple[int, ...]) -> None:
    assert billing_queue.position_of(numbers) is None


def test_what_is_missing_narrows_the_list(console: Console) -> None:
    *_, soon = three(console)
    pended = entered(console, "T4", status="pended", wanted=["18748-4"], received_at=asked_before(console, days=1))
    study = console.images(UID)
    decide = {"action": "bind", "accession_number": "A1", "reason": "asked"}
    assert console.machine(Role.INTAKE).post(f"/api/studies/{UID}/decision", json=decide).status_code == 200
    place = f"/api/authorizations/{soon}/attachments"
    body = {"study_instance_uid": study.study_instance_uid, "as": ["claim"]}
    assert console.machine(Role.BILLING).post(place, json=body).status_code == 201
    assert keys(console, Wanted(lacks="papers")) == [pended]
    assert soon not in keys(console, Wanted(lacks="attachment"))
    assert pended in keys(console, Wanted(lacks="attachment"))
    for what, state in (("release", "draft"), ("review", "review"), ("resend", "failed")):
        assert keys(console, Wanted(lacks=what)) == []
        with console.store.write() as tx:
            tx.execute(update(attachments).values(state=state))
        assert keys(console, Wanted(lacks=what)) == [soon]


def test_what_the_payer_wants_to_see_and_is_not_here_is_told_until_it_comes(console: Console) -> None:
    *_, soon = three(console)
    assert soon in keys(console, Wanted(missing="images"))
    study = console.images(UID)
    decide = {"action": "bind", "accession_number": "A1", "reason": "asked"}
    assert console.machine(Role.INTAKE).post(f"/api/studies/{UID}/decision", json=decide).status_code == 200
    api, browser = console.machine(Role.BILLING), console.browser(Role.BILLING)
    row = next(one for one in api.get("/api/authorizations?gap=images").json["authorizations"] if one["id"] == soon)
    assert {"images", "report"} <= set(row["missing"])
    assert "images" in re.findall(r"not here: ([^<]*)<", browser.get("/authorizations?gap=images").text)[0]
    body = {"study_instance_uid": study.study_instance_uid, "as": ["claim"]}
    assert api.post(f"/api/authorizations/{soon}/attachments", json=body).status_code == 201
    looked_at(console)
    assert soon not in keys(console, Wanted(missing="images"))
    assert soon in keys(console, Wanted(missing="report"))
    assert re.search(r"claim\s+<span class=\"state waiting\">on its way", browser.get("/authorizations").text)
    unbound = {"action": "unbind", "reason": "another person's"}
    assert console.machine(Role.INTAKE).post(f"/api/studies/{UID}/decision", json=unbound).status_code == 200
    looked_at(console)
    assert soon in keys(console, Wanted(missing="images"))


def test_what_nobody_knows_to_have_arrived_is_told_and_found(console: Console) -> None:
    *_, late, _ = three(console)
    study = console.images(UID)
    with console.store.write() as tx:
        said = {"attached_by": "bill", "attached_at": console.clock.now(), "updated_at": console.clock.now()}
        said |= {"authorization_key": late, "study_key": study.key, "kind": "cdex", "state": "released"}
        attachment = insert_row(tx, attachments, **said, binding_version=1)
        said = {"version": 1, "binding_version": 1, "evidence_digest": "x", "made_at": console.clock.now()}
        packet = insert_row(tx, packets, attachment_key=attachment, **said, left_out=[])
        said = {"destination": "acme", "control_number": "X", "purpose_of_use": "COVAUTH", "state": "unclear"}
        said |= {"attachment_key": attachment, "packet_key": packet}
        insert_row(tx, payer_submissions, **said, released_at=console.clock.now(), updated_at=console.clock.now())
    assert keys(console, Wanted(lacks="unclear")) == [late]
    assert "perhaps there: ask the payer" in console.browser(Role.BILLING).get("/authorizations?gap=unclear").text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_filter_is_in_the_address_and_the_search_is_not(console: Console) -> None:
    _, denied, late, soon = three(console)
    browser = console.browser(Role.BILLING)

    def shown(address: str) -> list[int]:
        page = browser.get(address).text
        return [int(one) for one in re.findall(r'<tr data-href="/authorizations/(\d+)"', page)]

    assert shown("/authorizations?due=day") == shown("/authorizations?due=overdue") == []
    assert shown("/authorizations?due=three-days&payer=acme") == [soon]
    assert shown("/authorizations?status=denied") == shown("/authorizations?gap=denied") == [denied]
    assert shown("/authorizations?payer=nobody") == []
    assert set(shown("/authorizations?gap=attachment&status=submitted")) == {late, soon}
    assert len(shown("/authorizations?gap=nonsense&status=nonsense")) == len(keys(console))
    form = {"q": "T3", "csrf_token": console.form_token(browser, "/authorizations")}
    found = browser.post("/authorizations/search", data=form).headers["Location"]
    assert shown(found) == [soon]
    assert shown(f"{found}?status=denied") == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_line_says_what_is_due_what_is_missing_and_what_was_sent(console: Console) -> None:
    console.order()
    received_at = asked_before(console, days=6)
    wanted = ["18748-4"]
    entered(console, "T1", status="pended", wanted=wanted, received_at=received_at, accession_number="A1")
    page = console.browser(Role.BILLING).get("/authorizations").text
    for said in (
        "80 % of its time is over",
        "The payer asks for 18748-4",
        "nothing is attached",
        "nothing yet",
        "71260",
    ):
        assert said in page, said


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_clocks_part_of_the_list_reads_its_index(console: Console) -> None:
    query = "SELECT key FROM authorizations WHERE due_at IS NOT NULL AND due_at > '2026' ORDER BY due_at, key LIMIT 51"
    with console.store.read() as tx:
        plan = " ".join(str(row) for row in tx.execute(text(f"EXPLAIN QUERY PLAN {query}")))
    assert "ix_authorizations_due" in plan


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_missing_is_found_by_its_index(console: Console) -> None:
    query = "SELECT authorization_key FROM authorization_gaps WHERE need = 'report'"
    with console.store.read() as tx:
        plan = " ".join(str(row) for row in tx.execute(text(f"EXPLAIN QUERY PLAN {query}")))
    assert "COVERING INDEX ix_authorization_gaps_need_authorization_key" in plan


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_lack_has_its_words(console: Console) -> None:
    page = console.browser(Role.BILLING).get("/authorizations").text
    assert [one for one in LACKS if f'<option value="{one}"' not in page] == []
