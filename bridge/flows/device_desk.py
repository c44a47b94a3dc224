"""The devices as those look at them who run them: what each is shown today, what names lose on it, when it was heard of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from bridge.clock import Clock
from bridge.codecs.dicom import charset
from bridge.codecs.dicom.device_preview import Preview, Shown, may_lose, preview, preview_name
from bridge.codecs.dicom.device_text import reading_of
from bridge.domain.device_profile import DeviceProfile
from bridge.domain.device_words import ProfileLine, profile_lines
from bridge.domain.matching import Range
from bridge.domain.order import LIVE
from bridge.domain.worklist_search import WorklistSearch
from bridge.errors import Incomplete, Malformed
from bridge.flows.device_profiles import AskingDevice, DeviceProfiles, Origin
from bridge.mapping.device_presets import DevicePreset
from bridge.store import orders, worklist
from bridge.store.db import ReadTx, Store
from bridge.store.device_choices import ChosenForDevice
from bridge.store.listings.devices import LastContact, last_contact
from bridge.store.worklist import Found

_MOST = 1000
_NAME_MAX = 200


@dataclass(frozen=True, slots=True)
class LossyStep:
    """A step of today that a device does not get whole. texts: what of it."""

    order_key: int
    patient_key: int
    accession_number: str
    texts: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One device. shown: how many of today's steps it may be shown; lossy: how many of them it does not get whole."""

    profile: DeviceProfile
    preset_title: str
    contact: LastContact
    shown: int
    lossy: int


@dataclass(frozen=True, slots=True)
class DeviceSheet:
    """All about one device. origins: where each choice comes from; chosen: what the console said, None if nothing ever."""

    row: DeviceRow
    lines: tuple[ProfileLine, ...]
    origins: Mapping[str, Origin]
    losses: tuple[LossyStep, ...]
    chosen: ChosenForDevice | None


class DeviceDesk:
    """Looks at devices. zone: the hospital's. titles: whose lists are looked at: those that may ask for one."""

    def __init__(
        self, store: Store, clock: Clock, zone: ZoneInfo, devices: DeviceProfiles, titles: Sequence[str]
    ) -> None:
        self._store = store
        self._clock = clock
        self._zone = zone
        self._devices = devices
        self.titles = tuple(titles)

    @property
    def presets(self) -> Mapping[str, DevicePreset]:
        return self._devices.presets

    def rows(self) -> list[DeviceRow]:
        """Return a row for each device."""
        with self._store.read() as tx:
            return [self._row(tx, self._devices.asking(title)(tx)) for title in self.titles]

    def sheet(self, ae_title: str) -> DeviceSheet:
        """Return all about one device, by its title or an alias. Raises: LookupError."""
        with self._store.read() as tx:
            device = self._devices.asking(self._devices.title_of(ae_title))(tx)
            lossy = tuple(self._lossy(tx, one, shown) for one, shown in self._losses(tx, device))
            return DeviceSheet(
                self._row(tx, device),
                profile_lines(device.profile),
                self._devices.origins(tx, ae_title),
                lossy,
                self._devices.chosen(tx, ae_title),
            )

    def device(self, ae_title: str) -> AskingDevice:
        """Return a device as it is now; a stranger has the defaults."""
        with self._store.read() as tx:
            return self._devices.asking(ae_title)(tx)

    def losses_of(self, order_key: int) -> list[tuple[str, Shown]]:
        """Return what of an order's open steps the devices they are for do not get whole, each with the device's title."""
        found: dict[tuple[str, str], Shown] = {}
        with self._store.read() as tx:
            for step in orders.steps_of(tx, order_key):
                encoded = worklist.encoded_of(tx, step.key) if step.status in LIVE else None
                for station in step.scheduled_station_ae_title if encoded else ():
                    profile = self._devices.of(tx, station)
                    reading, kept = reading_of(profile), profile.patient_id_length
                    if encoded and may_lose(encoded, reading, kept):
                        losses = preview(encoded, reading, kept).losses
                        found |= {(profile.ae_title, one.keyword): one for one in losses}
        return [(title, one) for (title, _), one in found.items()]

    def preview(self, ae_title: str, patient_name: str, asked: str = "") -> Preview:
        """
        Return how a person name reads on a device. asked: the character set that its query declares.

        Raises: LookupError, for no such device; Incomplete, without a name; Malformed, if it is too long or the set unknown.
        """
        if not patient_name.strip():
            raise Incomplete("a name is wanted", where="name")
        if len(patient_name) > _NAME_MAX:
            raise Malformed(f"a name has at most {_NAME_MAX} characters", code="too_long", where="name")
        wanted = charset.parse_setting(asked)
        if asked and wanted is None:
            raise Malformed("no such character set", code="not_in_table", where="charset")
        with self._store.read() as tx:
            profile = self._devices.of(tx, self._devices.title_of(ae_title))
        return preview_name(patient_name, reading_of(profile), wanted)

    def choose(self, ae_title: str, choices: Mapping[str, Any], seen: int, actor: str) -> DeviceProfile:
        """Lay *choices* over a device's settings, as `DeviceProfiles.choose`."""
        return self._devices.choose(ae_title, choices, seen, actor)

    def _row(self, tx: ReadTx, device: AskingDevice) -> DeviceRow:
        profile = device.profile
        preset = self.presets.get(profile.preset)
        return DeviceRow(
            profile,
            preset.title if preset is not None else "",
            last_contact(tx, profile.titles),
            len(self._today(tx, device)),
            len(self._losses(tx, device)),
        )

    def _today(self, tx: ReadTx, device: AskingDevice) -> list[Found]:
        day = f"{self._clock.now().astimezone(self._zone):%Y%m%d}"
        search = WorklistSearch(starts=Range(f"{day}000000", f"{day}235959.999999"))
        return worklist.find(tx, search, _MOST, device.seen)

    def _losses(self, tx: ReadTx, device: AskingDevice) -> list[tuple[Found, Preview]]:
        profile, reading = device.profile, reading_of(device.profile)
        kept = profile.patient_id_length
        found = [one for one in self._today(tx, device) if may_lose(one.encoded, reading, kept)]
        seen = [(one, preview(one.encoded, reading, kept)) for one in found]
        return [(one, shown) for one, shown in seen if shown.losses]

    def _lossy(self, tx: ReadTx, found: Found, shown: Preview) -> LossyStep:
        (step,) = orders.get_steps(tx, [found.step_key])
        order = orders.get(tx, step.order_key)
        return LossyStep(order.key, order.patient_key, order.accession_number, shown.losses)
