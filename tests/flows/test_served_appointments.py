"""Appointments as they are read here: what the scheduling system said, of whose it is by now, and for nobody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bridge.clock import FixedClock
from bridge.codecs.fhir.check import faults_of
from bridge.domain.accounts import Role
from bridge.wiring import House
from tests.cast import NEAR_TWIN, PLAIN, STRANGER, adt, merge, order
from tests.fakes.clinic import AT
from tests.fakes.console import Console
from tests.flows.asking import say
from tests.flows.test_appointments import siu

Json = dict[str, Any]
LONG = "RGS|1\rAIS|1||71260^CT CHEST^C4|20260303140000|||30|min\rAIG|1||CT1\rAIL|1||ROOM7\r"


class Desk:
    """A clinic whose appointments are read over FHIR."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.api = Console(house).machine(Role.SYSTEM)
        say(house, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"), order(STRANGER, "S1"))

    def bundle(self, query: str, release: str = "r4") -> Json:
        answer = self.api.get(f"/fhir/{release}/Appointment?{query}")
        assert answer.status_code == 200, answer.text
        found: Json = answer.json
        return found

    def found(self, query: str = "", release: str = "r4") -> list[Json]:
        entries = self.bundle(query, release).get("entry", ())
        return [one["resource"] for one in entries if one["search"]["mode"] == "match"]


@pytest.fixture
def desk(make_house: Callable[..., House]) -> Desk:
    return Desk(make_house(FixedClock(AT), http={"public_url": "http://localhost"}, fhir={}))


def numbers(found: list[Json]) -> list[str]:
    return [one["identifier"][0]["value"] for one in found]


@pytest.mark.parametrize("release", ["r4", "r5"])
def test_it_says_when_and_where_what_for_and_of_which_order(desk: Desk, release: str) -> None:
    say(desk.house, siu(PLAIN, "A1", extra=LONG))
    (one,) = desk.found(release=release)
    assert faults_of(release.upper(), one) == ()
    assert (one["status"], one["start"][:16], one["end"][:16]) == ("booked", "2026-03-03T14:00", "2026-03-03T14:30")
    service = one["serviceType"][0] if release == "r4" else one["serviceType"][0]["concept"]
    assert service["coding"][0]["code"] == "71260"
    assert one["basedOn"] == [{"reference": "ServiceRequest/order-1"}]
    actors = [each["actor"] for each in one["participant"]]
    assert actors[0] == {"reference": "Patient/1"}
    assert "ROOM7" in [each.get("display") for each in actors]
    assert desk.api.get(f"/fhir/{release}/Appointment/{one['id']}").json == one


def test_one_that_does_not_say_how_long_it_takes_has_an_end_that_is_not_known(desk: Desk) -> None:
    say(desk.house, siu(PLAIN, "A1"))
    (one,) = desk.found()
    assert ("end" in one, one["_end"]["extension"][0]["valueCode"]) == (False, "unknown")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("identifier=APA1", ["APA1"]),
        ("identifier=FAPA1", ["APA1"]),
        ("patient=Patient/1", ["APA1"]),
        ("patient.identifier=00041001", ["APA1"]),
        ("status=booked", ["APA1"]),
        ("status=cancelled", ["APS1"]),
        ("status=booked,cancelled&_sort=-date", ["APS1", "APA1"]),
        ("date=2026-03-03", ["APA1"]),
        ("date=gt2026-03-04", ["APS1"]),
        ("based-on=ServiceRequest/order-1", ["APA1"]),
        ("based-on.identifier=S1", ["APS1"]),
        ("_lastUpdated=lt2026-01-01", []),
        ("date:missing=true", []),
    ],
)
def test_it_is_found_by_what_it_says(desk: Desk, query: str, expected: list[str]) -> None:
    say(desk.house, siu(PLAIN, "A1"), siu(STRANGER, "S1", "S15", start="20260305090000"))
    assert numbers(desk.found(query)) == expected


def test_it_brings_whose_it_is_and_an_order_brings_it(desk: Desk) -> None:
    say(desk.house, siu(PLAIN, "A1"))
    brought = desk.bundle("_include=Appointment:patient&_include=Appointment:based-on")["entry"]
    assert sorted(one["resource"]["resourceType"] for one in brought) == ["Appointment", "Patient", "ServiceRequest"]
    ordered = desk.api.get("/fhir/r4/ServiceRequest?_id=order-1&_revinclude=Appointment:based-on").json
    assert [one["resource"]["resourceType"] for one in ordered["entry"]] == ["ServiceRequest", "Appointment"]


def test_one_that_waits_for_its_order_is_read_and_finds_it(desk: Desk) -> None:
    say(desk.house, siu(PLAIN, "A2"))
    assert "basedOn" not in desk.found()[0]
    say(desk.house, order(PLAIN, "A2"))
    (one,) = desk.found("based-on:missing=false")
    assert one["basedOn"]


def test_it_follows_its_patient_through_a_merge(desk: Desk) -> None:
    say(desk.house, siu(PLAIN, "A1"), adt(NEAR_TWIN), merge(NEAR_TWIN, PLAIN))
    (one,) = desk.found(f"patient.identifier={NEAR_TWIN.patient_id}")
    patient = desk.api.get(f"/fhir/r4/{one['participant'][0]['actor']['reference']}").json
    assert NEAR_TWIN.patient_id in [each["value"] for each in patient["identifier"]]
