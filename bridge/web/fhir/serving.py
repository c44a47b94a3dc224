"""The house as resources are made with it, at the address that this caller came by."""

from __future__ import annotations

from datetime import timedelta

from bridge.leaving.resources import ServingHouse
from bridge.leaving.studies import house_of
from bridge.web import addresses
from bridge.web.access import services


def serving_house() -> ServingHouse:
    """Return what is the same for all resources."""
    settings = services().settings
    return ServingHouse(
        house_of(settings),
        addresses.base_url(),
        settings.bridge.organization,
        timedelta(seconds=settings.publish.study_quiet_secs),
    )
