"""What is read over FHIR after it became somebody else's: another version, told of since then, and never said to be as it was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from bridge.wiring import House
from tests.cast import NEAR_TWIN, PLAIN, adt, order, report, study_uid
from tests.flows.registration import mrg, order_of, pv1, tell
from tests.flows.test_appointments import siu
from tests.flows.test_served_announcements import Here

Json = dict[str, Any]
KINDS = (
    "Appointment",
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "Patient",
    "Procedure",
    "ServiceRequest",
    "Task",
)
# What is found by when it changed.
DATED = frozenset({"Appointment", "DiagnosticReport", "Patient", "Procedure", "ServiceRequest"})
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
    found.hear(siu(PLAIN, "A1"))
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


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_order_whose_appointment_moves_is_another_version(here: Here) -> None:
    here.hear(order(PLAIN, "A2"))
    place = "ServiceRequest/order-2"
    for said in (
        siu(PLAIN, "A2"),
        siu(PLAIN, "A2", "S13", at="20260302073000", start="20260305110000"),
        siu(PLAIN, "A2", "S15", at="20260302083000"),
    ):
        before = here.api.get(f"/fhir/r4/{place}").json
        here.run(timedelta(minutes=2))
        here.hear(said)
        after = here.api.get(f"/fhir/r4/{place}").json
        assert before.get("occurrenceDateTime") != after.get("occurrenceDateTime")
        assert not is_known(here, place, before["meta"]["versionId"])
        assert before["meta"]["lastUpdated"] < after["meta"]["lastUpdated"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_why_an_exam_was_ordered_is_said_alike_of_all_that_is_of_it(here: Here) -> None:
    coded = b"|R05^Cough^I10~R06.0^Dyspnoea^I10"
    plain = order(PLAIN, "A4", extra="")
    header, _, rest = plain.partition(b"OBR|1|")
    line, _, behind = rest.partition(b"\r")
    fields = line.split(b"|")
    here.hear(header + b"OBR|1|" + b"|".join(fields + [b""] * (29 - len(fields))) + coded + b"\r" + behind)
    here.device(accession="A4", step="2.25.704")
    here.run()
    said = [
        here.api.get(f"/fhir/r4/{path}").json
        for path in ("ServiceRequest/order-2", "Procedure/2", "ImagingStudy?identifier=A4")
    ]
    said[2] = said[2]["entry"][0]["resource"]
    codes = [[one["coding"][0]["code"] for one in each["reasonCode"] if "coding" in one] for each in said]
    assert codes == [["R05", "R06.0"]] * 3
    assert said[0]["reasonCode"] == said[1]["reasonCode"] == said[2]["reasonCode"]


@pytest.mark.parametrize("release", ["r4", "r5"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_study_points_to_what_was_performed_of_it(here: Here, release: str) -> None:
    """From its beginning on, in its own chart, and only to what may be read there."""
    here.hear(order(PLAIN, "A2"))
    here.device(accession="A2", step="2.25.702")
    here.run()

    def performed() -> list[str]:
        (entry,) = here.api.get(f"/fhir/{release}/ImagingStudy?identifier=A2").json["entry"]
        found = entry["resource"].get("procedureReference", entry["resource"].get("partOf", []))
        return [one["reference"] for one in (found if isinstance(found, list) else [found])]

    assert performed() == ["Procedure/2"]
    here.image(accession="A2")
    here.run(timedelta(minutes=2))
    assert performed() == ["Procedure/2"]
    assert here.api.get(f"/fhir/{release}/{performed()[0]}").status_code == 200
    desk = here.console.services.flows.studies.chart_desk
    desk.withdraw(study_uid("A2"), "asked", "user:maria", "Procedure:2")
    here.image(number=2, accession="A2")
    here.run(timedelta(minutes=2))
    assert performed() == []
    assert here.api.get(f"/fhir/{release}/Procedure/2").status_code == 404
