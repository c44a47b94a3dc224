"""Asking as a device shows what the device gets, byte for byte, and what it does not, with the reason."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.clock import FixedClock
from bridge.codecs.dicom.query_identifier import lines_of
from bridge.flows.try_worklist import Trial, WorklistTrial
from bridge.wiring import House
from tests.cast import MULTI_BYTE, NEAR_TWIN, PLAIN, STRANGER, order
from tests.flows.asking import IMPLICIT, encode_query, say
from tests.flows.worklist_devices import DICOM, open_door, query, remembered
from tests.product.running import wait_for

MakeHouse = Callable[..., House]
TEN = datetime(2026, 3, 2, 10, 0, 30, tzinfo=UTC)


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """One engine: the flow that answers devices is tested on both."""
    shutil.copy(sqlite_template, tmp_path / "bridge.db")
    return f"sqlite:///{tmp_path / 'bridge.db'}"


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    return make_house(FixedClock(TEN), dicom=DICOM)


def with_profile(make_house: MakeHouse, **worklist: Any) -> House:
    peer = {"ae_title": "CT1", "host": "127.0.0.1", "port": 1, "roles": ["modality"], "modality": "CT"}
    return make_house(FixedClock(TEN), dicom={"port": 0, "peers": [peer | worklist]})


def tried(trial: WorklistTrial, title: str = "CT1", **values: str) -> Trial:
    wanted = trial.usual(title)
    return trial.run(replace(wanted, values={**wanted.values, **values}))


def accessions(trial: Trial) -> list[str]:
    return [one.value("AccessionNumber") for one in trial.items]


def test_a_device_that_has_asked_nothing_asks_for_its_own_steps_of_today(house: House) -> None:
    say(house, order(PLAIN, "A1"), order(NEAR_TWIN, "A2", modality="MR"), order(STRANGER, "A3", start="20260303090000"))
    trial = house.worklist_trial.run(house.worklist_trial.usual("CT1"))
    assert dict(trial.wanted.values) == {
        "ScheduledStationAETitle": "CT1",
        "Modality": "CT",
        "ScheduledProcedureStepStartDate": "20260302",
    }
    assert accessions(trial) == ["A1"]
    assert [one.row.accession_number for one in trial.left_out] == ["A3"]
    assert trial.left_out[0].reasons[0].sentence == "The date hides it: this step is on 2026-03-03."
    assert trial.secs > 0


def test_it_is_the_very_answer_that_the_device_gets(house: House) -> None:
    say(house, order(PLAIN, "A1"), order(MULTI_BYTE, "A2"))
    asked = query(station="CT1", date="20260302")
    asked.SpecificCharacterSet = "ISO_IR 100"
    with open_door(house) as door:
        received = [encode_query(one) for one in door.find(asked)]
        wait_for(lambda: remembered(house), "the query to be remembered")
        trial = house.worklist_trial.run(house.worklist_trial.usual("CT1"))
    assert trial.wanted.base == remembered(house)[0].key
    assert [one.lines for one in trial.items] == [lines_of(one, IMPLICIT) for one in received]
    assert [one.value("PatientName") for one in trial.items] == [PLAIN.name, MULTI_BYTE.name]


def test_yesterdays_own_day_is_asked_for_as_today(house: House) -> None:
    assert isinstance(house.clock, FixedClock)
    with open_door(house) as door:
        door.find(query(station="CT1", date="20260302"))
    house.clock.at += timedelta(days=1)
    assert house.worklist_trial.usual("CT1").values["ScheduledProcedureStepStartDate"] == "20260303"


def test_a_query_about_somebody_is_not_what_a_device_usually_asks(house: House) -> None:
    with open_door(house) as door:
        door.find(query(station="CT1"))
        door.find(query(PatientID="77"))
    newest, first = remembered(house)
    assert house.worklist_trial.usual("CT1").base == first.key
    assert house.worklist_trial.usual("CT1", newest.key).values["PatientID"] == "77"


def test_a_value_of_the_form_takes_the_place_of_the_querys(house: House) -> None:
    say(house, order(PLAIN, "A1"), order(STRANGER, "A2"))
    with open_door(house) as door:
        door.find(query(station="MR1"))
    trial = tried(house.worklist_trial, ScheduledStationAETitle="CT1", PatientName="OKA*")
    assert accessions(trial) == ["A2"]
    assert [one.reasons[0].sentence for one in trial.left_out] == [
        f"The patient name hides it: this patient is {PLAIN.name}."
    ]


def test_a_value_that_the_device_cannot_write_is_told(house: House) -> None:
    trial = tried(house.worklist_trial, PatientName="山田*")
    assert trial.fault == "PatientName: this cannot be written in the character set of the device's query"
    assert not trial.items


def test_a_date_that_is_none_is_the_error_that_the_device_gets(house: House) -> None:
    assert "date" in tried(house.worklist_trial, ScheduledProcedureStepStartDate="today").fault


def test_a_device_reads_names_in_its_own_character_set(make_house: MakeHouse) -> None:
    house = with_profile(make_house, charset="ISO_IR 6")
    say(house, order(MULTI_BYTE, "A1"))
    trial = tried(house.worklist_trial)
    assert [one.value("PatientName") for one in trial.items] == ["Nunez^Senora"]


def test_a_list_that_is_cut_says_so_and_names_what_comes_after(make_house: MakeHouse) -> None:
    house = with_profile(make_house, worklist={"max_results": 1})
    say(house, order(PLAIN, "A1"), order(STRANGER, "A2", start="20260302113000"))
    trial = tried(house.worklist_trial)
    assert (accessions(trial), trial.was_cut) == (["A1"], True)
    assert [(one.row.accession_number, one.reasons) for one in trial.left_out] == [("A2", ())]


def test_a_query_without_what_the_device_must_ask_for_is_an_error(make_house: MakeHouse) -> None:
    house = with_profile(make_house, worklist={"required_keys": ["PatientID", "AccessionNumber"]})
    say(house, order(PLAIN, "A1"))
    assert tried(house.worklist_trial).fault.endswith("the query must ask for PatientID or AccessionNumber")
    assert accessions(tried(house.worklist_trial, AccessionNumber="A1")) == ["A1"]


def test_a_step_that_is_kept_off_is_left_out_with_its_rule(house: House) -> None:
    say(house, order(PLAIN, "A1"), order(PLAIN, "A1", "HD", at="20260302090000", status="HD"))
    (left_out,) = tried(house.worklist_trial).left_out
    assert left_out.reasons[0].sentence == "The order is on hold."
