"""What a device can take of a text: its character set and lengths; what is longer is cut, numbers never."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from bridge.codecs.dicom import charset
from bridge.codecs.dicom.charset import CharacterSet
from bridge.domain.device_profile import DeviceProfile

# Texts for people to read. Codes and numbers mean something else when they are cut, so they are in no list here.
DESCRIPTIONS = frozenset(
    {
        0x00080104,  # CodeMeaning
        0x00081030,  # StudyDescription
        0x00081080,  # AdmittingDiagnosesDescription
        0x00321060,  # RequestedProcedureDescription
        0x00321070,  # RequestedContrastAgent
        0x00400007,  # ScheduledProcedureStepDescription
        0x00400012,  # PreMedication
        0x00400400,  # CommentsOnTheScheduledProcedureStep
        0x00401002,  # ReasonForTheRequestedProcedure
        0x00401400,  # RequestedProcedureComments
        0x00402001,  # ReasonForTheImagingServiceRequest
        0x00402400,  # ImagingServiceRequestComments
    }
)


@dataclass(frozen=True, slots=True)
class Reading:
    """character_set: None to follow the query. name_length: characters of each PN group, text_length: of a description; 0: all."""

    character_set: CharacterSet | None = None
    name_length: int = 0
    text_length: int = 0

    @property
    def cuts(self) -> bool:
        """Whether anything can be too long for the device."""
        return bool(self.name_length or self.text_length)


FOLLOWS = Reading()


@lru_cache(maxsize=256)
def reading_of(profile: DeviceProfile) -> Reading:
    """Return what the device of *profile* can take."""
    return Reading(charset.parse_setting(profile.charset), profile.name_length, profile.text_length)


def fitted(text: str, tag: int, vr: str, reading: Reading) -> str:
    """Return *text* as long as the device of *reading* takes it."""
    if vr == "PN" and reading.name_length:
        return "=".join(_shorter(group, reading.name_length) for group in text.split("="))
    if tag in DESCRIPTIONS and reading.text_length:
        return "\\".join(value[: reading.text_length].rstrip(" ") for value in text.split("\\"))
    return text


def _shorter(group: str, length: int) -> str:
    """Leave out the last components of a name first; family and given name are the last to be cut."""
    components = group.split("^")
    while len(group) > length and len(components) > 2:
        components.pop()
        group = "^".join(components).rstrip("^")
    if len(group) <= length:
        return group
    family, _, given = group.partition("^")
    room = length - len(family) - 1
    return f"{family}^{given[:room].rstrip(' ')}" if given and room > 0 else family[:length].rstrip(" ")
