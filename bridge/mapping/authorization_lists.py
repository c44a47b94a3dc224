"""A list of authorizations as a file (CSV): each row read to a line of an authorization, or to its faults in words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bridge.domain.authorization_news import AuthorizationNews
from bridge.domain.records import replace
from bridge.errors import Incomplete, Malformed
from bridge.mapping.authorization_columns import OF_LINE, column_key
from bridge.mapping.delimited import decoded, delimiter, table
from bridge.mapping.typed_authorizations import Typing, read_typed_authorization
from bridge.mapping.typed_fields import Fields, stop_at_faults

# American lists write month/day/year; what is ambiguous elsewhere is refused, not guessed.
_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)
_SPLIT = re.compile(r"[,; ]+")
_DATES = ("birth_date", "effective_on", "expires_on", "received_at", "said_at")
_LISTS = frozenset({"reason_codes", "modifiers", "diagnoses"})
_OF_LINE_AS: Mapping[str, str] = {"line_number": "number", "line_status": "decision"}


@dataclass(frozen=True, slots=True)
class ListedRow:
    """One row. number: as a spreadsheet counts, the header is 1. faults: (column as the file calls it, sentence)."""

    number: int
    faults: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ListedAuthorization:
    """One authorization of a list, with the rows that are its lines. is_dated: a column says when it was said."""

    rows: tuple[int, ...]
    news: AuthorizationNews
    is_dated: bool


@dataclass(frozen=True, slots=True)
class AuthorizationList:
    """What a file says. faulty: the rows that are left out; unread: the columns that mean nothing here."""

    found: tuple[ListedAuthorization, ...]
    faulty: tuple[ListedRow, ...]
    unread: tuple[str, ...]


def read_authorization_list(raw: bytes, columns: Mapping[str, str], typing: Typing) -> AuthorizationList:
    """
    Return what a file says. columns: what a column is, by what it may be called.

    Rows of one number (else trace) at one payer are the lines of one authorization. Raises: Malformed, if it is no list;
    Incomplete, where no column says a payer.
    """
    text, _ = decoded(raw)
    rows = table(text, delimiter(text))
    header = rows[0][1]
    named = [columns.get(column_key(name), "") for name in header]
    twice = next((name for name in named if name and named.count(name) > 1), None)
    if twice is not None:
        raise Malformed(f"two columns say {twice}", code="twice", where=twice)
    if "payer" not in named:
        raise Incomplete("no column says the payer", code="missing", where="payer")
    found: dict[tuple[str, str], ListedAuthorization] = {}
    faulty = []
    for number, cells in rows[1:]:
        said = {name: cell for name, cell in zip(named, cells, strict=False) if name and cell}
        try:
            one = _read(number, said, typing)
        except Incomplete as fault:
            told = fault.faults or [(fault.where, fault.detail)]
            faulty.append(ListedRow(number, tuple((_called(header, named, where), what) for where, what in told)))
            continue
        key = (one.news.payer_id, one.news.number or one.news.trace or one.news.administrative_reference)
        found[key] = _joined(found[key], one) if key in found else one
    unread = tuple(name for name, said in zip(header, named, strict=True) if not said and name.strip())
    return AuthorizationList(tuple(found.values()), tuple(faulty), unread)


def _read(number: int, cells: Mapping[str, str], typing: Typing) -> ListedAuthorization:
    said: dict[str, Any] = {}
    line: dict[str, Any] = {}
    for name, cell in cells.items():
        into = line if name in OF_LINE else said
        value = _SPLIT.split(cell.strip(",; ")) if name in _LISTS else _as_date(cell) if name in _DATES else cell
        into[_OF_LINE_AS.get(name, name)] = value
    at, is_dated = _said_at(said, typing)
    extra = {name: said.pop(name, "") for name in ("patient_name", "birth_date")}
    issuer = said.pop("issuer_of_patient_id", "")
    if "patient_id" in said:
        said["patient"] = {"patient_id": said.pop("patient_id"), "issuer_of_patient_id": issuer}
    if "sequence" in line:
        line["sequence"] = int(line["sequence"]) if line["sequence"].isdecimal() else line["sequence"]
    if line:
        said["lines"] = [line]
    news = read_typed_authorization(said, replace(typing, at=at))
    faults: list[tuple[str, str]] = []
    person = Fields(extra, faults)
    name, birth_date = person.person_name("patient_name") or "", person.day("birth_date") or ""
    stop_at_faults(faults)
    return ListedAuthorization((number,), replace(news, patient_name=name, birth_date=birth_date), is_dated)


def _said_at(said: dict[str, Any], typing: Typing) -> tuple[datetime, bool]:
    """Return when a row was said; a clock that runs ahead of ours does not make it the newest for ever."""
    if "said_at" not in said:
        return typing.at, False
    faults: list[tuple[str, str]] = []
    moment = Fields({"said_at": said.pop("said_at")}, faults).moment("said_at", typing.zone)
    stop_at_faults(faults)
    at = moment.at if moment is not None else None
    return (min(at, typing.at), True) if at is not None else (typing.at, False)


def _joined(one: ListedAuthorization, other: ListedAuthorization) -> ListedAuthorization:
    lines = (*one.news.lines, *other.news.lines)
    newest = max(one, other, key=lambda each: each.news.said_at)
    news = replace(newest.news, lines=lines)
    return ListedAuthorization((*one.rows, *other.rows), news, one.is_dated and other.is_dated)


def _as_date(cell: str) -> str:
    found = _DATE.fullmatch(cell.strip())
    return f"{found[3]}-{int(found[1]):02d}-{int(found[2]):02d}" if found else cell


def _called(header: Sequence[str], named: Sequence[str], where: str) -> str:
    """Return what the file calls the column that a fault is in, "" where it has none."""
    wanted = where.rpartition(".")[2] or where
    for of_line, as_field in _OF_LINE_AS.items():
        if where == f"lines[0].{as_field}":
            wanted = of_line
    return next((name for name, said in zip(header, named, strict=True) if said in (wanted, where)), "")
