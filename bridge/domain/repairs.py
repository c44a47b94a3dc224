"""What a site says a device writes wrongly, and how it is read instead. The bytes stay as they came; only the view changes.

A repair is about how an identity or a number is written, never about what was seen: nothing here touches a UID, a side,
a body part or a picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

Texts = Mapping[str, str]
"""Values as a device wrote them, decoded, by DICOM keyword; "" for an absent one."""

# What is read of a header besides what may be repaired, to say which device wrote it.
MATCHED = {
    "manufacturer": "Manufacturer",
    "model": "ManufacturerModelName",
    "station": "StationName",
    "modality": "Modality",
    "institution": "InstitutionName",
}


class Repaired(NamedTuple):
    """One value that is read otherwise than it was written. rule: the file and the entry that say so, "cr_cellar.names"."""

    keyword: str
    received: str
    read: str
    rule: str


class Repair(Protocol):
    """One way to read wrong values."""

    def read(self, texts: Texts) -> dict[str, str]:
        """Return the values that are to be read otherwise, none where nothing is wrong or it cannot be told."""
        ...


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of a device's file. because: why the site wants it."""

    name: str
    because: str
    repair: Repair


@dataclass(frozen=True, slots=True)
class CharsetRule:
    """How a device's text is decoded. always: also where it declares another character set."""

    name: str
    because: str
    term: str
    always: bool = False


@dataclass(frozen=True, slots=True)
class DeviceRepairs:
    """
    What one kind of device writes wrongly.

    ae_titles: the titles it calls with, () for any. matches: by what its headers hold, keyword to the values that fit,
    folded; every one must fit. clock_ahead_secs: how far its clock goes ahead of ours.
    """

    name: str
    title: str
    ae_titles: frozenset[str] = frozenset()
    matches: Mapping[str, frozenset[str]] | None = None
    charset: CharsetRule | None = None
    rules: tuple[Rule, ...] = ()
    clock_ahead_secs: int = 0

    def is_of(self, texts: Texts) -> bool:
        """Say whether a header is such a device's."""
        return all(texts.get(key, "").strip().casefold() in fitting for key, fitting in (self.matches or {}).items())


@dataclass(frozen=True, slots=True)
class View:
    """How what one AE title sends is read: the files that may be about it, in the order of their names."""

    devices: tuple[DeviceRepairs, ...]

    def charset_for(self, texts: Texts, *, is_declared: bool) -> CharsetRule | None:
        """Return the first rule that says how text is decoded, None to believe the header."""
        for device in self.devices:
            rule = device.charset
            if rule is not None and (rule.always or not is_declared) and device.is_of(texts):
                return rule
        return None

    def read(self, texts: Texts) -> tuple[dict[str, str], tuple[Repaired, ...]]:
        """Return the values that are read otherwise, and for each by which rule; a rule sees what those before it read."""
        now, repaired = dict(texts), []
        for rule in (rule for device in self.devices if device.is_of(texts) for rule in device.rules):
            for keyword, value in rule.repair.read(now).items():
                if value != now.get(keyword, ""):
                    repaired.append(Repaired(keyword, now.get(keyword, ""), value, rule.name))
                    now[keyword] = value
        changed = {one.keyword: now[one.keyword] for one in repaired}
        return changed, tuple(repaired)

    def clock_ahead_secs(self, texts: Texts) -> int:
        """Return how far the device's clock goes ahead, 0 if no file says."""
        ahead = (device.clock_ahead_secs for device in self.devices if device.clock_ahead_secs and device.is_of(texts))
        return next(ahead, 0)


def as_received(repaired: Sequence[Repaired]) -> dict[str, str]:
    """Return what stood there before the first rule, by keyword."""
    received: dict[str, str] = {}
    for one in repaired:
        received.setdefault(one.keyword, one.received)
    return received


def view_of(devices: Sequence[DeviceRepairs], ae_title: str) -> View | None:
    """Return how what *ae_title* sends is read, None where no file can be about it."""
    fitting = tuple(one for one in devices if not one.ae_titles or ae_title in one.ae_titles)
    return View(fitting) if fitting else None
