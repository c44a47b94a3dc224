"""Letting other registries be asked again: from the case page and by the interface, and what is shown of the answers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.store import outside_questions, studies
from bridge.wiring import House
from tests.cast import PLAIN, image, spooled
from tests.fakes.clinic import AT
from tests.fakes.console import Console

UID = "2.25.8801"


@pytest.fixture
def console(make_house: Callable[..., House]) -> Console:
    registry = {"name": "mpi", "host": "127.0.0.1", "port": 1}
    house = make_house(FixedClock(AT), outside={"hl7": [registry]})
    house.instances.receive(spooled(house, image(PLAIN, "", study=UID)))
    return Console(house)


def settle(console: Console, sentence: str, attempts: int, state: str) -> int:
    """Let the question have been asked, and come to something; return the study's row."""
    with console.store.write() as tx:
        study = studies.by_uid(tx, UID)
        assert study is not None
        (asked,) = outside_questions.of_study(tx, study.key)
        outside_questions.put(tx, asked.key, asked_at=AT, attempts=attempts, state=state, sentence=sentence)
    return study.key


def test_the_case_says_who_was_asked_when_and_what_came_of_it(console: Console) -> None:
    key = settle(console, "no answer within 10 s", 4, "no_answer")
    page = console.browser(Role.INTAKE).get(f"/mismatches/study/{key}").get_data(as_text=True)
    assert "Asked outside" in page
    assert "no answer within 10 s" in page
    said = console.machine(Role.INTAKE).get(f"/api/studies/{UID}").get_json()["asked"]
    assert [(one["source"], one["state"], one["attempts"]) for one in said] == [("mpi", "no_answer", 4)]


def test_a_person_asks_again_and_only_once_it_can_matter(console: Console) -> None:
    settle(console, "no answer within 10 s", 4, "no_answer")
    machine = console.machine(Role.INTAKE)
    answered = machine.post(f"/api/studies/{UID}/ask")
    assert (answered.status_code, answered.get_json()["asked"]) == (200, ["mpi"])
    assert machine.get(f"/api/studies/{UID}").get_json()["asked"][0]["state"] == "waiting"
    machine.post(f"/api/studies/{UID}/decision", json={"action": "reject", "reason": "a test"})
    assert machine.post(f"/api/studies/{UID}/ask").status_code == 409
    assert machine.post("/api/studies/2.25.1/ask").status_code == 404
