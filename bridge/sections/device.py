"""What the settings, a preset file and the console may say about what one device is shown: the same keys in all three."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from bridge.domain.device_profile import Leaves, Sees
from bridge.sections.section import AETitle, Section

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_MODALITY = re.compile(r"[A-Z0-9_ ]{1,16}")


def _clock(value: str) -> str:
    if not _CLOCK.fullmatch(value):
        raise ValueError("a time of day is wanted, 00:00 to 23:59")
    return value


def modality(value: str) -> str:
    """Return *value* if it can be a Modality, or is empty. Raises: ValueError. Source: PS3.5 6.2 (CS)."""
    if value and not _MODALITY.fullmatch(value):
        raise ValueError("not a modality: capital letters and digits, at most 16")
    return value


Modality = Annotated[str, AfterValidator(modality)]
Hours = Annotated[int, Field(ge=0, le=24 * 366)]
Days = Annotated[int, Field(ge=0, le=3660)]


class WindowSection(Section):
    """Which scheduled starts a device is shown, around now; hours from this minute, or whole days."""

    hours_back: Hours | None = None
    hours_ahead: Hours | None = None
    days_back: Days | None = None
    days_ahead: Days | None = None

    @model_validator(mode="after")
    def _one_of_each_end(self) -> WindowSection:
        if self.hours_back is not None and self.days_back is not None:
            raise ValueError("hours_back or days_back, not both")
        if self.hours_ahead is not None and self.days_ahead is not None:
            raise ValueError("hours_ahead or days_ahead, not both")
        return self


class WorklistSection(Section):
    """
    What a device is shown and in which form, as far as it differs from its preset; None keeps what the preset says.

    preset: the name of a file in mappings/devices, "" for none. day_ends: "HH:MM". The rest as in `DeviceProfile`.
    """

    preset: str = ""
    stations: tuple[AETitle, ...] | None = None
    modality_aliases: tuple[Modality, ...] | None = None
    name_length: Annotated[int, Field(ge=0, le=64)] | None = None
    text_length: Annotated[int, Field(ge=0, le=64)] | None = None
    patient_id_length: Annotated[int, Field(ge=0, le=64)] | None = None
    sees: tuple[Sees, ...] | None = None
    window: WindowSection | None = None
    max_results: Annotated[int, Field(ge=1, le=5000)] | None = None
    over_max: Literal["cut", "refuse"] | None = None
    required_keys: tuple[str, ...] | None = None
    without_required: Literal["refuse", "empty"] | None = None
    leaves: Leaves | None = None
    day_ends: Annotated[str, AfterValidator(_clock)] | None = None
    hides_confidential: bool | None = None


class DeviceChoices(WorklistSection):
    """The same with what stands beside `worklist` in a peer's settings: what a preset or the console may choose as well."""

    charset: str | None = None
    modality: Modality | None = None
