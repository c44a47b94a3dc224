"""Ask for the worklist as a device would: through the very flow that answers it, in its profile and its character set."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from bridge.codecs.dicom import query_identifier
from bridge.codecs.dicom.elements import IMPLICIT_LITTLE
from bridge.codecs.dicom.query_identifier import TRIED, Line
from bridge.codecs.dicom.worklist_query import to_worklist_query
from bridge.domain.worklist_query import KeptQuery
from bridge.domain.worklist_reasons import OF_SOMEBODY, Reason
from bridge.errors import BridgeError
from bridge.flows.answer_worklist import Answers
from bridge.flows.device_queries import Device, DeviceQueries
from bridge.flows.explain_worklist import Explainer
from bridge.store import worklist_queries
from bridge.store.db import ReadTx, Store
from bridge.store.listings import worklists
from bridge.store.listings.worklists import WorklistRow

_LEFT_OUT_MAX: Final = 40
_SHOWN_MAX: Final = 200

Answer = Callable[[bytes, str, str], Answers]


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What is to be asked. base: the device's query whose keys are taken, None for those that devices usually have.

    values: by keyword of `TRIED`, "" for a key that asks nothing.
    """

    title: str
    values: Mapping[str, str]
    base: int | None = None


@dataclass(frozen=True, slots=True)
class TriedItem:
    """One item that the device would get. row: the step as we know it; lines: the data set as the device reads it."""

    row: WorklistRow | None
    lines: tuple[Line, ...]

    def value(self, keyword: str) -> str:
        """Return what the device reads of an attribute, "" if nothing."""
        return next((line.value for line in self.lines if line.keyword == keyword), "")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A step that the device might be expected to show, and why it does not."""

    row: WorklistRow
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """
    What came of it. fault: why there is no list, "" if there is one. count: of all items; of the first 200 there are items.
    """

    wanted: Wanted
    items: tuple[TriedItem, ...] = ()
    count: int = 0
    was_cut: bool = False
    secs: float = 0.0
    left_out: tuple[LeftOut, ...] = ()
    fault: str = ""


class WorklistTrial:
    """Tries. answer: the flow that answers devices, by identifier, transfer syntax and calling AE title."""

    def __init__(self, store: Store, queries: DeviceQueries, explainer: Explainer, answer: Answer) -> None:
        self._store = store
        self._queries = queries
        self._explainer = explainer
        self._answer = answer

    def usual(self, title: str, query_key: int | None = None) -> Wanted:
        """
        Return what the device asks: its query *query_key*, else its newest that is about nobody in particular, else today's own.

        A date that was its day is today's. Raises: LookupError, for no query of that row.
        """
        with self._store.read() as tx:
            device = self._queries.device_of(tx, title)
            kept = worklist_queries.get(tx, query_key) if query_key is not None else self._newest(tx, device)
            today = self._queries.day_of(self._queries.now())
            if kept is None:
                profile = device.profile
                own = {"ScheduledStationAETitle": device.title, "Modality": profile.modality}
                return Wanted(device.title, own | {"ScheduledProcedureStepStartDate": f"{today:%Y%m%d}"})
            keys = self._queries.keys_of(tx, kept)
        asked = {key.keyword: key.value for key in keys.keys} if keys is not None else {}
        values = {keyword: asked[keyword] for keyword in TRIED if keyword in asked}
        day = self._queries.day_of(kept.last_asked_at)
        return Wanted(device.title, _of_today(values, day, today), kept.key)

    def run(self, wanted: Wanted) -> Trial:
        """Ask as the device and say what it would get, and what not."""
        with self._store.read() as tx:
            device = self._queries.device_of(tx, wanted.title)
            base = worklist_queries.get(tx, wanted.base).asked if wanted.base is not None else None
        default = device.default_charset
        try:
            known = (base.identifier, base.transfer_syntax_uid) if base is not None else (b"", "")
            identifier = query_identifier.to_identifier(*known, wanted.values, default)
            started = time.perf_counter()
            answers = self._answer(identifier, IMPLICIT_LITTLE, device.title)
            secs = time.perf_counter() - started
        except BridgeError as fault:
            return Trial(wanted, fault=f"{fault.where}: {fault.detail}" if fault.where else fault.detail)
        search = to_worklist_query(identifier, IMPLICIT_LITTLE, default_charset=default).search
        with self._store.read() as tx:
            rows = {row.step_key: row for row in worklists.of_steps(tx, answers.step_keys[:_SHOWN_MAX])}
            missing = _expected(tx, device, set(answers.step_keys))
            left_out = tuple(LeftOut(row, self._explainer.hidden(tx, row.step_key, device, search)) for row in missing)
        items = tuple(
            TriedItem(rows.get(one.step_key), query_identifier.lines_of(one.identifier, IMPLICIT_LITTLE))
            for one in answers[:_SHOWN_MAX]
        )
        return Trial(wanted, items, len(answers), answers.was_cut, secs, left_out)

    def _newest(self, tx: ReadTx, device: Device) -> KeptQuery | None:
        """Return the newest query of a device that is about nobody in particular."""
        for kept in self._queries.newest(tx, device):
            keys = self._queries.keys_of(tx, kept)
            if keys is not None and not any(key.keyword in OF_SOMEBODY for key in keys.asking):
                return kept
        return None


def _expected(tx: ReadTx, device: Device, sent: set[int]) -> Iterable[WorklistRow]:
    """Return the open steps for this device or its modality that were not sent, at most forty."""
    rows = worklists.expected(tx, device.profile.titles, device.profile.modalities, limit=_LEFT_OUT_MAX + len(sent))
    return [row for row in rows if row.step_key not in sent][:_LEFT_OUT_MAX]


def _of_today(values: Mapping[str, str], asked: date, today: date) -> dict[str, str]:
    """Return *values* with the day they were asked on, where the date is just that day, turned into today."""
    found = dict(values)
    if found.get("ScheduledProcedureStepStartDate") in (f"{asked:%Y%m%d}", f"{asked:%Y%m%d}-{asked:%Y%m%d}"):
        found["ScheduledProcedureStepStartDate"] = f"{today:%Y%m%d}"
    return found
