"""A worklist search as one statement: compiled once for each shape, each begun at the index that leaves least to look at.

SQLite keeps no statistics here, and PostgreSQL's are old when a morning's orders have just come, so the index is chosen by
what is known of the keys: numbers are one person's, names few people's, a station's day is some twenty steps, and the rest
is read in the order of the start and cut. Every other column is compared as an expression, which no index can answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, bindparam, exists, func, literal_column, or_, select, union_all

from bridge.domain.device_profile import Visibility
from bridge.domain.matching import Range, TimeRange
from bridge.domain.order import LIVE
from bridge.domain.worklist_search import MODALITY, STATION, STATUS, Criterion, WorklistSearch
from bridge.store.prepared import Prepared
from bridge.store.tables import steps
from bridge.store.tables import worklist_entries as entries
from bridge.store.worklist_visible import EVERYBODY, Sight, narrowed, sight_of, tests_of

_NAMES = (entries.c.patient_name_1, entries.c.patient_name_2, entries.c.patient_name_3)
_COLUMNS: dict[str, tuple[ColumnElement[Any], ...]] = {
    MODALITY: (entries.c.modality,),
    STATUS: (entries.c.status,),
    "PatientName": _NAMES,
    "PatientID": (entries.c.patient_id,),
    "IssuerOfPatientID": (entries.c.issuer_of_patient_id,),
    "AccessionNumber": (entries.c.accession_number,),
    "StudyInstanceUID": (entries.c.study_instance_uid,),
    "RequestedProcedureID": (entries.c.requested_procedure_id,),
    "ScheduledProcedureStepID": (entries.c.scheduled_procedure_step_id,),
    "AdmissionID": (entries.c.admission_id,),
}
# Numbers that few steps share, the narrowest first.
_NUMBERS = (
    "AccessionNumber",
    "StudyInstanceUID",
    "ScheduledProcedureStepID",
    "RequestedProcedureID",
    "PatientID",
    "AdmissionID",
)
# How many letters a name must begin with to be fewer people's than a modality's day has.
_SELECTIVE_LETTERS = 3
_MOST_NAMES = 4
_LAST_CHARACTER = "\U0010ffff"
_LIVE: list[Any] = [literal_column(f"'{status}'") for status in sorted(LIVE)]
_START = entries.c.scheduled_start_local

# Kinds of parts that come from matching keys; the others bound the scheduled start.
_ASKED = frozenset({"any", "span", "items"})

Test = ColumnElement[bool]


class Part(NamedTuple):
    """One condition without its values: what kind it is, on which attribute, of how many values or ends."""

    kind: str
    keyword: str = ""
    sizes: tuple[int, ...] = ()
    parts: tuple[Part, ...] = ()


class Shape(NamedTuple):
    """A search without its values. lead: the part whose index is used, None for the order of the start."""

    lead: Part | None
    parts: tuple[Part, ...]
    sight: Sight


class Statement(NamedTuple):
    """A compiled search and the values it is run with."""

    prepared: Prepared
    values: dict[str, Any]


def statement(
    search: WorklistSearch, dialect: str, *, seen: Visibility = EVERYBODY, only: int | None = None
) -> Statement:
    """
    Return how to find the entries that *search* asks for.

    seen: what the asking device is shown. only: the one step to look at, by key.
    """
    search = narrowed(search, seen)
    sight, said = sight_of(seen)
    escape = _glob if dialect == "sqlite" else _like
    values: list[str] = []
    lead = None if only is not None else _lead(search)
    parts = [_any(criterion, values, escape) for criterion in search.criteria if criterion is not lead]
    for name, span in (("start", search.starts), ("time", search.times)):
        if span is not None:
            parts.append(Part(name, sizes=_ends(span)))
            said |= {f"{name}_low": span.low, f"{name}_high": span.high}
    if only is not None:
        parts.append(Part("only"))
        said["only"] = only
    first = None if lead is None else _led(lead, values, escape)
    said |= {f"p{place}": value for place, value in enumerate(values)}
    return Statement(_prepared(Shape(first, tuple(parts), sight), dialect == "sqlite"), said)


# ── which index ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _lead(search: WorklistSearch) -> Criterion | None:
    """Return the criterion to begin with, None for the start."""
    # Of two on one attribute, what the device is shown comes second: the query's own is the narrower one.
    asked = {criterion.keyword: criterion for criterion in reversed(search.criteria)}
    plain = [asked[keyword] for keyword in _NUMBERS if keyword in asked and not asked[keyword].wildcards]
    if plain:
        return plain[0]
    name, station, modality = asked.get("PatientName"), asked.get(STATION), asked.get(MODALITY)
    is_bounded = search.starts is not None and bool(search.starts.low and search.starts.high)
    letters = _letters(name)
    if letters >= _SELECTIVE_LETTERS and not (name is None or (name.wildcards and is_bounded and _is_plain(station))):
        return name
    if station is not None and _is_plain(station) and (is_bounded or len(station.values) == 1 or not letters):
        return station
    if letters and not is_bounded:
        return name
    return modality if modality is not None and _is_plain(modality) and len(modality.values) == 1 else None


def _is_plain(criterion: Criterion | None) -> bool:
    return criterion is not None and bool(criterion.values) and not criterion.wildcards


def _letters(name: Criterion | None) -> int:
    """Return how many letters every form of the name is known to begin with, 0 if an index is of no use."""
    if name is None or len(name.values) + len(name.wildcards) > _MOST_NAMES:
        return 0
    exact = [_SELECTIVE_LETTERS for _ in name.values]
    return min([*exact, *(len(_prefix(wildcard)) for wildcard in name.wildcards)])


def _prefix(wildcard: str) -> str:
    return wildcard.partition("*")[0].partition("?")[0]


# ── parts, and their values in the same order ────────────────────────────────────────────────────────────────────────


def _any(criterion: Criterion, values: list[str], escape: Callable[[str], str]) -> Part:
    if criterion.items:
        return Part("items", criterion.keyword, (), tuple(_any(item, values, escape) for item in criterion.items))
    if criterion.span is not None:
        values += [end for end in (criterion.span.low, criterion.span.high) if end]
        return Part("span", criterion.keyword, _ends(criterion.span))
    padded = _padded(criterion.values)
    values += padded
    values += map(escape, criterion.wildcards)
    return Part("any", criterion.keyword, (len(padded), len(criterion.wildcards)))


def _led(criterion: Criterion, values: list[str], escape: Callable[[str], str]) -> Part:
    if criterion.keyword != "PatientName":
        return _any(criterion, values, escape)
    values += criterion.values
    for wildcard in criterion.wildcards:
        prefix = _prefix(wildcard)
        values += [prefix, prefix + _LAST_CHARACTER, escape(wildcard)]
    return Part("name", criterion.keyword, (len(criterion.values), len(criterion.wildcards)))


def _ends(span: Range) -> tuple[int, ...]:
    is_night = isinstance(span, TimeRange) and span.crosses_midnight
    return (int(bool(span.low)), int(bool(span.high)), int(is_night))


def _padded(values: Sequence[str]) -> list[str]:
    """Repeat the last value up to a power of two, so that a list of UIDs makes few shapes."""
    size = 1
    while size < len(values):
        size *= 2
    return [*values, *([values[-1]] * (size - len(values)))] if values else []


def pattern_of(wildcard: str, *, is_sqlite: bool) -> str:
    """Return what a wildcard, in which * is any run and ? one character, is compared as: with GLOB or with LIKE."""
    return _glob(wildcard) if is_sqlite else _like(wildcard)


def _glob(wildcard: str) -> str:
    """Return a pattern for SQLite's GLOB, which is case-sensitive and has one special character of its own."""
    return wildcard.replace("[", "[[]")


def _like(wildcard: str) -> str:
    """Return a pattern for PostgreSQL's LIKE."""
    plain = wildcard.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return plain.replace("*", "%").replace("?", "_")


# ── the statement ────────────────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=512)
def _prepared(shape: Shape, is_sqlite: bool) -> Prepared:
    return Prepared(_Writer(is_sqlite).select(shape))


class _Writer:
    """Writes the statement of one shape; takes a parameter for each value in the order in which `statement` listed them."""

    def __init__(self, is_sqlite: bool) -> None:
        self._is_sqlite = is_sqlite
        self._taken = 0

    def select(self, shape: Shape) -> Select[Any]:
        lead = shape.lead
        of_one_station = lead is not None and lead.keyword == STATION and lead.sizes[0] == 1
        is_in_order = lead is None or lead.keyword == MODALITY or of_one_station
        parts = [self._part(part) for part in shape.parts if part.kind in _ASKED]
        window = [self._window(part, is_in_order) for part in shape.parts if part.kind not in _ASKED]
        if lead is not None:
            parts.append(self._lead(lead, [part for part in shape.parts if part.kind == "start"]))
        if not of_one_station:
            # A step has a row for each of its stations; the others are the same step again.
            parts.append(entries.c.position == literal_column("0"))
        parts += tests_of(shape.sight)
        start = _START if is_in_order else _unindexed(_START)
        return (
            select(entries.c.step_key, steps.c.encoded)
            .join_from(entries, steps, steps.c.key == entries.c.step_key)
            .where(*window, *parts)
            .order_by(start, entries.c.step_key)
            .limit(bindparam("most"))
        )

    def _lead(self, lead: Part, starts: Sequence[Part]) -> Test:
        if lead.kind == "name":
            return entries.c.step_key.in_(self._name_lead(lead))
        if lead.keyword != STATION:
            return self._compare(_COLUMNS[lead.keyword], lead)
        if lead.sizes[0] == 1:
            return self._compare((entries.c.scheduled_station_ae_title,), lead)
        one = entries.alias()
        within = [_between(one.c.scheduled_start_local, "start", part) for part in starts]
        at = self._compare((one.c.scheduled_station_ae_title,), lead)
        return entries.c.step_key.in_(select(one.c.step_key).where(at, *within))

    def _name_lead(self, lead: Part) -> Any:
        exact, wildcards = lead.sizes
        found = []
        tests: list[Callable[[Any], Test]] = [self._equals(self._take()) for _ in range(exact)]
        tests += [self._begins(self._take(), self._take(), self._take()) for _ in range(wildcards)]
        for test in tests:
            for name in _NAMES:
                one = entries.alias()
                found.append(select(one.c.step_key).where(test(one.c[name.key])))
        return union_all(*found)

    def _equals(self, value: Any) -> Callable[[Any], Test]:
        return lambda name: name == value

    def _begins(self, low: Any, high: Any, pattern: Any) -> Callable[[Any], Test]:
        return lambda name: and_(name >= low, name < high, self._fits(name, pattern))

    def _window(self, part: Part, is_in_order: bool) -> Test:
        if part.kind == "only":
            return entries.c.step_key == bindparam("only")
        if part.kind == "start":
            return _between(_START if is_in_order else _unindexed(_START), "start", part)
        return _between(func.substr(_START, literal_column("9")), "time", part)

    def _part(self, part: Part) -> Test:
        if part.kind == "any" and part.keyword == STATION:
            one = entries.alias()
            fits = self._compare((one.c.scheduled_station_ae_title,), part)
            return exists().where(one.c.step_key == entries.c.step_key, fits)
        if part.kind == "any" and part.keyword == STATUS:
            # The state of what has ended is ours, and no answer holds it.
            return and_(self._compare(_COLUMNS[STATUS], part), entries.c.status.in_(_LIVE))
        if part.kind == "any" and part.keyword in _COLUMNS:
            return self._compare([_unindexed(column) for column in _COLUMNS[part.keyword]], part)
        return self._among(steps.c.item_values, part)

    def _among(self, values: Any, part: Part) -> Test:
        """Look through the values of one attribute, which *values* holds as JSON, by keyword."""
        of_items = part.kind == "items"
        if self._is_sqlite:
            found = func.json_each(values, literal_column(f"'$.{part.keyword}'")).table_valued("value")
        else:
            elements = func.json_array_elements if of_items else func.json_array_elements_text
            found = elements(values.op("->")(literal_column(f"'{part.keyword}'"))).table_valued("value")
        if of_items:
            tests = [self._among(found.c.value, inside) for inside in part.parts]
        elif part.kind == "span":
            tests = [self._spans(found.c.value, part)]
        else:
            tests = [self._compare((found.c.value,), part)]
        return select(literal_column("1")).select_from(found).where(*tests).exists()

    def _spans(self, value: Any, part: Part) -> Test:
        value = value if self._is_sqlite else value.collate("C")
        low, high, is_night = part.sizes
        ends = ([value >= self._take()] if low else []) + ([value <= self._take()] if high else [])
        return _joined(ends, is_night)

    def _compare(self, columns: Iterable[Any], part: Part) -> Test:
        exact, wildcards = part.sizes
        values, patterns = [self._take() for _ in range(exact)], [self._take() for _ in range(wildcards)]
        tests: list[Test] = []
        for column in columns:
            if values:
                tests.append(column == values[0] if exact == 1 else column.in_(values))
            tests += [self._fits(column, pattern) for pattern in patterns]
        return or_(*tests)

    def _fits(self, column: Any, pattern: Any) -> Test:
        fits: Test = column.op("GLOB")(pattern) if self._is_sqlite else column.like(pattern)
        return fits

    def _take(self) -> Any:
        self._taken += 1
        return bindparam(f"p{self._taken - 1}")


def _unindexed(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return column.op("||")(literal_column("''"))


def _between(value: Any, name: str, part: Part) -> Test:
    low, high, is_night = part.sizes
    ends = [value >= bindparam(f"{name}_low")] if low else []
    return _joined(ends + ([value <= bindparam(f"{name}_high")] if high else []), is_night)


def _joined(ends: list[Test], is_night: int) -> Test:
    """A range without ends holds every value that is known; of a night either end is enough."""
    if not ends:
        return literal_column("1 = 1")
    return or_(*ends) if is_night else and_(*ends)
