"""The role images: the part of the DICOM listener that carries what moves images, beside the role dicom at the door."""

from __future__ import annotations

from bridge.roles.dicom import DicomRole
from bridge.wiring import House, Role


def make(house: House) -> Role:
    """Build the role over *house*."""
    return DicomRole(house, takes_over=True)
