"""Device presets: what ships, what a clinic lays over it, what of it becomes a device's profile, and every fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.domain.device_profile import DeviceProfile, Leaves, Sees, Window
from bridge.errors import Misconfigured
from bridge.mapping.device_presets import DevicePreset, changed_profile, device_profiles, load_presets
from bridge.sections.device import DeviceChoices, WorklistSection
from bridge.sections.dicom import Peer

SHIPPED = Path(__file__).parents[3] / "mappings"
PRESETS = load_presets(SHIPPED)


def peer(worklist: dict[str, Any] | None = None, **said: Any) -> Peer:
    entry = {"ae_title": "CT1", "host": "h", "port": 1, "roles": ("modality",), **said}
    return Peer(**entry, worklist=WorklistSection(**(worklist or {})))


def profile(one: Peer) -> DeviceProfile:
    return device_profiles([one], PRESETS)["CT1"]


def faults_of(folder: Path, text: str) -> tuple[str, ...]:
    (folder / "devices").mkdir(exist_ok=True)
    (folder / "devices" / "ours.toml").write_text(text, "utf-8")
    with pytest.raises(Misconfigured) as caught:
        load_presets(SHIPPED, folder)
    return caught.value.faults


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_shipped_preset_makes_a_profile_and_says_because_of_what(name: str) -> None:
    made, preset = profile(peer({"preset": name})), PRESETS[name]
    assert made.preset == name
    assert preset.choices
    assert all(choice.because.endswith(".") for choice in preset.choices)
    assert made != DeviceProfile("CT1", preset=name)


def test_the_families_of_the_field_are_there() -> None:
    wanted = {"ge_ct", "strict_ultrasound", "portable_ultrasound", "broad_cr", "dr_room", "mammography", "endoscopy"}
    assert wanted | {"latin1_console", "japanese_console"} <= set(PRESETS)


def test_a_device_without_a_word_has_the_defaults() -> None:
    assert profile(peer()) == DeviceProfile("CT1")


def test_what_the_entry_says_lies_over_its_preset() -> None:
    made = profile(peer({"preset": "dr_room", "sees": ["station"], "leaves": "images"}, charset="ISO_IR 100"))
    assert (made.modality, made.modality_aliases) == ("DX", ("CR",))
    assert (made.sees, made.leaves, made.charset) == ((Sees.STATION,), Leaves.IMAGES, "ISO_IR 100")
    assert profile(peer({"preset": "dr_room", "sees": []})).sees == ()
    assert profile(peer({"preset": "dr_room"}, modality="CR")).modalities == ("CR",)


def test_what_the_console_says_lies_over_the_entry() -> None:
    entry = peer({"preset": "dr_room", "max_results": 50, "day_ends": "04:30"}, charset="ISO_IR 100")
    changes = DeviceChoices(preset="broad_cr", charset="ISO_IR 192", window=None)
    made = changed_profile(entry, changes, PRESETS)
    assert (made.preset, made.modality, made.charset) == ("broad_cr", "CR", "ISO_IR 192")
    assert (made.max_results, made.day_ends, made.window) == (50, "0430", Window(days_back=1, days_ahead=1))
    with pytest.raises(Misconfigured) as caught:
        changed_profile(entry, DeviceChoices(charset="KLINGON"), PRESETS)
    assert caught.value.faults == ("charset: 'KLINGON' is no Specific Character Set",)


def test_aliases_come_with_the_entry() -> None:
    assert profile(peer({"stations": ["ROOM3"]}, aliases=("CTB",))).titles == ("CT1", "CTB", "ROOM3")


def test_every_fault_of_every_entry_is_named_with_the_nearest_right_word() -> None:
    wrong = {"preset": "ge", "required_keys": ["PatientIds"], "sees": ["modality"]}
    with pytest.raises(Misconfigured) as caught:
        device_profiles([peer(wrong, charset="ISO_IR 999"), peer({"modality_aliases": ["CR"]}, ae_title="X")], PRESETS)
    assert caught.value.faults == (
        "dicom.peers: CT1: worklist.preset: 'ge' is not known; did you mean 'ge_ct'?",
        "dicom.peers: CT1: charset: 'ISO_IR 999' is no Specific Character Set",
        'dicom.peers: CT1: worklist.sees: "modality" needs the device\'s modality',
        "dicom.peers: CT1: worklist.required_keys: 'PatientIds' is not known; did you mean 'PatientID'?",
        "dicom.peers: X: worklist.modality_aliases: aliases need the device's modality",
    )


def test_a_clinic_s_own_preset_comes_on_top(tmp_path: Path) -> None:
    (tmp_path / "devices").mkdir()
    text = 'schema = 1\ntitle = "Ours"\n[choices.modality]\nis = "NM"\nbecause = "It is a gamma camera."\n'
    (tmp_path / "devices" / "ge_ct.toml").write_text(text, "utf-8")
    found = load_presets(SHIPPED, tmp_path)
    assert found["ge_ct"] == DevicePreset("ge_ct", "Ours", found["ge_ct"].choices, DeviceChoices(modality="NM"))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('titel = "x"', "devices/ours: titel: 'titel' is not known; did you mean 'title'?"),
        ('title = ""', "devices/ours: title: must say what people call such a device"),
        ('title = "x"\n[choices]\nleaves = "images"', 'choices.leaves: must be a table with "is" and "because"'),
        ('title = "x"\n[choices.leaves]\nis = "images"', "choices.leaves: must say because of what"),
        (
            'title = "x"\n[choices.leavs]\nis = "images"\nbecause = "."',
            "choices.leavs: 'leavs' is not known; did you mean 'leaves'?",
        ),
        ('title = "x"\n[choices.leaves]\nis = "later"\nbecause = "."', "choices.leaves: Input should be 'started'"),
        ('title = "x"\nschema = 2', "devices/ours: schema: must be 1"),
        ("title = ", "Invalid value"),
    ],
)
def test_a_preset_with_a_fault_stops_the_start(tmp_path: Path, text: str, fault: str) -> None:
    assert fault in "\n".join(faults_of(tmp_path, text))
