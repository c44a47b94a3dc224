"""A created workitem that names patient and request, as an order that anybody might have typed. Source: PS3.3 C.30.2, C.30.4."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from bridge.codecs.dicomweb import workitems as shown
from bridge.codecs.dicomweb.workitem_reading import local_start
from bridge.domain.matching import normal_date
from bridge.domain.workitem import Attributes, items_of, text_of, values_of

_OTHER = "OT"
_AE_TITLE_MAX = 16


def is_order(said: Attributes) -> bool:
    """Say whether a workitem names whom it concerns and what was requested."""
    named = text_of(said, shown.PATIENT_ID) or text_of(said, shown.PATIENT_NAME)
    return bool(named and items_of(said, shown.REFERENCED_REQUEST))


def order_of(said: Attributes, zone: tzinfo) -> dict[str, Any]:
    """Return what a workitem orders, in the keys of typed orders; what it does not say is left out."""
    request = items_of(said, shown.REFERENCED_REQUEST)[0]
    start = local_start(said, zone)
    codes = items_of(request, "00321064") or items_of(said, shown.WORKITEM_CODE)
    described = text_of(request, "00321060") or text_of(said, shown.PROCEDURE_STEP_LABEL)
    found = {
        "patient": _patient(said),
        "accession_number": text_of(request, shown.ACCESSION_NUMBER),
        "placer_order_number": text_of(request, "00402016"),
        "filler_order_number": text_of(request, "00402017"),
        "requested_procedure_id": text_of(request, "00401001"),
        "study_instance_uid": text_of(request, shown.STUDY_INSTANCE_UID) or text_of(said, shown.STUDY_INSTANCE_UID),
        "procedure": _code(codes[0], described) if codes else {"meaning": described},
        "reason": text_of(request, "00401002"),
        "comments": text_of(request, "00401400"),
        "requesting_physician": text_of(request, "00321032"),
        "referring_physician_name": text_of(request, "00080090"),
        "priority": text_of(said, shown.PRIORITY),
        "scheduled": f"{start[:4]}-{start[4:6]}-{start[6:8]}T{start[8:10]}:{start[10:12]}:{start[12:14]}",
        "modality": next(iter(_code_values(said, shown.STATION_CLASS)), _OTHER),
        "station_ae_titles": [one for one in _code_values(said, shown.STATION_NAME) if len(one) <= _AE_TITLE_MAX],
        "location": next(iter(_code_values(said, shown.STATION_LOCATION)), ""),
    }
    return {name: value for name, value in found.items() if value}


def _patient(said: Attributes) -> dict[str, str]:
    born, sex = normal_date(text_of(said, "00100030")), text_of(said, "00100040")
    found = {
        "patient_id": text_of(said, shown.PATIENT_ID),
        "issuer_of_patient_id": text_of(said, shown.ISSUER_OF_PATIENT_ID),
        "name": _name(said),
        "birth_date": f"{born[:4]}-{born[4:6]}-{born[6:]}" if born else "",
        "sex": sex if sex in ("M", "F", "O") else "",
    }
    return {name: value for name, value in found.items() if value}


def _name(said: Attributes) -> str:
    first: Any = next(iter(values_of(said, shown.PATIENT_NAME)), {})
    if not isinstance(first, Mapping):
        return str(first)
    return "=".join(str(first.get(group, "")) for group in ("Alphabetic", "Ideographic", "Phonetic")).rstrip("=")


def _code(item: Attributes, described: str) -> dict[str, str]:
    found = {
        "code": text_of(item, "00080100"),
        "scheme": text_of(item, "00080102"),
        "meaning": text_of(item, "00080104") or described,
    }
    return {name: value for name, value in found.items() if value}


def _code_values(said: Attributes, tag: str) -> list[str]:
    values = (text_of(item, "00080100") or text_of(item, "00080119") for item in items_of(said, tag))
    return [value for value in values if value]
