"""A token for one patient reads that patient's resources over FHIR, and learns nothing of anybody else by any interaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient

from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.errors import BridgeError
from bridge.flows.export_resources import ExportQueue
from bridge.store import studies
from bridge.web.fhir.export_pages import page_maker
from bridge.web.fhir.registry import KINDS, READABLE
from bridge.wiring import House
from tests.cast import NEAR_TWIN, PLAIN, STRANGER, Person, adt, image, merge, order, report, spooled, study_uid
from tests.fakes.clinic import AT
from tests.fakes.console import Console
from tests.flows.asking import say, sent
from tests.flows.test_appointments import siu
from tests.flows.test_chart_parts import DOCUMENT
from tests.flows.test_orders import cast_mpps
from tests.flows.test_rejections import note

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

MINE = f"patient/{PLAIN.patient_id}|RIVERSIDE"


def told_of(person: Person, number: str) -> tuple[str, ...]:
    """Return what only this person's resources say."""
    given = person.name.partition("^")[2]
    named = (f'"{number}"', f'"P{number}"', f'"F{number}"', f'"V{number}"', step_uid(number))
    return (person.patient_id, given, study_uid(number), *named)


def step_uid(number: str) -> str:
    """Return the UID of the performed step of an exam."""
    return f"2.25.7{int(number, 16)}"


THEIRS = (*told_of(NEAR_TWIN, "B1"), *told_of(STRANGER, "C1"))
ASYNC = {"Prefer": "respond-async"}


@pytest.fixture
def console(make_house: Callable[..., House]) -> Console:
    """Three people, each with a visit, and all that charts have of an exam."""
    found = Console(make_house(FixedClock(AT), http={"public_url": "http://localhost"}))
    for person, number in ((PLAIN, "A1"), (NEAR_TWIN, "B1"), (STRANGER, "C1")):
        say(
            found.house,
            adt(person).replace(b"PV1|1|O", f"PV1|1|I{'|' * 17}V{number}^^^RIVERSIDE".encode()),
            order(person, number, extra=f"AUT|PPO1|60054|Acme|20260302|20270101|PA{number}^ACME\r"),
        )
        found.house.performed_steps.create(step_uid(number), sent(cast_mpps(number)), "CT1")
        for one in (image(person, number), note("113000", image(person, number))):
            found.house.instances.receive(spooled(found.house, one))
        say(found.house, report(person, number, extra=DOCUMENT), siu(person, number))
    found.clock.at += timedelta(minutes=1)
    return found


@pytest.fixture
def mine(console: Console) -> FlaskClient:
    return console.machine(Role.SYSTEM, MINE, "patient/*.rs")


def said(client: FlaskClient, path: str) -> dict[str, Any]:
    answer = client.get(f"/fhir/{path}")
    assert answer.status_code == 200, (path, answer.get_data(as_text=True))
    assert answer.json is not None
    found: dict[str, Any] = answer.json
    return found


def ids(bundle: dict[str, Any], kind: str) -> set[str]:
    return {one["resource"]["id"] for one in bundle.get("entry", ()) if one["resource"]["resourceType"] == kind}


def served(console: Console) -> dict[str, set[str]]:
    """Return every id of every kind that somebody without a limit finds."""
    whole, found = console.machine(Role.ADMIN), {}
    for kind in READABLE:
        query = "?birthdate=ge1900" if kind == "Patient" else ""
        found[kind] = ids(said(whole, f"{KINDS[kind].releases[0]}/{kind}{query}"), kind)
    return found


def test_every_search_and_read_shows_that_patients_resources_alone(console: Console, mine: FlaskClient) -> None:
    twins = console.machine(Role.SYSTEM, MINE.replace(PLAIN.patient_id, NEAR_TWIN.patient_id), "patient/*.rs")
    not_twins = (*told_of(PLAIN, "A1"), *told_of(STRANGER, "C1"))
    shown, kept = set(), set()
    for kind, every in served(console).items():
        asked = ((mine, THEIRS, "r4"), (mine, THEIRS, "r5"), (twins, not_twins, "r4"), (twins, not_twins, "r5"))
        for client, hidden, release in (one for one in asked if one[2] in KINDS[kind].releases):
            bundle = said(client, f"{release}/{kind}?_include=*&_total=accurate")
            text = orjson.dumps(bundle).decode()
            assert not [word for word in hidden if word in text], kind
            found = ids(bundle, kind)
            assert found <= every
            for one in every:
                status = client.get(f"/fhir/{release}/{kind}/{one}").status_code
                assert status == (200 if one in found else 404), (kind, one)
                named = said(client, f"{release}/{kind}?_id={one}")
                assert ids(named, kind) == ({one} & found), (kind, one)
            shown |= {kind} if found else set()
            kept |= {kind} if every - found else set()
    assert shown == kept == set(READABLE), "there was something of others to be shown, of every kind"


def test_no_chain_reference_or_number_finds_anybody_else(console: Console, mine: FlaskClient) -> None:
    with console.store.read() as tx:
        theirs = studies.by_uid(tx, study_uid("B1"))
    assert theirs is not None
    number, key = NEAR_TWIN.patient_id, theirs.patient_key
    for query in (
        f"ImagingStudy?patient.identifier={number}",
        f"ImagingStudy?patient={key}",
        f"ImagingStudy?subject:Patient.identifier={number}",
        f"ImagingStudy?identifier={study_uid('B1')}",
        "ImagingStudy?identifier=B1",
        "ImagingStudy?basedon:identifier=B1",
        f"ImagingStudy?series={study_uid('B1')}.1",
        f"Patient?identifier={number}",
        "Patient?name=Halvorsen&given=Ingeborg",
        f"Patient?_id={key}",
        "ServiceRequest?identifier=B1",
        f"ServiceRequest?patient={key}",
        f"DiagnosticReport?patient.identifier={number}",
        f"DiagnosticReport?patient.identifier={STRANGER.patient_id}",
        f"Provenance?target=ImagingStudy/{theirs.key}",
        f"Task?patient={key}",
        f"Claim?patient={key}",
    ):
        bundle = said(mine, f"r4/{query}&_revinclude=Provenance:target" if "ImagingStudy?" in query else f"r4/{query}")
        assert (bundle["total"], bundle.get("entry", [])) == (0, []), query


def test_nothing_of_another_study_is_told_by_its_history(console: Console, mine: FlaskClient) -> None:
    for one in served(console)["ImagingStudy"]:
        is_mine = study_uid("A1") in orjson.dumps(said(console.machine(), f"r4/ImagingStudy/{one}")).decode()
        for path in (f"ImagingStudy/{one}/_history", f"ImagingStudy/{one}/_history/1"):
            assert (mine.get(f"/fhir/r4/{path}").status_code == 200) is is_mine, path


def test_a_batch_holds_each_of_its_reads_to_the_same_limit(console: Console, mine: FlaskClient) -> None:
    every = sorted(f"ImagingStudy/{one}" for one in served(console)["ImagingStudy"])
    entries = [{"request": {"method": "GET", "url": url}} for url in (*every, "Patient?birthdate=ge1900")]
    answer = mine.post("/fhir/r4", json={"resourceType": "Bundle", "type": "batch", "entry": entries})
    assert answer.status_code == 200
    text = answer.get_data(as_text=True)
    assert not [word for word in THEIRS if word in text]
    assert answer.json is not None
    assert sorted(one["response"]["status"][:3] for one in answer.json["entry"]) == ["200", "200", "404", "404"]


def test_an_export_holds_that_patients_resources_alone(console: Console, mine: FlaskClient) -> None:
    asked = mine.get("/fhir/r4/$export", headers=ASYNC)
    assert asked.status_code == 202
    place = asked.headers["Content-Location"].partition("localhost")[2]
    maker = page_maker(console.house.settings, console.clock, 2)
    queue = ExportQueue(console.store, console.clock, maker, owner="one")
    while queue.work():
        pass
    manifest = mine.get(place).json
    assert manifest is not None
    assert {"Patient", "ImagingStudy", "ServiceRequest"} <= {one["type"] for one in manifest["output"]}
    for one in manifest["output"]:
        text = mine.get(one["url"].partition("localhost")[2]).get_data(as_text=True)
        assert not [word for word in THEIRS if word in text], one["type"]


def test_it_changes_nothing_subscribes_to_nothing_and_reads_no_trail(mine: FlaskClient) -> None:
    topic = {"resourceType": "Subscription", "status": "requested"}
    assert mine.post("/fhir/r4/Subscription", json=topic).status_code == 403
    assert mine.get("/fhir/r4/Subscription").status_code == 403
    assert mine.post("/fhir/r4/ServiceRequest", json={"resourceType": "ServiceRequest"}).status_code == 403
    assert mine.get("/fhir/r4/AuditEvent").status_code == 403
    assert mine.get("/dicom-web/studies").status_code == 403, "its scopes name resources, not DICOMweb"
    for path in ("/api/exams", "/api/orders", "/api/viewer-links/1"):
        assert mine.get(path).status_code in (403, 405), path


def test_a_token_without_a_scope_for_fhir_reads_as_before_dicomweb_alone(console: Console) -> None:
    bare = console.machine(Role.SYSTEM, MINE)
    assert bare.get("/dicom-web/studies").status_code == 200
    for path in ("/fhir/r4/ImagingStudy", "/fhir/r4/Patient", "/fhir/r4/$export"):
        assert bare.get(path, headers=ASYNC).status_code == 403, path


def test_scopes_narrow_a_patients_token_further_and_dicomweb_can_be_added(console: Console) -> None:
    narrow = console.machine(Role.SYSTEM, MINE, "patient/ImagingStudy.rs", "dicomweb")
    assert len(ids(said(narrow, "r4/ImagingStudy?_include=ImagingStudy:patient"), "ImagingStudy")) == 1
    assert ids(said(narrow, "r4/ImagingStudy?_include=ImagingStudy:patient"), "Patient") == set()
    assert narrow.get("/fhir/r4/Patient").status_code == 403
    assert narrow.get("/dicom-web/studies").status_code == 200


def test_what_is_withdrawn_from_the_charts_is_not_told_over_dicomweb_either(console: Console) -> None:
    bare, archive = console.machine(Role.SYSTEM, MINE), console.machine(Role.SYSTEM, "dicomweb")
    uid, admin = study_uid("A1"), console.machine(Role.ADMIN)
    assert admin.post(f"/api/studies/{uid}/withdraw", json={"reason": "a test"}).status_code == 200
    assert [one.get("/dicom-web/studies").text.count(f'"{uid}"') for one in (bare, archive)] == [0, 1]
    for path in (f"studies/{uid}/metadata", f"studies/{uid}", f"studies/{uid}/rendered", f"studies/{uid}/series"):
        seen = [one.get(f"/dicom-web/{path}") for one in (bare, archive)]
        assert seen[0].status_code in (204, 404) or not seen[0].json, path
        assert seen[1].status_code in (200, 206), path
    assert admin.post(f"/api/studies/{uid}/withdraw/undo", json={"reason": "it was none"}).status_code == 200
    assert bare.get(f"/dicom-web/studies/{uid}/metadata").status_code == 200


def test_the_token_stays_with_the_person_through_a_merge(console: Console, mine: FlaskClient) -> None:
    say(console.house, merge(NEAR_TWIN, PLAIN))
    console.clock.at += timedelta(minutes=1)
    found = orjson.dumps(said(mine, "r4/ImagingStudy")).decode()
    assert study_uid("A1") in found
    assert study_uid("B1") in found


def test_a_token_says_whose_it_is_and_asks_for_nothing_wider(console: Console) -> None:
    for scopes in (
        ("patient/*.rs",),
        (MINE, "patient/*.cruds"),
        (MINE, "system/*.rs"),
        (MINE, "store"),
        (MINE, MINE.replace("41001", "41002")),
        ("patient/|RIVERSIDE", "patient/*.rs"),
    ):
        with pytest.raises(BridgeError):
            console.machine(Role.SYSTEM, *scopes)


def test_every_kind_that_is_served_was_tried(console: Console) -> None:
    assert set(served(console)) | {"AuditEvent"} == set(KINDS)
