"""The examples of docs/orders.md do what the document says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import orjson
import pytest

from bridge.domain.accounts import Role
from bridge.domain.order_list import RowOutcome
from bridge.sections.fhir import FhirServer
from tests.conftest import ROOT
from tests.fakes.console import Console

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def example(kind: str, number: int = 0) -> str:
    text = (Path(ROOT) / "docs/orders.md").read_text("utf-8")
    return re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)[number]


def worklist(console: Console) -> list[Any]:
    return list(console.machine(Role.VIEWER).get("/api/worklist").json["items"])


def test_the_order_by_rest_stands_on_the_worklist(console: Console) -> None:
    answer = console.machine(Role.SYSTEM, "orders").post("/api/orders", json=orjson.loads(example("json")))
    assert answer.status_code == 201
    assert worklist(console)[0]["station_ae_titles"] == ["CT1"]


def test_the_order_by_fhir_stands_on_the_worklist(console: Console) -> None:
    said = orjson.loads(example("json", 1))
    address = f"/fhir/r4/ServiceRequest/{said['id']}"
    assert console.machine(Role.SYSTEM, "orders").put(address, json=said).status_code == 201
    assert worklist(console)[0]["accession_number"] == "RIV26-1017"


def test_the_list_puts_each_row_on_the_worklist(console: Console) -> None:
    lists = console.house.handed_in
    rows = lists.read_file(example("csv").encode(), "").rows
    assert [one.outcome for one in lists.outlook(rows)] == [RowOutcome.NEW] * 2


def test_the_settings_are_settings(database_url: str) -> None:
    (server,) = tomllib.loads(example("toml"))["fhir"]["servers"]
    polled = FhirServer.model_validate(server).orders
    assert polled is not None
    assert polled.every_secs == 30
