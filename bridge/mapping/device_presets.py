"""Reads mappings/devices, what common device families want of the worklist, and makes each configured device's profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydicom.datadict import keyword_for_tag

from bridge.codecs.dicom import charset, worklist_model
from bridge.domain.device_profile import DeviceProfile, Sees, Window
from bridge.errors import Misconfigured
from bridge.mapping.rules_file import Faults, check_head, read_title, read_toml
from bridge.sections.device import DeviceChoices
from bridge.sections.dicom import Peer

_KEYS = ("schema", "title", "choices")
_CHOICE_KEYS = ("is", "because", "source")

# What a query may be asked to hold a value for.
REQUIRABLE = tuple(sorted(keyword_for_tag(tag) for tag in worklist_model.MATCHED))


@dataclass(frozen=True, slots=True)
class PresetChoice:
    """One thing a preset chooses. because: how such devices behave; source: who says so, "" where it is our own choice."""

    key: str
    value: Any
    because: str
    source: str


@dataclass(frozen=True, slots=True)
class DevicePreset:
    """A device family. name: its file's; title: what people call it."""

    name: str
    title: str
    choices: tuple[PresetChoice, ...]
    chosen: DeviceChoices


def load_presets(shipped: Path, overlay: Path | None = None) -> dict[str, DevicePreset]:
    """
    Return every preset by name; one in *overlay* takes the place of a shipped one of that name.

    Raises: Misconfigured, with every fault, each with file, key and the nearest right word.
    """
    layers = [shipped, *([overlay] if overlay else [])]
    files = {file.stem: file for layer in layers for file in sorted((layer / "devices").glob("*.toml"))}
    faults = Faults()
    presets = {
        name: _read_preset(name, content, faults)
        for name, file in sorted(files.items())
        if (content := read_toml(file, faults)) is not None
    }
    if faults.found:
        raise Misconfigured(faults.found)
    return presets


def device_profiles(peers: Sequence[Peer], presets: Mapping[str, DevicePreset]) -> dict[str, DeviceProfile]:
    """Return the profile of each of *peers* by AE title. Raises: Misconfigured, with every fault."""
    faults, profiles = Faults(), {}
    for peer in peers:
        profiles[peer.ae_title] = _make(peer, DeviceChoices(), presets, f"dicom.peers: {peer.ae_title}", faults)
    if faults.found:
        raise Misconfigured(faults.found)
    return profiles


def changed_profile(peer: Peer, changes: DeviceChoices, presets: Mapping[str, DevicePreset]) -> DeviceProfile:
    """
    Return *peer*'s profile with *changes* laid over its settings.

    Raises: Misconfigured, with every fault, each beginning with the key it is about.
    """
    faults = Faults()
    profile = _make(peer, changes, presets, "", faults)
    if faults.found:
        raise Misconfigured([fault.removeprefix(": ") for fault in faults.found])
    return profile


def _make(
    peer: Peer, changes: DeviceChoices, presets: Mapping[str, DevicePreset], place: str, faults: Faults
) -> DeviceProfile:
    chosen = changes.preset or peer.worklist.preset
    preset = presets.get(chosen)
    if chosen and preset is None:
        faults.unknown(place, "worklist.preset", chosen, presets)
    own = {"charset": peer.charset or None, "modality": peer.modality or None}
    layers = [preset.chosen if preset is not None else DeviceChoices(), peer.worklist, DeviceChoices(**own), changes]
    values: dict[str, Any] = {}
    for layer in layers:
        values |= {name: value for name in type(layer).model_fields if (value := getattr(layer, name)) is not None}
    window = values.pop("window", None)
    if window is not None:
        values["window"] = Window(**window.model_dump())
    if "day_ends" in values:
        values["day_ends"] = values["day_ends"].replace(":", "")
    profile = DeviceProfile(peer.ae_title, peer.aliases, **{**values, "preset": chosen})
    _check(profile, place, faults)
    return profile


def _check(profile: DeviceProfile, place: str, faults: Faults) -> None:
    if profile.charset and charset.parse_setting(profile.charset) is None:
        faults.add(place, "charset", f"{profile.charset!r} is no Specific Character Set")
    if Sees.MODALITY in profile.sees and not profile.modality:
        faults.add(place, "worklist.sees", '"modality" needs the device\'s modality')
    if profile.modality_aliases and not profile.modality:
        faults.add(place, "worklist.modality_aliases", "aliases need the device's modality")
    for keyword in profile.required_keys:
        if keyword not in REQUIRABLE:
            faults.unknown(place, "worklist.required_keys", keyword, REQUIRABLE)


def _read_preset(name: str, content: Mapping[str, Any], faults: Faults) -> DevicePreset:
    source = f"devices/{name}"
    check_head(content, _KEYS, source, faults)
    title = read_title(content, "such a device", source, faults)
    choices = [
        choice
        for key, entry in dict(content.get("choices", {})).items()
        if (choice := _read_choice(key, entry, source, faults)) is not None
    ]
    chosen = _read_values({choice.key: choice.value for choice in choices}, source, faults)
    return DevicePreset(name, title or name, tuple(choices), chosen)


def _read_choice(key: str, entry: Any, source: str, faults: Faults) -> PresetChoice | None:
    known = [name for name in DeviceChoices.model_fields if name != "preset"]
    if key not in known:
        faults.unknown(source, f"choices.{key}", key, known)
        return None
    if not isinstance(entry, dict) or "is" not in entry:
        faults.add(source, f"choices.{key}", 'must be a table with "is" and "because"')
        return None
    for one in entry:
        if one not in _CHOICE_KEYS:
            faults.unknown(source, f"choices.{key}.{one}", one, _CHOICE_KEYS)
    because = entry.get("because")
    if not isinstance(because, str) or not because.strip():
        faults.add(source, f"choices.{key}", "must say because of what")
        return None
    return PresetChoice(key, entry["is"], because, str(entry.get("source", "")))


def _read_values(values: Mapping[str, Any], source: str, faults: Faults) -> DeviceChoices:
    try:
        return DeviceChoices.model_validate(dict(values))
    except ValidationError as fault:
        for error in fault.errors(include_input=False, include_url=False):
            place = ".".join(str(step) for step in error["loc"])
            faults.add(source, f"choices.{place}", error["msg"].removeprefix("Value error, "))
        return DeviceChoices()
