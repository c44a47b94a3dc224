"""What a site may tune about authorizations: clocks, links, what is compared and what is warned of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import tzinfo

from bridge.domain.authorization import number_key
from bridge.domain.authorization_clock import ClockRules
from bridge.domain.evidence_needs import NeedRule

# CPT category I to III, proprietary laboratory codes, and HCPCS level II.
_BILLED = re.compile(r"[0-9]{5}|[0-9]{4}[FTUM]|[A-V][0-9]{4}")


@dataclass(frozen=True, slots=True)
class SiteFacts:
    """How payers know one of our places. npi, place_of_service: "" for not said. names: as institutions are called in orders."""

    npi: str = ""
    place_of_service: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PayerRules:
    """Where a payer differs. None: as everywhere."""

    zone: tzinfo | None = None
    expedited_hours: int | None = None
    standard_days: int | None = None


@dataclass(frozen=True, slots=True)
class AuthorizationRules:
    """
    A site's data for authorizations.

    link_rules: by which rules they are linked to orders. off: warnings that are not given. codes: a site's own procedure
    codes to what is billed for them. modifiers_ignored: those that say nothing of what is done. sites: our places.
    payers: payer id to where it differs. columns: names of a list's columns to what they say. evidence: checklists of what payers want to see, by name.
    """

    clock: ClockRules = field(default_factory=ClockRules)
    link_rules: frozenset[str] = frozenset({"number", "named", "member-code-date", "insurance"})
    off: frozenset[str] = frozenset({"unconfirmed"})
    codes: Mapping[str, str] = field(default_factory=dict)
    modifiers_ignored: frozenset[str] = frozenset({"26", "59", "76", "77", "TC", "XE", "XP", "XS", "XU", "PO", "PN"})
    sites: tuple[SiteFacts, ...] = ()
    payers: Mapping[str, PayerRules] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    evidence: Mapping[str, NeedRule] = field(default_factory=dict)

    def clock_of(self, payer_id: str) -> ClockRules:
        """Return the clock of a payer."""
        own = self.payers.get(payer_id)
        if own is None:
            return self.clock
        said = {name: value for name in ("zone", "expedited_hours", "standard_days") if (value := getattr(own, name))}
        return replace(self.clock, **said)

    def billed_code(self, code: str) -> str:
        """Return what is billed for *code*, "" for a code that nobody says the billed one of."""
        plain = number_key(code)
        known = self.codes.get(plain, plain)
        return known if _BILLED.fullmatch(known) else ""

    def site_of(self, name: str) -> SiteFacts | None:
        """Return our place that goes by *name*."""
        wanted = name.strip().casefold()
        return next((one for one in self.sites if wanted and wanted in {each.casefold() for each in one.names}), None)
