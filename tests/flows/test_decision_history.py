"""Every decision about a study is told in the order it was taken, to those who decide; an accession number may come again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.store import orders, patients
from bridge.wiring import House
from tests.cast import PLAIN, STRANGER, adt, image, merge, order, renamed, spooled, study_uid
from tests.fakes.console import Console
from tests.flows.asking import say
from tests.flows.test_orders import code

MakeHouse = Callable[..., House]
UID = study_uid("A1")
AT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
# Typed by hand: with the number of somebody else, which is another patient's.
ELSEWHERE = "2.25.4711"


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    return make_house(FixedClock(AT))


def pass_a_minute(house: House) -> None:
    assert isinstance(house.clock, FixedClock)
    house.clock.at += timedelta(minutes=1)


def test_every_decision_is_told_in_order_with_what_it_said(house: House) -> None:
    say(house, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"))
    typed = image(STRANGER, "A1", study=ELSEWHERE)
    house.instances.receive(spooled(house, typed))
    desk = Console(house).machine(Role.INTAKE)
    address = f"/api/studies/{ELSEWHERE}"
    pass_a_minute(house)
    bind = {"action": "bind", "accession_number": "A1", "reason": "the wristband was a neighbour's"}
    assert desk.post(f"{address}/decision", json=bind).status_code == 200
    pass_a_minute(house)
    assert desk.post(f"{address}/decision", json={"action": "unbind", "reason": "asked again"}).status_code == 200

    said = desk.get(f"{address}/decisions").get_json()
    held, bound, freed = said["decisions"]
    assert (held["outcome"], held["rule"], held["by"], held["patient"]) == ("review", "V06", "V06", None)
    assert {one["patient"]["patient_id"] for one in held["candidates"]} == {PLAIN.patient_id, STRANGER.patient_id}
    assert held["sentence"].startswith("Held (V06)")
    assert held["rules_version"] == house.rules.version
    assert (bound["rule"], bound["by"], bound["reason"]) == ("person", "token:a-intake", bind["reason"])
    assert (bound["patient"]["patient_id"], bound["accession_number"]) == (PLAIN.patient_id, "A1")
    applied = {one["keyword"]: one["record"] for one in bound["differences"] if one["applied"]}
    assert applied["PatientID"] == PLAIN.patient_id
    assert (freed["outcome"], freed["patient"], freed["supersedes"]) == ("review", None, bound["id"])
    assert held["at"] < bound["at"] < freed["at"]
    assert held["supersedes"] is None


def test_what_a_person_took_back_by_a_program_no_rule_gives_away(house: House) -> None:
    namesake = replace(renamed(STRANGER, PLAIN.name, PLAIN.birth_date), sex=PLAIN.sex)
    say(house, adt(PLAIN), adt(namesake), order(PLAIN, "A1"))
    house.instances.receive(spooled(house, image(replace(PLAIN, patient_id=""), "A1")))
    desk = Console(house).machine(Role.INTAKE)
    address = f"/api/studies/{UID}"
    assert desk.get(address).get_json()["rule"] == "B02"
    taken_back = {"action": "unbind", "reason": "the technologist says it is not she"}
    assert desk.post(f"{address}/decision", json=taken_back).status_code == 200
    pass_a_minute(house)
    say(house, order(namesake, "A1", "XO", at="20260302110000"))
    said = desk.get(address).get_json()
    assert (said["state"], said["decided_by"]) == ("review", "token:a-intake")


def test_a_binding_that_follows_a_merge_is_a_decision_of_its_own(house: House) -> None:
    say(house, adt(PLAIN), adt(STRANGER), order(STRANGER, "A1"))
    house.instances.receive(spooled(house, image(STRANGER, "A1")))
    pass_a_minute(house)
    say(house, merge(PLAIN, STRANGER))
    said = Console(house).machine(Role.INTAKE).get(f"/api/studies/{UID}/decisions").get_json()["decisions"]
    assert [one["patient"]["patient_id"] for one in said] == [STRANGER.patient_id, PLAIN.patient_id]


def test_the_history_is_for_those_who_decide(house: House) -> None:
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    house.instances.receive(spooled(house, image(PLAIN, "A1")))
    console = Console(house)
    assert console.machine(Role.INTAKE).get("/api/studies/1.2.3/decisions").status_code == 404
    for role in (Role.VIEWER, Role.BILLING, Role.IT):
        assert console.machine(role).get(f"/api/studies/{UID}/decisions").status_code == 403


def test_a_number_that_comes_again_for_another_patient_makes_another_study(house: House) -> None:
    """The sender gives no study UID: one made from the accession number is last year's patient's."""
    before = order(STRANGER, "A1", at="20250302080500", start="20250302101500").split(b"ZDS|")[0]
    again = order(PLAIN, "A1").split(b"ZDS|")[0].replace(b"PA1^", b"PB1^").replace(b"FA1^", b"FB1^")
    answers = say(house, adt(PLAIN), adt(STRANGER), before, again, again.replace(b"|P|2.", b"X|P|2.", 1))
    assert [code(one) for one in answers] == ["AA"] * 5
    with house.store.read() as tx:
        newer, older = sorted(orders.by_accession(tx, "A1"), key=lambda one: -one.key)
        assert patients.survivor(tx, newer.patient_key).patient_name == PLAIN.name
        assert newer.study_instance_uid
        assert newer.study_instance_uid != older.study_instance_uid
    house.instances.receive(spooled(house, image(PLAIN, "A1", study=newer.study_instance_uid)))
    found = Console(house).machine(Role.INTAKE).get(f"/api/studies/{newer.study_instance_uid}").get_json()
    assert (found["rule"], found["patient"]["patient_id"]) == ("B01", PLAIN.patient_id)


def test_a_study_uid_that_was_sent_stays_refused_for_another_patient(house: House) -> None:
    other = order(replace(PLAIN), "A2").replace(study_uid("A2").encode(), UID.encode())
    answers = say(house, adt(PLAIN), adt(STRANGER), order(STRANGER, "A1"), other)
    assert [code(one) for one in answers] == ["AA", "AA", "AA", "AE"]
