"""Headers and series as their rows keep them: JSON there, frozen objects here."""

from __future__ import annotations

import base64
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import orjson

from bridge.domain.code import Code
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.repairs import Repaired
from bridge.domain.study import NO_DETAILS, Header, HeaderDetails, Instance, RequestAttributes, Series


def header_to_json(header: Header) -> dict[str, Any]:
    """Return *header* as a row keeps it."""
    return asdict(header) | {"patient_name_bytes": base64.b64encode(header.patient_name_bytes).decode("ascii")}


def header_from_json(said: dict[str, Any]) -> Header:
    """Return the header that a row keeps."""
    try:
        return _header_of(orjson.dumps(said))
    except TypeError:
        # A lone surrogate, or a number beyond 64 bits.
        return _header(said)


@lru_cache(maxsize=64)
def _header_of(encoded: bytes) -> Header:
    """Read once what is asked for with every image of a study; nobody can change a header."""
    return _header(orjson.loads(encoded))


def _header(said: dict[str, Any]) -> Header:
    return Header(
        **said
        | {
            "patient_name_bytes": base64.b64decode(said["patient_name_bytes"]),
            "specific_character_set": tuple(said["specific_character_set"]),
            "other_patient_ids": tuple(PatientIdentifier(**one) for one in said["other_patient_ids"]),
            "request_attributes": tuple(RequestAttributes(**one) for one in said["request_attributes"]),
            "faults": tuple(said["faults"]),
            "repairs": tuple(Repaired(*one) for one in said.get("repairs", ())),
            "details": _header_details(said.get("details")),
        }
    )


def series_of_row(row: Any) -> Series:
    """Return a series from its row."""
    said = {name: getattr(row, name) for name in Series.__slots__}
    return Series(**said | {"details": _header_details(said["details"])})


def instance_of_row(row: Any) -> Instance:
    """Return an instance from its row."""
    return Instance(**{name: getattr(row, name) for name in Instance.__slots__})


def _header_details(said: dict[str, Any] | None) -> HeaderDetails:
    if not said:
        return NO_DETAILS
    codes = {name: Code(**said[name]) for name in ("procedure_code", "anatomic_region")}
    lists = {name: tuple(one) for name, one in said.items() if isinstance(one, list)}
    return HeaderDetails(**said | lists | codes)
