"""Large FHIR answers are compressed for programs that take it, and for nobody whose browser could be made to ask."""

from __future__ import annotations

import gzip

import orjson
import pytest

from bridge.domain.accounts import Role
from tests.fakes.console import Console

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

LARGE, SMALL = "/fhir/r4/ServiceRequest", "/fhir/r4/Patient/1"
TAKES = {"Accept-Encoding": "gzip, deflate"}


@pytest.fixture
def day(console: Console) -> Console:
    for number in range(6):
        console.order(f"A{number}")
    return console


def test_a_large_answer_is_compressed_for_a_program_that_takes_it(day: Console) -> None:
    api = day.machine(Role.SYSTEM, "system/*.rs")
    plain = api.get(LARGE)
    packed = api.get(LARGE, headers=TAKES)
    assert (plain.headers.get("Content-Encoding"), packed.headers["Content-Encoding"]) == (None, "gzip")
    assert orjson.loads(gzip.decompress(packed.data)) == plain.json
    assert int(packed.headers["Content-Length"]) == len(packed.data) < len(plain.data) / 4
    assert "Accept-Encoding" in plain.headers["Vary"]
    assert "Accept-Encoding" in packed.headers["Vary"]


@pytest.mark.parametrize("refused", ["identity", "gzip;q=0", "br", ""])
def test_who_does_not_take_it_gets_it_plain(day: Console, refused: str) -> None:
    assert "Content-Encoding" not in day.machine().get(LARGE, headers={"Accept-Encoding": refused}).headers


def test_small_answers_errors_and_what_browsers_ask_stay_plain(day: Console) -> None:
    api, browser = day.machine(), day.browser()
    for client, path in ((api, SMALL), (api, "/fhir/r4/Patient/99"), (browser, LARGE), (api, "/api/exams")):
        assert "Content-Encoding" not in client.get(path, headers=TAKES).headers, path


def test_a_batch_is_compressed_once(day: Console) -> None:
    entry = {"request": {"method": "GET", "url": "ServiceRequest"}}
    said = {"resourceType": "Bundle", "type": "batch", "entry": [entry]}
    packed = day.machine().post("/fhir/r4", json=said, headers=TAKES)
    (only,) = orjson.loads(gzip.decompress(packed.data))["entry"]
    assert only["resource"]["total"] == 6
