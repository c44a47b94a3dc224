"""Why is my patient not on it? One number and one device: every rule and every key between them, and what was asked and sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from bridge.codecs.dicom import asked_keys
from bridge.codecs.dicom.asked_keys import AskedKeys
from bridge.codecs.dicom.worklist_values import values_of
from bridge.domain.device_profile import facts_of, facts_of_item, hidden_by
from bridge.domain.near_numbers import near_numbers
from bridge.domain.order import LIVE, WAITING, Order, Step, StepStatus
from bridge.domain.worklist_query import KeptQuery
from bridge.domain.worklist_reasons import (
    Case,
    HidingKey,
    Look,
    Reason,
    Saying,
    distinct,
    incomplete_reason,
    judge,
    key_reason,
)
from bridge.domain.worklist_search import STATION, Criterion, WorklistSearch
from bridge.flows import match_keys
from bridge.flows.device_queries import NO_LIST, Asked, Device, DeviceOf, DeviceQueries
from bridge.store import orders, worklist
from bridge.store.db import ReadTx, Store
from bridge.store.listings import people, worklists
from bridge.store.listings.people import Person
from bridge.store.listings.worklists import WorklistRow

_ORDERS_MAX: Final = 10
_HELD_AGAINST_MAX: Final = 8
_STATIONS_MAX: Final = 5
_IN_STEP = frozenset(
    {"ScheduledStationAETitle", "Modality", "ScheduledPerformingPhysicianName", "ScheduledStationName"}
    | {"ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime", "ScheduledProcedureStepID"}
    | {"ScheduledProcedureStepLocation", "ScheduledProcedureStepStatus", "ScheduledProcedureStepDescription"}
)


# What a number leads to, and what it was recognised as.
LookUp = Callable[[ReadTx, str], tuple[str, list[Order]]]


@dataclass(frozen=True, slots=True)
class StepExplained:
    """One step: whether the device shows it, why, and which queries were looked at."""

    step: Step
    order: Order
    patient: Person | None
    shown: bool
    reasons: tuple[Reason, ...]
    looks: tuple[Look, ...] = ()

    @property
    def is_up_to_queries(self) -> bool:
        """Whether it depends on what the device asks, or was once sent to it."""
        return any(look.finds or look.was_sent or look.hidden_by or look.required for look in self.looks)


@dataclass(frozen=True, slots=True)
class Explanation:
    """
    What is known of a number and a device.

    recognised: "accession number", "patient id" or "exam", "" where nothing has the number. reasons: of all steps, each once.
    queries: the device's newest, with what they asked where that can be read.
    """

    number: str
    title: str
    recognised: str
    shown: bool
    reasons: tuple[Reason, ...]
    steps: tuple[StepExplained, ...] = ()
    queries: tuple[tuple[KeptQuery, AskedKeys | None], ...] = ()

    @property
    def patient_keys(self) -> tuple[int, ...]:
        """Whom it is about."""
        return tuple(dict.fromkeys(one.patient.key for one in self.steps if one.patient is not None))


class Explainer:
    """Explains, from what devices asked and from what they are answered."""

    def __init__(self, store: Store, queries: DeviceQueries) -> None:
        self._store = store
        self._queries = queries

    def explain(self, number: str, title: str) -> Explanation:
        """Say whether the device *title* ("" for any) shows what *number* names, an accession number or a patient id."""
        return self._explain(number.strip(), title.strip(), _orders_of)

    def explain_order(self, order_key: int, title: str) -> Explanation:
        """Say whether the device *title* ("" for any) shows the order in row *order_key*. Raises: LookupError."""
        return self._explain("", title.strip(), lambda tx, _: ("exam", [orders.get(tx, order_key)]))

    def _explain(self, number: str, title: str, look_up: LookUp) -> Explanation:
        with self._store.read() as tx:
            device = self._queries.device_of(tx, title)
            recognised, found = look_up(tx, number)
            queries = self._queries.newest(tx, device)
            asked = tuple(self._queries.answered(queries, device))
            steps = [one for order in found for one in self._of_order(tx, order, device, queries, asked)]
            general = _of_nothing(tx, number, self._say) if not found else _without_step(tx, found)
            listed = tuple((kept, self._queries.keys_of(tx, kept)) for kept in queries)
        whose = _by_patient(steps)
        reasons = [*_of_device(device), *_of_several(whose), *general, *(why for one in steps for why in one.reasons)]
        # Of two patients with one number, "shown" would be said of either.
        shown = bool(whose) and all(any(one.shown for one in theirs) for theirs in whose.values())
        return Explanation(number, device.title, recognised, shown, distinct(reasons), tuple(steps), listed)

    def turned_away(self, title: str) -> tuple[Reason, ...]:
        """Return why the device *title* may not ask at all, () if it may or if "" is given."""
        with self._store.read() as tx:
            return tuple(_of_device(self._queries.device_of(tx, title.strip())))

    def listed(self, title: str, *, limit: int, after: int = 0) -> list[WorklistRow]:
        """
        Return what a device gets when it asks for its steps, by start time; every open entry for "".

        One whose profile does not say whose steps it sees asks with its own title.

        after: how many to leave out.
        """
        with self._store.read() as tx:
            if not title:
                return worklists.items(tx, "", limit=limit, after=after)
            device = self._queries.device_of(tx, title)
            profile = device.profile
            own = WorklistSearch(() if profile.sees else (Criterion(STATION, values=profile.titles),))
            most = min(after + limit, profile.max_results)
            found = worklist.find(tx, own, most, device.asking.seen)[after:]
            return worklists.of_steps(tx, [one.step_key for one in found])

    def kept_off(self, order_key: int) -> list[tuple[str, Reason]]:
        """Return whose list an open order's steps are kept off, "" for everybody's, and why: by rules alone, no query is looked at."""
        found: list[tuple[str, Reason]] = []
        with self._store.read() as tx:
            order = orders.get(tx, order_key)
            for step in orders.steps_of(tx, order_key):
                if step.status in WAITING:
                    found += _kept_off_lists(tx, step, order, self._queries.device_of)
        return list(dict.fromkeys(found))

    def hidden(self, tx: ReadTx, step_key: int, device: Device, search: WorklistSearch) -> tuple[Reason, ...]:
        """Return what hides the step in row *step_key* from a device that asks for *search*, () if nothing does."""
        (step,) = orders.get_steps(tx, [step_key])
        standing = worklists.standing_of(tx, step_key)
        kept_off = _kept_off(tx, step, orders.get(tx, step.order_key), device)
        if kept_off or standing.encoded is None or worklist.is_found(tx, step_key, search, device.asking.seen):
            return kept_off
        found = []
        for keyword in match_keys.hiding_keywords(tx, step_key, search, device.asking.seen):
            stored = asked_keys.stored_value(standing.encoded, keyword, in_step=keyword in _IN_STEP)
            found.append(key_reason(HidingKey(keyword, "", stored)))
        return tuple(found)

    @property
    def _say(self) -> Saying:
        return Saying(self._queries.now(), self._queries.zone)

    def _of_order(
        self, tx: ReadTx, order: Order, device: Device, queries: Sequence[KeptQuery], asked: Sequence[Asked]
    ) -> Iterable[StepExplained]:
        person = people.by_key(tx, [order.patient_key]).get(order.patient_key)
        for step in orders.steps_of(tx, order.key):
            kept_off = _kept_off(tx, step, order, device)
            looks = tuple(_looks(tx, step, asked, device, is_kept_off=bool(kept_off)))
            case = Case(
                device.title,
                step.scheduled_station_ae_title,
                step.modality,
                step.status.value,
                order.ordered_at,
                kept_off=kept_off,
                is_elsewhere=not set(step.scheduled_station_ae_title) & set(device.profile.titles),
                looks=looks,
                attempts=tuple(one for one in queries if one.asked.outcome in NO_LIST),
                keeps=self._queries.keep_days,
                is_beyond_maximum=_is_beyond_maximum(tx, step, looks, asked, device),
            )
            shown, reasons = judge(case, self._say)
            reasons = tuple(replace(one, order_key=one.order_key or order.key) for one in reasons)
            yield StepExplained(step, order, person, shown and device.may_ask, reasons, looks)


def _kept_off(tx: ReadTx, step: Step, order: Order, device: Device) -> tuple[Reason, ...]:
    """Return what hides a step whatever is asked: its state, the device's profile, what it lacks."""
    has_images = worklists.has_images(tx, order.study_instance_uid)
    standing = worklists.standing_of(tx, step.key)
    facts = facts_of(step, order, has_images=has_images)
    if standing.encoded is not None:
        facts = facts_of_item(step.status, values_of(standing.encoded), has_images=has_images)
    reasons = [Reason(one.rule.value, one.reason) for one in hidden_by(facts, device.profile, device.asking.seen)]
    if step.status not in LIVE:
        return tuple(reasons)
    if step.withheld and step.status != StepStatus.STARTED:
        reasons.append(Reason("withheld", f"It is kept off the worklist: {step.withheld}."))
    elif standing.incomplete:
        reasons.append(incomplete_reason(standing.incomplete))
    return tuple(reasons)


def _kept_off_lists(tx: ReadTx, step: Step, order: Order, device_of: DeviceOf) -> list[tuple[str, Reason]]:
    """Return why a waiting step is on nobody's list, or else why it is not on which of its own devices' lists."""
    anybodys = _kept_off(tx, step, order, device_of(tx, ""))
    if anybodys:
        return [("", why) for why in anybodys]
    titles = step.scheduled_station_ae_title[:_STATIONS_MAX]
    return [(title, why) for title in titles for why in _kept_off(tx, step, order, device_of(tx, title))]


def _looks(tx: ReadTx, step: Step, asked: Sequence[Asked], device: Device, *, is_kept_off: bool) -> Iterable[Look]:
    """Hold the device's queries against a step; those that do not find it key by key, as far as they are new enough to tell."""
    encoded = None if is_kept_off else worklists.standing_of(tx, step.key).encoded
    tried = 0
    for one in asked:
        was_sent = step.key in one.kept.asked.step_keys
        if encoded is None:
            yield Look(one.kept, False, was_sent=was_sent)
            continue
        lacks = device.profile.lacks_required_key(one.search.keywords)
        finds = not lacks and worklist.is_found(tx, step.key, one.search, device.asking.seen)
        hiding: tuple[HidingKey, ...] = ()
        if not finds and not lacks and tried < _HELD_AGAINST_MAX:
            tried += 1
            hiding = tuple(_hiding(tx, step, encoded, one, device))
        required = device.profile.required_keys if lacks else ()
        yield Look(one.kept, finds, hiding, was_sent, any(_is_near(key) for key in hiding), required)


def _is_beyond_maximum(tx: ReadTx, step: Step, looks: Sequence[Look], asked: Sequence[Asked], device: Device) -> bool:
    """Say whether the newest query that finds the step finds as many before it as the device is sent."""
    finding = next((one for one, look in zip(asked, looks, strict=True) if look.finds), None)
    if finding is None:
        return False
    most = device.profile.max_results
    found = worklist.find(tx, finding.search, most + 1, device.asking.seen)
    return len(found) > most and step.key not in {one.step_key for one in found[:most]}


def _hiding(tx: ReadTx, step: Step, encoded: bytes, asked: Asked, device: Device) -> Iterable[HidingKey]:
    for keyword in match_keys.hiding_keywords(tx, step.key, asked.search, device.asking.seen):
        value = next((key.value for key in asked.keys.keys if key.keyword == keyword and key.value), "")
        stored = asked_keys.stored_value(encoded, keyword, in_step=keyword in _IN_STEP)
        yield HidingKey(keyword, value, stored, asked.keys.legible(keyword) and asked.keys.is_sound_set)


def _is_near(key: HidingKey) -> bool:
    """Say whether a key that hides the step nearly names it: a number but for a slip, or a name that begins alike."""
    if key.keyword == "PatientName":
        return key.asked[:3].casefold() == key.stored[:3].casefold() != ""
    return key.keyword in ("AccessionNumber", "PatientID") and key.asked in near_numbers(key.stored)


def _orders_of(tx: ReadTx, number: str) -> tuple[str, list[Order]]:
    found = orders.by_accession(tx, number) if number else []
    if found:
        return "accession number", found[:_ORDERS_MAX]
    holders = people.keys_by_number(tx, number) if number else []
    found = list(islice((order for key in holders for order in orders.of_patient(tx, key)), _ORDERS_MAX))
    return ("patient id", found) if holders else ("", [])


def _of_nothing(tx: ReadTx, number: str, say: Saying) -> list[Reason]:
    """Return why there is no order of that number: none came, one was refused, or it is another number by a slip."""
    reasons = [Reason("no_order", "No order with this accession number or patient id has arrived.")]
    for message in worklists.messages_with(tx, number):
        at = say.at(message.received_at)
        where = f"{message.error_where}: " if message.error_where else ""
        what = f"A message with this number came at {at} and was {message.state}: {where}{message.error_detail}."
        if message.state == "applied":
            what = f"A message with this number came at {at}; it made no order."
        reasons.append(Reason("message", what, message_key=message.key))
    for near, order_key in worklists.orders_near(tx, near_numbers(number)):
        reasons.append(Reason("near_number", f"There is an order with the number {near}.", order_key=order_key))
    return reasons


def _without_step(tx: ReadTx, found: Sequence[Order]) -> list[Reason]:
    what = "The order has no scheduled step: its message named no time, device or modality."
    return [Reason("no_step", what, order_key=order.key) for order in found if not orders.steps_of(tx, order.key)]


def _by_patient(steps: Iterable[StepExplained]) -> dict[int, list[StepExplained]]:
    found: dict[int, list[StepExplained]] = {}
    for one in steps:
        found.setdefault(one.patient.key if one.patient is not None else 0, []).append(one)
    return found


def _of_several(whose: Mapping[int, Sequence[StepExplained]]) -> Iterable[Reason]:
    """A bare number may be given by more than one authority."""
    if len(whose) > 1:
        what = f"{len(whose)} patients have this number, from different authorities: each step says whose it is."
        yield Reason("several_patients", what)


def _of_device(device: Device) -> Iterable[Reason]:
    if not device.is_known:
        yield Reason("unknown_device", f"No device {device.title} is in the settings: it would be turned away.")
    elif not device.may_ask:
        yield Reason("role", f"{device.title}'s role in the settings does not include the worklist.")
