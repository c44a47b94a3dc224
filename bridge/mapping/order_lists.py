"""A day's list as a file (CSV): its encoding, delimiter and columns found out, each row read to an order or to its faults."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from bridge.domain.identifiers import digest_of
from bridge.errors import Incomplete
from bridge.mapping.delimited import BYTES_MAX as BYTES_MAX
from bridge.mapping.delimited import ROWS_MAX as ROWS_MAX
from bridge.mapping.delimited import decoded, delimiter, table
from bridge.mapping.list_columns import field_of
from bridge.mapping.typed_orders import TypedGround, TypedOrder, read_typed_order

DATE_FORMS = {"": "as the file shows", "day_first": "day first (31.12.2026)", "month_first": "month first (12/31/2026)"}
_CELL_MAX = 4000
_DATE = re.compile(r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})", re.ASCII)
_TIME = re.compile(r"(\d{1,2})[:.h]?(\d{2})(?::\d{2})?\s*(am|pm)?", re.ASCII | re.IGNORECASE)
_DATE_FIELDS = frozenset({"patient.birth_date", "date", "scheduled"})
_YES = frozenset({"y", "yes", "x", "1", "true", "ja", "oui", "si", "stat", "s"})
_NO = frozenset({"n", "no", "0", "false", "nein", "non"})
_COLUMN_OF = {
    "patient": "patient.name",
    "procedure.meaning": "procedure",
    "procedure.code": "code",
    "procedure.scheme": "scheme",
    "visit.admission_id": "visit",
    "authorization.number": "authorization",
    "authorization.payer_name": "payer",
}


@dataclass(frozen=True, slots=True)
class ListRow:
    """
    One row. number: as a spreadsheet counts, the header is 1. cells: as they stand. typed: None where there are faults,
    each (column as the file calls it, sentence).
    """

    number: int
    cells: tuple[str, ...]
    typed: TypedOrder | None = None
    faults: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class OrderList:
    """What a file says. unread: the columns that mean nothing here; notes: what was taken for granted."""

    header: tuple[str, ...]
    rows: tuple[ListRow, ...]
    unread: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)


def read_list(raw: bytes, ground: TypedGround, date_form: str = "") -> OrderList:
    """
    Return the rows of a file.

    date_form: one of DATE_FORMS, for dates such as 3/4/2026. Raises: Malformed, if it is no list; Incomplete, where a
    column is missing, or where nobody can say which part of its dates is the day. Source: RFC 4180.
    """
    text, encoding = decoded(raw)
    mark = delimiter(text)
    rows_of_file = table(text, mark)
    header, body = tuple(rows_of_file[0][1]), rows_of_file[1:]
    columns = [field_of(name) for name in header]
    _check_columns(header, columns)
    day_first = _day_first(columns, body, date_form)
    reader = _RowReader(header, columns, ground, day_first=day_first)
    rows = _without_twins([reader.read(number, cells) for number, cells in body], reader)
    unread = tuple(name for name, said in zip(header, columns, strict=True) if not said and name.strip())
    words = {";": "semicolons", ",": "commas", "\t": "tabs", "|": "bars"}[mark]
    return OrderList(header, tuple(rows), unread, (f"read as {encoding}, separated by {words}",))


def safe_cell(text: str) -> str:
    """
    Return *text* as a cell that no spreadsheet takes for a formula. Source: OWASP, CSV injection.

    >>> safe_cell("=1+1"), safe_cell("Smith")
    ("'=1+1", 'Smith')
    """
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") else text


def _check_columns(header: Sequence[str], columns: Sequence[str]) -> None:
    said = [one for one in columns if one]
    twice = sorted({name for name, one in zip(header, columns, strict=True) if one and said.count(one) > 1})
    if twice:
        raise Incomplete(f"two columns say the same: {', '.join(twice)}", code="column_twice", where="header")
    wanted = {
        "the patient's name": {"patient.name", "family"},
        "the procedure, its code, or the visit": {"procedure", "code", "visit"},
        "the date": {"date", "scheduled"},
    }
    missing = [words for words, names in wanted.items() if not names & set(said)]
    if missing:
        raise Incomplete(f"no column for {' nor for '.join(missing)}", code="column_missing", where="header")


def _day_first(columns: Sequence[str], body: Sequence[tuple[int, list[str]]], date_form: str) -> bool:
    """Say which part of dates such as 3/4/2026 is the day, by all of the file's. Raises: Incomplete, if none tells."""
    if date_form:
        return date_form == "day_first"
    places = [place for place, said in enumerate(columns) if said in _DATE_FIELDS]
    cells = [row[place] for _, row in body for place in places if place < len(row)]
    found = [match for cell in cells if (match := _DATE.match(cell)) and len(match[1]) < 3]
    dotted = any(match[2] == "." for match in found)
    days, months = any(int(match[1]) > 12 for match in found), any(int(match[3]) > 12 for match in found)
    if days != months:
        return days
    if days and months:
        raise Incomplete("some dates begin with the day, others with the month", code="date_form", where="dates")
    if found and not dotted:
        raise Incomplete(
            "nobody can say whether dates such as 3/4/2026 begin with the day or the month: choose",
            code="date_form",
            where="dates",
        )
    return dotted


class _RowReader:
    def __init__(self, header: Sequence[str], columns: Sequence[str], ground: TypedGround, *, day_first: bool) -> None:
        self._header = header
        self._columns = columns
        self._ground = replace(ground, now=None)
        self._day_first = day_first
        self._names = {said: name for name, said in zip(header, columns, strict=True) if said}

    def column(self, place: str) -> str:
        """Return what the file calls the column of a fault."""
        said = _COLUMN_OF.get(place, place)
        for one in (said, *_INSTEAD.get(said, ())):
            if one in self._names:
                return self._names[one]
        return place.rpartition(".")[2].replace("_", " ")

    def read(self, number: int, cells: Sequence[str]) -> ListRow:
        """Read one row; a row that is longer than the header was cut by a delimiter in a cell, and is not guessed at."""
        kept = tuple(cell[:_CELL_MAX] for cell in cells)
        if len(cells) > len(self._header):
            sentence = (
                f"{len(cells)} cells, and the header has {len(self._header)}: a text with a separator needs quotes"
            )
            return ListRow(number, kept, faults=(("row", sentence),))
        said = {
            name: cell
            for name, cell in zip(self._columns, (*cells, *[""] * len(self._header)), strict=False)
            if name and cell
        }
        faults: list[tuple[str, str]] = []
        body = self._body(said, faults)
        try:
            typed = read_typed_order(body, self._ground)
        except Incomplete as fault:
            faults += [(self.column(where), sentence) for where, sentence in fault.faults]
            return ListRow(number, kept, faults=tuple(dict.fromkeys(faults)))
        if faults:
            return ListRow(number, kept, faults=tuple(faults))
        return ListRow(number, kept, typed=_with_number(typed, body))

    def _body(self, said: Mapping[str, str], faults: list[tuple[str, str]]) -> dict[str, Any]:
        """Return a row as an order that is typed."""
        body: dict[str, Any] = {name: said[name] for name in _PLAIN if name in said}
        body["patient"] = self._patient(said, faults)
        if "procedure" in said or "code" in said:
            body["procedure"] = {
                "code": said.get("code"),
                "scheme": said.get("scheme"),
                "meaning": said.get("procedure") or said.get("code"),
            }
        scheduled = self._scheduled(said, faults)
        if scheduled:
            body["scheduled"] = scheduled
        if "priority" in said:
            word = said["priority"].casefold()
            body["priority"] = "STAT" if word in _YES else "ROUTINE" if word in _NO else said["priority"]
        if "visit" in said:
            body["visit"] = {"admission_id": said["visit"]}
        if "authorization" in said:
            body["authorization"] = {"number": said["authorization"], "payer_name": said.get("payer", "")}
        return body

    def _patient(self, said: Mapping[str, str], faults: list[tuple[str, str]]) -> dict[str, Any]:
        patient = {name.partition(".")[2]: cell for name, cell in said.items() if name.startswith("patient.")}
        if "family" in said or "given" in said:
            patient["name"] = f"{said.get('family', '')}^{said.get('given', '')}".rstrip("^")
        elif " " in patient.get("name", "") and not {",", "^"} & set(patient["name"]):
            faults.append((self.column("patient.name"), "write Family, Given: nobody can say which part is which"))
        if "birth_date" in patient:
            patient["birth_date"] = self._date(patient["birth_date"], "patient.birth_date", faults)
        return patient

    def _scheduled(self, said: Mapping[str, str], faults: list[tuple[str, str]]) -> str:
        if "scheduled" in said:
            day, _, time = said["scheduled"].replace("T", " ").partition(" ")
            place = "scheduled"
        else:
            day, time, place = said.get("date", ""), said.get("time", ""), "time"
        if not day:
            faults.append((self.column("date"), "needed"))
            return ""
        at = self._date(day, "date", faults)
        if not time:
            return at
        clock = _clock(time)
        if not clock:
            faults.append((self.column(place), "not a time: 14:30 is wanted"))
        return f"{at}T{clock}" if at and clock else ""

    def _date(self, cell: str, place: str, faults: list[tuple[str, str]]) -> str:
        """Return a date as "YYYY-MM-DD", "" with a fault."""
        match = _DATE.fullmatch(cell.strip())
        try:
            if match is None:
                return date.fromisoformat(cell).isoformat()
            one, other, last = int(match[1]), int(match[3]), int(match[4])
            if len(match[1]) == 4:
                return date(one, other, last).isoformat()
            if len(match[4]) != 4:
                raise ValueError("a year has four digits")
            return date(last, *((other, one) if self._day_first else (one, other))).isoformat()
        except ValueError:
            faults.append((self.column(place), "not a date: 2026-12-31 is wanted, with a year of four digits"))
            return ""


_PLAIN = (
    "accession_number",
    "placer_order_number",
    "modality",
    "station_ae_title",
    "reason",
    "comments",
    "referring_physician_name",
    "requesting_physician",
    "performing_physician",
    "location",
)
_INSTEAD = {
    "patient.name": ("family",),
    "procedure": ("code",),
    "date": ("scheduled",),
    "scheduled": ("date",),
    "time": ("scheduled",),
}


def _clock(text: str) -> str:
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return ""
    hour, minute = int(match[1]), int(match[2])
    if match[3]:
        hour = hour % 12 + (12 if match[3].lower() == "pm" else 0)
    return f"{hour:02d}:{minute:02d}" if hour < 24 and minute < 60 else ""


def _with_number(typed: TypedOrder, body: Mapping[str, Any]) -> TypedOrder:
    """Return a row's order with a number made of what it says, where it has none: the same row again is the same order."""
    if typed.order.accession_number or typed.order.placer_order_number:
        return typed
    patient = body["patient"]
    who = patient.get("patient_id") or (patient.get("name"), patient.get("birth_date"))
    said = "\n".join([str(who), *(f"{name}={body[name]}" for name in sorted(body) if name in _SAME_ORDER)])
    number = f"L{digest_of(said.encode())[:11].upper()}"
    derived = typed.order.derived - {"accession_number"}
    return replace(typed, order=replace(typed.order, accession_number=number, derived=derived))


_SAME_ORDER = frozenset({"procedure", "visit", "scheduled", "modality", "station_ae_title"})


def _without_twins(rows: Sequence[ListRow], reader: _RowReader) -> list[ListRow]:
    """Fault the rows that are of the same order as one before: which of them holds is for whoever wrote the list."""
    first: dict[tuple[str, str], int] = {}
    kept = []
    for row in rows:
        if row.typed is not None:
            order = row.typed.order
            number = order.accession_number or order.placer_order_number.value
            before = first.setdefault((order.accession_number, number), row.number)
            if before != row.number:
                place = reader.column("accession_number" if order.accession_number else "placer_order_number")
                row = replace(row, typed=None, faults=((place, f"the same order as row {before}"),))
        kept.append(row)
    return kept
