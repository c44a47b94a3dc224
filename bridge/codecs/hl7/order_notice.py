"""Messages that tell another system how an order stands: ORM^O01, OMG^O19, ORU^R01, as bytes.

Source: HL7 2.3.1 and 2.5.1 4.4 (ORM, OMG), 7.3 (ORU); IHE RAD TF-2 4.3, 4.13 (status), 4.132 (imaging result).
What a destination's character set cannot hold is left out, which says nothing about it (2.5.3); a number that it cannot
hold stops the message, since another number would be another order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from bridge.codecs.hl7.charset import codec_of
from bridge.codecs.hl7.escapes import STANDARD, escape
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.domain.order import Code, Order, Step
from bridge.domain.patient import Patient
from bridge.domain.study import Study
from bridge.errors import Incomplete

ORU = "ORU^R01"
OMG = "OMG^O19"
ORM = "ORM^O01"

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]+")
_STRUCTURES = {ORM: "ORM_O01", OMG: "OMG_O19", ORU: "ORU_R01"}
_REPRESENTATIONS = ("A", "I", "P")
# PN puts the prefix before the suffix, XPN and XCN the suffix before the prefix.
_PN_TO_XPN = (0, 1, 2, 4, 3)
# Requested Procedure Priority to HL7 table 0485.
_PRIORITIES = {"STAT": "S", "HIGH": "A", "ROUTINE": "R", "MEDIUM": "T", "LOW": "R"}
# Numbers that an imaging order's status has no need of. Source: HL7 table 0203.
_NEVER_TOLD = frozenset({"SS", "MB", "MA", "MC", "DL", "PPN"})


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


@dataclass(frozen=True, slots=True)
class OrderNotice:
    """
    What is told of one order.

    status: ORC-5. at: when that came to be so. patient: whose chart it is about. study: whose images it is about, None
    for a status alone. withdrawn: the images were told before and are not this order's, or not this patient's.
    """

    message_type: str
    status: str
    at: datetime
    patient: Patient
    order: Order
    steps: Sequence[Step] = ()
    patient_class: str = ""
    study: Study | None = None
    withdrawn: bool = False


def build(notice: OrderNotice, route: Route, control_id: str) -> bytes:
    """
    Return the message.

    Raises: Incomplete, if a number cannot be written in the route's character set.
    """
    return _Builder(notice, route).message(control_id)


class _Builder:
    def __init__(self, notice: OrderNotice, route: Route) -> None:
        self._notice = notice
        self._route = route
        self._codec = codec_of(route.charset) or "utf-8"

    def message(self, control_id: str) -> bytes:
        notice = self._notice
        segments = [self._header(control_id), self._patient(), self._visit(), self._common_order()]
        is_2_3_1 = self._route.version == "2.3.1"
        if notice.message_type == OMG:
            segments += [self._timing(), self._request()]
        elif notice.message_type == ORU and not is_2_3_1:
            segments += [self._request(), self._timing()]
        else:
            segments.append(self._request())
        if notice.study is not None:
            segments.append(self._study_reference(notice.study))
        return "".join(segments).encode(self._codec)

    def _header(self, control_id: str) -> str:
        notice, route = self._notice, self._route
        structure = "" if route.version == "2.3.1" else f"^{_STRUCTURES[notice.message_type]}"
        return _segment(
            "MSH",
            {
                2: STANDARD.encoding_characters,
                3: self._text(route.sending_application),
                4: self._text(route.sending_facility),
                5: self._text(route.receiving_application),
                6: self._text(route.receiving_facility),
                7: self._instant(notice.at),
                9: notice.message_type + structure,
                10: control_id,
                11: "T" if notice.order.is_test else "P",
                12: route.version,
                18: route.charset,
            },
        )

    def _patient(self) -> str:
        patient = self._notice.patient
        told = [one for one in patient.identifiers if one.identifier_type not in _NEVER_TOLD]
        return _segment(
            "PID",
            {
                1: "1",
                3: "~".join(self._identifier(one) for one in told or patient.identifiers[:1]),
                5: self._patient_name(patient.patient_name),
                7: patient.patient_birth_date,
                8: patient.patient_sex,
            },
        )

    def _visit(self) -> str:
        admission = self._notice.order.admission_id
        return _segment(
            "PV1",
            {
                1: "1",
                2: self._text(self._notice.patient_class) or "U",
                19: self._extended_id(admission),
                51: "V" if admission else "",
            },
        )

    def _common_order(self) -> str:
        notice, order = self._notice, self._notice.order
        timing = "" if notice.message_type == OMG else f"^^^{self._start()}^^{self._priority()}".rstrip("^")
        return _segment(
            "ORC",
            {
                1: "SC",
                2: self._entity(order.placer_order_number, "ORC-2"),
                3: self._entity(order.filler_order_number, "ORC-3"),
                5: notice.status,
                7: timing,
                9: self._instant(notice.at),
                12: self._caregiver(order.requesting_physician),
            },
        )

    def _timing(self) -> str:
        return _segment("TQ1", {1: "1", 7: self._start(), 9: self._priority()})

    def _request(self) -> str:
        notice, order, steps = self._notice, self._notice.order, self._notice.steps
        is_result = notice.message_type == ORU
        step_id = steps[0].scheduled_procedure_step_id if len(steps) == 1 else ""
        fields = {
            1: "1",
            2: self._entity(order.placer_order_number, "OBR-2"),
            3: self._entity(order.filler_order_number, "OBR-3"),
            4: self._code(order.requested_procedure_code, order.requested_procedure_description),
            16: self._caregiver(order.requesting_physician),
            18: self._number(order.accession_number, "OBR-18"),
            19: self._number(order.requested_procedure_id, "OBR-19"),
            20: self._number(step_id, "OBR-20"),
            22: self._instant(notice.at),
            24: self._text(steps[0].modality if steps else ""),
            31: self._reason(order.reason_for_the_requested_procedure),
        }
        if is_result and notice.study is not None:
            fields[7] = _local(notice.study.received.study_date, notice.study.received.study_time)
            # C corrects what R (stored, not read yet) said. Source: HL7 table 0123.
            fields[25] = "C" if notice.withdrawn else "R"
            fields[44] = fields[4]
        return _segment("OBR", fields)

    def _study_reference(self, study: Study) -> str:
        # O is a detail of the order, not a result; W says it was told about the wrong patient. Source: HL7 table 0085.
        return _segment(
            "OBX",
            {
                1: "1",
                2: "ST",
                3: "113014^DICOM Study^DCM",
                4: "1",
                5: self._number(study.study_instance_uid, "OBX-5"),
                11: "W" if self._notice.withdrawn else "O",
            },
        )

    def _text(self, text: str) -> str:
        """Return *text* fit for one component, "" if the character set cannot hold it."""
        clean = _CONTROL.sub(" ", text).strip()
        return escape(clean) if self._can_hold(clean) else ""

    def _number(self, value: str, where: str) -> str:
        if not self._can_hold(value):
            raise Incomplete(f"a number that cannot be written in {self._route.charset}", where=where)
        return escape(_CONTROL.sub("", value))

    def _can_hold(self, text: str) -> bool:
        try:
            text.encode(self._codec)
        except UnicodeEncodeError:
            return False
        return True

    def _entity(self, one: EntityIdentifier, where: str) -> str:
        """Return an EI. Source: HL7 2.5.1 2.A.28."""
        authority = self._authority(one.issuer, where, "^") if one else ""
        return f"{self._number(one.value, where)}^{authority}".rstrip("^")

    def _extended_id(self, one: EntityIdentifier) -> str:
        """Return a CX of a visit. Source: HL7 2.5.1 2.A.14."""
        authority = self._authority(one.issuer, "PV1-19", "&") if one else ""
        return f"{self._number(one.value, 'PV1-19')}^^^{authority}".rstrip("^")

    def _identifier(self, one: PatientIdentifier) -> str:
        authority = self._authority(one.issuer_of_patient_id, "PID-3", "&")
        kind = self._text(one.identifier_type)
        return f"{self._number(one.patient_id, 'PID-3')}^^^{authority}^{kind}".rstrip("^")

    def _authority(self, name: str, where: str, mark: str) -> str:
        """Return an HD: our name for an authority, with its OID where one is known. Source: HL7 2.5.1 2.A.33."""
        oid = self._route.oid_of(name) if name else ""
        return f"{self._number(name, where)}{mark}{oid}{mark}ISO" if oid else self._number(name, where)

    def _patient_name(self, person_name: str) -> str:
        """Return the XPN repetitions of a PN's groups. Source: HL7 2.5.1 2.A.88, PS3.5 6.2.1."""
        groups = [(kind, group) for kind, group in zip(_REPRESENTATIONS, person_name.split("="), strict=False) if group]
        names = []
        for kind, group in groups:
            if not self._can_hold(group):
                continue
            said_how = kind if len(groups) > 1 or kind != "A" else ""
            names.append(f"{self._name_parts(group)}^^L^{said_how}".rstrip("^"))
        return "~".join(names)

    def _caregiver(self, person_name: str) -> str:
        """Return an XCN without a number: we keep none."""
        group = next((group for group in person_name.split("=") if group), "")
        return f"^{self._name_parts(group)}".rstrip("^") if group and self._can_hold(group) else ""

    def _name_parts(self, group: str) -> str:
        parts = [*group.split("^"), "", "", "", "", ""]
        return "^".join(self._text(parts[n]) for n in _PN_TO_XPN)

    def _code(self, code: Code, description: str) -> str:
        parts = (code.code_value, code.code_meaning or description, code.coding_scheme_designator)
        return "^".join(self._text(part) for part in parts).rstrip("^")

    def _reason(self, text: str) -> str:
        return f"^{self._text(text)}" if self._text(text) else ""

    def _start(self) -> str:
        """Return when the first step is to begin: an instant with its zone, or the hospital's clock as it was sent."""
        starts = sorted((step for step in self._notice.steps if step.scheduled_start_local), key=_by_start)
        if not starts:
            return ""
        at = starts[0].scheduled_start_at
        return self._instant(at) if at is not None else starts[0].scheduled_start_local

    def _priority(self) -> str:
        return _PRIORITIES.get(self._notice.order.requested_procedure_priority, "")

    def _instant(self, at: datetime) -> str:
        return at.astimezone(self._route.zone).strftime("%Y%m%d%H%M%S%z")


def _by_start(step: Step) -> str:
    return step.scheduled_start_local


def _local(date: str, time: str) -> str:
    """Return a device's date and time to the second, the date alone where there is no whole time."""
    return date + time[:6] if len(time) >= 6 else date


def _segment(name: str, fields: Mapping[int, str]) -> str:
    """Return one segment with its CR; fields: by number, already escaped, an MSH's from 2 on."""
    first = 2 if name == "MSH" else 1
    values = [fields.get(number, "") for number in range(first, max(fields) + 1)]
    while not values[-1]:
        values.pop()
    return "|".join([name, *values]) + "\r"
