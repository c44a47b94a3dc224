"""What queries are matched on: the values of an encoded worklist item, in the form of `domain.worklist_search`."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from bridge.codecs.dicom import answers, worklist_model
from bridge.codecs.dicom.elements import vr_of
from bridge.codecs.dicom.worklist_query import keyword_of
from bridge.domain.matching import name_groups, normal_date, normal_time

_ONE_VALUE_VRS = frozenset({"LT", "ST", "UR", "UT"})


def values_of(encoded: bytes) -> dict[str, list[Any]]:
    """Return the values of an item that `worklist_item.encode` made, those of its step beside those around it."""
    record = answers.read_record(encoded)
    found = _values(record)
    for step in answers.read_items(record.get(worklist_model.STEP_SEQUENCE, b"")):
        found |= _values(step)
    found.pop("ScheduledProcedureStepSequence", None)
    return found


def _values(record: answers.Record) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for tag, value in record.items():
        if value:
            keyword, vr = _known(tag)
            if keyword and (values := _read(value, vr)):
                found[keyword] = values
    return found


@lru_cache(maxsize=1024)
def _known(tag: int) -> tuple[str, str]:
    vr = vr_of(tag)
    is_matched = (vr in worklist_model.MATCHED_VRS or vr == "SQ") and tag not in worklist_model.NEVER_MATCHED
    return (keyword_of(tag) if is_matched else ""), vr


def _read(value: bytes, vr: str) -> list[Any]:
    if vr == "SQ":
        return [_values(item) for item in answers.read_items(value)]
    text = value.decode("utf-8").strip(" \0")
    if vr == "PN":
        return [group for name in text.split("\\") for group in name_groups(name)]
    if vr in ("DA", "TM"):
        normal = normal_date if vr == "DA" else normal_time
        return [found for one in text.split("\\") if (found := normal(one))]
    if vr in _ONE_VALUE_VRS or "\\" not in text:
        return [text] if text else []
    return [found for one in text.split("\\") if (found := one.strip(" \0"))]
