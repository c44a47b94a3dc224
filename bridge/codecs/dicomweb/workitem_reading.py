"""What performers and creators send: a DICOM JSON data set, checked, and what it says of lock, state, inputs and output.

Source: PS3.18 11.4-11.8, F, PS3.4 Table CC.2.5-3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

from bridge.codecs.dicomweb import workitems as shown
from bridge.domain.identifiers import check_uid
from bridge.domain.matching import normal_date, normal_time
from bridge.domain.workitem import (
    DISCONTINUATION_REASON,
    OUTPUT_INFORMATION,
    PERFORMED_END,
    PERFORMED_PROCEDURE,
    PERFORMED_START,
    PROCEDURE_STEP_STATE,
    PROGRESS_INFORMATION,
    TRANSACTION_UID,
    Attributes,
    WorkitemState,
    items_of,
    text_of,
    values_of,
)
from bridge.errors import Malformed

_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_OFFSET = re.compile(r"(.*)([+-])(\d\d)(\d\d)")
_REFERENCED_SOP = "00081199"
_REFERENCED_SOP_INSTANCE_UID = "00081155"
# Type 1 of a creation. Source: PS3.4 Table CC.2.5-3, N-CREATE.
_REQUIRED = {
    shown.PRIORITY: "ScheduledProcedureStepPriority",
    shown.PROCEDURE_STEP_LABEL: "ProcedureStepLabel",
    shown.START_DATE_TIME: "ScheduledProcedureStepStartDateTime",
    shown.INPUT_READINESS: "InputReadinessState",
    PROCEDURE_STEP_STATE: "ProcedureStepState",
}
_ENUMERATED = {
    shown.PRIORITY: ("HIGH", "MEDIUM", "LOW"),
    shown.INPUT_READINESS: ("READY", "INCOMPLETE", "UNAVAILABLE"),
}
_EMPTY_AT_FIRST = {
    TRANSACTION_UID: "TransactionUID",
    PROGRESS_INFORMATION: "ProcedureStepProgressInformationSequence",
    PERFORMED_PROCEDURE: "UnifiedProcedureStepPerformedProcedureSequence",
}
# Not allowed in an N-SET: whom it concerns, who asked for it, and its state, which a request of its own changes.
_NEVER_UPDATED = shown.OF_THE_ORDER - {"00101002", "00102000", "001021C0", "00380050", shown.STUDY_INSTANCE_UID}
_NOT_IN_AN_UPDATE = _NEVER_UPDATED | {PROCEDURE_STEP_STATE, shown.SOP_CLASS_UID, "00741224"}
# Ours to say; what is sent of them is not kept.
_OURS = frozenset(
    {TRANSACTION_UID, PROCEDURE_STEP_STATE, shown.SOP_CLASS_UID, shown.SOP_INSTANCE_UID, shown.SPECIFIC_CHARACTER_SET}
    | {shown.MODIFIED_AT, "00001000", "00001001"}
)


def read_data_set(said: object) -> Attributes:
    """
    Return a parsed body as one data set: an object, or an array of one.

    Raises: Malformed, if it is no DICOM JSON. Source: PS3.18 F.2.
    """
    if isinstance(said, list) and len(said) == 1:
        said = said[0]
    if not isinstance(said, dict):
        raise Malformed("one data set is wanted", source="PS3.18 F.2")
    return _checked(said)


def _checked(said: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for tag, element in said.items():
        if not isinstance(tag, str) or not _TAG.fullmatch(tag) or not isinstance(element, dict):
            raise Malformed("attributes by eight hexadecimal digits are wanted", source="PS3.18 F.2.2")
        kept = {name: element[name] for name in ("vr", "Value", "InlineBinary") if name in element}
        if not isinstance(kept.get("vr", ""), str) or not isinstance(kept.get("Value", []), list):
            raise Malformed("an element has a VR and an array of values", where=tag, source="PS3.18 F.2.2")
        if kept.get("vr") == "SQ" and "Value" in kept:
            if not all(isinstance(item, dict) for item in kept["Value"]):
                raise Malformed("a sequence holds data sets", where=tag, source="PS3.18 F.2.5")
            kept["Value"] = [_checked(item) for item in kept["Value"]]
        elif not all(_is_value(value, kept.get("vr", "")) for value in kept.get("Value", ())):
            raise Malformed("not a value of its VR", where=tag, source="PS3.18 F.2.2, F.2.3")
        found[tag.upper()] = kept
    return found


def _is_value(value: object, vr: str) -> bool:
    if vr == "PN" and value is not None:
        return isinstance(value, dict) and all(isinstance(group, str) and _is_clean(group) for group in value.values())
    return value is None or isinstance(value, int | float) or (isinstance(value, str) and _is_clean(value))


def _is_clean(text: str) -> bool:
    """Say whether *text* holds no control characters but line ends and tabs. Source: PS3.5 6.1.3."""
    return not any(character < " " and character not in "\t\n\f\r" for character in text)


def check_creation(said: Attributes) -> None:
    """Raises: Malformed, naming what a creation lacks or may not say. Source: PS3.4 Table CC.2.5-3 (N-CREATE)."""
    missing = [name for tag, name in _REQUIRED.items() if not values_of(said, tag)]
    if missing:
        raise Malformed(
            "a new workitem lacks what it must say",
            code="missing",
            where=", ".join(missing),
            source="PS3.4 Table CC.2.5-3",
        )
    if text_of(said, PROCEDURE_STEP_STATE) != WorkitemState.SCHEDULED:
        raise Malformed("a new workitem is SCHEDULED", where="ProcedureStepState", source="PS3.4 CC.2.5 (C309)")
    for tag, name in _EMPTY_AT_FIRST.items():
        if values_of(said, tag):
            raise Malformed("a new workitem has none yet", where=name, source="PS3.4 Table CC.2.5-3")
    _check_enumerated(said)


def check_update(said: Attributes) -> None:
    """Raises: Malformed, naming what an update may not say. Source: PS3.4 Table CC.2.5-3 (N-SET)."""
    for tag in said:
        if tag in _NOT_IN_AN_UPDATE:
            raise Malformed(
                "an update cannot change this", code="not_allowed", where=tag, source="PS3.4 Table CC.2.5-3"
            )
    for tag in (shown.PRIORITY, shown.PROCEDURE_STEP_LABEL, shown.START_DATE_TIME, shown.INPUT_READINESS):
        if tag in said and not values_of(said, tag):
            raise Malformed("a value is wanted", code="missing", where=tag, source="PS3.4 Table CC.2.5-3")
    _check_enumerated(said)


def _check_enumerated(said: Attributes) -> None:
    for tag, allowed in _ENUMERATED.items():
        if values_of(said, tag) and text_of(said, tag) not in allowed:
            raise Malformed(f"one of {', '.join(allowed)} is wanted", where=tag, source="PS3.3 C.30.2")
    if values_of(said, shown.START_DATE_TIME):
        local_start(said, UTC)


def kept_of(said: Attributes) -> dict[str, Any]:
    """Return what is kept of a data set: all but the lock and what the bridge says itself."""
    return {tag: value for tag, value in said.items() if tag not in _OURS}


def lock_in(said: Attributes) -> str:
    """Return the Transaction UID, "" if there is none. Raises: Malformed, if it is no UID."""
    uid = text_of(said, TRANSACTION_UID)
    return check_uid(uid, "TransactionUID", tolerate_leading_zeros=True) if uid else ""


def wanted_state(said: Attributes) -> str:
    """Return the state asked for, "" if none is."""
    return text_of(said, PROCEDURE_STEP_STATE)


def input_studies(said: Attributes) -> tuple[str, ...]:
    """Return the Study Instance UIDs of the inputs, each once. Source: PS3.3 C.30.2, Table 10-3b."""
    uids = [text_of(item, shown.STUDY_INSTANCE_UID) for item in items_of(said, shown.INPUT_INFORMATION)]
    return tuple(dict.fromkeys(uid for uid in uids if uid))


def has_inputs(said: Attributes) -> bool:
    """Say whether there is anything to work on."""
    return bool(items_of(said, shown.INPUT_INFORMATION))


def output_instances(said: Attributes) -> tuple[str, ...]:
    """Return the SOP Instance UIDs that were made, each once. Source: PS3.3 C.30.3."""
    uids = [
        text_of(reference, _REFERENCED_SOP_INSTANCE_UID)
        for done in items_of(said, PERFORMED_PROCEDURE)
        for output in items_of(done, OUTPUT_INFORMATION)
        for reference in items_of(output, _REFERENCED_SOP)
    ]
    return tuple(dict.fromkeys(uid for uid in uids if uid))


def performed_from_to(said: Attributes, zone: tzinfo) -> tuple[str, str]:
    """Return start and end of what was performed, "YYYYMMDDHHMMSS" by the hospital's clock, "" where not said."""
    done = next(iter(items_of(said, PERFORMED_PROCEDURE)), {})
    return local_time(text_of(done, PERFORMED_START), zone), local_time(text_of(done, PERFORMED_END), zone)


def discontinuation_code(said: Attributes) -> str:
    """Return the code of why it was given up, "" if nobody said so. Source: PS3.16 CID 9300."""
    progress = next(iter(items_of(said, PROGRESS_INFORMATION)), {})
    return text_of(next(iter(items_of(progress, DISCONTINUATION_REASON)), {}), "00080100")


def local_start(said: Attributes, zone: tzinfo) -> str:
    """Return the scheduled start by the hospital's clock. Raises: Malformed, if it is no date-time."""
    found = local_time(text_of(said, shown.START_DATE_TIME), zone)
    if not found:
        raise Malformed(
            "not a date-time", code="bad_date_time", where="ScheduledProcedureStepStartDateTime", source="PS3.5 6.2"
        )
    return found


def local_time(value: str, zone: tzinfo) -> str:
    """Return a DT as "YYYYMMDDHHMMSS" in *zone*, "" if it is none or names no day."""
    offset = _OFFSET.fullmatch(value)
    plain = offset[1] if offset else value
    day, time = normal_date(plain[:8]), normal_time(plain[8:]) if len(plain) > 8 else "000000"
    if not day or not time:
        return ""
    # A leap second, which no clock here has.
    whole = day + time[:4] + min(time[4:6], "59")
    if offset is None:
        return whole
    away = timedelta(hours=int(offset[3]), minutes=int(offset[4]))
    if away >= timedelta(hours=15):
        return ""
    said = datetime.strptime(whole, "%Y%m%d%H%M%S").replace(tzinfo=timezone(-away if offset[2] == "-" else away))
    return said.astimezone(zone).strftime("%Y%m%d%H%M%S")
