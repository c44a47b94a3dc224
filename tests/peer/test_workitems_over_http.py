"""Workitems over a real listener: the documented walk with curl, both media types, searches, and the XML of another product."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bridge.clock import FixedClock
from bridge.codecs.dicomweb import native_xml
from bridge.sections.http import HttpSection
from bridge.store import orders, patients
from bridge.web.server import HttpServer
from bridge.wiring import House
from tests.cast import MULTI_BYTE, PLAIN, adt, order
from tests.conftest import ROOT, missing_peer
from tests.fakes.clinic import AT
from tests.fakes.console import Console
from tests.fakes.workitem_tool import Tool, element, first, new_task
from tests.flows.asking import say

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

STUDY = "2.25.88"
XML = "application/dicom+xml"


class Door:
    """A listener, a console behind it, and a client with a token."""

    def __init__(self, console: Console, address: str) -> None:
        self.console = console
        self.address = address
        self.tool = Tool(console, "CT1")
        headers = {"Authorization": f"Bearer {self.tool.token}"}
        self.client = httpx2.Client(base_url=f"{address}/dicom-web", headers=headers, timeout=30)

    def search(self, query: str) -> list[dict[str, Any]]:
        answer = self.client.get(f"/workitems?{query}")
        assert answer.status_code in (200, 204, 206), answer.text
        return list(answer.json()) if answer.content else []


@pytest.fixture
def door(make_house: Callable[..., House]) -> Iterator[Door]:
    house = make_house(FixedClock(AT))
    say(house, adt(PLAIN), adt(MULTI_BYTE), order(PLAIN, "A1"), order(MULTI_BYTE, "A2"))
    console = Console(house)
    server = HttpServer(console.app, HttpSection(port=0))
    server.start()
    yield Door(console, f"http://127.0.0.1:{server.port}")
    server.stop()


def test_the_documented_walk_works_as_it_stands(door: Door) -> None:
    if shutil.which("curl") is None:
        missing_peer("curl", "install curl")
    with door.console.store.read() as tx:
        ordered = orders.by_accession(tx, "A1")[0]
        owner = patients.get(tx, ordered.patient_key)
    door.console.clinic.bind(door.console.clinic.study(STUDY, 1, 1), owner, ordered)
    page = (ROOT / "docs" / "workitems.md").read_text("utf-8")
    script = re.search(r"```bash\n(.*?)```", page, re.DOTALL)
    assert script
    said = {"BRIDGE": door.address, "TOKEN": door.tool.token, "STUDY": STUDY}
    ran = subprocess.run(
        ["bash", "-c", script[1]], env=os.environ | said, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.strip() == '"00741000":{"vr":"CS","Value":["COMPLETED"]}'


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["A1", "A2"]),
        ("PatientID=00041001", ["A1"]),
        ("00100020=00041001", ["A1"]),
        ("PatientName=halvorsen*", ["A1"]),
        ("PatientName=nunez^senora", ["A2"]),
        ("ReferencedRequestSequence.AccessionNumber=A2", ["A2"]),
        ("0040A370.00080050=A2&0040A370.00401001=A2", ["A2"]),
        ("0040A370.00080050=A2&0040A370.00401001=A1", []),
        ("ScheduledStationNameCodeSequence.CodeValue=CT*", ["A1", "A2"]),
        ("ScheduledStationNameCodeSequence.CodeValue=MR1", []),
        ("ScheduledStationClassCodeSequence.CodeValue=CT&limit=1", ["A1"]),
        ("limit=1&offset=1", ["A2"]),
        ("ScheduledProcedureStepStartDateTime=20260302", ["A1", "A2"]),
        ("ScheduledProcedureStepStartDateTime=20260302101500", ["A1", "A2"]),
        ("ScheduledProcedureStepStartDateTime=-20260302101459", []),
        ("ScheduledProcedureStepStartDateTime=20260302111500%2B0100-", ["A1", "A2"]),
        ("ProcedureStepState=SCHEDULED&ScheduledProcedureStepPriority=MEDIUM", ["A1", "A2"]),
        ("ProcedureStepState=COMPLETED", []),
        ("PatientBirthDate=19580101-19581231", ["A1"]),
        ("PatientName=*&IssuerOfPatientID=ELSEWHERE", []),
    ],
)
def test_a_search_is_matched_as_the_worklist_is(door: Door, query: str, found: list[str]) -> None:
    items = door.search(query)
    assert sorted(first(item, "0040A370", "00080050") for item in items) == found


@pytest.mark.parametrize(
    "query",
    ["NoSuchThing=1", "PatientName.CodeValue=1", "00404005=tomorrow", "limit=many", "offset=-1", "a.b.c.d.e=1"],
)
def test_a_search_that_asks_for_nothing_there_is_is_a_bad_request(door: Door, query: str) -> None:
    assert door.client.get(f"/workitems?{query}").status_code == 400


def test_an_answer_holds_its_return_keys_and_what_was_asked_for(door: Door) -> None:
    (plain,) = door.search("PatientID=00041001")
    assert {"00741216", "00404010", "00400400"} & plain.keys() == set()
    (more,) = door.search("PatientID=00041001&includefield=00404010,CommentsOnTheScheduledProcedureStep")
    assert {"00404010", "00400400"} <= more.keys()
    (all_of_it,) = door.search("PatientID=00041001&includefield=all")
    assert "00741216" in all_of_it


def test_who_names_no_limit_hears_that_there_is_more(door: Door) -> None:
    for number in range(101):
        assert door.tool.create(new_task(), f"2.25.7{number:03d}").status_code == 201
    answer = door.client.get("/workitems")
    assert (answer.status_code, len(answer.json())) == (206, 100)
    assert answer.headers["Warning"].endswith("There are additional results that can be requested")
    assert door.client.get("/workitems?limit=100").status_code == 200
    assert len(door.search("offset=100")) == 3


def test_fuzzy_matching_is_declined_with_a_warning(door: Door) -> None:
    answer = door.client.get("/workitems?fuzzymatching=true&PatientName=HALVORSON")
    assert answer.status_code == 204
    assert "fuzzymatching parameter is not supported" in answer.headers["Warning"]


def test_xml_says_what_json_says(door: Door) -> None:
    uid = door.tool.uid_of("A2")
    answer = door.client.get(f"/workitems/{uid}", headers={"Accept": XML})
    assert answer.headers["Content-Type"] == XML
    assert native_xml.read_xml(answer.content) == door.client.get(f"/workitems/{uid}").json()[0]
    both = door.client.get("/workitems", headers={"Accept": f'multipart/related; type="{XML}"'})
    assert both.headers["Content-Type"].startswith("multipart/related")
    assert both.content.count(b"<NativeDicomModel") == 2
    assert door.client.get(f"/workitems/{uid}?accept={XML}").headers["Content-Type"] == XML
    assert door.client.get(f"/workitems/{uid}", headers={"Accept": "text/html"}).status_code == 406


def test_another_products_creation_in_xml_is_taken(door: Door, corpus: Path) -> None:
    sent = native_xml.read_xml((corpus / "worklist" / "dcm4che" / "upsscu" / "create.xml").read_bytes())
    body = native_xml.to_xml(sent | {"00404005": element("DT", "20260302170000")})
    answer = door.client.post("/workitems?2.25.900", content=body, headers={"Content-Type": XML})
    assert answer.status_code == 201, answer.text
    assert door.tool.state("2.25.900") == "SCHEDULED"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<a/>",
        b"<NativeDicomModel>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><NativeDicomModel/>',
        "<NativeDicomModel/>".encode("utf-16"),
        b"<NativeDicomModel>"
        + b'<DicomAttribute tag="0040A370" vr="SQ"><Item number="1">' * 40
        + b"</NativeDicomModel>",
    ],
)
def test_xml_that_is_no_data_set_is_a_bad_request(door: Door, body: bytes) -> None:
    assert door.client.post("/workitems", content=body, headers={"Content-Type": XML}).status_code == 400


def test_no_log_line_and_no_address_holds_a_person(door: Door, capfd: pytest.CaptureFixture[str]) -> None:
    uid = door.tool.uid_of("A1")
    door.tool.claim(uid)
    door.tool.complete(uid)
    answer = door.tool.create(new_task(), "2.25.901")
    said = "".join(capfd.readouterr())
    for personal in (PLAIN.patient_id, "HALVORSEN", PLAIN.birth_date):
        assert personal not in said
        assert personal not in json.dumps(dict(answer.headers))
