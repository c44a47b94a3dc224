"""A payer's Task that asks for attachments, as it is read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bridge.errors import BridgeError
from bridge.mapping.attachment_requests import ReadRequest, read_attachment_request
from bridge.mapping.fhir_fields import Resource
from tests.flows.test_evidence_requests import task

_CORPUS = Path(__file__).parents[4] / "shared/corpus/fhir/pas-examples/Task-AdditionalInformationTaskExample.json"


def read(said: dict[str, Any], zone: str = "UTC") -> ReadRequest:
    found = read_attachment_request(Resource({"id": "t1"} | said), "acme", ZoneInfo(zone))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("zone", "end", "due"),
    [
        ("America/New_York", "2026-03-07", datetime(2026, 3, 8, 4, 59, 59, tzinfo=UTC)),
        ("America/New_York", "2026-03-09", datetime(2026, 3, 10, 3, 59, 59, tzinfo=UTC)),
        ("UTC", "2026-03-09", datetime(2026, 3, 9, 23, 59, 59, tzinfo=UTC)),
        ("America/New_York", "2026-03-09T12:00:00-07:00", datetime(2026, 3, 9, 19, 0, tzinfo=UTC)),
    ],
)
def test_trap_17_a_due_day_ends_by_the_payer_s_own_clock(zone: str, end: str, due: datetime) -> None:
    assert read(task(restriction={"period": {"end": end}}), zone).request.due_at == due


def test_whom_what_and_under_which_number_is_read() -> None:
    said = read(task(line=3)).request
    assert (said.tracking_id, said.claim_number, said.member_id) == ("PAYER-77", "PA1", "W1122")
    assert (said.codes, said.lines, said.attach_to, said.purpose_of_use) == (
        ("18748-4",),
        (3,),
        "preauthorization",
        "COVAUTH",
    )


def test_a_claim_s_task_is_for_the_claim() -> None:
    said = read(task(reasonCode={"coding": [{"code": "claim"}]})).request
    assert (said.attach_to, said.purpose_of_use) == ("claim", "CLMATTCH")


@pytest.mark.parametrize("wanted", [True, False])
def test_who_wants_a_signature_is_told_of_before_anything_leaves(wanted: bool) -> None:
    flag = {"type": {"coding": [{"code": "signature-flag"}]}, "valueBoolean": wanted}
    said = read(task() | {"input": [*task()["input"], flag]}).request
    assert [gap.startswith("the payer wants it signed") for gap in said.gaps] == [True] * wanted


def test_another_kind_of_task_asks_for_nothing() -> None:
    other = task() | {"id": "t1", "code": {"coding": [{"code": "fulfill"}]}}
    assert read_attachment_request(Resource(other), "acme", ZoneInfo("UTC")) is None


@pytest.mark.parametrize(
    "odd",
    [
        {"identifier": []},
        {"input": "x"},
        {
            "input": [{"type": {"coding": "x"}, "valueCodeableConcept": {"coding": ["x"]}}],
            "restriction": {"period": {"end": "soon"}},
        },
        {"restriction": {"period": {"end": 7}}},
        {"contained": "x"},
        {"identifier": [{"value": 7}]},
        {
            "input": [
                {
                    "type": {"coding": [{"code": "attachments-needed"}]},
                    "valueCodeableConcept": {"coding": [{"code": 7}]},
                }
            ]
        },
    ],
)
def test_what_is_not_as_fhir_has_it_is_refused_by_its_place(odd: dict[str, Any]) -> None:
    with pytest.raises(BridgeError):
        read(task(**odd) if "contained" not in odd else task() | odd | {"identifier": []})


@pytest.mark.skipif(not _CORPUS.exists(), reason="the corpus is not beside this checkout")
def test_the_example_of_pas_is_read() -> None:
    said = read(json.loads(_CORPUS.read_text())).request
    assert (said.tracking_id, said.codes, said.lines) == ("1122334", ("28570-0",), (1,))
