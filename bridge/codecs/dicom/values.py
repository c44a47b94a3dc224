"""Values that we write: cleaned, cut or refused by their VR. Source: PS3.5 6.2."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from bridge.codecs.dicom.answers import encode_record
from bridge.codecs.dicom.elements import vr_of
from bridge.domain.code import Code
from bridge.domain.identifiers import is_oid
from bridge.errors import Malformed

_LENGTHS = {"AE": 16, "CS": 16, "DS": 16, "LO": 64, "LT": 10_240, "SH": 16, "ST": 1_024, "UI": 64, "UT": 10_240}
_PN_GROUP_MAX = 64
_CODE_VALUE_MAX = 16
_KEEPS_LINES = frozenset({"LT", "ST", "UT"})
# What HL7 calls a coding system, where DICOM has another name for it. Source: HL7 table 0396; PS3.16 8.
_CODING_SCHEMES = {
    "CPT": "C4",
    "CPT4": "C4",
    "CPT-4": "C4",
    "I10C": "I10",
    "ICD10": "I10",
    "ICD-10": "I10",
    "ICD10CM": "I10",
    "ICD-10-CM": "I10",
    "I9CDX": "I9C",
    "I9CP": "I9C",
    "ICD9": "I9C",
    "LOINC": "LN",
    "SNM3": "SRT",
    "SNM": "SRT",
    "SNOMED": "SCT",
    "SNOMED-CT": "SCT",
    "SNOMEDCT": "SCT",
    "HPC": "HCPCS",
    "UCUM": "UCUM",
}
_SH_MAX = 16
_LOCAL_PREFIX = "99"
_LOCAL_CODES = "99LOCAL"


@lru_cache(maxsize=4096)
def text(tag: int, value: str) -> bytes:
    """Return *value* for the element *tag*, UTF-8: control characters and backslashes gone, cut to the VR's length."""
    vr = vr_of(tag)
    cleaned, limit = _cleaned(value, vr), _LENGTHS.get(vr, 64)
    if len(cleaned) > limit:
        cleaned = cleaned[: limit - 2].rstrip() + ".."
    return cleaned.encode("utf-8")


def identifier(tag: int, value: str, where: str) -> bytes:
    """
    Return *value* for the element *tag*, never cut: a cut number would be somebody else's.

    Raises: Malformed, code "too_long".
    """
    vr = vr_of(tag)
    cleaned = _cleaned(value, vr)
    if len(cleaned) > _LENGTHS.get(vr, 64):
        raise Malformed(
            f"longer than {_LENGTHS.get(vr, 64)} characters", code="too_long", where=where, source="PS3.5 6.2"
        )
    return cleaned.encode("utf-8")


def several(tag: int, values: tuple[str, ...]) -> bytes:
    """Return a multi-valued element."""
    return b"\\".join(found for value in values if (found := text(tag, value)))


@lru_cache(maxsize=1024)
def person_name(value: str) -> bytes:
    """Return a PN, each group at most 64 characters: trailing components go first, then letters."""
    groups = [_cut_group(_cleaned(group, "PN").rstrip("^ ")) for group in value.split("=")[:3]]
    return "=".join(groups).rstrip("=").encode("utf-8")


def _cut_group(group: str) -> str:
    while len(group) > _PN_GROUP_MAX and "^" in group:
        group = group.rpartition("^")[0].rstrip("^ ")
    return group[:_PN_GROUP_MAX]


def _cleaned(value: str, vr: str) -> str:
    kept = "\r\n" if vr in _KEEPS_LINES else ""
    # A backslash would split the value in two (PS3.5 6.4); text with lines may hold one.
    replaced = value if vr in _KEEPS_LINES else value.replace("\\", "/")
    if not replaced.isprintable():
        replaced = "".join(c if c in kept or unicodedata.category(c) != "Cc" else " " for c in replaced)
    return replaced.strip(" ")


def code(entry: Code, authority: str = "") -> list[bytes]:
    """
    Return a code sequence: one item, none for an empty code.

    authority: whose codes those without a scheme, or of a local one, are. Source: PS3.3 8.8.
    """
    return [_code_item(entry, authority)] if entry.code_value else []


@lru_cache(maxsize=1024)
def _code_item(entry: Code, authority: str) -> bytes:
    value = _cleaned(entry.code_value, "LO")
    tag = 0x00080100
    if value.startswith(("urn:", "http:", "https:")):
        tag = 0x00080120
    elif len(value) > _CODE_VALUE_MAX:
        tag = 0x00080119
    record: dict[int, bytes | list[bytes]] = {
        tag: value.encode("utf-8"),
        0x00080104: text(0x00080104, entry.code_meaning or value),
    }
    # Of a URN the scheme is said by itself (PS3.3 Table 8.8-1).
    if tag != 0x00080120 or entry.coding_scheme_designator:
        record[0x00080102] = coding_scheme(entry.coding_scheme_designator, authority).encode("utf-8")
    return encode_record(record)


def coding_scheme(sent: str, authority: str = "") -> str:
    """
    Return the DICOM designator of a coding system as HL7 names it.

    A local one (L, 99…, none at all) begins with 99 and names whose it is. Source: PS3.3 8.2, PS3.16 8, HL7 table 0396.

    >>> coding_scheme("I10C"), coding_scheme("C4"), coding_scheme("L", "MERCY"), coding_scheme("99ER"), coding_scheme("")
    ('I10', 'C4', '99MERCY', '99ER', '99LOCAL')
    """
    known = _CODING_SCHEMES.get(sent.upper())
    if known is not None:
        return known
    if sent and sent != "L" and sent != _LOCAL_PREFIX:
        return _cleaned(sent, "SH")[:_SH_MAX]
    whose = "".join(char for char in authority.upper() if char.isascii() and char.isalnum())
    return f"{_LOCAL_PREFIX}{whose}"[:_SH_MAX] if whose else _LOCAL_CODES


def issuer(namespace: str, universal_id: str = "") -> list[bytes]:
    """Return an issuer sequence (HL7 v2 hierarchic designator), no item if nothing is known. Source: PS3.3 10.14."""
    return [_issuer_item(namespace, universal_id)] if namespace or universal_id else []


@lru_cache(maxsize=256)
def _issuer_item(namespace: str, universal_id: str) -> bytes:
    if not universal_id and is_oid(namespace):
        namespace, universal_id = "", namespace
    record: dict[int, bytes | list[bytes]] = {}
    if namespace:
        record[0x00400031] = text(0x00400031, namespace)
    if universal_id:
        record |= {0x00400032: text(0x00400032, universal_id), 0x00400033: b"ISO"}
    return encode_record(record)
