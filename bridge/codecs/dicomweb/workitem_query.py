"""Searches for workitems: parameters to matching keys, and matching on DICOM JSON. Source: PS3.18 8.3.4, 11.9, PS3.4 CC.2.8."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any

from pydicom.datadict import tag_for_keyword

from bridge.codecs.dicom.elements import vr_of
from bridge.codecs.dicomweb.workitems import MODIFIED_AT
from bridge.domain import matching
from bridge.domain.matching import Range
from bridge.domain.workitem import PERFORMED_PROCEDURE, Attributes, items_of, values_of
from bridge.errors import Malformed

_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_DATE_TIME = r"(\d{4}(?:\d{2}){0,5}(?:(?<=\d{14})\.\d{1,6})?)([+-](?:0\d|1[0-4])[0-5]\d)?"
_ONE = re.compile(_DATE_TIME)
_BETWEEN = re.compile(rf"(?:{_DATE_TIME})?-(?:{_DATE_TIME})?")
_EARLIEST, _LATEST = "00000101000000", "00001231235959.999999"
_VALUE_MAX, _DEPTH_MAX = 1024, 4
# Given only where it is asked for: what is no return key, or an optional one. Source: PS3.4 Table CC.2.5-3.
_ON_REQUEST = frozenset({MODIFIED_AT, PERFORMED_PROCEDURE, "00404011", "00404008", "00404070", "00400400"})


@dataclass(slots=True)
class Keys:
    """Matching keys of one level. values: by tag, as text; items: keys inside a sequence, all to be met by one item."""

    values: dict[str, str] = field(default_factory=dict)
    items: dict[str, Keys] = field(default_factory=dict)

    def exact(self, *path: str) -> tuple[str, ...]:
        """Return the values at *path* if they are plain, () if nothing or a pattern stands there."""
        keys: Keys | None = self
        for tag in path[:-1]:
            keys = keys.items.get(tag) if keys is not None else None
        value = keys.values.get(path[-1], "") if keys is not None else ""
        found = tuple(one.strip() for one in _values_of(value, path[-1]) if one.strip())
        return () if any(set(one) & set("*?") for one in found) else found


@dataclass(frozen=True, slots=True)
class WorkitemQuery:
    """A search. included: further attributes to return; everything: all of them."""

    keys: Keys
    included: frozenset[str] = frozenset()
    everything: bool = False


def to_query(filters: Iterable[tuple[str, str]], included: Sequence[str]) -> WorkitemQuery:
    """
    Return what a search asks. filters: attribute (keyword or tag, nested by dots) and value; included: likewise, or "all".

    Raises: Malformed, for an attribute that does not exist or is no sequence where one is meant, a value that is too
    long, or a lock asked for.
    """
    keys = Keys()
    for name, value in filters:
        if len(value) > _VALUE_MAX or "\0" in value:
            raise Malformed("not a value to search by", where=name[:40])
        *parents, last = path_of(name)
        level = keys
        for tag in parents:
            level = level.items.setdefault(tag, Keys())
        if vr_of(int(last, 16)) == "SQ":
            level.items.setdefault(last, Keys())
        else:
            level.values[last] = value
    names = [name for name in included if name and name.lower() != "all"]
    return WorkitemQuery(keys, frozenset(path_of(name)[0] for name in names), len(names) != len(included))


def path_of(name: str) -> tuple[str, ...]:
    """Return an attribute's tags, sequences first. Raises: Malformed. Source: PS3.18 8.3.4.1."""
    parts = name.split(".")
    if len(parts) > _DEPTH_MAX:
        raise Malformed("nested deeper than any workitem", where=name[:40])
    tags = [part.upper() if _TAG.fullmatch(part) else f"{tag_for_keyword(part) or 0:08X}" for part in parts]
    vrs = [vr_of(int(tag, 16)) for tag in tags]
    if any(tag < "0008" for tag in tags) or not all(vrs) or any(vr != "SQ" for vr in vrs[:-1]):
        raise Malformed("no such attribute", where=name[:40], source="PS3.6")
    if "00081195" in tags:
        raise Malformed("the Transaction UID cannot be searched by", where="TransactionUID", source="PS3.4 CC.2.5")
    return tuple(tags)


def matches(keys: Keys, item: Attributes, zone: tzinfo) -> bool:
    """
    Say whether *item* meets every key; keys inside a sequence are met by one of its items.

    zone: the hospital's, in which date-times without an offset are meant. Source: PS3.4 C.2.2.2, CC.2.8.
    """
    for tag, key in keys.values.items():
        if not _asks_nothing(key, tag) and not _value_matches(key, tag, item, zone):
            return False
    for tag, inside in keys.items.items():
        if _asks(inside) and not any(matches(inside, one, zone) for one in items_of(item, tag)):
            return False
    return True


def cut(item: Attributes, query: WorkitemQuery) -> dict[str, Any]:
    """Return what an answer holds of a workitem: its return keys, what was matched on and what was asked for."""
    if query.everything:
        return dict(item)
    asked = query.included | query.keys.values.keys() | query.keys.items.keys()
    return {tag: value for tag, value in item.items() if tag not in _ON_REQUEST or tag in asked}


def parse_date_time_range(key: str, zone: tzinfo) -> Range | None:
    """
    Return the local date-times "YYYYMMDDHHMMSS[.F]" that a DT key asks for, None if it is universal.

    A single value reaches as far as it is precise. Raises: Malformed. Source: PS3.4 C.2.2.2.5, PS3.5 6.2 (DT).
    """
    key = key.strip(" \0")
    if matching.is_universal(key):
        return None
    if one := _ONE.fullmatch(key):
        return Range(_local(one[1], one[2], _EARLIEST, zone), _local(one[1], one[2], _LATEST, zone))
    both = _BETWEEN.fullmatch(key)
    if both is None:
        raise Malformed("not a date-time or range of date-times", code="bad_date_time", source="PS3.4 C.2.2.2.5")
    low = _local(both[1], both[2], _EARLIEST, zone) if both[1] else ""
    return Range(low, _local(both[3], both[4], _LATEST, zone) if both[3] else "")


def _local(text: str, offset: str | None, fill: str, zone: tzinfo) -> str:
    whole = text + fill[len(text) :]
    try:
        said = datetime.strptime(whole[:14], "%Y%m%d%H%M%S")
    except ValueError:
        # A month or day that does not exist, or February's 31st as the filled end: compared as text, it still orders.
        return whole
    if offset:
        sign = -1 if offset[0] == "-" else 1
        away = timezone(sign * timedelta(hours=int(offset[1:3]), minutes=int(offset[3:])))
        said = said.replace(tzinfo=away).astimezone(zone)
    return said.strftime("%Y%m%d%H%M%S") + whole[14:]


def _value_matches(key: str, tag: str, item: Attributes, zone: tzinfo) -> bool:
    vr = vr_of(int(tag, 16))
    stored = [_text(value) for value in values_of(item, tag)]
    if vr == "DT":
        wanted = parse_date_time_range(key, zone)
        return wanted is None or any(_local_of(value, zone) in wanted for value in stored)
    if vr in ("DA", "TM"):
        dates, times = _range_of(vr, key)
        one = (lambda v: matching.match_date_range(dates, v)) if vr == "DA" else None
        return any(one(value) if one else matching.match_time_range(times, value) for value in stored)
    return matching.match_any(_match_for(vr), _values_of(key, tag), stored)


def _range_of(vr: str, key: str) -> tuple[Range | None, matching.TimeRange | None]:
    return (matching.parse_date_range(key), None) if vr == "DA" else (None, matching.parse_time_range(key))


def _match_for(vr: str) -> Callable[[str, str], bool]:
    if vr == "PN":
        return matching.match_person_name
    return matching.match_wildcard if vr in matching.WILDCARD_VRS else matching.match_single


def _local_of(value: str, zone: tzinfo) -> str:
    found = _ONE.fullmatch(value)
    return _local(found[1], found[2], _EARLIEST, zone) if found else ""


def _values_of(key: str, tag: str) -> list[str]:
    """Several values: a list of UIDs by comma or backslash, else by backslash. Source: PS3.18 8.3.4.1."""
    separators = ",\\" if vr_of(int(tag, 16)) == "UI" else "\\"
    return re.split("[" + re.escape(separators) + "]", key)


def _asks(keys: Keys) -> bool:
    return any(not _asks_nothing(key, tag) for tag, key in keys.values.items()) or any(map(_asks, keys.items.values()))


def _asks_nothing(key: str, tag: str) -> bool:
    return matching.is_universal(key.replace("^", "").replace("=", "") if vr_of(int(tag, 16)) == "PN" else key)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "=".join(str(value.get(group, "")) for group in ("Alphabetic", "Ideographic", "Phonetic")).rstrip("=")
    return str(value)
