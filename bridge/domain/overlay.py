"""What lies over a study as received: the values that its objects leave with, layer by layer, and since when.

An overlay is data. What was received stays as it came, so every version can be laid over it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Reason(StrEnum):
    """Why a value leaves as another: brought in line with our record, or it was wrong. Source: PS3.3 C.12.1.1.9."""

    COERCE = "COERCE"
    CORRECT = "CORRECT"


@dataclass(frozen=True, slots=True)
class Layer:
    """
    The values that one version put in the place of others, DICOM keyword to value.

    at: when that version was made, aware: the same version always leaves with the same instant, byte for byte.
    """

    at: datetime
    values: Mapping[str, str]
    reason: Reason = Reason.COERCE


@dataclass(frozen=True, slots=True)
class Overlay:
    """
    What every object of a study leaves with under one binding; no keyword stands in two layers.

    since: the binding version from which on objects have left so without a change. With an instance's digest it names
    the bytes that leave.
    """

    study_key: int
    binding_version: int
    since: int
    layers: tuple[Layer, ...] = ()

    @property
    def values(self) -> dict[str, str]:
        """Everything that objects leave with, whether or not it stands in them already."""
        return {keyword: value for layer in self.layers for keyword, value in layer.values.items()}
