"""What is read over FHIR after it became somebody else's: another version, told of since then, and never said to be as it was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from bridge.wiring import House
from tests.cast import NEAR_TWIN, PLAIN, adt, report
from tests.flows.registration import mrg, order_of, pv1, tell
from tests.flows.test_served_announcements import Here

Json = dict[str, Any]
KINDS = ("DiagnosticReport", "DocumentReference", "Encounter", "Patient", "Procedure", "ServiceRequest", "Task")
# What is found by when it changed.
DATED = frozenset({"DiagnosticReport", "Patient", "Procedure", "ServiceRequest"})
CHANGES = {
    "A40": tell("A40", NEAR_TWIN.pid, mrg(PLAIN)),
    "A43": tell("A43", NEAR_TWIN.pid, mrg(PLAIN)),
    "A45": tell("A45", NEAR_TWIN.pid, mrg(PLAIN, visit="V1"), pv1("V1")),
    "A45 renumbered": tell("A45", PLAIN.pid, mrg(PLAIN, visit="V1"), pv1("V2")),
    "A47": tell("A47", "PID|1||00041099^^^RIVERSIDE^MR", mrg(PLAIN)),
}


@pytest.fixture
def here(make_house: Callable[..., House]) -> Here:
    """An exam of a visit that was done and reported, two minutes ago."""
    found = Here(make_house)
    visit = tell("A01", PLAIN.pid, pv1("V1"), at="20260302080100")
    found.hear(adt(NEAR_TWIN), visit, order_of(PLAIN, "A1", "V1", at="20260302083000"))
    found.device(PatientID=PLAIN.patient_id)
    found.device("COMPLETED")
    found.hear(report(PLAIN, "A1"))
    found.run(timedelta(minutes=2))
    return found


def shown(here: Here) -> dict[str, Json]:
    """Return everything that is read, by reference."""
    every = [f"{kind}?_id=1,2,3,order-1" if kind == "Patient" else kind for kind in KINDS]
    answers = [here.api.get(f"/fhir/r4/{one}").json for one in every]
    found = [entry["resource"] for answer in answers for entry in answer.get("entry", ())]
    return {f"{one['resourceType']}/{one['id']}": one for one in found}


def without_meta(resource: Json) -> Json:
    return {name: value for name, value in resource.items() if name != "meta"}


def is_known(here: Here, reference: str, version: str) -> bool:
    """Say whether a reader who has this version is told that it still stands."""
    return here.api.get(f"/fhir/r4/{reference}", headers={"If-None-Match": f'W/"{version}"'}).status_code == 304


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_somebody_else_s_now_is_another_version(here: Here, change: str) -> None:
    before = shown(here)
    assert all(is_known(here, one, before[one]["meta"]["versionId"]) for one in before)
    for step in (lambda: here.hear(CHANGES[change]), here.undo_merge):
        here.run(timedelta(minutes=2))
        at = here.console.clock.at
        step()
        after = shown(here)
        changed = [one for one in before.keys() & after.keys() if without_meta(before[one]) != without_meta(after[one])]
        assert changed
        for one in changed:
            assert not is_known(here, one, before[one]["meta"]["versionId"]), one
            kind, _, name = one.partition("/")
            if kind in DATED:
                since = f"/fhir/r4/{kind}?_id={name}&_lastUpdated=ge{at:%Y-%m-%dT%H:%M:%SZ}"
                assert here.api.get(since).json["total"] == 1, one
        for one in (before.keys() & after.keys()) - {*changed}:
            assert is_known(here, one, after[one]["meta"]["versionId"]), one
        before = after
