"""imaging-bridge map: what a person at a terminal reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bridge.cli import main

ORDER = (
    "MSH|^~\\&|EHR|NEWPLACE|BRIDGE|HOSP|20260112||ORM^O01|C1|P|2.5.1\n"
    "PID|1||7^^^HOME^MR||DOE^JANE||19700101|F\n"
    "ORC|NW|P1|F1||SC||^^^20260302090000^^R\n"
    "OBR|1|P1|F1|71260^CT chest^C4||||||||||||||{accession}||||||CT\n"
    "ZXY|left handed\n"
)


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    file = tmp_path / "bridge.toml"
    file.write_text('[bridge]\ndata = "data"\ntime_zone = "Europe/Berlin"\n', "utf-8")
    return file


def run(tmp_path: Path, settings: Path, text: str, *options: str) -> Result:
    file = tmp_path / "order.hl7"
    file.write_text(text, "utf-8")
    return CliRunner().invoke(main, ["map", str(file), "-c", str(settings), *options])


def test_an_unknown_senders_order_shows_presets_sources_and_what_was_ignored(tmp_path: Path, settings: Path) -> None:
    done = run(tmp_path, settings, ORDER.format(accession="A1"))

    assert done.exit_code == 0
    for said in (
        "no site's match has MSH-3 EHR, MSH-4 NEWPLACE",
        "sites/ihe_orm",
        "from OBR-18",
        "ZXY-1",
        "left handed",
    ):
        assert said in done.output
    assert '"resourceType": "ServiceRequest"' in done.output


def test_a_missing_accession_number_shows_every_place_that_was_looked_at(tmp_path: Path, settings: Path) -> None:
    text = ORDER.format(accession="").replace("|P1|F1|", "|P1||")
    done = run(tmp_path, settings, text, "--site", "sites/filler_accession")

    assert done.exit_code == 1
    assert "refused: AE 101 ORC-3: no accession number" in done.output
    assert "ORC-3: empty; OBR-3: empty" in done.output


def test_several_messages_are_told_apart(tmp_path: Path, settings: Path) -> None:
    text = ORDER.format(accession="A1") + ORDER.format(accession="A2")
    done = run(tmp_path, settings, text)
    told = json.loads(run(tmp_path, settings, text, "--json").output)

    assert "=== message 2 of 2 ===" in done.output
    assert [one["worklist"][0]["accession_number"] for one in told["messages"]] == ["A1", "A2"]


def test_one_message_as_json_says_where_each_value_came_from(tmp_path: Path, settings: Path) -> None:
    told = json.loads(run(tmp_path, settings, ORDER.format(accession="A1"), "--site", "us_ehr", "--json").output)

    assert (told["site"], told["site_because"], told["error"]) == ("us_ehr", "asked for", None)
    asked = {one["target"]: (one["value"], one["source"]) for one in told["asked"]}
    assert asked["requested_procedure.accession"][1] == "OBR-18"
    assert asked["scheduled_step.start"] == ("20260302090000", "ORC-7.4")
    assert [one["where"] for one in told["ignored"]] == ["ZXY-1"]
    assert [resource["resourceType"] for resource in told["fhir"]] == ["Patient", "ServiceRequest", "ImagingStudy"]


def test_a_site_that_is_none_names_those_that_are(tmp_path: Path, settings: Path) -> None:
    done = run(tmp_path, settings, ORDER, "--site", "nowhere")

    assert done.exit_code != 0
    assert "sites/us_ehr" in done.output


def test_a_result_shows_its_report(tmp_path: Path, settings: Path) -> None:
    text = (
        "MSH|^~\\&|RIS|NEWPLACE|BRIDGE|HOSP|20260112||ORU^R01|C1|P|2.5.1\n"
        "PID|1||7^^^HOME^MR||DOE^JANE||19700101|F\n"
        "OBR|1|P1|F1|71260^CT chest^C4||||||||||||||A1||||20260112101500|||F\n"
        "OBX|1|TX|71260&IMP^CT chest||No nodule.||||||F\n"
    )
    told = json.loads(run(tmp_path, settings, text, "--json").output)

    assert [resource["resourceType"] for resource in told["fhir"]] == ["Patient", "DiagnosticReport"]
    assert told["fhir"][1]["status"] == "final"
    assert told["ignored"] == []
