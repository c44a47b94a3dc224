"""What a site's rules read decides whose a study is; what stood there stays in sight."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.domain.leads import exam_local
from bridge.domain.study import StudyState
from bridge.errors import Conflict
from bridge.flows.read_again import StudyRereader
from bridge.store import decisions, studies
from bridge.store.tables import audit_rows
from bridge.wiring import House
from tests.cast import PLAIN, adt, image, order, spooled
from tests.conftest import ROOT
from tests.fakes.console import Console
from tests.flows.asking import say, study_of

MakeHouse = Callable[..., House]
RULES = """
schema = 1
title  = "The reader in the cellar"
match  = { ae_title = "CT1" }

[repairs.names]
do      = "comma_name"
of      = ["PatientName"]
because = "It writes DOE, JOHN."

[repairs.number]
do      = "glued_issuer"
because = "It writes 123^^^RIVERSIDE."

[repairs.letter]
do      = "strip"
of      = ["PatientID"]
prefix  = "CELLAR"
because = "Its labels begin so."

[repairs.birth]
do      = "date"
of      = ["PatientBirthDate"]
form    = "MM/DD/YYYY"
because = "It writes them so."
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The folder of a site with rules for CT1."""
    folder = tmp_path / "mappings"
    (folder / "repairs").mkdir(parents=True)
    (folder / "repairs" / "cellar.toml").write_text(RULES, "utf-8")
    return folder


def house_with(make_house: MakeHouse, tmp_path: Path, mappings: Path) -> House:
    """A house that knows PLAIN and their order A1, and reads by *mappings*."""
    (mappings / "sites").mkdir(exist_ok=True)
    for site in (ROOT / "samples" / "mappings" / "sites").iterdir():
        target = mappings / "sites" / site.name
        if not target.exists():
            target.symlink_to(site)
    bridge = {"data": tmp_path / "data", "mappings": mappings, "time_zone": "UTC"}
    house = make_house(FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC)), bridge=bridge)
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    return house


def careless(accession: str) -> Dataset:
    """PLAIN's image as the reader in the cellar writes it."""
    dataset = image(PLAIN, accession)
    family, _, given = str(dataset.PatientName).partition("^")
    dataset.PatientName = f"{family}, {given.partition('^')[0]}"
    dataset.PatientID = f"CELLAR{dataset.PatientID}^^^RIVERSIDE"
    del dataset.IssuerOfPatientID
    dataset.PatientBirthDate = ""
    return dataset


def test_a_study_binds_by_what_a_rule_reads_and_leaves_with_the_records_value(
    make_house: MakeHouse, tmp_path: Path, rules: Path
) -> None:
    house = house_with(make_house, tmp_path, rules)
    house.instances.receive(spooled(house, careless("A1"), "CT1"))
    study = study_of(house, "A1")
    assert (study.state, study.rule) == (StudyState.BOUND_WITH_CORRECTION, "B01")
    with house.store.read() as tx:
        decided = decisions.of_study(tx, study.key)[0]
    received = {one["keyword"]: (one["received"], one["record"]) for one in decided.differences}
    assert received["PatientID"] == (f"CELLAR{PLAIN.patient_id}^^^RIVERSIDE", PLAIN.patient_id)
    assert received["PatientName"][0] == str(careless("A1").PatientName)
    said = [one["detail"] for one in decided.evidence if one["name"] == "device rule"]
    assert any("PatientID came as" in one and one.endswith("by rule cellar.number") for one in said)


def test_without_a_rule_nothing_is_guessed(make_house: MakeHouse, tmp_path: Path, rules: Path) -> None:
    (rules / "repairs" / "cellar.toml").unlink()
    house = house_with(make_house, tmp_path, rules)
    house.instances.receive(spooled(house, careless("B9"), "CT1"))
    study = study_of(house, "B9")
    assert not study.is_bound
    assert study.received.repairs == ()


def test_a_rule_that_comes_while_we_run_counts_from_the_next_object_on(
    make_house: MakeHouse, tmp_path: Path, rules: Path
) -> None:
    (rules / "repairs" / "cellar.toml").unlink()
    house = house_with(make_house, tmp_path, rules)
    house.instances.receive(spooled(house, careless("B1"), "CT1"))
    (rules / "repairs" / "cellar.toml").write_text(RULES, "utf-8")
    assert house.live_mappings.look()
    house.instances.receive(spooled(house, careless("B2"), "CT1"))
    assert not study_of(house, "B1").received.repairs
    assert study_of(house, "B2").received.patient_id == PLAIN.patient_id


def test_rules_read_only_what_their_device_sends(make_house: MakeHouse, tmp_path: Path, rules: Path) -> None:
    peers = [{"ae_title": title, "host": "127.0.0.1", "port": 1, "roles": ["modality"]} for title in ("CT1", "MR1")]
    (rules / "sites").mkdir()
    bridge = {"data": tmp_path / "data", "mappings": rules, "time_zone": "UTC"}
    house = make_house(bridge=bridge, dicom={"peers": peers})
    house.instances.receive(spooled(house, careless("C1"), "MR1"))
    assert study_of(house, "C1").received.repairs == ()


def rereader(house: House) -> StudyRereader:
    return StudyRereader(house.store, house.blobs, house.clock, house.rules, house.destinations, house.image_sources)


def test_a_waiting_study_is_read_again_once_a_rule_is_there_and_nothing_need_be_sent(
    make_house: MakeHouse, tmp_path: Path, rules: Path
) -> None:
    (rules / "repairs" / "cellar.toml").unlink()
    house = house_with(make_house, tmp_path, rules)
    first, second = careless("B1"), careless("B1")
    second.SOPInstanceUID = f"{second.SOPInstanceUID}.2"
    for one in (first, second):
        house.instances.receive(spooled(house, one, "CT1"))
    before = study_of(house, "B1")
    assert not before.is_bound
    (rules / "repairs" / "cellar.toml").write_text(RULES, "utf-8")
    assert house.live_mappings.look()
    assert rereader(house).waiting("CT1") == [before.study_instance_uid]
    after = rereader(house).read_again(before.study_instance_uid, "user:maria")
    assert (after.state, after.rule) == (StudyState.BOUND_WITH_CORRECTION, "B03")
    assert after.received.patient_id == PLAIN.patient_id
    with house.store.read() as tx:
        assert studies.other_identities(tx, after.key) == []
        noted = [row for row in tx.execute(audit_rows.select()) if row.action == "study_read_again"]
    assert [(row.actor, row.detail) for row in noted] == [
        ("user:maria", {"rules": ["cellar.letter", "cellar.names", "cellar.number"]})
    ]
    assert rereader(house).waiting() == []
    with pytest.raises(Conflict, match="bound"):
        rereader(house).read_again(before.study_instance_uid, "user:maria")


def test_a_study_that_no_rule_helps_waits_on_with_its_verdict(
    make_house: MakeHouse, tmp_path: Path, rules: Path
) -> None:
    (rules / "repairs" / "cellar.toml").unlink()
    house = house_with(make_house, tmp_path, rules)
    house.instances.receive(spooled(house, careless("B1"), "CT1"))
    before = study_of(house, "B1")
    after = rereader(house).read_again(before.study_instance_uid, "user:maria")
    assert (after.state, after.rule, after.sentence) == (before.state, before.rule, before.sentence)
    with pytest.raises(LookupError):
        rereader(house).read_again("1.2.3", "user:maria")


def test_a_clock_that_goes_ahead_moves_the_window_and_never_the_date(
    make_house: MakeHouse, tmp_path: Path, rules: Path
) -> None:
    text = RULES + '\n[repairs.clock]\ndo = "clock"\nahead_minutes = 1440\nbecause = "A day ahead."\n'
    (rules / "repairs" / "cellar.toml").write_text(text, "utf-8")
    house = house_with(make_house, tmp_path, rules)
    house.instances.receive(spooled(house, careless("B1"), "CT1"))
    header = study_of(house, "B1").received
    assert header.clock_ahead_secs == 86_400
    told = exam_local(header)
    assert told is not None
    assert told.strftime("%Y%m%d") < header.study_date == careless("B1").StudyDate


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_desk_reads_a_case_again_and_shows_what_came_beside_what_is_read(
    make_house: MakeHouse, tmp_path: Path, rules: Path
) -> None:
    (rules / "repairs" / "cellar.toml").unlink()
    house = house_with(make_house, tmp_path, rules)
    stranger = careless("B1")
    stranger.PatientName = "NOBODY, HERE"
    house.instances.receive(spooled(house, stranger, "CT1"))
    (rules / "repairs" / "cellar.toml").write_text(RULES, "utf-8")
    assert house.live_mappings.look()
    console = Console(house)
    browser, study = console.browser(Role.INTAKE), study_of(house, "B1")
    page = f"/mismatches/study/{study.key}"
    assert "NOBODY^HERE" not in browser.get(page).get_data(as_text=True)
    form = {"csrf_token": console.form_token(browser, page), "action": "read_again", "reason": ""}
    assert browser.post(page, data=form).headers["Location"] == page
    assert "came as “NOBODY, HERE”, read as “NOBODY^HERE”" in browser.get(page).get_data(as_text=True)
    api = console.machine(Role.INTAKE)
    said = api.get(f"/api/studies/{study.study_instance_uid}").json["repairs"]
    assert {"keyword": "PatientName", "received": "NOBODY, HERE", "read": "NOBODY^HERE", "rule": "cellar.names"} in said
    again = {"action": "read_again", "reason": "the device has a rule now"}
    assert api.post(f"/api/studies/{study.study_instance_uid}/decision", json=again).status_code == 200
