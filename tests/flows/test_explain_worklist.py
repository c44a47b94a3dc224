"""Why is my patient not on it? A device asks over a socket, and the answer names the rule, or the key of its own query."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from sqlalchemy import event
from sqlalchemy.pool import Pool

from bridge.clock import FixedClock
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.worklist_query import AskedQuery, QueryOutcome
from bridge.flows.explain_worklist import Explanation
from bridge.store import patients, worklist_queries
from bridge.wiring import House
from tests.cast import MULTI_BYTE, NEAR_TWIN, PLAIN, STRANGER, adt, order
from tests.flows.asking import IMPLICIT, encode_query, say
from tests.flows.worklist_devices import DICOM, Door, associate, open_door, query, remembered
from tests.product.running import wait_for

MakeHouse = Callable[..., House]
# Half a minute past, as a query began a moment before it is noted.
TEN = datetime(2026, 3, 2, 10, 0, 30, tzinfo=UTC)
TODAY = "20260302"


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """One engine: the matcher's agreement on both is proven where it lives."""
    shutil.copy(sqlite_template, tmp_path / "bridge.db")
    return f"sqlite:///{tmp_path / 'bridge.db'}"


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    """Collect what reaches the database on whichever connection."""
    seen: list[str] = []

    def trace(connection: Any, _record: Any, _proxy: Any) -> None:
        connection.set_trace_callback(seen.append)

    event.listen(Pool, "checkout", trace)
    yield seen
    event.remove(Pool, "checkout", trace)


class Hospital:
    """A house at ten o'clock, with a device at its door."""

    def __init__(self, house: House, door: Door) -> None:
        self.house = house
        self.door = door
        assert isinstance(house.clock, FixedClock)
        self.clock = house.clock

    def say(self, *raw: bytes) -> None:
        for answer in say(self.house, *raw):
            assert b"MSA|A" in answer

    def ask(self, asked: Dataset, calling: str = "CT1") -> list[Dataset]:
        """Ask as a device and wait until that is remembered."""
        known = sum(one.times for one in remembered(self.house))
        found = self.door.find(asked, calling)
        wait_for(lambda: sum(one.times for one in remembered(self.house)) > known, "the query to be remembered")
        return found

    def later(self, **span: float) -> None:
        self.clock.at += timedelta(**span)

    def explain(self, number: str, title: str = "CT1") -> Explanation:
        return self.house.explainer.explain(number, title)

    def why(self, number: str, title: str = "CT1") -> tuple[bool, list[str]]:
        found = self.explain(number, title)
        return found.shown, [one.sentence for one in found.reasons]

    def codes(self, number: str, title: str = "CT1") -> list[str]:
        return [one.code for one in self.explain(number, title).reasons]


@pytest.fixture
def hospital(make_house: MakeHouse) -> Iterator[Hospital]:
    house = make_house(FixedClock(TEN), dicom=DICOM)
    with open_door(house) as door:
        yield Hospital(house, door)


class TestRules:
    def test_no_such_order(self, hospital: Hospital) -> None:
        assert hospital.why("A9") == (False, ["No order with this accession number or patient id has arrived."])

    def test_a_number_that_is_another_by_a_slip_is_named(self, hospital: Hospital) -> None:
        hospital.say(order(PLAIN, "RIV24010012"))
        shown, reasons = hospital.why("RIV24010021")
        assert not shown
        assert reasons[1:] == ["There is an order with the number RIV24010012."]
        assert hospital.explain("RIV24010021").reasons[1].order_key == 1

    def test_a_refused_message_with_the_number_is_named_and_linked(self, hospital: Hospital) -> None:
        broken = order(PLAIN, "A1").replace(PLAIN.pid.encode(), b"PID|1||||HALVORSEN^INGRID||19580312|F")
        hospital.say(broken)
        found = hospital.explain("A1")
        assert not found.shown
        assert [one.code for one in found.reasons] == ["no_order", "message"]
        assert "came at 10:00 and was refused: PID-3" in found.reasons[1].sentence
        assert found.reasons[1].message_key == 1

    @pytest.mark.parametrize(
        ("control", "status", "words"),
        [("CA", "CA", "The order was cancelled."), ("HD", "HD", "The order is on hold.")],
    )
    def test_an_order_that_is_not_to_be_done(self, hospital: Hospital, control: str, status: str, words: str) -> None:
        hospital.say(order(PLAIN, "A1"), order(PLAIN, "A1", control, at="20260302090000", status=status))
        shown, reasons = hospital.why("A1")
        assert (shown, reasons[0]) == (False, words)

    def test_an_exam_that_is_finished(self, hospital: Hospital) -> None:
        hospital.say(order(PLAIN, "A1"), order(PLAIN, "A1", "SC", at="20260302090000", status="CM"))
        assert hospital.why("A1")[1][0] == "The exam is finished."

    def test_an_entry_that_lacks_what_devices_require_names_it(self, hospital: Hospital) -> None:
        hospital.say(order(PLAIN, "A1", modality=""))
        shown, reasons = hospital.why("A1")
        assert not shown
        assert "Modality" in reasons[0]

    def test_a_step_for_another_device(self, hospital: Hospital) -> None:
        hospital.say(order(PLAIN, "A1", modality="MR"))
        shown, reasons = hospital.why("A1")
        assert not shown
        assert reasons[0] == "It is scheduled for MR1, not for CT1."
        assert hospital.why("A1", "MR1")[0]

    def test_a_profiles_rule_is_named(self, make_house: MakeHouse) -> None:
        peer = {"ae_title": "CT1", "host": "127.0.0.1", "port": 1, "roles": ["modality"], "modality": "CT"}
        peer["worklist"] = {"window": {"days_back": 0, "days_ahead": 0}}
        house = make_house(FixedClock(TEN), dicom={"port": 0, "peers": [peer]})
        say(house, order(PLAIN, "A1", start="20260309101500"))
        found = house.explainer.explain("A1", "CT1")
        assert (found.shown, found.reasons[0].code) == (False, "after_window")
        assert "2026-03-09" in found.reasons[0].sentence

    def test_a_patient_id_names_every_order_of_the_patient(self, hospital: Hospital) -> None:
        hospital.say(order(PLAIN, "A1"), order(PLAIN, "A2", modality="MR"), order(NEAR_TWIN, "A3"))
        found = hospital.explain(PLAIN.patient_id)
        assert found.recognised == "patient id"
        assert {one.order.accession_number: one.shown for one in found.steps} == {"A1": True, "A2": False}
        assert len(found.patient_keys) == 1

    def test_a_number_of_two_patients_is_not_taken_for_one(self, hospital: Hospital) -> None:
        hospital.say(order(PLAIN, "A1"), order(STRANGER, "A2", modality="MR"))
        with hospital.house.store.write() as tx:
            stranger = patients.get(tx, 2)
            theirs = PatientIdentifier(PLAIN.patient_id, "MERCY", "MR")
            patients.save(tx, replace(stranger, identifiers=(theirs,)), TEN)
        found = hospital.explain(PLAIN.patient_id)
        assert [one.shown for one in found.steps] == [True, False]
        assert not found.shown
        assert found.reasons[0].sentence.startswith("2 patients have this number, from different authorities")


class TestQueries:
    @pytest.mark.parametrize(
        ("asked", "sentence"),
        [
            ({"modality": "MR"}, "asks for Modality MR; this step is CT."),
            ({"station": "CT2"}, "asks for the station CT2; this step is for CT1."),
            ({"date": "20260305"}, "asks for the date 20260305; this step is on 2026-03-02."),
            ({"date": TODAY, "time": "120000-130000"}, "asks for the time 120000-130000; this step starts at 10:15."),
        ],
    )
    def test_the_key_that_hides_it_is_named(self, hospital: Hospital, asked: dict[str, str], sentence: str) -> None:
        hospital.say(order(PLAIN, "A1"))
        hospital.later(minutes=5)
        assert hospital.ask(query(**asked)) == []
        shown, reasons = hospital.why("A1")
        assert not shown
        assert reasons == [f"CT1's query of 10:05 {sentence}"]

    def test_every_key_that_hides_it_is_named(self, hospital: Hospital) -> None:
        hospital.say(order(PLAIN, "A1"))
        hospital.ask(query(modality="MR", station="MR1", date=TODAY))
        assert sorted(hospital.codes("A1")) == ["key:Modality", "key:ScheduledStationAETitle"]

    def test_what_a_device_was_sent_is_told_with_its_query(self, hospital: Hospital) -> None:
        hospital.say(order(PLAIN, "A1"))
        assert len(hospital.ask(query(station="CT1"))) == 1
        hospital.later(minutes=10)
        found = hospital.explain("A1")
        assert found.shown
        assert found.reasons[0].sentence.startswith("CT1 was sent it at 10:00 (query 1)")
        assert found.reasons[0].query_key == 1

    def test_a_device_that_has_not_asked_since_is_told(self, hospital: Hospital) -> None:
        hospital.ask(query(station="CT1", date=TODAY))
        hospital.later(minutes=8)
        hospital.say(order(PLAIN, "A1"))
        shown, reasons = hospital.why("A1")
        assert shown
        assert reasons[1] == "CT1 last asked at 10:00; the order came at 10:08."

    def test_a_device_that_never_asked_is_told(self, hospital: Hospital) -> None:
        hospital.say(order(PLAIN, "A1"))
        assert hospital.codes("A1") == ["shown", "never_asked"]

    def test_yesterdays_query_for_its_day_is_held_against_today(self, hospital: Hospital) -> None:
        hospital.ask(query(station="CT1", date=TODAY))
        hospital.later(days=1)
        hospital.say(order(PLAIN, "A1", start="20260303101500"))
        shown, reasons = hospital.why("A1")
        assert shown
        assert reasons[1] == "CT1 last asked at 10:00 on 2 Mar; the order came at 10:00."

    def test_queries_for_other_patients_say_nothing_of_this_one(self, hospital: Hospital) -> None:
        hospital.say(order(PLAIN, "A1"), order(STRANGER, "A2"))
        hospital.ask(query(PatientID=STRANGER.patient_id + "9"))
        assert hospital.codes("A1") == ["shown", "asked_for_others"]

    def test_a_search_that_meant_this_patient_is_told(self, hospital: Hospital) -> None:
        hospital.say(order(PLAIN, "A1"))
        hospital.ask(query(PatientName="HALVERSEN^INGRID"))
        reasons = hospital.why("A1")[1]
        assert reasons[-1].endswith("asks for the patient name HALVERSEN^INGRID; this patient is HALVORSEN^INGRID.")

    def test_a_name_in_another_character_set_than_it_names_is_told(self, hospital: Hospital) -> None:
        hospital.say(order(MULTI_BYTE, "A1"))
        asked = query()
        asked.SpecificCharacterSet = "ISO_IR 192"
        # UTF-8 is what it names; what it writes is Latin-1.
        asked.add_new(0x00100010, "PN", "Núñez^Señor".encode("latin_1"))
        hospital.ask(asked)
        assert hospital.codes("A1")[-2:] == ["key:PatientName", "character_set"]

    def test_what_was_sent_before_it_was_cancelled_may_still_be_on_the_device(self, hospital: Hospital) -> None:
        hospital.say(order(PLAIN, "A1"))
        hospital.ask(query(station="CT1"))
        hospital.say(order(PLAIN, "A1", "CA", at="20260302090000", status="CA"))
        assert hospital.codes("A1")[:2] == ["state", "sent"]

    def test_a_step_that_moved_to_this_device_since_it_asked(self, hospital: Hospital) -> None:
        hospital.say(order(PLAIN, "A1", modality="MR"))
        hospital.later(minutes=5)
        assert hospital.ask(query(station="CT1")) == []
        hospital.say(order(PLAIN, "A1", "XO", at="20260302090000", modality="CT"))
        if hospital.why("A1")[0]:
            assert hospital.codes("A1") == ["shown", "changed_since"]
        else:
            assert hospital.codes("A1")[0] == "other_device"


class TestTurnedAway:
    def test_a_device_at_another_address_than_the_settings_say(self, hospital: Hospital) -> None:
        hospital.say(order(PLAIN, "A1"))
        assert not associate(hospital.door.port, "FAR1").is_established
        wait_for(lambda: remembered(hospital.house), "the rejection to be remembered")
        shown, reasons = hospital.why("A1", "FAR1")
        assert not shown
        assert reasons[0] == (
            "FAR1 called at 10:00 from 127.0.0.1 and was turned away: the settings have it at another address."
        )

    def test_a_device_that_calls_for_another_title(self, hospital: Hospital) -> None:
        hospital.say(order(PLAIN, "A1"))
        assert not associate(hospital.door.port, "CT1", "OTHER").is_established
        wait_for(lambda: remembered(hospital.house), "the rejection to be remembered")
        assert hospital.codes("A1")[0] == "turned_away"

    def test_a_device_that_no_setting_names(self, hospital: Hospital) -> None:
        hospital.say(order(PLAIN, "A1"))
        shown, reasons = hospital.why("A1", "CT9")
        assert (shown, reasons[0]) == (False, "No device CT9 is in the settings: it would be turned away.")

    def test_a_peer_whose_role_is_another(self, hospital: Hospital) -> None:
        hospital.say(order(PLAIN, "A1"))
        assert hospital.why("A1", "PACS")[1][0] == "PACS's role in the settings does not include the worklist."

    def test_a_query_that_failed_says_of_what(self, hospital: Hospital) -> None:
        hospital.say(order(PLAIN, "A1"))
        association = associate(hospital.door.port, "CT1")
        list(association.send_c_find(query(date="20269999"), "1.2.840.10008.5.1.4.31"))
        association.release()
        wait_for(lambda: remembered(hospital.house), "the query to be remembered")
        shown, reasons = hospital.why("A1")
        assert not shown
        assert reasons[0] == "CT1's query of 10:00 failed (A900), because a date in it is none."

    def test_what_failed_before_a_list_was_had_is_over(self, hospital: Hospital) -> None:
        hospital.say(adt(PLAIN), order(PLAIN, "A1"))
        assert not associate(hospital.door.port, "CT1", "OTHER").is_established
        wait_for(lambda: remembered(hospital.house), "the rejection to be remembered")
        hospital.later(minutes=1)
        hospital.ask(query(station="CT1"))
        assert hospital.codes("A1") == ["sent"]


class TestProfiles:
    def hospital_of(self, make_house: MakeHouse, **worklist: object) -> House:
        peer = {"ae_title": "CT1", "host": "127.0.0.1", "port": 1, "roles": ["modality"], "modality": "CT"}
        return make_house(FixedClock(TEN), dicom={"port": 0, "peers": [peer | worklist]})

    def test_a_list_that_ends_before_it(self, make_house: MakeHouse) -> None:
        house = self.hospital_of(make_house, worklist={"max_results": 1})
        say(house, order(PLAIN, "A1"), order(STRANGER, "A2", start="20260302113000"))
        with open_door(house) as door:
            assert len(door.find(query(station="CT1"))) == 1
        found = house.explainer.explain("A2", "CT1")
        assert (found.shown, found.reasons[0].code) == (False, "cut")
        assert house.explainer.explain("A1", "CT1").shown
        assert remembered(house)[0].asked.was_cut

    def test_a_query_without_what_the_profile_requires(self, make_house: MakeHouse) -> None:
        house = self.hospital_of(make_house, worklist={"required_keys": ["PatientID"], "without_required": "empty"})
        say(house, order(PLAIN, "A1"))
        with open_door(house) as door:
            assert door.find(query(station="CT1")) == []
        found = house.explainer.explain("A1", "CT1")
        assert not found.shown
        assert found.reasons[0].sentence == "CT1's query of 10:00 does not ask for PatientID, as its settings require."

    def test_a_query_that_the_profile_refuses(self, make_house: MakeHouse) -> None:
        house = self.hospital_of(make_house, worklist={"required_keys": ["PatientID"]})
        say(house, order(PLAIN, "A1"))
        with open_door(house) as door:
            association = associate(door.port, "CT1")
            list(association.send_c_find(query(station="CT1"), "1.2.840.10008.5.1.4.31"))
            association.release()
        found = house.explainer.explain("A1", "CT1")
        assert (found.shown, found.reasons[0].code) == (False, "failed")
        assert found.reasons[0].sentence.endswith(
            "(C001), because it asks for none of the keys that its settings require."
        )

    def test_an_alias_is_the_same_device(self, make_house: MakeHouse) -> None:
        house = self.hospital_of(make_house, aliases=["OLDCT"])
        say(house, order(PLAIN, "A1"))
        with open_door(house) as door:
            assert len(door.find(query(station="OLDCT"), "OLDCT")) == 1
        found = house.explainer.explain("A1", "OLDCT")
        assert (found.title, found.shown, found.reasons[0].code) == ("CT1", True, "sent")


def test_two_lists_side_by_side_are_both_on_the_device(hospital: Hospital) -> None:
    hospital.say(order(PLAIN, "A1"))
    hospital.ask(query(station="CT1", date=TODAY))
    hospital.later(minutes=5)
    hospital.ask(query(station="CT1", date="20260303"))
    assert hospital.why("A1")[0]
    assert hospital.codes("A1") == ["sent", "key:ScheduledProcedureStepStartDate"]
    hospital.later(hours=2)
    hospital.ask(query(station="CT1", date="20260303"))
    assert not hospital.why("A1")[0]
    assert hospital.codes("A1") == ["key:ScheduledProcedureStepStartDate", "sent"]


def test_an_explanation_costs_a_bounded_number_of_statements(hospital: Hospital) -> None:
    """However much a device has asked, and of however many keys."""
    hospital.say(*(order(PLAIN, f"A{number}") for number in range(3)))
    asked = AskedQuery("CT1", "127.0.0.1", "a", QueryOutcome.ANSWERED, "BRIDGE", 0, transfer_syntax_uid=IMPLICIT)
    with hospital.house.store.write() as tx:
        for number in range(300):
            keys = query(station=f"X{number}", modality="MR", date="20260305", PatientName="NOBODY", PatientID="77")
            worklist_queries.add(tx, replace(asked, identifier=encode_query(keys)), 1, TEN, TEN)
    with counted_statements() as seen:
        hospital.explain(PLAIN.patient_id)
    steps, queries, keys = 3, 40, 5
    # Each step against each query, and against each key of eight; each query's device is looked up.
    assert 0 < len(seen) <= steps * (12 + queries + 8 * keys) + 2 * queries + 20
