"""Messages that tell an archive who a patient is by now: ADT^A08, ADT^A40, ADT^A47, as bytes.

Source: HL7 2.5.1 3.3.8 (A08), 3.3.40 (A40), 3.3.47 (A47); IHE RAD TF-2 4.12.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bridge.codecs.hl7.written import Route, Writer, segment
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.patient import Patient

UPDATED: Final = "A08"
MERGED: Final = "A40"
RENUMBERED: Final = "A47"

_STRUCTURES = {UPDATED: "ADT_A01", MERGED: "ADT_A39", RENUMBERED: "ADT_A30"}


@dataclass(frozen=True, slots=True)
class PatientNotice:
    """
    What is told of one patient.

    trigger: UPDATED, MERGED or RENUMBERED. at: when registration said so. patient: whose name, birth date and sex are
    told. number: the one that lives on. prior: the one that ended in it, None for an update.
    """

    trigger: str
    at: datetime
    patient: Patient
    number: PatientIdentifier
    prior: PatientIdentifier | None = None


def build(notice: PatientNotice, route: Route, control_id: str) -> bytes:
    """
    Return the message.

    Raises: Incomplete, if a number cannot be written in the route's character set.
    """
    writer = Writer(route)
    structure = "" if route.version == "2.3.1" else f"^{_STRUCTURES[notice.trigger]}"
    at = writer.instant(notice.at)
    segments = [
        writer.header(f"ADT^{notice.trigger}{structure}", notice.at, control_id),
        segment("EVN", {1: notice.trigger, 2: at, 6: at}),
        writer.patient(notice.patient, [notice.number]),
    ]
    if notice.prior is not None:
        segments.append(segment("MRG", {1: writer.identifier(notice.prior, "MRG-1")}))
    else:
        # N: it is about no visit. Source: HL7 table 0004.
        segments.append(segment("PV1", {1: "1", 2: "N"}))
    return "".join(segments).encode(writer.codec)
