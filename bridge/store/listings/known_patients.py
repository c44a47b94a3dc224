"""Whom a text at the counter may mean: a number, a name, a birth date, or a name with one."""

from __future__ import annotations

import re
from datetime import date

from bridge.domain.identity_keys import BIRTH_DATE
from bridge.store import patients
from bridge.store.db import ReadTx
from bridge.store.listings.people import Person, by_key, keys_by_name, keys_by_number

_DATE = re.compile(r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})|([0-9]{1,2})[./]([0-9]{1,2})[./]([0-9]{4})")


def birth_dates_in(text: str) -> set[str]:
    """
    Return the dates that *text* may hold, as "YYYYMMDD"; 3/4/1990 is two.

    >>> sorted(birth_dates_in("lee 03/04/1990")), birth_dates_in("1990-05-06"), birth_dates_in("19903306")
    (['19900304', '19900403'], {'19900506'}, set())
    """
    found = set()
    for match in _DATE.finditer(text):
        year, month, day, one, other, last = match.groups()
        readings = [(year, month, day)] if year else [(last, other, one), (last, one, other)]
        for reading in readings:
            try:
                found.add(f"{date(*(int(number) for number in reading)):%Y%m%d}")
            except ValueError:
                continue
    return found


def without_dates(text: str) -> str:
    """Return *text* without the dates in it."""
    return _DATE.sub(" ", text).strip(" ,")


def find(tx: ReadTx, text: str, limit: int) -> list[Person]:
    """Return the live patients that *text* may mean: by number, else by the rest of it, those with the number first."""
    text = text.strip()[:200]
    keys = keys_by_number(tx, text)
    dates = birth_dates_in(text)
    name = without_dates(text) if dates else text
    by_date = [key for day in sorted(dates) for key, _ in patients.by_key_value(tx, BIRTH_DATE, day, limit)]
    by_name = keys_by_name(tx, name) if name else []
    if dates and by_name:
        keys += [key for key in by_name if key in set(by_date)]
    else:
        keys += by_date or by_name
    found = by_key(tx, list(dict.fromkeys(keys))[: 4 * limit])
    live = [found[key] for key in dict.fromkeys(keys) if key in found and found[key].merged_into is None]
    return live[:limit]
