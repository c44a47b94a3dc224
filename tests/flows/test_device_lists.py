"""Devices ask a running DICOM role over a socket, and get what their profiles say, at a clock that is handed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom.sop_class import ModalityWorklistInformationFind  # type: ignore[attr-defined]

from bridge.clock import FixedClock
from bridge.flows.refresh_worklist import refresh_worklist
from bridge.store import orders
from bridge.wiring import House
from tests import cast
from tests.cast import MULTI_BYTE, PLAIN, adt, image, order, spooled
from tests.conftest import ROOT, dcmtk_tool, run_tool
from tests.flows.asking import say, sent
from tests.flows.test_orders import cast_mpps
from tests.flows.worklist_devices import Door, associate, open_door, query

MakeHouse = Callable[..., House]
# 10:15 in New York, where it is winter.
MORNING = datetime(2026, 3, 2, 15, 15, tzinfo=UTC)
EVENING = datetime(2026, 3, 3, 4, 59, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 3, 5, 0, tzinfo=UTC)


def device(title: str, worklist: dict[str, Any] | None = None, **said: Any) -> dict[str, Any]:
    entry = {"ae_title": title, "host": "127.0.0.1", "port": 1, "roles": ["modality"], **said}
    return entry | ({"worklist": worklist} if worklist else {})


@contextmanager
def clinic(make_house: MakeHouse, tmp_path: Path, *devices: dict[str, Any]) -> Iterator[tuple[Door, FixedClock]]:
    """Run the DICOM role of a clinic in New York."""
    clock = FixedClock(MORNING)
    bridge = {"data": tmp_path / "data", "mappings": ROOT / "samples" / "mappings", "time_zone": "America/New_York"}
    house = make_house(clock, bridge=bridge, dicom={"port": 0, "peers": list(devices)})
    say(house, adt(PLAIN), adt(MULTI_BYTE))
    with open_door(house) as door:
        yield door, clock


def shown(door: Door, calling: str = "CT1", **asked: str) -> list[str]:
    return [str(item.AccessionNumber) for item in door.find(query(**asked), calling)]


def status_of(door: Door, asked: Dataset, calling: str) -> tuple[int, str]:
    association: Any = associate(door.port, calling)
    *_, (last, _) = association.send_c_find(asked, ModalityWorklistInformationFind)
    association.release()
    return last.Status, str(last.get("ErrorComment", ""))


def start(house: House, accession: str) -> None:
    house.performed_steps.create(f"2.25.{len(accession)}77", sent(cast_mpps(accession)), "CT1")


def finish(house: House, accession: str) -> None:
    house.performed_steps.set(f"2.25.{len(accession)}77", sent(cast_mpps(accession, "COMPLETED")), "CT1")


def test_a_step_leaves_each_list_when_that_device_s_profile_says(make_house: MakeHouse, tmp_path: Path) -> None:
    how = ("started", "images", "finished", "end_of_day")
    devices = [device(f"CT{n}", {"leaves": leaves}) for n, leaves in enumerate(how, start=1)]
    with clinic(make_house, tmp_path, *devices) as (door, clock):
        house = door.house
        say(house, order(PLAIN, "A1", start="20260302101500"))

        def who() -> list[str]:
            return [leaves for n, leaves in enumerate(how, start=1) if shown(door, f"CT{n}")]

        assert who() == list(how)
        start(house, "A1")
        assert who() == ["images", "finished", "end_of_day"]
        house.instances.receive(spooled(house, image(PLAIN, "A1")))
        assert who() == ["finished", "end_of_day"]
        finish(house, "A1")
        assert who() == ["end_of_day"]
        clock.at = EVENING
        assert who() == ["end_of_day"]
        clock.at = MIDNIGHT
        assert who() == []


def test_a_first_image_alone_takes_a_step_off_the_list_of_a_device_without_mpps(
    make_house: MakeHouse, tmp_path: Path
) -> None:
    with clinic(make_house, tmp_path, device("US1", {"preset": "without_mpps"})) as (door, _):
        say(door.house, order(PLAIN, "A1"), order(PLAIN, "A2"))
        assert shown(door, "US1") == ["A1", "A2"]
        door.house.instances.receive(spooled(door.house, image(PLAIN, "A1"), "US1"))
        assert shown(door, "US1") == ["A2"]


def test_a_finished_step_shows_its_patient_as_the_record_has_them_now(make_house: MakeHouse, tmp_path: Path) -> None:
    with clinic(make_house, tmp_path, device("ES1", {"preset": "endoscopy"}, modality="CT")) as (door, _):
        say(door.house, order(PLAIN, "A1"))
        start(door.house, "A1")
        finish(door.house, "A1")
        say(door.house, adt(cast.renamed(PLAIN, "HALVORSEN-BERG^INGRID"), "A08", at="20260302120000"))
        (item,) = door.find(query(), "ES1")
        assert item.PatientName == "HALVORSEN-BERG^INGRID"


def test_a_patient_who_is_protected_after_the_exam_began_leaves_the_list_at_once(
    make_house: MakeHouse, tmp_path: Path
) -> None:
    hallway = device("CT2", {"hides_confidential": True}, modality="CT")
    with clinic(make_house, tmp_path, device("CT1", modality="CT"), hallway) as (door, _):
        say(door.house, order(PLAIN, "A1"))
        start(door.house, "A1")
        assert shown(door, "CT2") == ["A1"]
        say(
            door.house,
            order(PLAIN, "A1", "XO", at="20260302110000").replace(b"PV1|1|O", b"PV1|1|O" + b"|" * 14 + b"VIP"),
        )
        assert (shown(door, "CT1"), shown(door, "CT2")) == (["A1"], [])
        assert not door.house.explainer.explain("A1", "CT2").shown


def test_of_what_has_begun_the_explanation_reads_what_the_device_reads(make_house: MakeHouse, tmp_path: Path) -> None:
    today = device("CT1", {"window": {"days_back": 0, "days_ahead": 0}}, modality="CT")
    with clinic(make_house, tmp_path, today) as (door, _):
        say(door.house, order(PLAIN, "A1"))
        start(door.house, "A1")
        say(door.house, order(PLAIN, "A1", "XO", at="20260302110000", start="20260309101500"))
        assert shown(door, "CT1") == ["A1"]
        assert door.house.explainer.explain("A1", "CT1").shown


def test_a_window_moves_with_the_clock(make_house: MakeHouse, tmp_path: Path) -> None:
    hours, days = {"window": {"hours_back": 1, "hours_ahead": 2}}, {"window": {"days_back": 0, "days_ahead": 0}}
    with clinic(make_house, tmp_path, device("CT1", hours), device("CT2", days)) as (door, clock):
        starts = {"A0": "20260301235959", "A1": "20260302091500", "A2": "20260302121500", "A3": "20260302235900"}
        say(door.house, *(order(PLAIN, accession, start=at) for accession, at in starts.items()))
        assert (shown(door, "CT1"), shown(door, "CT2")) == (["A1", "A2"], ["A1", "A2", "A3"])
        clock.at = MORNING + timedelta(hours=12)
        assert (shown(door, "CT1"), shown(door, "CT2")) == (["A3"], ["A1", "A2", "A3"])
        clock.at = MIDNIGHT
        assert shown(door, "CT2") == []


def test_a_room_that_asks_for_cr_finds_dx_and_its_alias_and_station_are_itself(
    make_house: MakeHouse, tmp_path: Path
) -> None:
    room = device("DR1", {"preset": "dr_room", "stations": ["ROOM3"]}, aliases=["DR1_WORK"])
    with clinic(make_house, tmp_path, room, device("CT1", modality="CT")) as (door, _):
        say(door.house, order(PLAIN, "A1", modality="DX"), order(PLAIN, "A2", modality="CR"), order(PLAIN, "A3"))
        assert shown(door, "DR1", modality="CR") == ["A1", "A2"]
        assert shown(door, "DR1_WORK", station="ROOM3", modality="DX") == ["A1", "A2"]
        assert shown(door, "DR1", station="CT1") == []
        assert shown(door, "CT1", modality="CR") == ["A2"]


def test_a_query_without_what_it_must_ask_for_is_refused_with_the_reason(make_house: MakeHouse, tmp_path: Path) -> None:
    strict = device("BC1", {"preset": "barcode_console"})
    quiet = device("BC2", {"preset": "barcode_console", "without_required": "empty"})
    with clinic(make_house, tmp_path, strict, quiet) as (door, _):
        say(door.house, order(PLAIN, "A1"))
        said = "the query must ask for AccessionNumber or PatientID"
        assert status_of(door, query(modality="CT"), "BC1") == (0xC001, said)
        assert status_of(door, query(modality="CT"), "BC2") == (0x0000, "")
        assert shown(door, "BC2", modality="CT") == []
        assert shown(door, "BC1", AccessionNumber="A1") == ["A1"]


def test_more_than_a_device_takes_is_cut_or_refused_as_it_says(make_house: MakeHouse, tmp_path: Path) -> None:
    cut, refuse = device("CT1", {"max_results": 2}), device("CT2", {"max_results": 2, "over_max": "refuse"})
    with clinic(make_house, tmp_path, cut, refuse) as (door, _):
        say(door.house, *(order(PLAIN, f"A{n}", start=f"2026030210150{n}") for n in range(3)))
        assert shown(door, "CT1") == ["A0", "A1"]
        assert status_of(door, query(), "CT2") == (0xA700, "more than 2 entries match: ask for fewer")
        assert shown(door, "CT2", AccessionNumber="A2") == ["A2"]


def test_a_protected_patient_is_kept_from_a_hallway_console(make_house: MakeHouse, tmp_path: Path) -> None:
    hallway = device("PORT1", {"hides_confidential": True})
    with clinic(make_house, tmp_path, hallway, device("CT1")) as (door, _):
        say(door.house, order(PLAIN, "A1"), order(MULTI_BYTE, "A2"))
        with door.house.store.write() as tx:
            (protected,) = orders.by_accession(tx, "A1")
            marked = replace(protected, details={"confidentiality_code": "VIP"})
            refresh_worklist(tx, orders.save(tx, marked, MORNING))
        assert (shown(door, "PORT1"), shown(door, "CT1")) == (["A2"], ["A1", "A2"])


def test_what_the_console_chooses_counts_from_the_next_query_on(make_house: MakeHouse, tmp_path: Path) -> None:
    with clinic(make_house, tmp_path, device("CT1")) as (door, _):
        say(door.house, order(MULTI_BYTE, "A1"))
        (item,) = door.find(query(), "CT1")
        assert (item.SpecificCharacterSet, item.PatientName) == ("ISO_IR 192", "Núñez^Señora")
        door.house.devices.choose("CT1", {"charset": "ISO_IR 6", "name_length": 8}, 0, "user:ivo")
        (item,) = door.find(query(), "CT1")
        assert "SpecificCharacterSet" not in item
        assert item.PatientName == "Nunez^Se"


@pytest.mark.peer
def test_findscu_is_answered_as_its_title_says(make_house: MakeHouse, tmp_path: Path) -> None:
    with clinic(make_house, tmp_path, device("CT1", {"sees": ["station"]}), device("ALL")) as (door, _):
        say(door.house, order(PLAIN, "A1"), order(PLAIN, "A2"))
        with door.house.store.write() as tx:
            tx.exec_driver_sql("UPDATE worklist_entries SET scheduled_station_ae_title = 'MR9' WHERE step_key = 2")
        counted = {}
        for title in ("CT1", "ALL"):
            keys = ["-k", "AccessionNumber", "-k", "ScheduledProcedureStepSequence[0].Modality=CT"]
            done = run_tool(
                dcmtk_tool("findscu"), "-v", "-W", "-aet", title, "-aec", "BRIDGE", *keys, "127.0.0.1", str(door.port)
            )
            counted[title] = (done.stdout + done.stderr).count("Find Response:")
        assert counted == {"CT1": 1, "ALL": 2}
