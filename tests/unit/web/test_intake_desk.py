"""The intake desk: the queue's chips, a case's sides, a lost race, who is at it, and undo; without any script."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from bridge.domain.accounts import Role
from bridge.flows import manage_users, sign_in
from bridge.store import publications, studies
from bridge.store.tables import deliveries
from tests.cast import NEAR_TWIN, PLAIN, STRANGER, adt, image, order, spooled, study_uid
from tests.fakes.console import COOKIE, Console
from tests.flows.asking import say, study_by_uid

# What a page says does not depend on the database.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def case(console: Console) -> str:
    """The address of a case: the order is PLAIN's, the number STRANGER's, and NEAR_TWIN looks like her."""
    say(console.house, *(adt(one) for one in (PLAIN, NEAR_TWIN, STRANGER)))
    say(console.house, order(PLAIN, "A1"), order(NEAR_TWIN, "A2"), order(STRANGER, "A3"))
    mixed = image(replace(PLAIN, patient_id=STRANGER.patient_id), "A1")
    console.house.instances.receive(spooled(console.house, mixed))
    return f"/mismatches/study/{row_of(console, study_uid('A1'))}"


def row_of(console: Console, uid: str) -> int:
    return study_by_uid(console.store, uid).key


def withdrawn_from_the_chart(console: Console, uid: str) -> None:
    """Have the EHR know of the study, under whom it is bound to, as withdrawn since."""
    with console.store.write() as tx:
        study, at = studies.by_uid(tx, uid), console.clock.now()
        assert study is not None
        subject, number = study.patient_key, study.binding_version
        stood = ("ehr", "ImagingStudy", "ImagingStudy/1", "2", "entered-in-error", "Patient/1")
        publications.put(tx, publications.Publication(study.key, *stood, subject, "", number, at, at))


def somebody(console: Console, name: str) -> FlaskClient:
    """Return the browser of one more coordinator."""
    link = manage_users.trusted_sign_in_link(console.store, console.clock, name, Role.INTAKE)
    client = console.app.test_client()
    client.set_cookie(COOKIE, sign_in.sign_in_by_link(console.store, console.clock, link, "127.0.0.1").session_id)
    return client


def answer(page: str, **said: str) -> dict[str, str]:
    """Return the case's form as a browser sends it, with *said* in it."""
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.split('class="case"')[1]))
    checked = dict(re.findall(r'<input type="radio" name="(order-\d+)" value="(\d*)" checked', page))
    return {**hidden, **checked, **said}


def person_of(page: str, name: str) -> str:
    """Return the row of whom the button of that name binds to."""
    found = re.search(rf'value="bind:(\d+)"[^>]*>Yes, {name}', page)
    assert found is not None, name
    return found[1]


def test_each_candidate_stands_beside_the_header_with_the_letters_marked(console: Console, case: str) -> None:
    page = console.browser(Role.INTAKE).get(case).text
    ingrid, ingeborg, chidi = page.split('<section class="candidate" id="side-')[1:4]
    assert "<td>0004100<mark>5</mark></td><td>0004100<mark>1</mark></td>" in ingrid
    assert "only the family name agrees" in ingeborg
    assert "another date" in chidi
    assert "<mark>" not in chidi.split("Born")[1].split("</tr>")[0]
    assert "A1" in ingrid.split("Orders of the day")[1]
    assert "gets 1 image, under accession A1" in ingrid
    assert "What releases it:</b> Ask the technologist" in page


def test_no_candidate_is_chosen_beforehand(console: Console, case: str) -> None:
    page = console.browser(Role.INTAKE).get(case).text
    form = page.split('class="case"')[1]
    first_button = form.split("<button", 1)[1].split(">", 1)[0]
    assert 'value="find"' in first_button
    assert 'id="show-all" checked' in form
    assert "autofocus" not in form


def test_enter_in_a_field_binds_nobody(console: Console, case: str) -> None:
    browser = console.browser(Role.INTAKE)
    refused = browser.post(case, data=answer(browser.get(case).text, action="find", reason="it is hers"))
    assert refused.status_code == 422
    assert "Choose one of the answers" in refused.text
    assert 'value="it is hers"' in refused.text
    assert "Whose images are these?" in browser.get(case).text


def test_a_reason_of_one_key_and_an_answer_bind(console: Console, case: str) -> None:
    browser = console.browser(Role.INTAKE)
    page = browser.get(case).text
    said = answer(page, action=f"bind:{person_of(page, 'HALVORSEN, INGRID')}", because="Asked the technologist")
    assert browser.post(case, data=said).status_code == 303
    done = browser.get(f"{case}/decided").text
    assert "HALVORSEN, INGRID" in done
    assert 'accession <span class="id">A1</span>' in done
    assert "Asked the technologist" in done
    assert 'value="unbind"' in done


def test_an_answer_without_a_reason_keeps_what_was_searched_for(console: Console, case: str) -> None:
    browser = console.browser(Role.INTAKE)
    say(console.house, adt(replace(PLAIN, patient_id="00049999", name="QUITE^ANOTHER")))
    found = browser.post(case, data=answer(browser.get(case).text, action="find", find="quite another")).text
    refused = browser.post(case, data=answer(found, action=f"bind:{person_of(found, 'QUITE, ANOTHER')}", find="quite"))
    assert refused.status_code == 422
    assert "Say why" in refused.text
    assert "Yes, QUITE, ANOTHER" in refused.text
    assert "00049999" not in refused.request.url


def test_a_search_for_an_accession_number_chooses_its_order(console: Console, case: str) -> None:
    browser = console.browser(Role.INTAKE)
    say(console.house, order(NEAR_TWIN, "A9", start="20260302111500"))
    found = browser.post(case, data=answer(browser.get(case).text, action="find", find="A9")).text
    assert "That is HALVORSEN, INGEBORG, above" in " ".join(found.split())
    assert "under accession A9" in found


def test_the_second_of_two_answers_says_who_was_first_and_keeps_the_reason(console: Console, case: str) -> None:
    ann, ben = somebody(console, "ann"), somebody(console, "ben")
    for_ann, for_ben = ann.get(case).text, ben.get(case).text
    assert "ann</b> has this case open" in for_ben
    hers = answer(for_ann, action=f"bind:{person_of(for_ann, 'HALVORSEN, INGRID')}", because="Asked the technologist")
    assert ann.post(case, data=hers).status_code == 303
    his = answer(for_ben, action=f"bind:{person_of(for_ben, 'OKAFOR, CHIDI')}", reason="the wristband says so")
    lost = ben.post(case, data=his)
    assert lost.status_code == 422
    assert "ann was first" in lost.text
    assert 'value="the wristband says so"' in lost.text
    with console.store.read() as tx:
        assert studies.get(tx, int(case.rsplit("/", 1)[1])).decided_by == "user:ann"


def test_an_open_page_hears_that_the_case_was_decided(console: Console, case: str) -> None:
    ann, ben = somebody(console, "ann"), somebody(console, "ben")
    page = ben.get(case).text
    form = answer(page)
    ann.post(case, data=answer(ann.get(case).text, action="reject:not_ours"))
    told = ben.post(f"{case}/open", data={"csrf_token": form["csrf_token"], "seen": form["seen"]}).text
    assert "ann has decided this meanwhile" in told
    assert ben.post(f"{case}/leave", data={"csrf_token": form["csrf_token"]}).status_code == 204
    assert "ben</b> has" not in ann.get(case).text


def test_what_is_nobodys_is_closed_and_opened_again(console: Console, case: str) -> None:
    browser = console.browser(Role.INTAKE)
    assert browser.post(case, data=answer(browser.get(case).text, action="reject:test")).status_code == 303
    assert "Every study has its patient" in browser.get("/mismatches").text
    closed = browser.get("/mismatches?show=closed&by=me").text
    assert f'href="{case}"' in closed
    page = browser.get(case).text
    assert "closed: A test or a phantom" in page
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token is not None
    undo = {"csrf_token": token[1], "action": "reopen", "reason": "it was a patient"}
    assert browser.post(case, data=undo).status_code == 303
    assert "The case is open again" in browser.get(f"{case}/decided").text
    assert f'href="{case}"' in browser.get("/mismatches").text
    assert "Whose images are these?" in browser.get(case).text


def test_a_binding_is_undone_from_the_study_page_the_day_after(console: Console, case: str) -> None:
    browser = console.browser(Role.INTAKE)
    page = browser.get(case).text
    said = answer(page, action=f"bind:{person_of(page, 'HALVORSEN, INGRID')}", reason="asked")
    browser.post(case, data=said)
    assert f'href="{case}#undo"' in browser.get(case.replace("/mismatches/study/", "/studies/")).text
    assert f'href="{case}"' in browser.get("/mismatches?show=closed").text
    again = browser.get(case).text
    undo = {"csrf_token": answer(page)["csrf_token"], "action": "unbind", "reason": "it was her sister"}
    assert 'id="undo"' in again
    assert "Ask the technologist" not in again
    assert re.search(r'id="undo-reason"[^>]*data-key="u"', again)
    assert browser.post(case, data=undo).status_code == 303
    assert "Before this, they were bound to" in browser.get(case).text


def test_what_a_yes_would_do_names_where_it_goes_also_after_an_undo(console: Console, case: str) -> None:
    browser = console.browser(Role.INTAKE)
    page = browser.get(case).text
    goes = "The chart of HALVORSEN, INGRID at ehr gets 1 image"
    assert goes in page
    browser.post(case, data=answer(page, action=f"bind:{person_of(page, 'HALVORSEN, INGRID')}", reason="asked"))
    with console.store.write() as tx:
        tx.execute(update(deliveries).values(state="sent", hold_kind="", held_reason=""))
    undo = {"csrf_token": answer(page)["csrf_token"], "action": "unbind", "reason": "it was her sister"}
    assert browser.post(case, data=undo).status_code == 303
    assert goes in browser.get(case).text


def test_a_case_says_that_a_chart_had_the_images_also_when_they_are_withdrawn(console: Console, case: str) -> None:
    browser = console.browser(Role.INTAKE)
    page = browser.get(case).text
    browser.post(case, data=answer(page, action=f"bind:{person_of(page, 'HALVORSEN, INGRID')}", reason="asked"))
    withdrawn_from_the_chart(console, study_uid("A1"))
    undo = {"csrf_token": answer(page)["csrf_token"], "action": "unbind", "reason": "it was her sister"}
    assert browser.post(case, data=undo).status_code == 303
    again = browser.get(case).text
    assert "Before this, they stood in the chart of" in again
    assert "before a chart had them" not in again


def test_chips_narrow_the_queue_and_an_open_page_is_sent_nothing_twice(console: Console, case: str) -> None:
    browser = console.browser(Role.INTAKE)
    page = browser.get("/mismatches").text
    assert "Order and patient number disagree" in page
    stamp = re.search(r"seen=(\w+)", page)
    assert stamp is not None
    assert browser.get(f"/mismatches?seen={stamp[1]}").status_code == 204
    assert "No such case" in browser.get("/mismatches?reason=V08").text
    assert "No such case" in browser.get("/mismatches?age=old&open=others&sort=oldest").text
    browser.get(case)
    assert "you have it open" in browser.get(f"/mismatches?seen={stamp[1]}").text
    assert f'href="{case}"' in browser.get("/mismatches?open=me&reason=V06&device=CT1&risk=routine").text
    assert browser.get("/mismatches?risk=nonsense&age=1&open=x&sort=&show=what&cursor=MQ").status_code == 200
