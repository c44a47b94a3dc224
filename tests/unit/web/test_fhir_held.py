"""What is held, or turned out to be another person's, is told by no answer of our FHIR server, of whatever kind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient

from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.web.fhir.registry import KINDS, READABLE
from bridge.wiring import House
from tests.cast import PLAIN, STRANGER, adt, image, order, report, spooled, study_uid
from tests.fakes.clinic import AT
from tests.fakes.console import Console
from tests.flows.asking import say, sent
from tests.flows.test_appointments import siu
from tests.flows.test_chart_parts import DOCUMENT
from tests.flows.test_orders import cast_mpps
from tests.flows.test_rejections import note

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

Json = dict[str, Any]
UID, STEP, WORDS = study_uid("A1"), "2.25.77", "A nodule of 9 mm."
# What only the images, their step and their report say.
SECRETS = (f"{UID}.1", STEP, WORDS, "Signed report")
RESTING = ("Procedure", "DiagnosticReport", "DocumentReference", "ImagingSelection")


@pytest.fixture
def console(make_house: Callable[..., House]) -> Console:
    """Two people with visits and orders; images, marks, a performed step and a report with its document of the first."""
    found = Console(make_house(FixedClock(AT), http={"public_url": "http://localhost"}))
    for person, number in ((PLAIN, "A1"), (STRANGER, "C1")):
        visit = f"PV1|1|I{'|' * 17}V{number}^^^RIVERSIDE".encode()
        say(found.house, adt(person).replace(b"PV1|1|O", visit), order(person, number).replace(b"PV1|1|O", visit))
    found.house.performed_steps.create(STEP, sent(cast_mpps("A1")), "CT1")
    for one in (image(PLAIN, "A1"), note("113000", image(PLAIN, "A1"))):
        found.house.instances.receive(spooled(found.house, one))
    said = report(PLAIN, "A1", text=WORDS, extra=DOCUMENT + f"OBX|4|ST|113014^Study UID^DCM||{UID}||||||F\r")
    say(found.house, said, siu(PLAIN, "A1"))
    found.clock.at += timedelta(minutes=1)
    return found


def answers(client: FlaskClient, known: set[tuple[str, str]]) -> dict[str, list[Json]]:
    """Return the resources of every answer there is, by kind: searches, reads and history of what was *known*."""
    found: dict[str, list[Json]] = {}
    for kind in READABLE:
        for release in KINDS[kind].releases:
            query = "?birthdate=ge1900" if kind == "Patient" else "?_include=*"
            bundle = client.get(f"/fhir/{release}/{kind}{query}").json
            found.setdefault(kind, []).extend(one["resource"] for one in (bundle or {}).get("entry", ()))
            for _, one in (each for each in known if each[0] == kind):
                found[kind].append(client.get(f"/fhir/{release}/{kind}/{one}").json or {})
                found[kind].append(client.get(f"/fhir/{release}/{kind}/{one}/_history").json or {})
    return found


def known(found: dict[str, list[Json]]) -> set[tuple[str, str]]:
    every = (one for each in found.values() for one in each)
    return {(one["resourceType"], one["id"]) for one in every if one.get("resourceType") in READABLE}


def told(found: dict[str, list[Json]]) -> set[str]:
    """Return which kinds say one of the secrets."""
    return {kind for kind, every in found.items() if any(one in orjson.dumps(every).decode() for one in SECRETS)}


def decide(console: Console, **ruling: str) -> None:
    answer = console.machine(Role.INTAKE).post(f"/api/studies/{UID}/decision", json=ruling | {"reason": "asked"})
    assert answer.status_code == 200, answer.text
    console.clock.at += timedelta(minutes=1)


def documents(client: FlaskClient, found: dict[str, list[Json]]) -> list[int]:
    """Return what each document's address is answered with."""
    every = [one for one in found["DocumentReference"] if one.get("content")]
    return [client.get(one["content"][0]["attachment"]["url"].partition("localhost")[2]).status_code for one in every]


def test_everything_is_told_of_what_is_bound(console: Console) -> None:
    found = answers(console.machine(), set())
    assert {kind for kind, _ in known(found)} == set(READABLE) - {"Claim", "ClaimResponse"}
    assert told(found) >= {"ImagingStudy", *RESTING}
    assert set(documents(console.machine(), found)) == {200}


@pytest.mark.parametrize(
    "ruling",
    [{"action": "unbind"}, {"action": "bind", "accession_number": "C1"}, {"action": "reject"}],
    ids=["held", "elsewhere", "closed"],
)
def test_nothing_is_told_of_it_under_the_patient_whose_it_is_not(console: Console, ruling: dict[str, str]) -> None:
    client = console.machine()
    before = answers(client, set())
    was = known(before)
    decide(console, **ruling)
    after = answers(client, was)
    owner = f"Patient/{1 if 'accession_number' not in ruling else 2}"
    strangers = {kind: [one for one in every if not _is_of(one, owner, ruling)] for kind, every in after.items()}
    assert told(strangers) == set()
    for kind in RESTING:
        statuses = {client.get(f"/fhir/r5/{kind}/{one}").status_code for each, one in was if each == kind}
        assert statuses == {404}, kind
    assert set(documents(client, before)) == {404}


def _is_of(one: Json, owner: str, ruling: dict[str, str]) -> bool:
    """Say whether a resource is in the chart that the study was bound to since: there it may be told."""
    subject = one.get("subject", {}).get("reference", "")
    return "accession_number" in ruling and subject == owner and one.get("status") != "entered-in-error"
