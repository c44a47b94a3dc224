"""Which site a message comes from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from bridge.domain.repairs import DeviceRepairs
from bridge.mapping.site import Match, SiteMapping


@dataclass(frozen=True)
class MappingSet:
    """
    Everything that was loaded; replaced whole on a reload. base: for senders = "any", where no site matches.

    presets: dialects that sites extend; no sender ever comes to be one. repairs: what devices write wrongly.
    """

    base: SiteMapping
    sites: tuple[SiteMapping, ...] = ()
    presets: tuple[SiteMapping, ...] = ()
    repairs: tuple[DeviceRepairs, ...] = ()

    @cached_property
    def _by_match(self) -> dict[Match, SiteMapping]:
        return {match: site for site in self.sites for match in site.matches}

    def site(self, name: str) -> SiteMapping | None:
        """Return the site of that name."""
        return next((site for site in self.sites if site.name == name), None)

    def rules_named(self, name: str) -> SiteMapping | None:
        """Return the site or the preset of that name ("sites/us_ehr" or "us_ehr"): to try a message by its rules."""
        wanted = name.removeprefix("sites/")
        return self.site(wanted) or next((preset for preset in self.presets if preset.name == wanted), None)

    def resolve(self, sending_application: str, sending_facility: str) -> SiteMapping | None:
        """
        Return the site of a sender, None if it is in no site's match list.

        An entry with both names goes before one with the facility alone, and that before the application alone.
        """
        for match in (
            Match(sending_application, sending_facility),
            Match(sending_facility=sending_facility),
            Match(sending_application=sending_application),
        ):
            found = self._by_match.get(match)
            if found is not None and match != Match():
                return found
        return None
