"""After a study was bound anew, parted, held, closed or withdrawn, or a merge was undone, no answer tells one person's token of another.

By every search with what comes with it, read, version, batch and export, those that were made before among them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient

from bridge.building.destinations import publishers
from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.flows.export_resources import ExportQueue
from bridge.outbox.worker import Worker
from bridge.web.fhir.capability import offers
from bridge.web.fhir.export_pages import page_maker
from bridge.web.fhir.registry import READABLE
from bridge.wiring import House
from tests.cast import NEAR_TWIN, PLAIN, Person, adt, image, merge, order, report, spooled, study_uid
from tests.fakes.clinic import AT
from tests.fakes.console import Console
from tests.flows.asking import say, sent
from tests.flows.test_chart_parts import DOCUMENT
from tests.flows.test_orders import cast_mpps
from tests.flows.test_rejections import note

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

ASYNC = {"Prefer": "respond-async"}
UID, LATE = study_uid("A1"), f"{study_uid('A1')}.2"
# Each names the images, the step and the report of one exam.
WORDS = {"A1": "A nodule of 9 mm.", "B1": "No nodule at all."}
Act = Callable[[Console], None]


def step_uid(number: str) -> str:
    return f"2.25.7{int(number, 16)}"


@pytest.fixture
def console(make_house: Callable[..., House]) -> Console:
    """Two people, each with a visit, an order and all that charts have of an exam; one study has a second series."""
    found = Console(make_house(FixedClock(AT), http={"public_url": "http://localhost"}))
    for person, number in ((PLAIN, "A1"), (NEAR_TWIN, "B1")):
        visit = f"PV1|1|I{'|' * 17}V{number}^^^RIVERSIDE".encode()
        say(found.house, adt(person).replace(b"PV1|1|O", visit), order(person, number))
        found.house.performed_steps.create(step_uid(number), sent(cast_mpps(number)), "CT1")
        first = image(person, number)
        second = [image(person, number, series=2)] if number == "A1" else []
        for one in (first, *second, note("113000", first, *second)):
            found.house.instances.receive(spooled(found.house, one))
        said = DOCUMENT + f"OBX|4|ST|113014^Study UID^DCM||{study_uid(number)}||||||F\r"
        say(found.house, report(person, number, text=WORDS[number], extra=said))
    work(found)
    return found


def work(console: Console) -> None:
    """Let a minute pass, and what waits be made."""
    console.clock.at += timedelta(minutes=1)
    Worker(console.store, console.clock, publishers(console.house), owner="test", jitter=lambda: 0.5).run_due()


def token(console: Console, person: Person) -> FlaskClient:
    return console.machine(Role.SYSTEM, f"patient/{person.patient_id}|RIVERSIDE", "patient/*.rs")


def asked(console: Console, client: FlaskClient) -> dict[str, list[str]]:
    """Ask for everything in both releases, and let it be made; returns the files' addresses."""
    answers = {one: client.get(f"/fhir/{one}/$export", headers=ASYNC) for one in ("r4", "r5")}
    places = {one: answer.headers["Content-Location"] for one, answer in answers.items() if answer.status_code == 202}
    queue = ExportQueue(console.store, console.clock, page_maker(console.house.settings, console.clock, 2), owner="one")
    while queue.work():
        pass
    return {release: [one["url"] for one in (client.get(at).json or {})["output"]] for release, at in places.items()}


def addresses(console: Console) -> dict[str, list[str]]:
    """Return every address below a release that somebody could try."""
    whole, found = console.machine(Role.ADMIN), {}
    for release in ("r4", "r5"):
        found[release] = []
        for offer in (one for one in offers(release) if one.resource_type in READABLE):
            kind, comes = offer.resource_type, "".join(f"&_revinclude={one}" for one in offer.revincludes)
            query = "?birthdate=ge1900&" if kind == "Patient" else "?"
            found[release].append(f"{kind}{query}_include=*{comes}")
            ids = [one["id"] for one in resources(whole.get(f"/fhir/{release}/{kind}{query}").json)]
            found[release] += [f"{kind}/{one}{tail}" for one in ids for tail in ("", "/_history")]
            found[release] += [f"{kind}/{one}/_history/{version}" for one in ids for version in (1, 2)]
    return found


def resources(bundle: Any) -> list[dict[str, Any]]:
    return [one["resource"] for one in bundle.get("entry", ())]


def told(client: FlaskClient, tried: dict[str, list[str]], files: dict[str, list[str]]) -> str:
    """Return all that a token is told by any of the addresses, one by one and in batches, and by files."""
    said = []
    for release, paths in tried.items():
        said += [client.get(f"/fhir/{release}/{path}").text for path in paths]
        entries = [{"request": {"method": "GET", "url": path}} for path in paths]
        for first in range(0, len(entries), 20):
            bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries[first : first + 20]}
            answer = client.post(f"/fhir/{release}", json=bundle)
            assert answer.status_code == 200, answer.text
            said.append(answer.text)
    said += [client.get(url.partition("localhost")[2]).text for urls in files.values() for url in urls]
    return "\n".join(said)


def decide(console: Console, **ruling: Any) -> None:
    answer = console.machine(Role.INTAKE).post(f"/api/studies/{UID}/decision", json=ruling | {"reason": "asked"})
    assert answer.status_code == 200, answer.text


def bind_anew(console: Console) -> None:
    decide(console, action="unbind")
    work(console)
    decide(console, action="bind", accession_number="B1")


def unbind(console: Console) -> None:
    decide(console, action="unbind")


def reject(console: Console) -> None:
    decide(console, action="reject")


def withdraw(console: Console) -> None:
    answer = console.machine(Role.ADMIN).post(f"/api/studies/{UID}/withdraw", json={"reason": "a test"})
    assert answer.status_code == 200


def part(console: Console) -> None:
    decide(console, action="split", instances=[f"{LATE}.1"], patient={"patient_id": NEAR_TWIN.patient_id})


def mark_as_bad(console: Console) -> None:
    console.house.instances.receive(spooled(console.house, note("113038", image(PLAIN, "A1", series=2), number=2)))


OF_PLAIN = (PLAIN.patient_id, '"INGRID"', '"VA1"', '"PA1"', '"FA1"')
OF_TWIN = (NEAR_TWIN.patient_id, '"INGEBORG"', '"VB1"', '"PB1"', '"FB1"', step_uid("B1"), WORDS["B1"])
# What a study's images alone say, and what rests on them.
IMAGES = (f'"{UID}.1', f'"{LATE}')
RESTS = (step_uid("A1"), WORDS["A1"])


@pytest.mark.parametrize(
    ("act", "gone"),
    [
        (bind_anew, (*IMAGES, *RESTS)),
        (unbind, (*IMAGES, *RESTS)),
        (reject, (*IMAGES, *RESTS)),
        (withdraw, (*IMAGES, *RESTS)),
        (part, (f'"{LATE}',)),
        (mark_as_bad, (f'"{LATE}.1"',)),
    ],
)
def test_what_has_left_a_persons_chart_is_told_to_nobody_else_and_to_them_no_more(
    console: Console, act: Act, gone: tuple[str, ...]
) -> None:
    plain, twin = token(console, PLAIN), token(console, NEAR_TWIN)
    files = {"plain": asked(console, plain), "twin": asked(console, twin)}
    tried = addresses(console)
    before = told(plain, tried, files["plain"])
    assert all(word in before for word in (*OF_PLAIN, *gone)), "there was something to be told"
    act(console)
    work(console)
    after = addresses(console)
    tried = {release: list(dict.fromkeys(tried[release] + after[release])) for release in tried}
    later = {"plain": asked(console, plain), "twin": asked(console, twin)}
    for old_or_new in (files, later):
        mine = told(plain, tried, old_or_new["plain"])
        assert not [word for word in (*OF_TWIN, *gone) if word in mine]
        theirs = told(twin, tried, old_or_new["twin"])
        assert not [word for word in OF_PLAIN if word in theirs]
        assert any(word in theirs for word in OF_TWIN)


def test_after_an_undone_merge_each_is_told_of_their_own_alone(console: Console) -> None:
    say(console.house, merge(NEAR_TWIN, PLAIN))
    work(console)
    plain, twin = token(console, PLAIN), token(console, NEAR_TWIN)
    files = {"plain": asked(console, plain), "twin": asked(console, twin)}
    tried = addresses(console)
    one_person = told(plain, tried, files["plain"])
    assert all(word in one_person for word in (*OF_PLAIN, *OF_TWIN))
    console.services.flows.undo_merge(merge_key=1, reason="two people", actor="user:maria")
    work(console)
    after = addresses(console)
    tried = {release: list(dict.fromkeys(tried[release] + after[release])) for release in tried}
    for client, others, name in ((plain, OF_TWIN, "plain"), (twin, (*OF_PLAIN, *IMAGES, *RESTS), "twin")):
        for old_or_new in (files[name], asked(console, client)):
            said = told(client, tried, old_or_new)
            assert not [word for word in others if word in said], name


def test_an_older_file_says_whose_each_study_is_now_through_a_merge_and_its_end(console: Console) -> None:
    whole = console.machine(Role.SYSTEM, "fhir")

    def made() -> list[str]:
        return [one for one in asked(console, whole)["r4"] if "ImagingStudy" in one]

    def read(files: list[str]) -> set[tuple[str, str, str]]:
        texts = [whole.get(url.partition("localhost")[2]).data for url in files]
        return {_whose(orjson.loads(line)) for text in texts for line in text.splitlines()}

    def now() -> set[tuple[str, str, str]]:
        return {_whose(one) for one in resources(whole.get("/fhir/r4/ImagingStudy").json)}

    before = made()
    assert read(before) == now() == {("1", "Patient/1", "available"), ("2", "Patient/2", "available")}
    say(console.house, merge(NEAR_TWIN, PLAIN))
    work(console)
    while_merged = made()
    assert read(before) == read(while_merged) == now() == {(one, "Patient/2", "available") for one in ("1", "2")}
    console.services.flows.undo_merge(merge_key=1, reason="two people", actor="user:maria")
    work(console)
    again = ("1-2", "Patient/1", "available")
    assert read(before) == read(while_merged) == now() - {again}
    assert {again, ("1", "Patient/2", "entered-in-error")} <= now()


def _whose(study: dict[str, Any]) -> tuple[str, str, str]:
    return study["id"], study["subject"]["reference"], study["status"]


def test_a_scope_for_one_kind_tells_of_no_other_by_any_way(console: Console) -> None:
    narrow = console.machine(Role.SYSTEM, f"patient/{PLAIN.patient_id}|RIVERSIDE", "patient/ImagingSelection.rs")
    said = told(narrow, addresses(console), asked(console, narrow))
    assert '"ImagingSelection"' in said
    for word in (PLAIN.patient_id, '"INGRID"', '"FA1"', *RESTS, *OF_TWIN):
        assert word not in said
