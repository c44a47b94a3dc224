"""The day's board as a page shows it: columns of devices, rows of hours, each step in the words of the scanner room."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, cached_property

from bridge.codecs.dicom.device_preview import preview_name
from bridge.codecs.dicom.device_text import Reading, reading_of
from bridge.domain.by_hand import back_from, choices, needs_reason
from bridge.domain.device_losses import LOSS_WORDS, Loss
from bridge.domain.device_profile import UNASSIGNED_STATION, DeviceProfile
from bridge.domain.order import FINAL, WAITING, StepStatus
from bridge.domain.study import BOUND_STATES
from bridge.store.listings.board import Card
from bridge.web.page import human_date, human_name

_WORKING_HOURS = range(8, 18)
_LATE_AFTER = timedelta(minutes=5)
_URGENT = {"STAT": "STAT", "HIGH": "urgent"}
NO_DEVICE = "no device"

_LOOKS = {
    StepStatus.SCHEDULED: ("waiting", "waiting"),
    StepStatus.ARRIVED: ("arrived", "arrived"),
    StepStatus.READY: ("ready", "ready"),
    StepStatus.STARTED: ("active", "started"),
    StepStatus.COMPLETED: ("done", "done"),
    StepStatus.DISCONTINUED: ("failed", "stopped"),
    StepStatus.CANCELED: ("off", "cancelled"),
    StepStatus.HELD: ("person", "on hold"),
}
_VERBS = {
    StepStatus.ARRIVED: "Arrived",
    StepStatus.READY: "Ready",
    StepStatus.STARTED: "Start",
    StepStatus.COMPLETED: "Done",
    StepStatus.DISCONTINUED: "Stopped",
}
_BACK_VERBS = {
    (StepStatus.ARRIVED, StepStatus.SCHEDULED): "Not here after all",
    (StepStatus.READY, StepStatus.ARRIVED): "Not ready after all",
    (StepStatus.STARTED, StepStatus.ARRIVED): "Not started after all",
    (StepStatus.CANCELED, StepStatus.SCHEDULED): "Back on the list",
    (StepStatus.COMPLETED, StepStatus.STARTED): "Not finished: it goes on",
    (StepStatus.COMPLETED, StepStatus.ARRIVED): "Not done at all: back on the list",
    (StepStatus.DISCONTINUED, StepStatus.STARTED): "It goes on",
    (StepStatus.DISCONTINUED, StepStatus.ARRIVED): "Back on the list",
}
_NAMED = {
    "PatientName": "the patient's name",
    "PatientID": "the patient's number",
    "Modality": "a modality",
    "ScheduledStationAETitle": "a device",
    "ScheduledProcedureStepStartDate": "a day",
    "ScheduledProcedureStepStartTime": "a time",
    "ScheduledProcedureStepID": "a step number",
    "RequestedProcedureID": "a procedure number",
    "RequestedProcedureDescription": "a procedure",
    "ScheduledProcedureStepDescription": "a procedure",
    "StudyInstanceUID": "a study UID",
    "ReferencedStudySequence": "a study UID",
}
_TOLD = ("waiting", "arrived", "ready", "active", "done", "failed", "person", "off")
_KEYS = {StepStatus.ARRIVED: "a", StepStatus.READY: "r", StepStatus.STARTED: "s", StepStatus.COMPLETED: "f"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person may say of a step. key: the letter that says it on the board, "" for none."""

    status: StepStatus
    verb: str
    needs_reason: bool
    key: str = ""


@dataclass(frozen=True, slots=True)
class Face:
    """One card in words. lane: its column; warnings: what a person should look at before the patient lies down."""

    step_key: int
    order_key: int
    version: int
    lane: str
    time: str
    day: str
    name: str
    birth_date: str
    sex: str
    procedure: str
    modality: str
    look: str
    word: str
    is_late: bool
    urgent: str
    is_test: bool
    may_move: bool
    warnings: tuple[str, ...]
    answers: tuple[Answer, ...]

    @property
    def hour(self) -> int | None:
        return int(self.time[:2]) if self.time else None

    @property
    def about(self) -> str:
        """What tells two people of one name apart."""
        born = human_date(self.birth_date)
        return " · ".join(filter(None, (f"born {born}" if born else "", self.sex)))

    @property
    def stamp(self) -> str:
        """What changes when anything does that the card shows; another process says it otherwise."""
        return _digest(self)


@dataclass(frozen=True, slots=True)
class Lane:
    """One column. device: the AE title a card dropped here goes to, "" to keep its own, None where none may be dropped."""

    title: str
    modality: str
    device: str | None


@dataclass(frozen=True, slots=True)
class HourRow:
    """One row. hour: None for what has no time. cells: the cards by column, in the order of the lanes."""

    hour: int | None
    is_now: bool
    cells: tuple[tuple[Face, ...], ...]


@dataclass(frozen=True, slots=True)
class Board:
    """A day in rows and columns, and, of one device, in the order of the work. tally: (look, word, how many)."""

    lanes: tuple[Lane, ...]
    rows: tuple[HourRow, ...]
    sections: tuple[tuple[str, str, tuple[Face, ...]], ...] = ()
    tally: tuple[tuple[str, str, int], ...] = ()


@dataclass(frozen=True)
class Ground:
    """What a board is drawn on. devices: the configured ones' profiles by AE title. now: by the hospital's clock."""

    now: datetime
    devices: Mapping[str, DeviceProfile] = field(default_factory=dict)

    @cached_property
    def title_of(self) -> dict[str, str]:
        """The device that each title of a configured one means."""
        return {title: own for own, profile in self.devices.items() for title in profile.titles}

    @cached_property
    def readings(self) -> dict[str, Reading]:
        """How each device reads text."""
        return {title: reading_of(profile) for title, profile in self.devices.items()}

    def lane_of(self, titles: Iterable[str]) -> str:
        """Return the column of a step that these stations may do."""
        named = [self.title_of.get(title, title) for title in titles if title != UNASSIGNED_STATION]
        return " or ".join(dict.fromkeys(named)) or NO_DEVICE


def stamp_of(cards: Sequence[Card], loose: Sequence[Card], now: datetime) -> str:
    """Return what changes when a board of these cards would look otherwise: told from the rows, before anything is drawn."""
    late = tuple(card.step_key for card in cards if _is_late(card, now))
    return _digest(tuple(cards), tuple(loose), late, now.date(), now.hour)


def draw(cards: Sequence[Card], loose: Sequence[Card], ground: Ground, device: str, modality: str) -> Board:
    """Arrange a day's cards and those without a time. device, modality: only of these, "" for all."""
    faces = [face_of(card, ground) for card in cards if _wanted(card, ground, device, modality)]
    free = [face_of(card, ground) for card in loose if _wanted(card, ground, device, modality)]
    tally: dict[tuple[str, str], int] = defaultdict(int)
    for face in faces:
        tally[face.look, face.word if not face.word.startswith("images") else "started"] += 1
    counted = tuple((*told, tally[told]) for told in sorted(tally, key=lambda one: _TOLD.index(one[0])))
    if device:
        return Board((), (), _sections(faces, free), counted)
    lanes = _lanes([*faces, *free], ground, modality) if faces or free else ()
    return Board(lanes, tuple(_rows(faces, free, lanes, ground.now)), (), counted)


def face_of(card: Card, ground: Ground) -> Face:
    """Return *card* in words."""
    look, word = _LOOKS[card.status]
    if card.kept_off and card.status != StepStatus.HELD:
        look, word = "failed", "kept off the list"
    if card.images and card.status == StepStatus.STARTED:
        word = f"images arriving: {card.images}"
    waits = card.status in WAITING
    start = card.scheduled_local
    return Face(
        step_key=card.step_key,
        order_key=card.order_key,
        version=card.version,
        lane=ground.lane_of(card.station_ae_titles),
        time=f"{start[8:10]}:{start[10:12]}" if len(start) >= 12 else "",
        day=f"{start[:4]}-{start[4:6]}-{start[6:8]}" if start else "",
        name=human_name(card.patient_name),
        birth_date=card.birth_date,
        sex=card.sex,
        procedure=card.procedure or "procedure not named",
        modality=card.modality,
        look=look,
        word=word,
        is_late=_is_late(card, ground.now),
        urgent=_URGENT.get(card.priority, ""),
        is_test=card.is_test,
        may_move=waits or card.status == StepStatus.HELD,
        warnings=tuple(_warnings(card, ground)),
        answers=answers_for(card.status),
    )


@cache
def answers_for(status: StepStatus) -> tuple[Answer, ...]:
    """Return what a person may say of a step in *status*, the likeliest first."""
    back = back_from(status)
    return tuple(
        Answer(then, _BACK_VERBS.get((status, then)) or _VERBS[then], needs_reason(status, then), _key(then, back))
        for then in choices(status)
    )


def _is_late(card: Card, now: datetime) -> bool:
    return card.status in WAITING and card.scheduled_at is not None and card.scheduled_at + _LATE_AFTER < now


def _key(then: StepStatus, back: Collection[StepStatus]) -> str:
    return "" if then in back else _KEYS.get(then, "")


def _warnings(card: Card, ground: Ground) -> Iterable[str]:
    if card.kept_off and card.scheduled_local:
        yield _lacking(card.kept_off)
    if card.study_state and card.study_state not in BOUND_STATES:
        yield "whose images these are needs a decision"
    if card.status not in FINAL:
        for loss in _losses(card, ground):
            yield f"on {ground.lane_of(card.station_ae_titles)} the name {LOSS_WORDS[loss]}"


def _losses(card: Card, ground: Ground) -> Iterable[Loss]:
    """Return what the patient's name loses on the step's device; of one that follows its query, nobody knows before it asks."""
    reading = ground.readings.get(ground.lane_of(card.station_ae_titles))
    if reading is None or (reading.character_set is None and not reading.cuts):
        return ()
    if card.patient_name.isascii() and not reading.cuts:
        return ()
    return (loss for text in preview_name(card.patient_name, reading).texts for loss in text.losses)


def _lacking(kept_off: str) -> str:
    """Return why no device is shown a step: what it lacks by the names people have for it, else as it was said."""
    names = [name.strip() for name in kept_off.partition(":")[0].split(",")]
    if not all(name in _NAMED for name in names):
        return kept_off
    return f"devices need {' and '.join(dict.fromkeys(_NAMED[name] for name in names))}"


def _wanted(card: Card, ground: Ground, device: str, modality: str) -> bool:
    lanes = {ground.title_of.get(title, title) for title in card.station_ae_titles} or {NO_DEVICE}
    is_device = not device or ground.title_of.get(device, device) in lanes
    return is_device and (not modality or card.modality == modality)


def _lanes(faces: Sequence[Face], ground: Ground, modality: str) -> tuple[Lane, ...]:
    """Return the configured devices, those that steps name, choices among several, and who has none, in this order."""
    kinds = {face.lane: face.modality for face in faces}
    every = {title: profile.modality for title, profile in ground.devices.items()}
    own = {title: kind for title, kind in every.items() if not modality or kind in ("", modality)}
    named = {title: kind for title, kind in kinds.items() if " or " not in title and title != NO_DEVICE}
    singles = {**named, **{title: kind or named.get(title, "") for title, kind in own.items()}}
    found = [Lane(title, kind, title) for title, kind in sorted(singles.items(), key=lambda one: (one[1], one[0]))]
    found += [Lane(title, kinds[title], "") for title in sorted(kinds) if " or " in title]
    if NO_DEVICE in kinds:
        found.append(Lane(NO_DEVICE, "", None))
    return tuple(found)


def _rows(faces: Sequence[Face], free: Sequence[Face], lanes: Sequence[Lane], now: datetime) -> Iterable[HourRow]:
    by_cell: dict[tuple[int | None, str], list[Face]] = defaultdict(list)
    for face in [*faces, *free]:
        by_cell[face.hour, face.lane].append(face)
    hours = sorted({*_WORKING_HOURS, *(face.hour for face in faces if face.hour is not None)})
    is_today = not faces or faces[0].day == now.strftime("%Y-%m-%d")
    rows: list[int | None] = [*([None] if any(hour is None for hour, _ in by_cell) else []), *hours]
    for hour in rows:
        cells = tuple(tuple(by_cell.get((hour, lane.title), ())) for lane in lanes)
        yield HourRow(hour, is_today and hour == now.hour, cells)


def _sections(faces: Sequence[Face], free: Sequence[Face]) -> tuple[tuple[str, str, tuple[Face, ...]], ...]:
    """Return one device's day as it is worked off: who is on the table, who is next, then the rest, what is over last."""
    running = [one for one in faces if one.look == "active"]
    waiting = [one for one in faces if one.may_move]
    over = [one for one in faces if one not in running and one not in waiting]
    here = [one for one in waiting if one.look in ("ready", "arrived")]
    pool = here or [one for one in waiting if one.look == "waiting"]
    following = ([one for one in pool if one.urgent] or pool)[:1]
    rest = [one for one in waiting if one not in following]
    named = (
        ("now", "On the table", running),
        ("next", "Next", following),
        ("then", "Then", rest),
        ("free", "No time yet", list(free)),
        ("over", "Done", over),
    )
    return tuple((key, title, tuple(found)) for key, title, found in named if found)


def _digest(*shown: Hashable) -> str:
    return f"{hash(shown) & 0xFFFF_FFFF_FFFF_FFFF:016x}"
