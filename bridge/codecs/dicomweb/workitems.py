"""Workitems as DICOM JSON: what a scheduled step shows a performer, and a task, each with its patient as on record.

The lock (Transaction UID) is in none of them. Source: PS3.4 Table CC.2.5-3, PS3.18 F.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from bridge.codecs.dicom import worklist_model
from bridge.codecs.dicom.elements import IMPLICIT_LITTLE, Limits, vr_of
from bridge.codecs.dicom.tree import read_tree, to_json
from bridge.domain.patient import Patient
from bridge.domain.workitem import (
    PERFORMED_PROCEDURE,
    PROCEDURE_STEP_STATE,
    TRANSACTION_UID,
    Attributes,
    WorkitemState,
    items_of,
    text_of,
    values_of,
)

UPS_PUSH = "1.2.840.10008.5.1.4.34.6.1"
# Stations are known here by AE title, which no public code names; a private designator begins with 99 (PS3.3 8.2).
OWN_CODES = "99IMAGINGBRIDGE"
_LIMITS = Limits(depth=16, items=10_000)
_CODE_VALUE_MAX = 16

SPECIFIC_CHARACTER_SET = "00080005"
SOP_CLASS_UID = "00080016"
SOP_INSTANCE_UID = "00080018"
STUDY_INSTANCE_UID = "0020000D"
PATIENT_NAME = "00100010"
PATIENT_ID = "00100020"
ISSUER_OF_PATIENT_ID = "00100021"
ACCESSION_NUMBER = "00080050"
REFERENCED_REQUEST = "0040A370"
INPUT_INFORMATION = "00404021"
PRIORITY = "00741200"
WORKLIST_LABEL = "00741202"
PROCEDURE_STEP_LABEL = "00741204"
INPUT_READINESS = "00404041"
START_DATE_TIME = "00404005"
MODIFIED_AT = "00404010"
WORKITEM_CODE = "00404018"
STATION_NAME = "00404025"
STATION_CLASS = "00404026"
STATION_LOCATION = "00404027"
_CODE_VALUE, _CODE_SCHEME, _CODE_MEANING, _LONG_CODE_VALUE = "00080100", "00080102", "00080104", "00080119"

# Whom it concerns and who asked for it: the record's, never a performer's or a creator's word.
OF_THE_PATIENT = frozenset(
    {PATIENT_NAME, PATIENT_ID, ISSUER_OF_PATIENT_ID, "00100024", "00100030", "00100040", "00101002"}
    | {"00380010", "00380014", "00081080", "00081084", "00102000", "001021C0", "00380050"}
)
OF_THE_ORDER = OF_THE_PATIENT | {REFERENCED_REQUEST, STUDY_INSTANCE_UID}
# What a scheduled step says by itself; who wants it otherwise changes the order.
OF_THE_STEP = OF_THE_ORDER | {START_DATE_TIME, STATION_NAME, STATION_CLASS, STATION_LOCATION, PROCEDURE_STEP_LABEL}
_REQUEST = """
    0020000D 00080050 00080051 00402016 00400026 00402017 00400027 00401001 00321060 00321064 00401002 0040100A
    00401400 00401008 00401010 00402400 00321032 00321033 00402004 00402005 00080090
"""
_OF_THE_REQUEST = tuple(_REQUEST.split())
# Type 2: there without a value. Source: PS3.4 Table CC.2.5-3.
_TYPE_2 = """
    00741210 00404025 00404026 00404027 00404034 00404018 00400400 00404021 0020000D 00100010 00100020 00100021 00100024
    00101002 00100030 00100040 00380010 00380014 00081080 00081084 0040A370 00741002
"""
_EMPTY_WITHOUT = tuple(_TYPE_2.split())
_PRIORITIES = {"STAT": "HIGH", "HIGH": "HIGH", "LOW": "LOW"}


@dataclass(frozen=True, slots=True)
class Head:
    """What every workitem says of itself. changed_at: DT; worklist_label: where its creator named none."""

    workitem_uid: str
    state: WorkitemState
    changed_at: str
    worklist_label: str


def of_step(encoded: bytes, said: Attributes, head: Head) -> dict[str, Any]:
    """Return the workitem of a scheduled step. encoded: its worklist item; said: what performers or a creator said of it."""
    item = _read(encoded)
    step = next(iter(items_of(item, "00400100")), {})
    own: dict[str, Any] = {tag: item[tag] for tag in OF_THE_PATIENT if tag in item}
    own[STUDY_INSTANCE_UID] = item.get(STUDY_INSTANCE_UID, {"vr": "UI"})
    own[REFERENCED_REQUEST] = sequence({tag: item[tag] for tag in _OF_THE_REQUEST if tag in item})
    own[START_DATE_TIME] = element("DT", text_of(step, "00400002") + text_of(step, "00400003"))
    own[PROCEDURE_STEP_LABEL] = element("LO", text_of(step, "00400007") or text_of(item, "00321060"))
    own[STATION_NAME] = sequence(*(code(title, text_of(step, "00400010")) for title in values_of(step, "00400001")))
    own[STATION_CLASS] = sequence(*(code(one, one, "DCM") for one in values_of(step, "00080060")))
    place = text_of(step, "00400011")
    own[STATION_LOCATION] = sequence(*([code(place, place)] if place else []))
    protocol = values_of(step, "00400008") or values_of(item, "00321064")
    made = {
        PRIORITY: element("CS", _PRIORITIES.get(text_of(item, "00401003").upper(), "MEDIUM")),
        WORKITEM_CODE: sequence(*protocol),
        INPUT_READINESS: element("CS", "READY"),
        "00400400": step.get("00400400", {"vr": "LT"}),
    }
    free = {tag: value for tag, value in said.items() if tag not in OF_THE_STEP}
    return _headed({**made, **free, **own}, head)


def confidentiality_of(encoded: bytes) -> tuple[str, ...]:
    """Return how a step's worklist item is marked. Source: PS3.3 C.4.11 (0040,1008), C.4.12 (0040,3001)."""
    item = _read(encoded)
    return tuple(str(one) for tag in ("00401008", "00403001") for one in values_of(item, tag))


def of_task(said: Attributes, patient: Patient | None, head: Head) -> dict[str, Any]:
    """Return a task of its own, about *patient* as on record, None if it is about nobody."""
    free = {tag: value for tag, value in said.items() if tag not in OF_THE_PATIENT}
    return _headed(free | (of_patient(patient) if patient is not None else {}), head)


def of_patient(patient: Patient) -> dict[str, Any]:
    """Return the patient's identity as attributes."""
    numbers = [
        {
            PATIENT_ID: element("LO", one.patient_id),
            ISSUER_OF_PATIENT_ID: element("LO", one.issuer_of_patient_id),
        }
        for one in patient.identifiers
    ]
    first = numbers[0] if numbers else {}
    return {
        **first,
        PATIENT_NAME: person_name(patient.patient_name),
        "00100030": element("DA", patient.patient_birth_date),
        "00100040": element("CS", patient.patient_sex),
        "00101002": sequence(*({**one, "00100022": element("CS", "TEXT")} for one in numbers[1:])),
    }


def element(vr: str, value: str) -> dict[str, Any]:
    """Return one element with at most one value."""
    return {"vr": vr, "Value": [value]} if value else {"vr": vr}


def sequence(*items: Mapping[str, Any]) -> dict[str, Any]:
    """Return a sequence of the items that are not empty."""
    kept = [dict(item) for item in items if item]
    return {"vr": "SQ", "Value": kept} if kept else {"vr": "SQ"}


def person_name(name: str) -> dict[str, Any]:
    """Return a person name in its groups."""
    groups = zip(("Alphabetic", "Ideographic", "Phonetic"), name.split("="), strict=False)
    said = {group: value for group, value in groups if value}
    return {"vr": "PN", "Value": [said]} if said else {"vr": "PN"}


def code(value: str, meaning: str, scheme: str = OWN_CODES) -> dict[str, Any]:
    """Return a coded entry; a value beyond 16 characters is a long one. Source: PS3.3 8.1."""
    is_long = len(value) > _CODE_VALUE_MAX
    return {
        _LONG_CODE_VALUE if is_long else _CODE_VALUE: element("UC" if is_long else "SH", value),
        _CODE_SCHEME: element("SH", scheme),
        _CODE_MEANING: element("LO", meaning or value),
    }


def _headed(found: dict[str, Any], head: Head) -> dict[str, Any]:
    for tag in _EMPTY_WITHOUT:
        if tag not in found:
            found[tag] = {"vr": vr_of(int(tag, 16)) or "UN"}
    found.pop(TRANSACTION_UID, None)
    found |= {
        SPECIFIC_CHARACTER_SET: element("CS", "ISO_IR 192"),
        SOP_CLASS_UID: element("UI", UPS_PUSH),
        SOP_INSTANCE_UID: element("UI", head.workitem_uid),
        PROCEDURE_STEP_STATE: element("CS", head.state.value),
        MODIFIED_AT: element("DT", head.changed_at),
    }
    if not text_of(found, WORKLIST_LABEL):
        found[WORKLIST_LABEL] = element("LO", head.worklist_label[:64])
    found.setdefault(PERFORMED_PROCEDURE, {"vr": "SQ"})
    return {tag: found[tag] for tag in sorted(found)}


@lru_cache(maxsize=2048)
def _read(encoded: bytes) -> Attributes:
    item = to_json(read_tree(encoded, IMPLICIT_LITTLE, _LIMITS))
    item.pop(f"{worklist_model.CHARACTER_SET:08X}", None)
    return item
