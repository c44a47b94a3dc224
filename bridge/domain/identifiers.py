"""Identifiers with their issuers: two are the same only if value and issuer are. Source: HL7 2.5.1 2.A.14 (CX), PS3.3 10.2."""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass, field

from bridge.errors import Incomplete, Malformed

_UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*")
_TOLERATED_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
_AE_TITLE_MAX = 16
_UID_MAX = 64
SHORT_STRING_MAX = 16
_DERIVED_UIDS = uuid.UUID("6f0f2f70-6f3d-4f1e-9f6c-6d1c2b1f3a55")

# Numbers of an insurance, a visit or a state: a family shares them. Source: HL7 table 0203.
NOT_A_PERSONS_OWN = frozenset({"SS", "MA", "MC", "MB", "DL", "PPN", "AN", "VN"})


@dataclass(frozen=True, slots=True)
class PatientIdentifier:
    """
    A patient's number and who gave it.

    patient_id: as sent, LO 64. issuer_of_patient_id: the assigning authority's name, never empty once it is stored.
    identifier_type: HL7 table 0203 (MR, PI, SS …), "" if not said. issuer_universal_id: the authority's OID, where it is
    known; it makes no difference between two numbers.
    """

    patient_id: str
    issuer_of_patient_id: str = ""
    identifier_type: str = ""
    issuer_universal_id: str = field(default="", compare=False)

    @property
    def key(self) -> tuple[str, str]:
        """Issuer and number: what makes two identifiers equal."""
        return (self.issuer_of_patient_id, self.patient_id)


@dataclass(frozen=True, slots=True)
class EntityIdentifier:
    """
    An order's or step's number and its issuer, "" where none is named. Source: HL7 2.5.1 2.A.28 (EI).

    issuer_universal_id: the issuer's OID, where it is known; it makes no difference between two numbers.
    """

    value: str = ""
    issuer: str = ""
    issuer_universal_id: str = field(default="", compare=False)

    def __bool__(self) -> bool:
        return bool(self.value)


def check_accession_number(value: str, where: str) -> str:
    """
    Return *value* if it fits an AccessionNumber.

    Raises: Malformed, if longer than 16 characters or holding a backslash: cutting it would merge two studies.
    Source: PS3.5 6.2 (SH).
    """
    if len(value) > SHORT_STRING_MAX:
        raise Malformed(f"longer than {SHORT_STRING_MAX} characters", code="too_long", where=where, source="PS3.5 6.2")
    if "\\" in value:
        raise Malformed("holds a backslash", where=where, source="PS3.5 6.2")
    return value


def check_uid(value: str, where: str, *, tolerate_leading_zeros: bool = False) -> str:
    """
    Return *value* if it is a UID: dotted decimal, at most 64 characters.

    tolerate_leading_zeros: devices in the field send them (PS3.5 9.1 forbids it); never for a UID that we make.
    Raises: Incomplete if empty, Malformed if it is no UID.
    """
    if not value:
        raise Incomplete("no UID", where=where, source="PS3.5 9.1")
    pattern = _TOLERATED_UID if tolerate_leading_zeros else _UID
    if len(value) > _UID_MAX or not pattern.fullmatch(value):
        raise Malformed("not a UID", where=where, source="PS3.5 9.1")
    return value


def check_ae_title(value: str, where: str) -> str:
    """
    Return *value* without padding if it is an AE title: 1 to 16 printable ASCII characters, no backslash.

    Raises: Malformed. Source: PS3.5 6.2 (AE).
    """
    title = value.strip(" ")
    if not title or len(title) > _AE_TITLE_MAX or "\\" in title or any(not 0x20 <= ord(c) < 0x7F for c in title):
        raise Malformed("not an AE title", where=where, source="PS3.5 6.2")
    return title


def derive_uid(*parts: str) -> str:
    """
    Return the UID that belongs to *parts*, the same one every time.

    For orders that name no Study Instance UID: the order may come again, and must find the same study.
    Source: PS3.5 B.2 (2.25. and a UUID), RFC 9562 5.5 (name-based).
    """
    return f"2.25.{uuid.uuid5(_DERIVED_UIDS, chr(0).join(parts)).int}"


def is_oid(text: str) -> bool:
    """Say whether *text* is an object identifier."""
    return _OID.fullmatch(text) is not None


def is_npi(text: str) -> bool:
    """Say whether *text* is a National Provider Identifier. Source: 45 CFR 162.406; ISO/IEC 7812-1 (check digit, prefix 80840)."""
    if len(text) != 10 or not text.isascii() or not text.isdecimal():
        return False
    doubled = [sum(divmod(int(digit) * (2 - place % 2), 10)) for place, digit in enumerate(text)]
    return (24 + sum(doubled)) % 10 == 0


def digest_of(data: bytes) -> str:
    """Return the SHA-256 of *data*, hexadecimal."""
    return hashlib.sha256(data).hexdigest()
