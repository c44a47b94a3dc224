"""FHIR resources read element by element, R4 and R5 alike; what is not as FHIR has it is named by its expression."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from typing import Any

from bridge.domain.message import Notice
from bridge.domain.order import Code
from bridge.errors import Incomplete, Malformed
from bridge.mapping.typed_fields import Moment, moment_of

Json = Mapping[str, Any]
_SCHEMES = {
    "http://loinc.org": "LN",
    "http://snomed.info/sct": "SCT",
    "http://www.ama-assn.org/go/cpt": "C4",
    "http://hl7.org/fhir/sid/icd-10": "I10",
    "http://hl7.org/fhir/sid/icd-10-cm": "I10",
    "http://www.radlex.org": "RADLEX",
    "http://dicom.nema.org/resources/ontology/DCM": "DCM",
}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TEXT_MAX = 10_000
_SHORT, _LONG = 16, 64


@dataclass(frozen=True, slots=True)
class FhirGround:
    """
    What resources are read by. issuer_of: the name we keep for a system. stations: AE title by what a device is called;
    modalities: of a device, by AE title; procedures: the modality of a procedure's code; known_modalities: DICOM's terms.
    """

    zone: tzinfo
    issuer_of: Callable[[str], str]
    stations: Mapping[str, str] = field(default_factory=dict)
    modalities: Mapping[str, str] = field(default_factory=dict)
    procedures: Mapping[str, str] = field(default_factory=dict)
    known_modalities: Mapping[str, str] = field(default_factory=dict)


class Resource:
    """One resource. around: the others of its bundle, by full URL and by "Type/id". notices: what was let through."""

    def __init__(self, said: Json, around: Mapping[str, Json] | None = None) -> None:
        kind = said.get("resourceType")
        if not isinstance(kind, str) or not kind.isalpha():
            raise Malformed("not a FHIR resource", where="resourceType", source="FHIR R4 2.26")
        self.said = said
        self.kind = kind
        self.around = around or {}
        self.notices: list[Notice] = []
        contained = said.get("contained")
        inside = contained if isinstance(contained, list) else []
        self._contained = {f"#{one.get('id')}": one for one in inside if isinstance(one, Mapping)}

    @property
    def id(self) -> str:
        """The id that its own server gave it, "" for none. Raises: Malformed."""
        return self.text("id")

    def place(self, name: str) -> str:
        """Return the expression of an element."""
        return f"{self.kind}.{name}"

    def warn(self, detail: str, name: str) -> None:
        """Note what was let through."""
        self.notices.append(Notice("W", detail, self.place(name)))

    def text(self, name: str, *, required: bool = False) -> str:
        """Return a primitive as text, "" if absent. Raises: Malformed; Incomplete if required."""
        value = self.said.get(name)
        if value is None:
            if required:
                raise Incomplete("required", code="missing", where=self.place(name))
            return ""
        return self.checked(value, name)

    def checked(self, value: object, name: str) -> str:
        """Return *value* if it is a text. Raises: Malformed."""
        if not isinstance(value, str) or len(value) > _TEXT_MAX or "\x00" in value:
            raise Malformed("a text is wanted", where=self.place(name))
        return value.strip()

    def each(self, name: str) -> list[Json]:
        """Return the objects of an element, be it one or several. Raises: Malformed."""
        value = self.said.get(name)
        found = [] if value is None else value if isinstance(value, list) else [value]
        if not all(isinstance(one, Mapping) for one in found) or len(found) > 100:
            raise Malformed("an object is wanted", where=self.place(name))
        return found

    def first(self, *names: str) -> Json:
        """Return the first object that any of *names* holds, {} if none does."""
        return next((one for name in names for one in self.each(name)), {})

    def resolve(self, reference: Json, name: str) -> Resource | None:
        """Return what a reference means: contained, or in the same bundle; None where it is elsewhere."""
        address = self.checked(inner_reference(reference).get("reference", ""), name)
        found = self._contained.get(address) or self.around.get(address)
        if found is None and "/" in address:
            plain = address.split("/_history/")[0]
            found = self.around.get(plain)
            if found is None and "://" in plain:
                # Another server's Patient/1 is somebody else. Source: FHIR R4 2.36.4 (references in a Bundle).
                found = self.around.get("*/" + "/".join(plain.split("/")[-2:]))
        return Resource(found, self.around) if isinstance(found, Mapping) else None

    def moment(self, value: object, name: str, zone: tzinfo) -> Moment | None:
        """Return a dateTime by the hospital's clock; a day alone begins at midnight. Raises: Malformed."""
        text = self.checked(value, name) if value is not None else ""
        if not text:
            return None
        try:
            found = moment_of(datetime.fromisoformat(text), zone)
        except (ValueError, OverflowError):
            raise Malformed("not a date with a day", where=self.place(name), source="FHIR R4 2.24.0.1") from None
        if _DATE.fullmatch(text):
            self.warn("a day without a time: midnight was taken", name)
        return found

    def day(self, name: str) -> str | None:
        """Return a date as "YYYYMMDD"; less than a day is left out."""
        text = self.text(name)
        try:
            return f"{date.fromisoformat(text):%Y%m%d}" if _DATE.fullmatch(text) else None
        except ValueError:
            raise Malformed("not a date", where=self.place(name), source="FHIR R4 2.24.0.1") from None

    def updated_at(self) -> datetime | None:
        """Return when its own server says that it last changed."""
        meta = self.first("meta")
        text = self.checked(meta.get("lastUpdated", ""), "meta.lastUpdated")
        try:
            at = datetime.fromisoformat(text) if text else None
        except ValueError:
            raise Malformed("not an instant", where=self.place("meta.lastUpdated")) from None
        return at.astimezone(UTC) if at is not None and at.tzinfo is not None else None

    def concept(self, said: Json, name: str) -> Code | None:
        """Return a CodeableConcept, or a CodeableReference that holds one, as a code: the first that names a system known here."""
        inner = said.get("concept", said)
        if not isinstance(inner, Mapping):
            raise Malformed("an object is wanted", where=self.place(name))
        codings = inner.get("coding") or []
        if not isinstance(codings, list) or not all(isinstance(one, Mapping) for one in codings):
            raise Malformed("a list of codings is wanted", where=self.place(name))
        words = self.checked(inner.get("text") or "", name)
        ranked = sorted(codings, key=lambda one: one.get("system") not in _SCHEMES)
        for one in ranked:
            value = self.checked(one.get("code") or "", name)
            if value and len(value) <= _SHORT and "\\" not in value:
                meaning = self.checked(one.get("display") or "", name) or words or value
                return Code(value, _SCHEMES.get(one.get("system", ""), "99LOCAL"), _fitting(meaning))
            if value:
                self.warn("a code longer than 16 characters was left out", name)
        return Code("", "", _fitting(words)) if words else None

    def codings(self, *names: str) -> list[tuple[str, str]]:
        """Return (system, code) of every coding in the concepts of *names*."""
        found = []
        for name in names:
            for one in self.each(name):
                inner = one.get("concept", one)
                inner = inner if isinstance(inner, Mapping) else {}
                codings = inner.get("coding") or []
                found += [
                    (str(coding.get("system", "")), str(coding.get("code", "")))
                    for coding in codings
                    if isinstance(coding, Mapping)
                ]
        return found


def inner_reference(said: Json) -> Json:
    """Return the Reference in a CodeableReference, or the Reference itself. Source: FHIR R5 CodeableReference."""
    if not isinstance(said, Mapping):
        return {}
    inner = said.get("reference")
    return inner if isinstance(inner, Mapping) else said


def name_of(reference: Json, kind: str) -> str:
    """
    Return by what its sender calls a resource elsewhere: its id, or the whole address of one on a named server; "" for
    what is contained, has no lasting name, or is of another *kind*.
    """
    said = inner_reference(reference).get("reference")
    plain = said.split("/_history/")[0] if isinstance(said, str) else ""
    base, _, resource_id = plain.rpartition("/")
    if not resource_id or not f"/{base}".endswith(f"/{kind}"):
        return ""
    return plain if "://" in plain else resource_id


def identifier_type(one: Json) -> str:
    """Return the code of an Identifier's type, "" for none. Source: HL7 table 0203."""
    kind = one.get("type")
    codings = kind.get("coding") if isinstance(kind, Mapping) else None
    for coding in codings if isinstance(codings, list) else ():
        if isinstance(coding, Mapping) and isinstance(coding.get("code"), str):
            return str(coding["code"])
    return ""


def _fitting(text: str) -> str:
    return " ".join(text.replace("\\", " ").split())[:_LONG]
