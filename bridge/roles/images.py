"""The role images: the part of the DICOM listener that carries what moves images, beside the role dicom at the door."""

from __future__ import annotations

from pathlib import Path

from bridge.roles.dicom import DicomRole
from bridge.wiring import House, Role


def make(house: House, line: Path) -> Role:
    """Build the role over *house*. line: where it takes associations over."""
    return DicomRole(house, takes_over_at=line)
