"""A study goes onto an authorization in two clicks, from the authorization or from the exam, and is looked at before."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bridge.domain.accounts import Role
from bridge.domain.study import Study
from bridge.store import authorizations, patients
from bridge.store.listings import authorizations as listing
from bridge.store.listings.authorizations import Wanted
from tests.fakes.console import Console

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
UID, OTHER = "1.2.840.99.8", "1.2.840.99.9"


def bound(console: Console, uid: str = UID, accession: str = "A1") -> Study:
    study = console.images(uid)
    decide = {"action": "bind", "accession_number": accession, "reason": "asked"}
    assert console.machine(Role.INTAKE).post(f"/api/studies/{uid}/decision", json=decide).status_code == 200
    return study


def key_of(console: Console, number: str = "PAA1") -> int:
    with console.store.read() as tx:
        return listing.keys(tx, Wanted(number), limit=1)[0]


def offered(page: str) -> list[int]:
    return [int(one) for one in re.findall(r'<tr data-href="/authorizations/\d+/studies/(\d+)"', page)]


def ways_ticked(page: str) -> list[str]:
    return re.findall(r'name="kind" value="([^"]+)" checked', page)


def test_the_study_of_its_own_order_stands_first_and_says_why(console: Console) -> None:
    console.order()
    console.order("A2")
    mine, other = bound(console), bound(console, OTHER, "A2")
    page = console.browser(Role.BILLING).get(f"/authorizations/{key_of(console)}").text
    assert offered(page) == [mine.key, other.key]
    assert page.count("its order is under this authorization") == 1


def test_what_is_offered_is_seen_before_it_is_attached(console: Console) -> None:
    console.order()
    study = bound(console)
    browser, key = console.browser(Role.BILLING), key_of(console)
    place = f"/authorizations/{key}/studies/{study.key}"
    page = browser.get(place).text
    assert ways_ticked(page) == ["claim"]
    for said in (
        "2 series, 6 images",
        "Its order is under this authorization",
        "Reference on the claim",
        "What its packet would hold",
        "stands for its series",
        "No signed report of this exam is here",
        "No earlier study of the region",
    ):
        assert said in page, said
    form = {"kind": "claim", "csrf_token": console.form_token(browser, place)}
    done = browser.post(place, data=form)
    assert (done.status_code, done.headers["Location"]) == (303, f"/authorizations/{key}#attached")
    shown = browser.get(f"/authorizations/{key}").text
    assert "Images attached to authorization PAA1 as a reference on the claim" in shown
    again = browser.get(place).text
    assert "Attach again" in again
    assert ways_ticked(again) == ["pdf"]
    assert "as a reference on the claim" in again.split("Attached already")[1]


def test_an_exam_offers_its_patients_authorizations(console: Console) -> None:
    console.order()
    study = bound(console)
    link = f"/authorizations/{key_of(console)}/studies/{study.key}"
    billing = console.browser(Role.ADMIN).get("/exams/A1", follow_redirects=True).text
    assert link in billing
    assert "Attach to" in billing
    assert link not in console.browser(Role.VIEWER).get("/exams/A1", follow_redirects=True).text


def test_images_that_nobody_bound_are_offered_nowhere(console: Console) -> None:
    console.order()
    study = console.images(UID)
    browser, key = console.browser(Role.ADMIN), key_of(console)
    assert offered(browser.get(f"/authorizations/{key}").text) == []
    place = f"/authorizations/{key}/studies/{study.key}"
    assert browser.get(place).status_code == 404
    form = {"kind": "claim", "csrf_token": console.form_token(browser)}
    assert browser.post(place, data=form).status_code in (404, 422)
    assert place not in browser.get(f"/exams/study-{study.key}").text


def test_another_patients_study_is_not_offered(console: Console) -> None:
    console.order()
    console.order("B1", "OKAFOR^DAVID", "00041002")
    stranger = bound(console, OTHER, "B1")
    browser, key = console.browser(Role.BILLING), key_of(console)
    assert offered(browser.get(f"/authorizations/{key}").text) == []
    assert browser.get(f"/authorizations/{key}/studies/{stranger.key}").status_code == 404


def test_an_authorization_of_a_merged_record_finds_the_survivors_studies(console: Console) -> None:
    console.order()
    key = key_of(console)
    console.order("B1", "HALVORSEN^INGRID", "00041009")
    study = bound(console, OTHER, "B1")
    with console.store.read() as tx:
        rows = {row.authorization.number: row.authorization for row in listing.rows(tx, Wanted(), before=None, limit=9)}
    with console.store.write() as tx:
        retired, survivor = (patients.get(tx, rows[number].patient_key) for number in ("PAA1", "PAB1"))
        patients.save(tx, replace(retired, merged_into=survivor.key), console.clock.now())
    browser = console.browser(Role.BILLING)
    assert offered(browser.get(f"/authorizations/{key}").text) == [study.key]


def test_attaching_in_no_way_says_what_is_needed_and_changes_nothing(console: Console) -> None:
    console.order()
    study = bound(console)
    browser = console.browser(Role.BILLING)
    place = f"/authorizations/{key_of(console)}/studies/{study.key}"
    refused = browser.post(place, data={"csrf_token": console.form_token(browser, place)})
    assert refused.status_code == 422
    assert "Say how to attach it" in refused.text
    assert "Nothing was changed" in refused.text


def test_key_images_are_ticked_on_the_page_and_stand_ticked_when_the_packet_is_changed(console: Console) -> None:
    console.order()
    study = bound(console)
    browser, key = console.browser(Role.BILLING), key_of(console)
    place = f"/authorizations/{key}/studies/{study.key}"
    token = console.form_token(browser, place)
    boxes = re.findall(r'name="instance" value="([^"]+)"', browser.get(place).text)
    assert (len(boxes), len(set(boxes))) == (6, 6)
    more = browser.post(place, data={"show": "1", "instance": boxes[4], "kind": "pdf", "csrf_token": token})
    assert (more.status_code, ticked(more.text)) == (200, [boxes[4]])
    wrong = browser.post(place, data={"kind": "pdf", "instance": "1.2.3", "csrf_token": token})
    assert (wrong.status_code, "Not an instance of this study" in wrong.text) == (422, True)
    browser.post(place, data={"kind": "pdf", "instance": boxes[4], "csrf_token": token})
    with console.store.read() as tx:
        (made,) = authorizations.attachments_of(tx, key)
    assert made.instances == (boxes[4],)
    assert ticked(browser.get(f"{place}?kind=pdf").text) == [boxes[4]]
    assert ticked(browser.get(place).text) == []


def ticked(page: str) -> list[str]:
    return re.findall(r'name="instance" value="([^"]+)" checked', page)
