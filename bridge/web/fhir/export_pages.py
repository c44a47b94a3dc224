"""What an export is made of, page by page: the same search and the same resources as for whoever reads them one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from bridge.clock import Clock
from bridge.codecs.fhir import search_terms
from bridge.codecs.fhir.imaging_study import House
from bridge.domain.resource_query import Asked, Term, Total
from bridge.flows.export_resources import MakePage
from bridge.settings import Settings
from bridge.store.db import ReadTx
from bridge.store.exports import Export
from bridge.store.searches import conditions
from bridge.web.fhir import endpoints
from bridge.web.fhir.kinds import Serving
from bridge.web.fhir.registry import KINDS

Json = dict[str, Any]
PAGE = 200


def page_maker(settings: Settings, clock: Clock, size: int = PAGE) -> MakePage:
    """Return what makes pages of exports. size: resources in a page."""

    def make(tx: ReadTx, one: Export) -> tuple[Sequence[Json], tuple[str, int] | None]:
        serving = _serving(tx, one, settings, clock.now())
        name = one.types[one.at_type]
        if name == "Endpoint":
            return [endpoints.made(serving).resource], None
        kind = KINDS[name]
        terms: tuple[Term, ...] = ()
        if one.since is not None and kind.parameter("_lastUpdated") is not None:
            since = f"ge{one.since.isoformat()}"
            terms = (search_terms.term("_lastUpdated", "date", since, settings.time_zone),)
        # An export is for everybody; a search must name somebody.
        search = replace(kind.search, narrows=())
        found = search.find(tx, Asked(terms, count=size, after=one.after, total=Total.NONE), serving.search)
        return [made.resource for made in kind.make(tx, found.keys, serving)], found.last

    return make


def _serving(tx: ReadTx, one: Export, settings: Settings, now: datetime) -> Serving:
    only = None if one.patient_key is None else tuple(conditions.same_people(tx, [one.patient_key]))
    return Serving(
        release=one.release,
        base=one.base,
        images=f"{one.base.rpartition('/fhir/')[0]}/dicom-web",
        organization=settings.bridge.organization,
        house=House(settings.time_zone, settings.identity.system_of),
        search=conditions.House(
            issuers=_nobody,
            quiet_since=now - timedelta(seconds=settings.publish.study_quiet_secs),
            at=now,
            only_patients=only,
            caller=one.owner_name,
            local=lambda at: at.astimezone(settings.time_zone),
        ),
    )


def _nobody(_: str) -> tuple[str, ...]:
    return ()
