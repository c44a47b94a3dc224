"""What every message of ours is written with: texts, numbers, names and authorities as a route wants them.

What a destination's character set cannot hold is left out, which says nothing about it (HL7 2.5.1 2.5.3); a number that it
cannot hold stops the message, since another number would be another person or order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from bridge.codecs.hl7.charset import codec_of
from bridge.codecs.hl7.escapes import STANDARD, escape
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.patient import Patient
from bridge.errors import Incomplete

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]+")
_REPRESENTATIONS = ("A", "I", "P")
# PN puts the prefix before the suffix, XPN and XCN the suffix before the prefix.
_PN_TO_XPN = (0, 1, 2, 4, 3)


@dataclass(frozen=True, slots=True)
class Route:
    """
    Who writes to whom, and how.

    version: "2.3.1" or "2.5.1". charset: a name of HL7 table 0211. zone: whose offset times carry. oid_of: an
    authority's OID by its name, "" if it has none.
    """

    sending_application: str
    sending_facility: str
    receiving_application: str
    receiving_facility: str
    version: str
    charset: str
    zone: tzinfo
    oid_of: Callable[[str], str]


class Writer:
    """Writes fields for one route."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.codec = codec_of(route.charset) or "utf-8"

    def header(self, message_type: str, at: datetime, control_id: str, *, is_test: bool = False) -> str:
        """Return the MSH. message_type: MSH-9 whole."""
        route = self.route
        return segment(
            "MSH",
            {
                2: STANDARD.encoding_characters,
                3: self.text(route.sending_application),
                4: self.text(route.sending_facility),
                5: self.text(route.receiving_application),
                6: self.text(route.receiving_facility),
                7: self.instant(at),
                9: message_type,
                10: control_id,
                11: "T" if is_test else "P",
                12: route.version,
                18: route.charset,
            },
        )

    def patient(self, patient: Patient, numbers: Sequence[PatientIdentifier]) -> str:
        """Return the PID under these numbers."""
        return segment(
            "PID",
            {
                1: "1",
                3: "~".join(self.identifier(one, "PID-3") for one in numbers),
                5: self.patient_name(patient.patient_name),
                7: patient.patient_birth_date,
                8: patient.patient_sex,
            },
        )

    def text(self, text: str) -> str:
        """Return *text* fit for one component, "" if the character set cannot hold it."""
        clean = _CONTROL.sub(" ", text).strip()
        return escape(clean) if self.can_hold(clean) else ""

    def number(self, value: str, where: str) -> str:
        """Return a number whole. Raises: Incomplete, if the character set cannot hold it."""
        if not self.can_hold(value):
            raise Incomplete(f"a number that cannot be written in {self.route.charset}", where=where)
        return escape(_CONTROL.sub("", value))

    def can_hold(self, text: str) -> bool:
        """Say whether the route's character set has every character of *text*."""
        try:
            text.encode(self.codec)
        except UnicodeEncodeError:
            return False
        return True

    def identifier(self, one: PatientIdentifier, where: str) -> str:
        """Return a CX of a patient's number. Source: HL7 2.5.1 2.A.14."""
        authority = self.authority(one.issuer_of_patient_id, where, "&")
        kind = self.text(one.identifier_type)
        return f"{self.number(one.patient_id, where)}^^^{authority}^{kind}".rstrip("^")

    def authority(self, name: str, where: str, mark: str) -> str:
        """Return an HD: our name for an authority, with its OID where one is known. Source: HL7 2.5.1 2.A.33."""
        oid = self.route.oid_of(name) if name else ""
        return f"{self.number(name, where)}{mark}{oid}{mark}ISO" if oid else self.number(name, where)

    def patient_name(self, person_name: str) -> str:
        """Return the XPN repetitions of a PN's groups. Source: HL7 2.5.1 2.A.88, PS3.5 6.2.1."""
        groups = [(kind, group) for kind, group in zip(_REPRESENTATIONS, person_name.split("="), strict=False) if group]
        names = []
        for kind, group in groups:
            if not self.can_hold(group):
                continue
            said_how = kind if len(groups) > 1 or kind != "A" else ""
            names.append(f"{self.name_parts(group)}^^L^{said_how}".rstrip("^"))
        return "~".join(names)

    def name_parts(self, group: str) -> str:
        """Return the components of one group of a PN in the order of an XPN."""
        parts = [*group.split("^"), "", "", "", "", ""]
        return "^".join(self.text(parts[n]) for n in _PN_TO_XPN)

    def instant(self, at: datetime) -> str:
        """Return a DTM with the offset of the route's zone."""
        return at.astimezone(self.route.zone).strftime("%Y%m%d%H%M%S%z")


def segment(name: str, fields: Mapping[int, str]) -> str:
    """Return one segment with its CR; fields: by number, already escaped, an MSH's from 2 on."""
    first = 2 if name == "MSH" else 1
    values = [fields.get(number, "") for number in range(first, max(fields) + 1)]
    while not values[-1]:
        values.pop()
    return "|".join([name, *values]) + "\r"
