"""What a device asked, read anew: as it is matched, and as people read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from bridge.clock import Clock
from bridge.codecs.dicom import asked_keys, charset
from bridge.codecs.dicom.asked_keys import AskedKeys
from bridge.codecs.dicom.charset import CharacterSet
from bridge.codecs.dicom.worklist_query import WorklistQuery, to_worklist_query
from bridge.domain.device_profile import DeviceProfile
from bridge.domain.worklist_query import KeptQuery, QueryOutcome
from bridge.domain.worklist_search import WorklistSearch
from bridge.errors import BridgeError
from bridge.flows import match_keys
from bridge.flows.answer_worklist import meant
from bridge.flows.device_profiles import AskingDevice
from bridge.store import worklist_queries
from bridge.store.db import ReadTx, Store

# A device that asks in ten ways is a busy one; what it asked longer ago explains nothing of today.
_QUERIES_MAX: Final = 40
# Who was given no list at all.
NO_LIST: Final = frozenset({QueryOutcome.REJECTED, QueryOutcome.REFUSED, QueryOutcome.FAILED})


@dataclass(frozen=True, slots=True)
class Device:
    """
    Whom an explanation is for.

    title: "" for devices in general. asking: what it is shown now. is_known: the settings name it, or anybody may call. may_ask: its role has the worklist.
    """

    title: str
    asking: AskingDevice
    is_known: bool = True
    may_ask: bool = True

    @property
    def profile(self) -> DeviceProfile:
        """What it is shown, by its settings."""
        return self.asking.profile

    @property
    def titles(self) -> tuple[str, ...]:
        """Every title it may have asked by."""
        return tuple(dict.fromkeys((self.title, self.profile.ae_title, *self.profile.aliases)))

    @property
    def default_charset(self) -> CharacterSet:
        """How its queries are read that declare no character set."""
        return charset.parse_setting(self.profile.charset) or charset.LATIN_1


@dataclass(frozen=True, slots=True)
class Asked:
    """One answered query, read. search: as it would be asked today."""

    kept: KeptQuery
    search: WorklistSearch
    keys: AskedKeys


DeviceOf = Callable[[ReadTx, str], Device]


class DeviceQueries:
    """
    Reads. device_of: what is known of a title. zone: the hospital's. keep_days: how long queries are kept, 0 not at all.
    """

    def __init__(self, store: Store, clock: Clock, zone: ZoneInfo, device_of: DeviceOf, keep_days: int) -> None:
        self._store = store
        self._clock = clock
        self.zone = zone
        self.device_of = device_of
        self.keep_days = keep_days

    def now(self) -> datetime:
        """Return this instant."""
        return self._clock.now()

    def day_of(self, instant: datetime) -> date:
        """Return the hospital's day of an instant."""
        return instant.astimezone(self.zone).date()

    def read(self, queries: Sequence[KeptQuery]) -> list[AskedKeys | None]:
        """Return what each of *queries* asks, None where it cannot be read."""
        with self._store.read() as tx:
            return [self.keys_of(tx, kept) for kept in queries]

    def keys_of(self, tx: ReadTx, kept: KeptQuery) -> AskedKeys | None:
        """Return what a query asks, None where it cannot be read."""
        found = _read(kept, self.device_of(tx, kept.asked.calling_ae_title).default_charset)
        return found[1] if found is not None else None

    def newest(self, tx: ReadTx, device: Device) -> list[KeptQuery]:
        """Return what a device asked last, newest first."""
        if not device.title or not self.keep_days:
            return []
        return worklist_queries.newest_of(tx, device.titles, _QUERIES_MAX)

    def answered(self, queries: Sequence[KeptQuery], device: Device) -> Iterator[Asked]:
        """Read those of a device's *queries* that were answered, as they would be asked today."""
        today = self.day_of(self.now())
        for kept in queries:
            read = _read(kept, device.default_charset) if kept.asked.outcome not in NO_LIST else None
            if read is not None:
                search = match_keys.asked_on(read[0].search, self.day_of(kept.last_asked_at), today)
                yield Asked(kept, meant(search, device.profile), read[1])


def _read(kept: KeptQuery, default: CharacterSet) -> tuple[WorklistQuery, AskedKeys] | None:
    """Return a query as it is matched and as people read it, None where it cannot be read."""
    asked = kept.asked
    if not asked.identifier:
        return None
    try:
        query = to_worklist_query(asked.identifier, asked.transfer_syntax_uid, default_charset=default)
        keys = asked_keys.read_asked_keys(asked.identifier, asked.transfer_syntax_uid, default)
    except BridgeError:
        return None
    unsupported = () if query.is_fully_supported else ("unsupported_keys",)
    return query, replace(keys, hints=(*query.hints, *unsupported))
