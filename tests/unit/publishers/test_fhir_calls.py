"""How a FHIR server is called: with a certificate, so many at a time, so often, and what a check says of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bridge.building.targets import fhir_client
from bridge.clock import Clock, FixedClock
from bridge.codecs.fhir.offered import Kind, read_statement
from bridge.codecs.fhir.outcome import in_words
from bridge.errors import Unavailable
from bridge.outbox.retry import DESTINATION_DOWN
from bridge.peer_check import check_peers
from bridge.publishers.fhir_client import FhirClient
from bridge.publishers.turns import Turns
from bridge.sections.fhir import FhirServer
from bridge.wiring import House
from samples.ehr_door import Door
from samples.ehr_offers import BY_SEARCH
from samples.strict_ehr import StrictEhr
from tests.fakes.clinic import AT
from tests.faults.certificates import make_identity, server_context

NOBODY = {"identifier": "urn:x|1"}


@pytest.fixture
def ehr() -> Iterator[StrictEhr]:
    server = StrictEhr(slow_secs=2.0).start()
    yield server
    server.stop()


@pytest.mark.parametrize("shows", ["certificate", "nothing"])
def test_a_server_that_asks_for_a_certificate_is_shown_ours(tmp_path: Path, shows: str) -> None:
    theirs, ours = make_identity(tmp_path, "ehr"), make_identity(tmp_path, "bridge")
    ehr = StrictEhr(tls=server_context(theirs, client_ca=ours[0])).start()
    tls: dict[str, Any] = {"ca": theirs[0]}
    if shows == "certificate":
        tls |= {"certificate": ours[0], "key": ours[1]}
    server = FhirServer.model_validate({"name": "ehr", "base_url": ehr.base_url, "timeout_secs": 5, "tls": tls})
    client = fhir_client(server, Clock())
    try:
        if shows == "certificate":
            assert client.search("Patient", NOBODY) == []
            return
        with pytest.raises(Unavailable):
            client.search("Patient", NOBODY)
    finally:
        client.close()
        ehr.stop()


def test_nobody_there_is_told_apart_from_one_silence_and_from_many(ehr: StrictEhr) -> None:
    client = FhirClient(FhirServer(name="ehr", base_url=ehr.base_url, timeout_secs=0.2), FixedClock(AT))
    ehr.misbehave("hang", 3)
    codes = []
    for _ in range(3):
        with pytest.raises(Unavailable) as caught:
            client.search("Patient", NOBODY)
        codes.append(caught.value.code)
    assert codes == ["no_answer", "no_answer", DESTINATION_DOWN]
    client.search("Patient", NOBODY)
    ehr.misbehave("hang", 1)
    with pytest.raises(Unavailable) as caught:
        client.search("Patient", NOBODY)
    assert caught.value.code == "no_answer"
    client.close()
    away = FhirClient(FhirServer(name="ehr", base_url="http://127.0.0.1:1/fhir"), FixedClock(AT))
    with pytest.raises(Unavailable) as caught:
        away.search("Patient", NOBODY)
    assert caught.value.code == DESTINATION_DOWN
    away.close()


def test_no_more_requests_are_under_way_than_the_settings_allow() -> None:
    turns, counted = Turns(connections=2, rate_per_sec=0), threading.Lock()
    under_way, most = 0, 0
    go_on = threading.Event()

    def call() -> None:
        nonlocal under_way, most
        with turns.turn():
            with counted:
                under_way += 1
                most = max(most, under_way)
                if most == 2:
                    go_on.set()
            go_on.wait(10)
            with counted:
                under_way -= 1

    with ThreadPoolExecutor(6) as callers:
        for done in [callers.submit(call) for _ in range(6)]:
            done.result()
    assert most == 2


def test_turns_of_a_rate_are_spread_and_none_is_saved_up() -> None:
    turns = Turns(connections=4, rate_per_sec=10)
    assert [round(turns._wait_secs(now), 3) for now in (100.0, 100.0, 100.05, 101.0, 101.0)] == [0, 0.1, 0.15, 0, 0.1]


def test_an_outcome_is_told_by_its_kinds_and_places_and_never_by_its_text() -> None:
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": "code-invalid",
                "expression": ["ImagingStudy.modality"],
                "diagnostics": "DOE",
            },
            {"severity": "warning", "code": "business-rule"},
            {"severity": "error", "code": "required", "location": ["<DOE>"], "details": {"text": "DOE^JANE"}},
            {"severity": "error", "code": "made-up"},
            "DOE",
        ],
    }
    said = (
        "a code is not in its value set (ImagingStudy.modality); something is missing that the server requires; made-up"
    )
    assert in_words(outcome) == said


@pytest.mark.parametrize("outcome", [None, [], "DOE", {}, {"issue": "DOE"}, {"issue": [{"code": "DOE^JANE"}]}])
def test_what_is_no_outcome_says_nothing(outcome: object) -> None:
    assert in_words(outcome) == ""


@pytest.mark.parametrize(
    "said",
    [None, {}, {"resourceType": "Bundle"}, {"resourceType": "CapabilityStatement", "rest": "x"}],
)
def test_a_statement_that_cannot_be_read_says_nothing(said: object) -> None:
    assert read_statement(said).of("ImagingStudy") == Kind()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_check_says_what_a_server_allows_and_whose_clock_is_wrong(
    make_house: Callable[..., House], ehr: StrictEhr
) -> None:
    def check() -> dict[str, Any]:
        server = {"name": "ehr", "base_url": ehr.base_url, "timeout_secs": 5}
        rows = check_peers(make_house(FixedClock(AT), fhir={"servers": [server]}))
        return next(one for one in rows if one["name"] == "ehr")

    row = check()
    assert row["ok"]
    assert row["kind"] == "fhir R4 none"
    assert row["answer"].startswith("4.0.1 strict EHR; ImagingStudy by our ids; transactions; its clock is ")
    assert row["answer"].endswith(" s ahead")
    ehr.offers = BY_SEARCH
    assert "ImagingStudy looked for before and after; its" in check()["answer"]
    ehr.offers = replace(BY_SEARCH, creates=False)
    assert "ImagingStudy cannot be made there (it offers no create); its" in check()["answer"]
    ehr.door = Door(token="another")
    assert (check()["ok"], check()["answer"]) == (False, "the server answers 401")
