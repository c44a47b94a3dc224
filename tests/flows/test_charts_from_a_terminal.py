"""What charts have of a study, from a terminal: shown, published again, withdrawn with what rests on it, let back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bridge import settings
from bridge.building.destinations import publishers
from bridge.building.news import news_watch
from bridge.cli import main
from bridge.clock import Clock
from bridge.outbox.worker import Worker
from bridge.start import prepare_store
from bridge.wiring import House
from samples.strict_ehr import StrictEhr
from tests.cast import PLAIN, adt, image, order, report, spooled, study_uid
from tests.flows.asking import say, sent
from tests.flows.test_orders import cast_mpps
from tests.product.running import EHR_SYSTEM, settings_text

KINDS = '["ImagingStudy", "DiagnosticReport", "Provenance"]'


class Terminal:
    """A data folder of its own with an EHR that has PLAIN's study and report, and the command line over it."""

    def __init__(self, folder: Path, ehr: StrictEhr) -> None:
        self.config, self.ehr = folder / "bridge.toml", ehr
        server = f'[[fhir.servers]]\nname = "ehr"\nbase_url = "{ehr.base_url}"\npublish = {KINDS}'
        sections = {"fhir": server, "publish": "study_quiet_secs = 0"}
        self.config.write_text(settings_text(folder, sections), "utf-8")
        self.house = House(settings.load(self.config, {}), Clock())
        prepare_store(self.house)
        identifier = {"system": EHR_SYSTEM, "value": PLAIN.patient_id}
        ehr.books.create({"resourceType": "Patient", "identifier": [identifier]})
        say(self.house, adt(PLAIN), order(PLAIN, "A1"))
        self.house.instances.receive(spooled(self.house, image(PLAIN, "A1"), "CT1"))
        say(self.house, report(PLAIN, "A1"))
        self.worker = Worker(self.house.store, self.house.clock, publishers(self.house), owner="test")
        self.send()

    def send(self) -> None:
        watch = news_watch(self.house)
        for _ in range(3):
            while watch.work():
                pass
            self.worker.run_due()

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(main, ["chart", *words, "-c", str(self.config)])

    def statuses(self) -> list[str]:
        resources = self.ehr.state()["resources"]
        kinds = ("ImagingStudy", "DiagnosticReport")
        return [one["status"] for kind in kinds for one in resources.get(kind, {}).values()]

    def said(self, query: str) -> Any:
        done = self.run("show", query, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)["studies"][0]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    ehr = StrictEhr().start()
    yield Terminal(tmp_path, ehr)
    ehr.stop()


@pytest.mark.parametrize("action", ["retry", "drop"])
def test_the_settings_may_be_named_after_what_is_done_to_a_delivery(terminal: Terminal, action: str) -> None:
    done = CliRunner().invoke(main, ["deliveries", action, "1", "-c", str(terminal.config)])
    assert (done.exit_code, "the delivery was sent already" in done.output) == (1, True), done.output


def test_a_study_is_shown_withdrawn_with_its_report_and_let_back(terminal: Terminal) -> None:
    shown = terminal.run("show", "A1")
    assert shown.exit_code == 0, shown.output
    for words in ("ehr:", "available", "DiagnosticReport:1", "final", study_uid("A1")):
        assert words in shown.stdout
    assert terminal.run("withdraw", "A1").exit_code == 2
    assert "say why" in terminal.run("withdraw", "A1", "--reason", "  ").stderr
    assert terminal.run("withdraw", "A1", "--reason", "a test of the scanner").exit_code == 0
    terminal.send()
    assert terminal.statuses() == ["entered-in-error"] * 2
    assert "a test of the scanner" in terminal.run("show", study_uid("A1")).stdout
    assert "withdrawn already" in terminal.run("withdraw", "A1", "--reason", "again").stderr
    assert terminal.run("restore", "A1", "--reason", "it was none").exit_code == 0
    terminal.send()
    assert terminal.statuses() == ["available", "final"]
    ehr = next(one for one in terminal.said("A1")["charts"] if one["server"] == "ehr")
    assert [one["status"] for one in ehr["versions"]] == ["available", "entered-in-error", "available"]
    assert ehr["parts"][0]["standing"][0]["status"] == "final"


def test_what_was_given_up_before_a_chart_had_it_is_said_so(terminal: Terminal) -> None:
    say(terminal.house, order(PLAIN, "A2"))
    terminal.ehr.misbehave("422", types=["ImagingStudy"])
    terminal.house.instances.receive(spooled(terminal.house, image(PLAIN, "A2"), "CT1"))
    terminal.send()
    shown = terminal.run("show", "A2").stdout
    assert "given up" in shown
    assert "nothing yet" not in shown


def test_an_exam_of_which_no_image_is_here_is_shown_withdrawn_and_let_back(terminal: Terminal) -> None:
    say(terminal.house, order(PLAIN, "A2"), report(PLAIN, "A2"))
    terminal.house.performed_steps.create("2.25.77", sent(cast_mpps("A2")), "CT1")
    terminal.send()
    shown = terminal.run("show", "A2").stdout
    for words in (f"{study_uid('A2')}  no image here", "registered", "DiagnosticReport:2", "served here:"):
        assert words in shown
    assert terminal.run("withdraw", "A2", "--reason", "a phantom").exit_code == 0
    terminal.send()
    assert terminal.statuses() == ["available", "entered-in-error", "final", "entered-in-error"]
    assert "withdrawn from every chart" in terminal.run("show", study_uid("A2")).stdout
    assert terminal.run("restore", "A2", "--reason", "it was none").exit_code == 0
    terminal.send()
    assert terminal.statuses() == ["available", "registered", "final", "final"]


def test_one_part_is_published_again_to_one_server_and_unknown_ones_are_said_so(terminal: Terminal) -> None:
    terminal.ehr.books.delete("DiagnosticReport", next(iter(terminal.ehr.state()["resources"]["DiagnosticReport"])))
    done = terminal.run("publish", "A1", "--server", "ehr", "--part", "DiagnosticReport:1")
    assert done.stdout == "queued for ehr\n"
    terminal.send()
    assert terminal.statuses() == ["available", "final"]
    for words in (("show", "NONE"), ("publish", "A1", "--server", "nowhere"), ("publish", "A1", "--part", "Claim:1")):
        failed = terminal.run(*words)
        assert (failed.exit_code, failed.stdout) == (1, "")
