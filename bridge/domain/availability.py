"""What a peer says can be retrieved from it: known of, not stored here, and no promise to keep it. Source: PS3.4 R."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Availability(StrEnum):
    """How soon an instance can be had from who speaks of it. Source: PS3.3 C.4.23.1.1."""

    ONLINE = "ONLINE"
    NEARLINE = "NEARLINE"
    OFFLINE = "OFFLINE"
    UNAVAILABLE = "UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class InstanceSaid:
    """What is said of one instance. retrieve_url: where it is served over HTTP, "" if nothing was said."""

    sop_instance_uid: str
    availability: Availability
    retrieve_ae_title: str
    retrieve_url: str = ""


@dataclass(frozen=True, slots=True)
class AvailabilityNote:
    """What one notification says of a study; it names no patient. instances: each once."""

    study_instance_uid: str
    instances: tuple[InstanceSaid, ...]
