"""A performer searches for workitems or looks at one. Nothing is shown that it may not see, and never the lock.

The answers are complete before the first one is sent. Source: PS3.18 11.5, 11.9, PS3.4 CC.2.7, CC.2.8.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bridge.clock import Clock
from bridge.codecs.dicomweb import workitems as shown
from bridge.codecs.dicomweb.workitem_query import Keys, WorkitemQuery, cut, matches, parse_date_time_range
from bridge.domain.device_profile import DeviceProfile, Rule, StepFacts, hidden_by, is_confidential
from bridge.domain.workitem import ENDED, PROCEDURE_STEP_STATE, Attributes, items_of, text_of
from bridge.errors import Malformed
from bridge.flows.find_workitem import Ground, find_workitem, is_shown, render
from bridge.store import workitems
from bridge.store.db import ReadTx, Store
from bridge.store.listings import worklists
from bridge.store.workitems import Found, WorkitemNarrowing

_LOOKED_AT_MAX = 5000
# Where the search meets a step's own columns. Source: PS3.4 Table CC.2.5-3.
_REQUEST = shown.REFERENCED_REQUEST
_CODE_VALUE = "00080100"
_LEAVING = frozenset({Rule.STATE, Rule.STARTED, Rule.IMAGES, Rule.DAY_OVER})


@dataclass(frozen=True, slots=True)
class Page:
    """Which of the matches are wanted."""

    offset: int
    limit: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found. patient_keys: whom it shows, for the audit; has_more: there are matches behind the page."""

    items: tuple[dict[str, Any], ...]
    patient_keys: tuple[int | None, ...]
    has_more: bool = False


class WorkitemSearch:
    """Answers searches and look-ups. Thread-safe."""

    def __init__(self, store: Store, clock: Clock, ground: Ground) -> None:
        self._store = store
        self._clock = clock
        self._ground = ground

    def find(self, query: WorkitemQuery, page: Page, device: DeviceProfile | None = None) -> Answer:
        """
        Return the workitems that match: scheduled steps by start, then tasks and what has ended.

        device: on whose behalf it is asked, None for nobody's. Raises: Malformed, for a key that is none, code
        "too_broad", if more would have to be looked at than one answer may cost.
        """
        found: list[tuple[dict[str, Any], int | None]] = []
        wanted = page.offset + page.limit + 1
        with self._store.read() as tx:
            for item, patient_key in self._matching(tx, query, device):
                found.append((item, patient_key))
                if len(found) == wanted:
                    break
        chosen = found[page.offset : page.offset + page.limit]
        items = tuple(cut(item, query) for item, _ in chosen)
        return Answer(items, tuple(key for _, key in chosen), len(found) == wanted)

    def get(self, workitem_uid: str, device: DeviceProfile | None = None) -> Answer:
        """Return one workitem whole. Raises: LookupError; Conflict, code "gone"."""
        with self._store.read() as tx:
            found = find_workitem(tx, workitem_uid)
            item = render(tx, found, self._ground)
            if item is None or not self._is_for(tx, device, found, item, is_named=True):
                raise LookupError("no such workitem")
        return Answer((item,), (found.patient_key,))

    def _matching(
        self, tx: ReadTx, query: WorkitemQuery, device: DeviceProfile | None
    ) -> Iterator[tuple[dict[str, Any], int | None]]:
        for looked_at, found in enumerate(self._candidates(tx, query.keys)):
            if looked_at == _LOOKED_AT_MAX:
                raise Malformed("ask for less: a day, a station, a patient", code="too_broad", source="PS3.18 11.9.3")
            item = render(tx, found, self._ground) if is_shown(tx, found) else None
            if item is None or not matches(query.keys, item, self._ground.zone):
                continue
            if self._is_for(tx, device, found, item):
                yield item, found.patient_key

    def _candidates(self, tx: ReadTx, keys: Keys) -> Iterator[Found]:
        named = keys.exact(shown.SOP_INSTANCE_UID)
        if named:
            for uid in dict.fromkeys(named):
                one = workitems.find(tx, uid)
                if one is not None:
                    yield one
            return
        by = narrowing(keys, self._ground)
        yield from workitems.of_listed_steps(tx, by)
        yield from workitems.of_their_own(tx, by)

    def _is_for(
        self, tx: ReadTx, device: DeviceProfile | None, found: Found, item: Attributes, *, is_named: bool = False
    ) -> bool:
        """Say whether a device's rules show it a step; what it has claimed itself, or names, does not leave its list."""
        if device is None:
            return True
        if found.step is None:
            # Whether a task's patient is protected stands on orders; a device that must not see such ones sees no task of one.
            return found.patient_key is None or not device.hides_confidential
        seen = device.visibility(self._clock.now(), self._ground.zone)
        study_uid = text_of(item, shown.STUDY_INSTANCE_UID) if seen.hides_started_with_images else ""
        facts = StepFacts(
            found.step.status,
            text_of(next(iter(items_of(item, shown.STATION_CLASS)), {}), _CODE_VALUE),
            tuple(text_of(one, _CODE_VALUE) for one in items_of(item, shown.STATION_NAME)),
            text_of(item, shown.START_DATE_TIME)[:14],
            has_images=worklists.has_images(tx, study_uid),
            is_confidential=found.encoded is None or is_confidential(shown.confidentiality_of(found.encoded)),
        )
        is_mine = found.workitem is not None and found.workitem.claimed_by in device.titles
        stays = is_named or is_mine or text_of(item, PROCEDURE_STEP_STATE) in ENDED
        return all(stays and one.rule in _LEAVING for one in hidden_by(facts, device, seen))


def narrowing(keys: Keys, ground: Ground) -> WorkitemNarrowing:
    """Return the part of a search that indexes can answer."""
    start = parse_date_time_range(keys.values.get(shown.START_DATE_TIME, ""), ground.zone)
    return WorkitemNarrowing(
        state=keys.exact(PROCEDURE_STEP_STATE),
        patient_id=keys.exact(shown.PATIENT_ID),
        accession_number=keys.exact(_REQUEST, shown.ACCESSION_NUMBER),
        study_instance_uid=keys.exact(_REQUEST, shown.STUDY_INSTANCE_UID) or keys.exact(shown.STUDY_INSTANCE_UID),
        scheduled_station_ae_title=keys.exact(shown.STATION_NAME, _CODE_VALUE),
        modality=keys.exact(shown.STATION_CLASS, _CODE_VALUE),
        starts_from=start.low if start is not None else "",
        starts_until=start.high if start is not None else "",
    )
