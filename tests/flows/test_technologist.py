"""The intake desk asks whoever made the images; the answer stands on the case with a name, and binds nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.domain.study import Study
from bridge.store import audit, questions
from bridge.store.db import Store
from bridge.wiring import House
from tests.cast import PLAIN, STRANGER, adt, image, order, spooled, study_uid
from tests.fakes.clinic import AT
from tests.fakes.console import Console
from tests.flows.asking import say, study_by_uid

UID = study_uid("A1")
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def console(make_house: Callable[..., House]) -> Console:
    """A console with a case: the order is one person's, the patient number another's."""
    console = Console(make_house(FixedClock(AT)))
    say(console.house, adt(PLAIN), adt(STRANGER), order(STRANGER, "A1"))
    console.house.instances.receive(spooled(console.house, image(PLAIN, "A1"), "CT1"))
    return console


def the_study(store: Store) -> Study:
    return study_by_uid(store, UID)


def ask(console: Console) -> dict[str, object]:
    """Ask by two clicks on the case, and return what the technologist's list shows."""
    browser, study = console.browser(Role.INTAKE), the_study(console.store)
    page = f"/mismatches/study/{study.key}"
    assert "Ask at CT1" in browser.get(page).text
    form = {"csrf_token": console.form_token(browser, page), "remark": "It was about ten o'clock."}
    assert browser.post(f"{page}/ask-technologist", data=form).status_code == 303
    (row,) = console.machine(Role.TECHNOLOGIST).get("/api/questions?as=CT1").json["questions"]
    found: dict[str, object] = row
    return found


def test_one_tap_answers_and_the_desk_still_decides(console: Console) -> None:
    before = the_study(console.store)
    row = ask(console)
    assert row["question"] == "The accession number is one person's, the patient number another's. Who was in the room?"
    tech = console.browser(Role.TECHNOLOGIST)
    assert "asks 1 question" in tech.get("/today?device=CT1").text
    assert "asks" not in tech.get("/today?device=MR1").text
    page = tech.get(f"/questions/{row['id']}").text
    assert "OKAFOR, CHIDI was imaged" in page
    person = next(one["id"] for one in row["people"] if one["name"].startswith("OKAFOR"))  # type: ignore[attr-defined]
    form = {"csrf_token": console.form_token(tech, f"/questions/{row['id']}"), "answer": f"patient:{person}"}
    assert tech.post(f"/questions/{row['id']}", data=form).status_code == 303
    case = console.browser(Role.INTAKE).get(f"/mismatches/study/{before.key}").text
    assert "OKAFOR, CHIDI was imaged" in case
    assert "some-technologist" in case
    assert case.index("OKAFOR, CHIDI was imaged") < case.index("Why do you think so?")
    after = the_study(console.store)
    assert (after.state, after.binding_version) == (before.state, before.binding_version)
    with console.store.read() as tx:
        actions = {one.action for one in audit.recent(tx, limit=50)}
    assert actions >= {"question_asked", "question_viewed", "question_answered"}


def test_the_queue_is_narrowed_to_what_waits_and_to_what_was_answered(console: Console) -> None:
    row = ask(console)
    console.clock.at += timedelta(hours=3)
    browser, machine = console.browser(Role.INTAKE), console.machine(Role.INTAKE)
    assert "no answer yet" in browser.get("/mismatches?asked=waiting").text
    assert "No such case" in browser.get("/mismatches?asked=answered").text
    assert machine.get("/api/questions").json["questions"][0]["is_old"] is True
    answer = {"answer": "neither", "remark": "the scanner was empty"}
    assert machine.post(f"/api/questions/{row['id']}/answer", json=answer).status_code == 200
    assert "answered" in browser.get("/mismatches?asked=answered").text
    assert machine.get("/api/mismatches").json["mismatches"][0]["question"] == "answered"
    (said,) = machine.get(f"/api/studies/{UID}/questions").json["questions"]
    assert [(one["answer"], one["by"]) for one in said["answers"]] == [("neither", "token:a-intake")]


@ON_SQLITE
def test_what_was_decided_needs_no_answer(console: Console) -> None:
    row = ask(console)
    machine = console.machine(Role.INTAKE)
    decision = {"action": "reject", "reason": "a test"}
    assert machine.post(f"/api/studies/{UID}/decision", json=decision).status_code == 200
    assert machine.get("/api/questions").json["questions"] == []
    late = machine.post(f"/api/questions/{row['id']}/answer", json={"answer": "neither"})
    assert late.status_code == 409
    with console.store.read() as tx:
        assert questions.get(tx, int(str(row["id"]))).settled_as == "decided"


@ON_SQLITE
def test_what_cannot_be_asked_or_answered_is_refused_in_words(console: Console) -> None:
    row = ask(console)
    machine = console.machine(Role.INTAKE)
    assert machine.post(f"/api/studies/{UID}/questions", json={}).status_code == 409
    answer = f"/api/questions/{row['id']}/answer"
    assert machine.post(answer, json={"answer": "perhaps"}).status_code == 400
    assert machine.post(answer, json={"answer": "patient", "person": 999}).status_code == 422
    assert machine.post(answer, json={"answer": "words"}).status_code == 422
    assert machine.post(f"/api/questions/{row['id']}/withdraw", json={}).status_code == 200
    assert machine.post(answer, json={"answer": "neither"}).status_code == 409
    assert machine.post(f"/api/studies/{UID}/questions", json={}).status_code == 201


@ON_SQLITE
def test_a_technologist_sees_no_unbound_study_but_what_is_asked(console: Console) -> None:
    row, study = ask(console), the_study(console.store)
    tech = console.browser(Role.TECHNOLOGIST)
    assert tech.get(f"/mismatches/study/{study.key}").status_code == 403
    assert tech.get(f"/studies/{study.key}").status_code == 403
    assert PLAIN.patient_id in tech.get(f"/questions/{row['id']}").text
    with console.store.read() as tx:
        looks = [one for one in audit.recent(tx, limit=50) if one.action == "candidates_compared"]
    asked_about = {one["id"] for one in row["people"]}  # type: ignore[attr-defined]
    assert {one.patient_key for one in looks if one.actor == "user:some-technologist"} == asked_about
    console.machine(Role.INTAKE).post(f"/api/questions/{row['id']}/withdraw", json={})
    assert PLAIN.patient_id not in tech.get(f"/questions/{row['id']}").text
    assert console.browser(Role.VIEWER).get("/questions").status_code == 403


@ON_SQLITE
def test_a_technologist_who_answers_again_is_not_told_once_more_whom_it_is_about(console: Console) -> None:
    row, machine = ask(console), console.machine(Role.TECHNOLOGIST)
    for words in ("the woman", "no, I am sure of it"):
        said = machine.post(f"/api/questions/{row['id']}/answer", json={"answer": "words", "remark": words})
        assert (said.status_code, said.json["people"]) == (200, [])
    (seen,) = console.machine(Role.INTAKE).get(f"/api/studies/{UID}/questions").json["questions"]
    assert len(seen["people"]) == 2


@ON_SQLITE
def test_the_desks_lead_to_the_questions_with_their_number(console: Console) -> None:
    ask(console)
    page = console.browser(Role.TECHNOLOGIST).get("/today").text
    assert 'href="/questions">Questions<span class="count">1</span>' in page
