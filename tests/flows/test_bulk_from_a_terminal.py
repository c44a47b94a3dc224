"""Many cases at once from a terminal: looked at first, then meant; closed, read otherwise, and taken back as one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bridge import settings
from bridge.cli import main
from bridge.clock import Clock
from bridge.domain.study import Study
from bridge.start import prepare_store
from bridge.store import audit
from bridge.wiring import House
from tests.cast import PLAIN, STRANGER, adt, image, order, spooled, study_uid
from tests.flows.asking import say, study_by_uid
from tests.product.running import settings_text

STRIP = ("--device", "CT1", "--since", "2020-01-01T00:00", "--strip", "PatientID", "--strip", "AccessionNumber")
BADGE = (*STRIP, "--prefix", "77")
WHY = ("--reason", "a wrong label roll", "--apply")


class Terminal:
    """A data folder of its own, and the command line over it."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "bridge.toml"
        self.config.write_text(settings_text(folder, {}), "utf-8")
        self.house = House(settings.load(self.config, {}), Clock())
        prepare_store(self.house)

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(main, ["mismatches", "bulk", *words, "-c", str(self.config)])

    def said(self, *words: str) -> Any:
        done = self.run(*words, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def study(self, number: str) -> Study:
        return study_by_uid(self.house.store, study_uid(number))


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """PLAIN's images wait, because CT1 writes 77 before each number; STRANGER's, because nobody knows them."""
    made = Terminal(tmp_path)
    say(made.house, adt(PLAIN), order(PLAIN, "A1"))
    for person, number in ((PLAIN, "A1"), (STRANGER, "X1")):
        dataset = image(replace(person, patient_id=f"77{person.patient_id}"), f"77{number}")
        made.house.instances.receive(spooled(made.house, dataset, "CT1"))
    yield made
    made.house.store.dispose()


def test_a_repair_is_tried_unless_it_is_meant_and_the_trial_can_be_applied_or_let_go(terminal: Terminal) -> None:
    tried = terminal.said("repair", *BADGE)
    assert (tried["state"], tried["total"], tried["changed"]) == ("previewed", 2, 1)
    assert [one["tried"].split()[0].startswith("bind") for one in tried["studies"]] == [True, False]
    assert not terminal.study("77A1").is_bound
    applied = terminal.said("apply", str(tried["id"]), "--reason", "a wrong label roll")
    assert (applied["state"], applied["reason"]) == ("applied", "a wrong label roll")
    assert terminal.study("77A1").is_bound
    other = terminal.said("repair", *BADGE[:-1], "00", "--until", "2030-01-01T00:00+02:00")
    assert terminal.run("drop", str(other["id"])).exit_code == 0
    assert [one["state"] for one in terminal.said()["bulks"]] == ["dropped", "applied"]


def test_taking_back_says_first_what_would_wait_again_and_what_stays(terminal: Terminal) -> None:
    number = str(terminal.said("repair", *BADGE, *WHY)["id"])
    assert terminal.study("77A1").is_bound
    looked = terminal.said("undo", number)
    assert [one["study_instance_uid"] for one in looked["would_undo"]] == [study_uid("77A1"), study_uid("77X1")]
    assert looked["applied"] is False
    assert terminal.study("77A1").is_bound
    undone = terminal.said("undo", number, "--reason", "it was not the labels", "--apply")
    assert (undone["state"], undone["changed"]) == ("undone", 2)
    assert not terminal.study("77A1").is_bound
    assert terminal.run("undo", number).exit_code == 1


def test_cases_are_closed_only_where_it_is_meant_and_wait_again_after_the_undo(terminal: Terminal) -> None:
    rule = terminal.study("77X1").rule
    looked = terminal.said("close", "--from", "CT1", "--rule", rule)
    assert study_uid("77X1") in [one["study_instance_uid"] for one in looked["would_close"]]
    assert not terminal.study("77X1").closed_reason
    closed = terminal.said("close", study_uid("77X1"), "--reason", "nobody of ours", "--apply")
    assert (closed["kind"], closed["state"], closed["changed"]) == ("close", "applied", 1)
    assert terminal.study("77X1").closed_reason == "nobody of ours"
    terminal.said("undo", str(closed["id"]), "--reason", "she is", "--apply")
    assert (terminal.study("77X1").closed_reason, terminal.study("77X1").rule) == ("", rule)
    with terminal.house.store.read() as tx:
        rows = [row for row in audit.recent(tx, limit=50) if "terminal:" in row.actor]
    assert {"bulk_close_asked", "study_bulk_applied", "bulk_undo_asked", "mismatches_listed"} <= {
        row.action for row in rows
    }


def test_what_cannot_be_meant_is_said_and_does_nothing(terminal: Terminal) -> None:
    for words, told in (
        (("close",), "name studies"),
        (("close", "1.2.3"), "1.2.3"),
        (("close", "--from", "CT1", "--apply"), "say why"),
        (("repair", *BADGE, "--apply"), "say why"),
        (("repair", *BADGE, "--clock-ahead", "3"), "one thing"),
        (("repair", *BADGE[:4]), "one thing"),
        (("repair", *BADGE[:4], "--entry", "[1]"), "JSON object"),
        (("repair", "--device", "CT1", "--since", "soon", "--charset", "ISO_IR 192"), "a time is wanted"),
        (("show", "9"), "no bulk 9"),
    ):
        done = terminal.run(*words)
        assert done.exit_code == 1, words
        assert told in done.stderr, words
    assert terminal.said() == {"bulks": []}
    assert "nothing was done" in terminal.run().stdout
