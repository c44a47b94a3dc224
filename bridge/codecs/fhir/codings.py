"""Codes that DICOM and FHIR write differently: modality, laterality, body part, SOP class."""

from __future__ import annotations

from typing import Any

from bridge.codecs.fhir import body_parts
from bridge.codecs.fhir.elements import DCM, SNOMED, URI

Json = dict[str, Any]

# Retired codes that old devices still send. Source: PS3.3 C.7.3.1.1.1 (retired terms).
_RETIRED_MODALITIES = {
    "AS": "ES", "CD": "US", "CF": "RF", "CP": "ES", "CS": "ES", "DD": "US", "DF": "RF", "DM": "SM", "DS": "XA",
    "EC": "US", "FA": "OP", "FS": "OP", "LP": "ES", "MA": "MR", "MS": "MR", "OPR": "OT", "ST": "NM", "VF": "RF",
}  # fmt: skip
_LATERALITIES = {
    "L": ("7771000", "Left"),
    "R": ("24028007", "Right"),
    "B": ("51440002", "Right and left"),
    "U": ("66459002", "Unilateral"),
}  # fmt: skip


def modality(code: str) -> Json:
    """Return the Coding of a DICOM modality; none at all is OT, since FHIR asks for one. Source: PS3.16 CID 29, CID 33."""
    plain = code.strip().upper()
    return {"system": DCM, "code": _RETIRED_MODALITIES.get(plain, plain) or "OT"}


def laterality(value: str) -> Json | None:
    """Return the Coding of (0020,0060), None for another value. Source: PS3.16 CID 244."""
    found = _LATERALITIES.get(value.strip().upper())
    return None if found is None else {"system": SNOMED, "code": found[0], "display": found[1]}


def body_site(body_part_examined: str) -> Json | None:
    """Return the Coding of a body part; an unknown one keeps its text as display and has no code."""
    plain = body_part_examined.strip()
    if not plain:
        return None
    found = body_parts.code_of(plain)
    return {"display": plain} if found is None else {"system": SNOMED, "code": found[0], "display": found[1]}


def sop_class(uid: str) -> Json:
    """Return the Coding of a SOP class. Source: FHIR R4 ImagingStudy.series.instance.sopClass."""
    return {"system": URI, "code": f"urn:oid:{uid}"}
