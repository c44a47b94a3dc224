"""What people choose for a device lies over its settings, from the next look on, with a row in the audit trail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from bridge.domain.device_profile import DeviceProfile, Leaves
from bridge.errors import Conflict, Malformed
from bridge.flows.device_profiles import DeviceProfiles
from bridge.mapping.device_presets import DevicePreset
from bridge.store import audit, device_choices
from bridge.wiring import House

DR1 = {
    "ae_title": "DR1",
    "host": "127.0.0.1",
    "port": 104,
    "roles": ["modality"],
    "aliases": ["DR1_STORE"],
    "worklist": {"preset": "dr_room", "max_results": 50},
}


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    return make_house(dicom={"peers": [DR1]})


def other_process(house: House, presets: Mapping[str, DevicePreset]) -> DeviceProfiles:
    settings = house.settings
    return DeviceProfiles(house.store, house.clock, settings.time_zone, settings.dicom.peers, presets)


def profile(house: House, title: str = "DR1") -> DeviceProfile:
    with house.store.read() as tx:
        return house.devices.of(tx, title)


def choose(house: House, choices: dict[str, Any], seen: int = 0) -> DeviceProfile:
    return house.devices.choose("DR1", choices, seen, "user:ivo")


def test_a_choice_counts_from_the_next_look_on_in_every_process(house: House) -> None:
    other = other_process(house, house.devices.presets)
    with house.store.read() as tx:
        assert other.of(tx, "DR1").leaves == Leaves.FINISHED
    made = choose(house, {"leaves": "images", "charset": "ISO_IR 100"})
    with house.store.read() as tx:
        assert other.of(tx, "DR1") == made
    assert (made.leaves, made.charset, made.max_results, made.modality) == (Leaves.IMAGES, "ISO_IR 100", 50, "DX")


def test_an_alias_is_its_device_and_a_stranger_has_the_defaults(house: House) -> None:
    assert profile(house, "DR1_STORE") == profile(house)
    assert profile(house, "SOMEBODY") == DeviceProfile("SOMEBODY")


def test_a_choice_is_audited_with_what_was_chosen_and_by_whom(house: House) -> None:
    choose(house, {"max_results": 7})
    with house.store.read() as tx:
        (row,) = [row for row in audit.recent(tx, limit=20) if row.action == "device_changed"]
        kept = device_choices.of(tx, "DR1")
    assert (row.actor, row.detail) == ("user:ivo", {"device": "DR1", "to": {"max_results": 7}})
    assert kept is not None
    assert (kept.version, kept.changed_by) == (1, "user:ivo")


def test_who_saw_an_older_choice_changes_nothing(house: House) -> None:
    choose(house, {"max_results": 7})
    with pytest.raises(Conflict):
        choose(house, {"max_results": 8})
    choose(house, {"max_results": 8}, seen=1)
    with pytest.raises(Conflict):
        choose(house, {"max_results": 9}, seen=1)
    assert profile(house).max_results == 8


def test_what_is_taken_back_is_as_the_settings_say(house: House) -> None:
    choose(house, {"max_results": 7, "preset": "broad_cr"})
    assert profile(house).window.days_back == 1
    choose(house, {}, seen=1)
    assert profile(house) == house.devices.settled("DR1")


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"leavs": "images"}, "leavs: unknown key"),
        ({"leaves": "never"}, "leaves: input should be"),
        ({"charset": "KLINGON"}, "charset: 'KLINGON' is no Specific Character Set"),
        ({"preset": "dr_rom"}, "preset: 'dr_rom' is not known; did you mean 'dr_room'?"),
        ({"required_keys": ["PatientIds"]}, "required_keys: 'PatientIds' is not known"),
    ],
)
def test_a_wrong_choice_is_refused_and_nothing_changes(house: House, choices: dict[str, Any], said: str) -> None:
    with pytest.raises(Malformed) as refused:
        choose(house, choices)
    assert said in refused.value.detail
    assert profile(house) == house.devices.settled("DR1")


def test_a_choice_that_no_longer_fits_the_settings_does_not_count_and_is_named(house: House) -> None:
    choose(house, {"preset": "broad_cr"})
    presets = {name: one for name, one in house.devices.presets.items() if name != "broad_cr"}
    later = other_process(house, presets)
    with house.store.read() as tx:
        assert later.of(tx, "DR1") == later.settled("DR1")
        assert later.faults(tx) == ["device DR1: preset: 'broad_cr' is not known"]
