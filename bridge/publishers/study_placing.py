"""One attempt to bring one server to what is known of a study: one live resource, in the right chart, of the newest state.

How one study stays one resource, whatever the server does:
- Look first: the resources with the study's UID are searched before every write, so an answer that was lost is found.
- The one in our patient's chart is updated by its id and version. None at all is made by `put_once`.
- Where something could have been made twice, the server is asked once more; of two of ours one goes.
- A hold marks it entered-in-error, subject unchanged; kept, the same one becomes available again.
- Bound, and every image of it rejected, it is cancelled: it was no error whose it is.
- Bound to another person, the old one stays entered-in-error in its chart and a new one is made. Both hold the study's
  UID, so the new one is found by its *placement* instead: an identifier of study, server and subject, which every
  resource of ours carries. It also tells ours from another system's, which we never withdraw.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from bridge.codecs.fhir import imaging_study as codec
from bridge.codecs.fhir.imaging_study import CANCELLED, ENTERED_IN_ERROR, REGISTERED
from bridge.codecs.fhir.references import (
    PLACEMENT_SYSTEM,
    derived_id,
    holds,
    study_identifier,
    token,
)
from bridge.domain.identifiers import digest_of
from bridge.errors import Conflict, Refused, Unsupported
from bridge.outbox.publisher import Receipt, StillWanted
from bridge.publishers.ehr_directory import Chart
from bridge.publishers.fhir_client import FhirClient, Found
from bridge.publishers.put_once import put_once
from bridge.store.publications import Publication

Json = dict[str, Any]

# Each deletion of ours at the server leads to a new id; somebody who deletes more often means it.
_GENERATIONS = 8
STUDY_TWICE = "study_twice"
STUDY_ELSEWHERE = "study_elsewhere"


@dataclass(frozen=True, slots=True)
class StudyReceipt(Receipt):
    """
    What stands now (None: nothing of ours), whether it was written, and what was withdrawn.

    seen: every resource of ours in its chart as it stands now, withdrawn or not.
    """

    standing: Found | None
    content_digest: str
    was_written: bool
    withdrawn: tuple[str, ...]
    seen: tuple[Found, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """
    What we put on the server of a study, withdrawn or not, oldest first.

    same_person: the references among it that were put there for the one whose it is now. ending: what is withdrawn becomes.
    """

    study_instance_uid: str
    publications: tuple[Publication, ...]
    same_person: frozenset[str]
    ending: str = ENTERED_IN_ERROR


class Placing:
    """One attempt to bring one server to what we know."""

    def __init__(self, client: FhirClient, known: Known, still_wanted: StillWanted) -> None:
        self._client = client
        self._known = known
        self._still_wanted = still_wanted
        self._identifier = study_identifier(known.study_instance_uid)
        self._references = {one.reference for one in known.publications}
        self._last = known.publications[-1] if known.publications else None
        self._missing: set[str] = set()
        self._ended: dict[str, Found] = {}

    def place(self, ours: Json, chart: Chart) -> StudyReceipt:
        """
        Make *ours* the one resource of the study in *chart*.

        Raises: Conflict, code "version", if somebody else wrote meanwhile: look again.
        """
        digest = digest_of(orjson.dumps(ours, option=orjson.OPT_SORT_KEYS))
        standing = self._standing()
        own = [one for one in standing if self._is_in_chart(one, chart)]
        strange = [one for one in standing if one not in own]
        self._refuse_foreign([one for one in strange if not is_withdrawn(one)])
        withdrawn = self._take_back(strange)
        target = self._the_one(own)
        if target is None:
            written = self._create(ours, chart, is_first=not standing)
            seen = (*self.ended, written)
            return StudyReceipt(f"{written.reference} created", written, digest, True, withdrawn, seen)
        resource = codec.laid_over(target.resource, ours) | {"id": target.resource["id"]}
        if self._says_so(target, digest) or codec.same_content(resource, target.resource):
            seen = (*self.ended, target)
            return StudyReceipt(f"{target.reference} says so already", target, digest, False, withdrawn, seen)
        self._still_wanted()
        written = self._client.update(resource, target.version)
        what = "available again" if is_withdrawn(target) else "updated"
        return StudyReceipt(f"{written.reference} {what}", written, digest, True, withdrawn, (*self.ended, written))

    def announce(self, ours: Json, chart: Chart) -> StudyReceipt:
        """Place *ours* unless more than an announcement stands: what is available is never registered again."""
        standing = next((one for one in self._standing() if _is_more(one)), None)
        if standing is not None:
            return StudyReceipt(f"{standing.reference} says more already", standing, "", False, ())
        return self.place(ours, chart)

    @property
    def ended(self) -> tuple[Found, ...]:
        """What is ours and in nobody's chart any more."""
        return tuple(self._ended.values())

    def withdraw(self) -> tuple[str, ...]:
        """Mark everything of ours as it ends; return what we have not noted as such yet."""
        return self._take_back(self._standing())

    def _take_back(self, standing: Sequence[Found]) -> tuple[str, ...]:
        ours = [one for one in standing if self._is_ours(one)]
        # What was cancelled turns out to be somebody else's: then it was an error all the same.
        is_error = self._known.ending == ENTERED_IN_ERROR
        live = [one for one in ours if not is_withdrawn(one) or (is_error and one.resource["status"] == CANCELLED)]
        for one in ours:
            self._ended[one.reference] = self._mark(one, self._known.ending) if one in live else one
        # What is marked already may be the work of an attempt that ended before it was noted.
        not_noted = {one.reference for one in self._known.publications if one.retired_at is None}
        return tuple(one.reference for one in ours if one in live or one.reference in not_noted)

    def _standing(self) -> list[Found]:
        """Return every resource of the study: what a search finds, and what we know of beyond it."""
        found = {
            one.reference: one
            for one in self._client.search("ImagingStudy", {"identifier": token(self._identifier)})
            if holds(one.resource, self._identifier)
        }
        # A search index may lag behind a write; an id never does.
        for reference in sorted(self._references - found.keys()):
            known = self._client.read(reference)
            if known is None:
                self._missing.add(reference)
            elif holds(known.resource, self._identifier):
                found[reference] = known
        return [found[reference] for reference in sorted(found)]

    def _is_in_chart(self, one: Found, chart: Chart) -> bool:
        return chart.holds(one) or one.reference in self._known.same_person

    def _is_ours(self, one: Found) -> bool:
        return one.reference in self._references or any(
            isinstance(each, dict) and each.get("system") == PLACEMENT_SYSTEM
            for each in one.resource.get("identifier") or []
        )

    def _refuse_foreign(self, strange: Sequence[Found]) -> None:
        if any(not self._is_ours(one) for one in strange):
            raise Conflict("another system has put this study into another patient's chart", code=STUDY_ELSEWHERE)

    def _the_one(self, own: Sequence[Found]) -> Found | None:
        """
        Return the resource to keep up to date: the one that is not withdrawn, else one that was, else None.

        Raises: Conflict, if several stand that are not all ours: which of them others point to is not ours to guess.
        """
        live = [one for one in own if not is_withdrawn(one)]
        if len(live) > 1:
            if not all(self._is_ours(one) for one in live):
                raise Conflict("the server has several ImagingStudies of this study for the patient", code=STUDY_TWICE)
            return self._only_one_left(live)
        return next(iter(live or own), None)

    def _only_one_left(self, twins: Sequence[Found]) -> Found:
        """Let one of *twins* stand: the one that was noted, else the oldest."""
        first, *others = sorted(
            twins, key=lambda one: (one.reference not in self._references, _age(one), one.reference)
        )
        for one in others:
            self._still_wanted()
            if one.reference in self._references or not self._deleted(one):
                self._ended[one.reference] = self._mark(one, ENTERED_IN_ERROR)
        return first

    def _deleted(self, twin: Found) -> bool:
        """Delete what nobody can have seen for long, where the server offers that; False if it stays."""
        if not self._client.offers.of("ImagingStudy").may("delete"):
            return False
        try:
            self._client.delete(twin)
        except (Unsupported, Refused):
            return False
        return True

    def _says_so(self, target: Found, digest: str) -> bool:
        """Say whether the server still has the version that this content once became, however it writes it."""
        last = self._last
        return (
            last is not None
            and last.retired_at is None
            and bool(target.version)
            and (last.reference, last.version, last.content_digest) == (target.reference, target.version, digest)
        )

    def _create(self, ours: Json, chart: Chart, *, is_first: bool) -> Found:
        self._still_wanted()
        placement = next(one for one in ours["identifier"] if one["system"] == PLACEMENT_SYSTEM)
        made = put_once(self._client, ours, self._identifier if is_first else placement, self._ids(chart))
        if made.is_alone:
            return made.found
        own = [one for one in self._standing() if self._is_in_chart(one, chart)]
        return self._the_one(own) or made.found

    def _ids(self, chart: Chart) -> Iterator[str]:
        """Yield the ids that the study may have in *chart*: the first, and another for each that was deleted."""
        for generation in range(_GENERATIONS):
            found = derived_id(self._known.study_instance_uid, self._client.name, chart.name, str(generation))
            reference = f"ImagingStudy/{found}"
            if reference not in self._missing or not self._client.is_gone(reference):
                yield found

    def _mark(self, one: Found, ending: str) -> Found:
        self._still_wanted()
        return self._client.update(codec.withdrawn(one.resource, ending), one.version)


def is_withdrawn(one: Found) -> bool:
    """Say whether a resource stands for nothing any more."""
    return one.resource.get("status") in (ENTERED_IN_ERROR, CANCELLED)


def _is_more(one: Found) -> bool:
    return not is_withdrawn(one) and one.resource.get("status") != REGISTERED


def _age(one: Found) -> str:
    meta = one.resource.get("meta")
    said = meta.get("lastUpdated") if isinstance(meta, dict) else None
    return said if isinstance(said, str) else ""
