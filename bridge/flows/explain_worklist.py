"""Why is my patient not on it? One number and one device: every rule and every key between them, and what was asked and sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from bridge.clock import Clock
from bridge.codecs.dicom import asked_keys, charset
from bridge.codecs.dicom.asked_keys import AskedKeys
from bridge.codecs.dicom.charset import CharacterSet
from bridge.codecs.dicom.worklist_query import WorklistQuery, to_worklist_query
from bridge.domain.device_profile import DeviceProfile, StepFacts, hidden_by
from bridge.domain.near_numbers import near_numbers
from bridge.domain.order import LIVE, Order, Step
from bridge.domain.worklist_query import KeptQuery, QueryOutcome
from bridge.domain.worklist_reasons import Case, HidingKey, Look, Reason, Saying, distinct, judge
from bridge.domain.worklist_search import WorklistSearch
from bridge.errors import BridgeError
from bridge.flows import match_keys
from bridge.store import orders, worklist, worklist_queries
from bridge.store.db import ReadTx, Store
from bridge.store.listings import people, worklists
from bridge.store.listings.people import Person

# A device that asks in ten ways is a busy one; what it asked longer ago explains nothing of today.
_QUERIES_MAX: Final = 40
_ORDERS_MAX: Final = 10
_HELD_AGAINST_MAX: Final = 8
_IN_STEP = frozenset(
    {"ScheduledStationAETitle", "Modality", "ScheduledPerformingPhysicianName", "ScheduledStationName"}
    | {"ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime", "ScheduledProcedureStepID"}
    | {"ScheduledProcedureStepLocation", "ScheduledProcedureStepStatus", "ScheduledProcedureStepDescription"}
)
_NO_LIST = frozenset({QueryOutcome.REJECTED, QueryOutcome.REFUSED, QueryOutcome.FAILED})


# What a number leads to, and what it was recognised as.
LookUp = Callable[[ReadTx, str], tuple[str, list[Order]]]


@dataclass(frozen=True, slots=True)
class Device:
    """
    Whom an explanation is for.

    title: "" for devices in general. is_known: the settings name it, or anybody may call. may_ask: its role has the worklist.
    """

    title: str
    profile: DeviceProfile
    is_known: bool = True
    may_ask: bool = True


DeviceOf = Callable[[ReadTx, str], Device]


@dataclass(frozen=True, slots=True)
class StepExplained:
    """One step: whether the device shows it, why, and which queries were looked at."""

    step: Step
    order: Order
    patient: Person | None
    shown: bool
    reasons: tuple[Reason, ...]
    looks: tuple[Look, ...] = ()


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


@dataclass(frozen=True, slots=True)
class _Asked:
    """One answered query, read. search: as it would be asked today."""

    kept: KeptQuery
    search: WorklistSearch
    keys: AskedKeys


class Explainer:
    """
    Explains. device_of: what is known of a title. zone: the hospital's. keep_days: how long queries are kept, 0 not at all.
    """

    def __init__(self, store: Store, clock: Clock, zone: ZoneInfo, device_of: DeviceOf, keep_days: int) -> None:
        self._store = store
        self._clock = clock
        self._zone = zone
        self._device_of = device_of
        self._keep_days = keep_days

    def explain(self, number: str, title: str) -> Explanation:
        """Say whether the device *title* ("" for any) shows what *number* names, an accession number or a patient id."""
        return self._explain(number.strip(), title.strip(), _orders_of)

    def explain_order(self, order_key: int, title: str) -> Explanation:
        """Say whether the device *title* ("" for any) shows the order in row *order_key*. Raises: LookupError."""
        return self._explain("", title.strip(), lambda tx, _: ("exam", [orders.get(tx, order_key)]))

    def _explain(self, number: str, title: str, look_up: LookUp) -> Explanation:
        with self._store.read() as tx:
            device = self._device_of(tx, title)
            recognised, found = look_up(tx, number)
            queries = self._queries(tx, device)
            asked = tuple(self._answered(queries, device))
            steps = [one for order in found for one in self._of_order(tx, order, device, queries, asked)]
            general = _of_nothing(tx, number, self._say) if not found else _without_step(tx, found)
            listed = tuple((kept, self._keys(tx, kept)) for kept in queries)
        reasons = distinct([*_of_device(device), *general, *(why for one in steps for why in one.reasons)])
        shown = any(one.shown for one in steps)
        return Explanation(number, device.title, recognised, shown, reasons, tuple(steps), listed)

    def read(self, queries: Sequence[KeptQuery]) -> list[AskedKeys | None]:
        """Return what each of *queries* asks, None where it cannot be read."""
        with self._store.read() as tx:
            return [self._keys(tx, kept) for kept in queries]

    def _keys(self, tx: ReadTx, kept: KeptQuery) -> AskedKeys | None:
        profile = self._device_of(tx, kept.asked.calling_ae_title).profile
        found = _read(kept, charset.parse_setting(profile.charset) or charset.LATIN_1)
        return found[1] if found is not None else None

    @property
    def _say(self) -> Saying:
        return Saying(self._clock.now(), self._zone)

    def _queries(self, tx: ReadTx, device: Device) -> list[KeptQuery]:
        if not device.title or not self._keep_days:
            return []
        titles = dict.fromkeys((device.title, device.profile.ae_title, *device.profile.aliases))
        return worklist_queries.newest_of(tx, tuple(titles), _QUERIES_MAX)

    def _answered(self, queries: Iterable[KeptQuery], device: Device) -> Iterable[_Asked]:
        """Read the queries that were answered, as they would be asked today."""
        default = charset.parse_setting(device.profile.charset) or charset.LATIN_1
        today = self._clock.now().astimezone(self._zone).date()
        for kept in queries:
            if kept.asked.outcome in _NO_LIST:
                continue
            read = _read(kept, default)
            if read is not None:
                day = kept.last_asked_at.astimezone(self._zone).date()
                yield _Asked(kept, match_keys.asked_on(read[0].search, day, today), read[1])

    def _of_order(
        self, tx: ReadTx, order: Order, device: Device, queries: Sequence[KeptQuery], asked: Sequence[_Asked]
    ) -> Iterable[StepExplained]:
        person = people.by_key(tx, [order.patient_key]).get(order.patient_key)
        for step in orders.steps_of(tx, order.key):
            standing = worklists.standing_of(tx, step.key)
            looks = tuple(_looks(tx, step, standing.encoded, asked))
            case = Case(
                device.title,
                step.scheduled_station_ae_title,
                step.modality,
                step.status.value,
                order.ordered_at,
                kept_off=tuple(self._kept_off(step, order, device, standing.incomplete)),
                is_elsewhere=not set(step.scheduled_station_ae_title) & set(device.profile.titles),
                looks=looks,
                attempts=tuple(one for one in queries if one.asked.outcome in _NO_LIST),
                keeps=self._keep_days,
            )
            shown, reasons = judge(case, self._say)
            reasons = tuple(replace(one, order_key=one.order_key or order.key) for one in reasons)
            yield StepExplained(step, order, person, shown and device.may_ask, reasons, looks)

    def _kept_off(self, step: Step, order: Order, device: Device, incomplete: str) -> Iterable[Reason]:
        """Yield what hides a step whatever is asked: its state, what it lacks, the device's profile."""
        facts = StepFacts(step.status, step.modality, step.scheduled_station_ae_title, step.scheduled_start_local)
        seen = device.profile.visibility(self._clock.now(), self._zone)
        for one in hidden_by(facts, device.profile, seen):
            yield Reason(one.rule.value, one.reason)
        if step.status not in LIVE:
            return
        if step.withheld and step.status != "STARTED":
            yield Reason("withheld", f"It is kept off the worklist: {step.withheld}.")
        elif incomplete:
            yield Reason("incomplete", f"The entry lacks what devices require: {incomplete}.")


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


def _looks(tx: ReadTx, step: Step, encoded: bytes | None, asked: Sequence[_Asked]) -> Iterable[Look]:
    """Hold the device's queries against a step; those that do not find it key by key, as far as they are new enough to tell."""
    tried = 0
    for one in asked:
        was_sent = step.key in one.kept.asked.step_keys
        if encoded is None or step.status not in LIVE:
            yield Look(one.kept, False, was_sent=was_sent)
            continue
        finds = worklist.is_found(tx, step.key, one.search)
        hiding: tuple[HidingKey, ...] = ()
        if not finds and tried < _HELD_AGAINST_MAX:
            tried += 1
            hiding = tuple(_hiding(tx, step, encoded, one))
        yield Look(one.kept, finds, hiding, was_sent, any(_is_near(key) for key in hiding))


def _hiding(tx: ReadTx, step: Step, encoded: bytes, asked: _Asked) -> Iterable[HidingKey]:
    for keyword in match_keys.hiding_keywords(tx, step.key, asked.search):
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


def _of_device(device: Device) -> Iterable[Reason]:
    if not device.is_known:
        yield Reason("unknown_device", f"No device {device.title} is in the settings: it would be turned away.")
    elif not device.may_ask:
        yield Reason("role", f"{device.title}'s role in the settings does not include the worklist.")
