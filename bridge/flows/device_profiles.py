"""Which profile a device has now: its settings, and over them what people chose in the console, from the next query on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from pydantic import ValidationError

from bridge.clock import Clock
from bridge.domain.device_profile import DeviceProfile, Visibility
from bridge.errors import Conflict, Malformed, Misconfigured
from bridge.mapping.device_presets import DevicePreset, changed_profile, device_profiles
from bridge.sections.device import DeviceChoices
from bridge.sections.dicom import Peer
from bridge.store import audit, device_choices
from bridge.store.db import ReadTx, Store, lock
from bridge.store.device_choices import ChosenForDevice

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a choice comes from. said_in: "console", "settings" or "preset". because: a preset's reason; by, at: the console's."""

    said_in: str
    because: str = ""
    by: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AskingDevice:
    """A device at the moment it asks. seen: what it is shown then."""

    profile: DeviceProfile
    seen: Visibility


DeviceOf = Callable[[ReadTx], AskingDevice]


class DeviceProfiles:
    """Every device's profile. zone: the hospital's. presets: by name. Raises: Misconfigured, with every fault of the settings."""

    def __init__(
        self, store: Store, clock: Clock, zone: ZoneInfo, peers: Sequence[Peer], presets: Mapping[str, DevicePreset]
    ) -> None:
        self._store = store
        self._clock = clock
        self._zone = zone
        self._peers = {peer.ae_title: peer for peer in peers}
        self._titles = {alias: peer.ae_title for peer in peers for alias in (peer.ae_title, *peer.aliases)}
        self._settled = device_profiles(peers, presets)
        # Made anew when a row has another version: by title, the version and the profile.
        self._chosen: dict[str, tuple[int, DeviceProfile]] = {}
        self.presets = presets

    def of(self, tx: ReadTx, ae_title: str) -> DeviceProfile:
        """Return the profile of the device that goes by *ae_title*; a stranger has the defaults."""
        title = self._titles.get(ae_title)
        if title is None:
            return DeviceProfile(ae_title)
        return self._laid_over(title, device_choices.of(tx, title))

    def asking(self, ae_title: str) -> DeviceOf:
        """Return what looks up the device that goes by *ae_title*, and what it is shown at that moment."""

        def look_up(tx: ReadTx) -> AskingDevice:
            profile = self.of(tx, ae_title)
            return AskingDevice(profile, profile.visibility(self._clock.now(), self._zone))

        return look_up

    def every(self, tx: ReadTx) -> dict[str, DeviceProfile]:
        """Return every configured peer's profile, by AE title."""
        chosen = device_choices.every(tx)
        return {title: self._laid_over(title, chosen.get(title)) for title in self._peers}

    def settled(self, ae_title: str) -> DeviceProfile:
        """Return the profile as the settings alone have it. Raises: LookupError, for no configured peer."""
        return self._settled[ae_title]

    def title_of(self, ae_title: str) -> str:
        """Return the title of the configured peer that goes by *ae_title*. Raises: LookupError."""
        return self._titles[ae_title]

    def chosen(self, tx: ReadTx, ae_title: str) -> ChosenForDevice | None:
        """Return what people chose for a device in the console, None if nobody ever did."""
        return device_choices.of(tx, self.title_of(ae_title))

    def origins(self, tx: ReadTx, ae_title: str) -> dict[str, Origin]:
        """Return where each choice of a device's profile comes from; what is not there is a default."""
        peer, row = self._peers[self.title_of(ae_title)], self.chosen(tx, ae_title)
        choices = row.choices if row is not None else {}
        preset = self.presets.get(str(choices.get("preset", "")) or peer.worklist.preset)
        found = {one.key: Origin("preset", one.because) for one in (preset.choices if preset is not None else ())}
        found |= {name: Origin("settings") for name in ("charset", "modality") if getattr(peer, name)}
        found |= {name: Origin("settings") for name, value in peer.worklist if value is not None and value != ""}
        if row is not None:
            found |= {name: Origin("console", by=row.changed_by, at=row.changed_at) for name in choices}
        return found

    def faults(self, tx: ReadTx) -> list[str]:
        """Return what of the console's choices no longer fits the settings; such choices do not count."""
        found = []
        for title, row in device_choices.every(tx).items():
            if title in self._peers:
                found += [f"device {title}: {fault}" for fault in self._try(title, row.choices)[1]]
        return found

    def choose(self, ae_title: str, choices: Mapping[str, Any], seen: int, actor: str) -> DeviceProfile:
        """
        Lay *choices* over the settings of a device, in the place of earlier ones; {} takes them back.

        seen: the version of the choices that they change, 0 for none.
        Raises: LookupError, for no configured peer; Malformed, with every fault; Conflict, if somebody else was quicker.
        """
        title = self.title_of(ae_title)
        profile, faults = self._try(title, choices)
        if profile is None:
            raise Malformed("; ".join(faults), code="invalid_value", where=faults[0].partition(":")[0])
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, f"device:{title}")
            if not device_choices.save(tx, title, choices, actor, now, seen):
                raise Conflict("somebody else has changed this device meanwhile: look at it again", code="changed")
            audit.add(tx, at=now, action="device_changed", actor=actor, detail={"device": title, "to": dict(choices)})
        return profile

    def _laid_over(self, title: str, row: ChosenForDevice | None) -> DeviceProfile:
        if row is None:
            return self._settled[title]
        known = self._chosen.get(title)
        if known is not None and known[0] == row.version:
            return known[1]
        profile, faults = self._try(title, row.choices)
        if profile is None:
            _log.warning("device_choices_unusable", peer=title, faults=faults)
            profile = self._settled[title]
        self._chosen[title] = (row.version, profile)
        return profile

    def _try(self, title: str, choices: Mapping[str, Any]) -> tuple[DeviceProfile | None, list[str]]:
        try:
            chosen = DeviceChoices.model_validate(dict(choices))
            return changed_profile(self._peers[title], chosen, self.presets), []
        except ValidationError as fault:
            return None, [_sentence(error) for error in fault.errors(include_input=False, include_url=False)]
        except Misconfigured as fault:
            return None, [one.removeprefix("worklist.") for one in fault.faults]


def _sentence(error: Mapping[str, Any]) -> str:
    place = ".".join(str(step) for step in error["loc"])
    said = "unknown key" if error["type"] == "extra_forbidden" else error["msg"].removeprefix("Value error, ")
    return f"{place}: {said[:1].lower()}{said[1:]}"
