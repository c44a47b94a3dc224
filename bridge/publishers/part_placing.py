"""One attempt to bring one resource beside the images to where it belongs on one server: one of it, in the right chart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from bridge.codecs.fhir import chart_part as codec
from bridge.codecs.fhir.imaging_study import same_content
from bridge.codecs.fhir.references import derived_id, holds, token
from bridge.domain.identifiers import digest_of
from bridge.outbox.publisher import Receipt, StillWanted
from bridge.publishers.ehr_directory import Chart
from bridge.publishers.fhir_client import FhirClient, Found
from bridge.publishers.put_once import put_once
from bridge.store.chart_parts import ChartPart

Json = dict[str, Any]

# Each deletion of ours at the server leads to a new id; somebody who deletes more often means it.
_GENERATIONS = 8


@dataclass(frozen=True, slots=True)
class PartReceipt(Receipt):
    """What stands now (None: nothing of ours), whether it was written, and what stands for nothing any more."""

    standing: Found | None = None
    content_digest: str = ""
    was_written: bool = False
    ended: tuple[Found, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownPart:
    """
    What is known of it. identity: of the thing it is about, the same everywhere. parts: what we put there, oldest first.

    same_person: the references among them that were put there for the one whose it is now.
    """

    kind: str
    identity: str
    parts: tuple[ChartPart, ...]
    same_person: frozenset[str] = frozenset()


class PartPlacing:
    """One attempt. What another system keeps there of the same thing is left as it is."""

    def __init__(self, client: FhirClient, known: KnownPart, still_wanted: StillWanted) -> None:
        self._client = client
        self._known = known
        self._still_wanted = still_wanted
        self._own = codec.part_identifier(known.kind, known.identity, client.name)
        self._references = {one.reference: one for one in known.parts}
        self._missing: set[str] = set()

    def place(self, said: Json, chart: Chart) -> PartReceipt:
        """Make *said* the one resource of its thing in *chart*. Raises: Conflict, code "version": look again."""
        natural = said.get("identifier", [])
        placement = codec.placement_identifier(self._known.kind, self._known.identity, self._client.name, chart.name)
        ours = said | {"identifier": [*natural, self._own, placement]}
        standing = self._standing(natural)
        mine = [one for one in standing if self._is_ours(one)]
        own = [one for one in mine if chart.holds(one) or one.reference in self._known.same_person]
        ended = self._end([one for one in mine if one not in own])
        if not own and any(chart.holds(one) and not codec.is_withdrawn(one.resource) for one in standing):
            return PartReceipt("another system keeps it there already", ended=ended)
        target, twins = self._one_of(own)
        ended += twins
        digest = digest_of(orjson.dumps(ours, option=orjson.OPT_SORT_KEYS))
        if target is None:
            written = self._made(ours, placement, chart)
            return PartReceipt(f"{written.reference} created", written, digest, True, ended)
        resource = codec.laid_over(target.resource, ours)
        if self._says_so(target, digest) or same_content(resource, target.resource):
            return PartReceipt(f"{target.reference} says so already", target, digest, False, ended)
        self._still_wanted()
        written = self._client.update(resource, target.version)
        return PartReceipt(f"{written.reference} updated", written, digest, True, ended)

    def withdraw(self) -> PartReceipt:
        """Mark everything of ours as entered in error."""
        ended = self._end([one for one in self._standing([]) if self._is_ours(one)])
        names = ", ".join(one.reference for one in ended)
        return PartReceipt(
            f"{names} withdrawn" if names else "nothing stands there", was_written=bool(ended), ended=ended
        )

    def _standing(self, natural: Sequence[Json]) -> list[Found]:
        """Return what a search for its numbers finds, and what we know of beyond it: an index may lag, an id never does."""
        wanted = [self._own, *natural]
        asked = {"identifier": ",".join(token(one) for one in wanted)}
        found = {
            one.reference: one
            for one in self._client.search(self._known.kind, asked)
            if any(holds(one.resource, number) for number in wanted)
        }
        for reference in sorted(self._references.keys() - found.keys()):
            known = self._client.read(reference)
            if known is None:
                self._missing.add(reference)
            else:
                found[reference] = known
        return [found[reference] for reference in sorted(found)]

    def _is_ours(self, one: Found) -> bool:
        return one.reference in self._references or holds(one.resource, self._own)

    def _one_of(self, own: Sequence[Found]) -> tuple[Found | None, tuple[Found, ...]]:
        """Return the one to keep, the one that was noted before others, and what of the others was withdrawn."""
        ranked = sorted(
            own,
            key=lambda one: (codec.is_withdrawn(one.resource), one.reference not in self._references, one.reference),
        )
        if not ranked:
            return None, ()
        return ranked[0], self._end(ranked[1:])

    def _end(self, found: Sequence[Found]) -> tuple[Found, ...]:
        live = [one for one in found if not codec.is_withdrawn(one.resource)]
        return tuple(self._marked(one) for one in live)

    def _marked(self, one: Found) -> Found:
        self._still_wanted()
        return self._client.update(codec.withdrawn(one.resource), one.version)

    def _says_so(self, target: Found, digest: str) -> bool:
        last = self._references.get(target.reference)
        return (
            last is not None
            and bool(target.version)
            and (last.version, last.content_digest) == (target.version, digest)
        )

    def _made(self, ours: Json, placement: Json, chart: Chart) -> Found:
        self._still_wanted()
        made = put_once(self._client, ours, placement, self._ids(chart))
        if made.is_alone:
            return made.found
        twins = [one for one in self._standing([]) if chart.holds(one) and self._is_ours(one)]
        return self._one_of(twins)[0] or made.found

    def _ids(self, chart: Chart) -> Iterator[str]:
        """Yield the ids that it may have in *chart*: the first, and another for each that was deleted."""
        for generation in range(_GENERATIONS):
            found = derived_id(self._known.kind, self._known.identity, self._client.name, chart.name, str(generation))
            reference = f"{self._known.kind}/{found}"
            if reference not in self._missing or not self._client.is_gone(reference):
                yield found
