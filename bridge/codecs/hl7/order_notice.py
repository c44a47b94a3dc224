"""Messages that tell another system how an order stands: ORM^O01, OMG^O19, ORU^R01, as bytes.

Source: HL7 2.3.1 and 2.5.1 4.4 (ORM, OMG), 7.3 (ORU); IHE RAD TF-2 4.3, 4.13 (status), 4.132 (imaging result);
HL7 2.5.1 2.A.66 (RP), tables 0191 and 0291.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.codecs.hl7.written import Route, Writer, segment
from bridge.domain.identifiers import EntityIdentifier
from bridge.domain.order import Code, Order, Step
from bridge.domain.patient import Patient
from bridge.domain.study import Study

ORU = "ORU^R01"
OMG = "OMG^O19"
ORM = "ORM^O01"

_STRUCTURES = {ORM: "ORM_O01", OMG: "OMG_O19", ORU: "ORU_R01"}
# Requested Procedure Priority to HL7 table 0485.
_PRIORITIES = {"STAT": "S", "HIGH": "A", "ROUTINE": "R", "MEDIUM": "T", "LOW": "R"}
# Numbers that an imaging order's status has no need of. Source: HL7 table 0203.
_NEVER_TOLD = frozenset({"SS", "MB", "MA", "MC", "DL", "PPN"})


@dataclass(frozen=True, slots=True)
class OrderNotice:
    """
    What is told of one order.

    status: ORC-5. at: when that came to be so. patient: whose chart it is about. study: whose images it is about, None
    for a status alone. withdrawn: the images were told before and are not this order's, or not this patient's.
    link: opens them for a person, None where the destination is told no link; link_type: OBX-2 of it, RP or ST.
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
    link: str | None = None
    link_type: str = "RP"


def build(notice: OrderNotice, route: Route, control_id: str) -> bytes:
    """
    Return the message.

    Raises: Incomplete, if a number cannot be written in the route's character set.
    """
    return _Builder(notice, route).message(control_id)


class _Builder(Writer):
    def __init__(self, notice: OrderNotice, route: Route) -> None:
        super().__init__(route)
        self._notice = notice

    def message(self, control_id: str) -> bytes:
        notice = self._notice
        is_2_3_1 = self.route.version == "2.3.1"
        structure = "" if is_2_3_1 else f"^{_STRUCTURES[notice.message_type]}"
        said = notice.message_type + structure
        segments = [self.header(said, notice.at, control_id, is_test=notice.order.is_test)]
        told = [one for one in notice.patient.identifiers if one.identifier_type not in _NEVER_TOLD]
        segments.append(self.patient(notice.patient, told or notice.patient.identifiers[:1]))
        segments += [self._visit(), self._common_order()]
        if notice.message_type == OMG:
            segments += [self._timing(), self._request()]
        elif notice.message_type == ORU and not is_2_3_1:
            segments += [self._request(), self._timing()]
        else:
            segments.append(self._request())
        if notice.study is not None:
            segments.append(self._study_reference(notice.study))
        if notice.link is not None:
            segments.append(self._way_to_images(notice.link))
        return "".join(segments).encode(self.codec)

    def _visit(self) -> str:
        admission = self._notice.order.admission_id
        return segment(
            "PV1",
            {
                1: "1",
                2: self.text(self._notice.patient_class) or "U",
                19: self._extended_id(admission),
                51: "V" if admission else "",
            },
        )

    def _common_order(self) -> str:
        notice, order = self._notice, self._notice.order
        timing = "" if notice.message_type == OMG else f"^^^{self._start()}^^{self._priority()}".rstrip("^")
        return segment(
            "ORC",
            {
                1: "SC",
                2: self._entity(order.placer_order_number, "ORC-2"),
                3: self._entity(order.filler_order_number, "ORC-3"),
                5: notice.status,
                7: timing,
                9: self.instant(notice.at),
                12: self._caregiver(order.requesting_physician),
            },
        )

    def _timing(self) -> str:
        return segment("TQ1", {1: "1", 7: self._start(), 9: self._priority()})

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
            18: self.number(order.accession_number, "OBR-18"),
            19: self.number(order.requested_procedure_id, "OBR-19"),
            20: self.number(step_id, "OBR-20"),
            22: self.instant(notice.at),
            24: self.text(steps[0].modality if steps else ""),
            31: self._reason(order.reason_for_the_requested_procedure),
        }
        if is_result and notice.study is not None:
            fields[7] = _local(notice.study.received.study_date, notice.study.received.study_time)
            # C corrects what R (stored, not read yet) said. Source: HL7 table 0123.
            fields[25] = "C" if notice.withdrawn else "R"
            fields[44] = fields[4]
        return segment("OBR", fields)

    def _study_reference(self, study: Study) -> str:
        # O is a detail of the order, not a result; W says it was told about the wrong patient. Source: HL7 table 0085.
        return segment(
            "OBX",
            {
                1: "1",
                2: "ST",
                3: "113014^DICOM Study^DCM",
                4: "1",
                5: self.number(study.study_instance_uid, "OBX-5"),
                11: "W" if self._notice.withdrawn else "O",
            },
        )

    def _way_to_images(self, link: str) -> str:
        # Of a study that is withdrawn the address is not said again: an empty pair of quotes deletes what stands there.
        said = self.text(link)
        pointer = f"{said}^^TEXT^HTML" if self._notice.link_type == "RP" else said
        return segment(
            "OBX",
            {
                1: "2",
                2: self._notice.link_type,
                3: "113014^DICOM Study^DCM",
                4: "2",
                5: '""' if self._notice.withdrawn else pointer,
                11: "W" if self._notice.withdrawn else "O",
            },
        )

    def _entity(self, one: EntityIdentifier, where: str) -> str:
        """Return an EI. Source: HL7 2.5.1 2.A.28."""
        authority = self.authority(one.issuer, where, "^") if one else ""
        return f"{self.number(one.value, where)}^{authority}".rstrip("^")

    def _extended_id(self, one: EntityIdentifier) -> str:
        """Return a CX of a visit. Source: HL7 2.5.1 2.A.14."""
        authority = self.authority(one.issuer, "PV1-19", "&") if one else ""
        return f"{self.number(one.value, 'PV1-19')}^^^{authority}".rstrip("^")

    def _caregiver(self, person_name: str) -> str:
        """Return an XCN by name alone: whoever placed the order knows its physicians by number."""
        group = next((group for group in person_name.split("=") if group), "")
        return f"^{self.name_parts(group)}".rstrip("^") if group and self.can_hold(group) else ""

    def _code(self, code: Code, description: str) -> str:
        parts = (code.code_value, code.code_meaning or description, code.coding_scheme_designator)
        return "^".join(self.text(part) for part in parts).rstrip("^")

    def _reason(self, text: str) -> str:
        return f"^{self.text(text)}" if self.text(text) else ""

    def _start(self) -> str:
        """Return when the first step is to begin: an instant with its zone, or the hospital's clock as it was sent."""
        starts = sorted((step for step in self._notice.steps if step.scheduled_start_local), key=_by_start)
        if not starts:
            return ""
        at = starts[0].scheduled_start_at
        return self.instant(at) if at is not None else starts[0].scheduled_start_local

    def _priority(self) -> str:
        return _PRIORITIES.get(self._notice.order.requested_procedure_priority, "")


def _by_start(step: Step) -> str:
    return step.scheduled_start_local


def _local(date: str, time: str) -> str:
    """Return a device's date and time to the second, the date alone where there is no whole time."""
    return date + time[:6] if len(time) >= 6 else date
