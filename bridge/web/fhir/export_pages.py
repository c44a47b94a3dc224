"""What an export is made of, page by page: the same search and the same resources as for whoever reads them one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from bridge.clock import Clock
from bridge.codecs.fhir import search_terms
from bridge.codecs.fhir.imaging_study import ENTERED_IN_ERROR
from bridge.domain.resource_query import Asked, Term, Token, Total
from bridge.flows.export_resources import MakePage
from bridge.leaving.studies import endpoint_ids, house_of
from bridge.settings import Settings
from bridge.store import placements, splits
from bridge.store.db import ReadTx
from bridge.store.exports import Export
from bridge.store.searches import conditions, updated
from bridge.store.searches.announced import FIRST_KEY
from bridge.web.fhir import endpoints, imaging_studies
from bridge.web.fhir.kinds import Kind, Serving
from bridge.web.fhir.registry import KINDS

Json = dict[str, Any]
PAGE = 200


def page_maker(settings: Settings, clock: Clock, size: int = PAGE) -> MakePage:
    """Return what makes pages of exports. size: resources in a page."""

    def make(tx: ReadTx, one: Export) -> tuple[Sequence[Json], tuple[str, int] | None]:
        serving = _serving(tx, one, settings, clock.now())
        name = one.types[one.at_type]
        if name == "Endpoint":
            return [made.resource for made in endpoints.made(serving)], None
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


def as_shown_now(tx: ReadTx, one: Export, name: str, body: bytes, settings: Settings, now: datetime) -> bytes:
    """
    Return a part of a file as it may be read by now; *body*: as it was made, NDJSON.

    What may be shown no more is left out, an undone merge's other person among it; whatever is another's by now is told
    as it is now, and a study that has left its chart reads entered in error.
    """
    if name == "Endpoint":
        return body
    lines = {str(said["id"]): said for said in map(orjson.loads, body.splitlines())}
    kind, serving = KINDS[name], _serving(tx, one, settings, now)
    ids = Term("_id", tuple(Token(each) for each in lines))
    found = _find(tx, kind, serving, len(lines), ids)
    if kind is not imaging_studies.KIND:
        return b"".join(orjson.dumps(made.resource) + b"\n" for made in kind.make(tx, found, serving))
    gone = _find(tx, kind, serving, len(lines), ids, Term("status", (Token(ENTERED_IN_ERROR),)))
    same = {key: said for key, said in _unchanged(tx, one, found, lines).items() if key not in gone}
    anew = kind.make(tx, [key for key in found if key not in same], serving)
    shown = [*same.values(), *(made.resource for made in anew)]
    return b"".join(orjson.dumps(said) + b"\n" for said in shown)


def _find(tx: ReadTx, kind: Kind, serving: Serving, count: int, *terms: Term) -> Sequence[int]:
    search = replace(kind.search, narrows=())
    return search.find(tx, Asked(terms, count=count, total=Total.NONE), serving.search).keys


def _unchanged(tx: ReadTx, one: Export, keys: Sequence[int], lines: Mapping[str, Json]) -> dict[int, Json]:
    """Return the studies of which nothing has changed since an export was asked for: most are, and to make one takes a while."""
    placed = placements.many(tx, [key for key in keys if key < FIRST_KEY])
    rows = [each.key for each in placed]
    told, happened = updated.updated_at(tx, rows), updated.made_at(tx, rows)
    parted = splits.parted_since(tx, one.asked_at)
    return {
        each.key: lines[each.resource_id]
        for each in placed
        if each.stands and each.study_key not in parted and max(told[each.key], happened[each.key]) < one.asked_at
    }


def _serving(tx: ReadTx, one: Export, settings: Settings, now: datetime) -> Serving:
    only = None if one.patient_key is None else tuple(conditions.same_people(tx, [one.patient_key]))
    return Serving(
        release=one.release,
        base=one.base,
        public_url=one.base.rpartition("/fhir/")[0],
        organization=settings.bridge.organization,
        house=house_of(settings),
        search=conditions.House(
            issuers=_nobody,
            quiet_since=now - timedelta(seconds=settings.publish.study_quiet_secs),
            at=now,
            announces=settings.publish.announce,
            endpoints=endpoint_ids(settings),
            only_patients=only,
            caller=one.owner_name,
            local=lambda at: at.astimezone(settings.time_zone),
        ),
    )


def _nobody(_: str) -> tuple[str, ...]:
    return ()
