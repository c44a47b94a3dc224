"""A changed reconcile.toml is asked beside the one in use, decides nothing, and then takes its place."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from bridge.building.next_rules import try_next, use_next
from bridge.cli import main
from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.errors import Conflict
from bridge.wiring import House
from tests.cast import PLAIN, STRANGER, adt, image, order, renamed, spooled
from tests.conftest import ROOT
from tests.fakes.console import Console
from tests.flows.asking import say

MakeHouse = Callable[..., House]
AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NUMBERED, ORDERED = "2.25.4711", "2.25.4712"


@pytest.fixture
def mappings(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "samples" / "mappings", tmp_path / "mappings"))


@pytest.fixture
def house(make_house: MakeHouse, mappings: Path, tmp_path: Path) -> House:
    bridge = {"data": tmp_path / "data", "mappings": mappings, "time_zone": "UTC"}
    found = make_house(FixedClock(AT), bridge=bridge)
    say(found, adt(PLAIN), adt(STRANGER), order(STRANGER, "A1"))
    found.instances.receive(spooled(found, image(PLAIN, "", study=NUMBERED)))
    found.instances.receive(spooled(found, image(STRANGER, "A1", study=ORDERED)))
    return found


def test_without_a_changed_file_there_is_nothing_to_try(house: House) -> None:
    assert try_next(house, 14) is None
    assert "There is no changed file" in Console(house).browser(Role.INTAKE).get("/rules").text
    with pytest.raises(Conflict):
        use_next(house)


def test_what_would_be_decided_otherwise_is_shown_and_nothing_is_decided(house: House, mappings: Path) -> None:
    (mappings / "reconcile.next.toml").write_text('[rules]\ndisable = ["B03"]\n', "utf-8")
    console = Console(house)
    trial = try_next(house, 14)
    assert trial is not None
    (one,) = trial.changed
    assert (trial.looked_at, trial.no_longer_bound, trial.newly_bound, trial.bound_otherwise) == (2, 1, 0, 0)
    assert (one.study_instance_uid, one.state, one.live.rule, one.candidate.binds) == (NUMBERED, "bound", "B03", False)
    assert trial.live_version == house.rules.version != trial.candidate_version

    page = console.browser(Role.INTAKE).get("/rules").text
    assert f'href="/mismatches/study/{one.study_key}">HALVORSEN, INGRID</a>' in page
    assert PLAIN.patient_id in page
    assert page.count('<a class="row"') == 1
    assert console.machine(Role.INTAKE).get(f"/api/studies/{NUMBERED}").get_json()["rule"] == "B03"
    for_it = console.browser(Role.IT).get("/rules?days=30").text
    assert NUMBERED in for_it
    assert PLAIN.patient_id not in for_it
    assert "HALVORSEN" not in for_it


def test_what_comes_while_a_file_is_tried_is_in_the_comparison(house: House, mappings: Path) -> None:
    (mappings / "reconcile.next.toml").write_text('[names]\ntest_words = ["OKAFOR"]\n', "utf-8")
    before = try_next(house, 14)
    house.instances.receive(spooled(house, image(renamed(STRANGER, "OKAFOR^ADA"), "", study="2.25.4713")))
    after = try_next(house, 14)
    assert before is not None
    assert after is not None
    assert after.looked_at == before.looked_at + 1
    assert {one.study_instance_uid for one in after.changed} == {ORDERED, "2.25.4713"}


def test_a_faulty_file_is_named_with_its_fault(house: House, mappings: Path) -> None:
    (mappings / "reconcile.next.toml").write_text('[rules]\ndisable = ["V06"]\n', "utf-8")
    assert "a veto cannot be switched off" in Console(house).browser(Role.ADMIN).get("/rules").text


def test_it_takes_the_place_of_the_one_in_use_and_decisions_carry_its_version(
    house: House, make_house: MakeHouse, mappings: Path, tmp_path: Path
) -> None:
    (mappings / "reconcile.toml").write_text("[rules]\norder_window_hours = 20\n", "utf-8")
    old = make_house(FixedClock(AT), bridge=house.settings.bridge.model_dump())
    (mappings / "reconcile.next.toml").write_text("[rules]\norder_window_hours = 30\n", "utf-8")
    version, kept = use_next(old)
    assert kept == mappings / f"reconcile.{old.rules.version}.toml"
    assert "= 20" in kept.read_text("utf-8")
    assert not (mappings / "reconcile.next.toml").exists()
    started = make_house(FixedClock(AT), bridge=house.settings.bridge.model_dump())
    started.instances.receive(spooled(started, image(PLAIN, "", study="2.25.4714")))
    said = Console(started).machine(Role.INTAKE).get("/api/studies/2.25.4714/decisions").get_json()["decisions"]
    assert [one["rules_version"] for one in said] == [version]


def test_a_terminal_shows_the_same(house: House, mappings: Path, tmp_path: Path, database_url: str) -> None:
    changed = tmp_path / "changed.toml"
    changed.write_text('[rules]\ndisable = ["B03"]\n', "utf-8")
    config = tmp_path / "bridge.toml"
    config.write_text(
        f'[bridge]\ndata = "{tmp_path / "data"}"\nmappings = "{mappings}"\n[store]\ndatabase = "{database_url}"\n'
        '[identity]\nauthority = "RIVERSIDE"\n',
        "utf-8",
    )
    arguments = ["rules", "try", str(changed), "--days", "3650", "-c", str(config)]
    shown = CliRunner().invoke(main, arguments)
    assert shown.exit_code == 0, shown.output
    assert NUMBERED in shown.output
    assert "1 decided otherwise, 0 newly bound, 1 no longer, 0 to another patient" in shown.output
    said = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).output)
    assert [one["study_instance_uid"] for one in said["changed"]] == [NUMBERED]
