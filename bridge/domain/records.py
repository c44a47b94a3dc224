"""Frozen records that change by being made anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import lru_cache
from operator import attrgetter
from typing import Any, TypeVar

Record = TypeVar("Record")


def replace(record: Record, **changes: Any) -> Record:
    """
    Return *record* with *changes*, as `dataclasses.replace` does in twice the time: an order is changed ten times a message.

    Raises: TypeError for a name that is no field.
    """
    kind: Any = type(record)
    names, values_of = _fields_of(kind)
    changed: Record = kind(**(dict(zip(names, values_of(record), strict=True)) | changes))
    return changed


@lru_cache(maxsize=256)
def _fields_of(kind: Any) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    """Return the names of a record's fields, at least two, and what reads them all at once."""
    names = tuple(field.name for field in fields(kind) if field.init)
    assert len(names) > 1, "a record of one field is made as quickly by name"
    return names, attrgetter(*names)
