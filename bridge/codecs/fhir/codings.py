"""Codes that DICOM and FHIR write differently: modality, laterality, body part, SOP class."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Any

from bridge.codecs.fhir import body_parts
from bridge.codecs.fhir.elements import DCM, SNOMED, URI, clean
from bridge.domain.code import Code

Json = dict[str, Any]

# Retired codes that old devices still send. Source: PS3.3 C.7.3.1.1.1 (retired terms).
_RETIRED_MODALITIES = {
    "AS": "ES", "CD": "US", "CF": "RF", "CP": "ES", "CS": "ES", "DD": "US", "DF": "RF", "DM": "SM", "DS": "XA",
    "EC": "US", "FA": "OP", "FS": "OP", "LP": "ES", "MA": "MR", "MS": "MR", "OPR": "OT", "ST": "NM", "VF": "RF",
}  # fmt: skip
# PS3.16 8.1: three designators for one scheme.
_SNOMED_RT = frozenset({"SRT", "SNM3", "99SDM"})
# Abdomen, chest, thorax, pelvis: what CID 4031 has today in place of codes that it had before.
_SUPERSEDED = {"113345001": "818981001", "51185008": "816094009", "43799004": "816094009", "12921003": "816092008"}
_LATERALITIES = {
    "L": ("7771000", "Left"),
    "R": ("24028007", "Right"),
    "B": ("51440002", "Right and left"),
    "U": ("66459002", "Unilateral"),
}  # fmt: skip


def modality(code: str) -> Json:
    """Return the Coding of a DICOM modality; none at all is OT, since FHIR asks for one. Source: PS3.16 CID 29, CID 33."""
    plain = " ".join(clean(code).upper().split())
    return {"system": DCM, "code": _RETIRED_MODALITIES.get(plain, plain) or "OT"}


def stored_modalities(codes: Collection[str]) -> list[str]:
    """Return every way to write one of *codes* that devices have, the retired ones too."""
    retired = [old for old, new in _RETIRED_MODALITIES.items() if new in codes]
    unwritten = [""] if "OT" in codes else []
    return [*(one for one in codes if one not in _RETIRED_MODALITIES), *retired, *unwritten]


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


def region(code: Code) -> Json | None:
    """
    Return the Coding of an item of Anatomic Region Sequence, None if it has no code.

    Codes of SNOMED RT, which devices still write, become those of SNOMED CT. Source: PS3.16 8.1, PS3.3 10.5.
    """
    value, scheme = clean(code.code_value), code.coding_scheme_designator.strip().upper()
    if scheme in _SNOMED_RT:
        value = _snomed_ct_of(value)
    elif scheme not in ("SCT", "SNM3SCT"):
        value = ""
    if not value.isdigit():
        return None
    value, display = _SUPERSEDED.get(value, value), clean(code.code_meaning)
    return {"system": SNOMED, "code": value} | ({"display": display} if display else {})


@lru_cache(maxsize=1024)
def _snomed_ct_of(snomed_rt: str) -> str:
    """Return the SNOMED CT code in place of one of SNOMED RT, "" if none is known."""
    # The table takes long to load, and only what old devices send asks for it.
    from pydicom.sr._snomed_dict import mapping

    return str(mapping["SRT"].get(snomed_rt, ""))


@lru_cache(maxsize=256)
def sop_class(uid: str) -> Json:
    """Return the Coding of a SOP class, the same for all of its instances. Source: FHIR R4 ImagingStudy.series.instance.sopClass."""
    return {"system": URI, "code": f"urn:oid:{uid}"}
