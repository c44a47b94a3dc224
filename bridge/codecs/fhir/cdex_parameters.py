"""Evidence for a payer as the Parameters of $submit-attachment, asked for by the payer or not.

Pure. Source: HL7 Da Vinci CDex, operation submit-attachment; FHIR R4 Parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bridge.codecs.fhir.elements import LOINC, clean, date
from bridge.codecs.fhir.inline_evidence import InlineEvidence, document
from bridge.codecs.fhir.people import NPI
from bridge.codecs.fhir.references import derived_id
from bridge.errors import Incomplete

Json = dict[str, Any]

PREAUTHORIZATION, CLAIM = "preauthorization", "claim"
_MEMBER_SYSTEM = "urn:imaging-bridge:member"
_PAYER_SYSTEM = "urn:imaging-bridge:payer"
_TRACKING_SYSTEM = "urn:imaging-bridge:trace"


@dataclass(frozen=True, slots=True)
class CdexAttachment:
    """
    What is attached to which lines. lines: their sequence numbers, () for all of it.

    tracking_id, tracking_system: the payer's number from its Task; of what it did not ask for our own control number, which
    the 278 or 837 has as PWK06. administrative_reference: the payer's, only where it asked. service_on: "YYYYMMDD".
    is_final: nothing more follows under this number.
    """

    tracking_id: str
    member_id: str
    evidence: tuple[InlineEvidence, ...]
    attach_to: str = PREAUTHORIZATION
    tracking_system: str = _TRACKING_SYSTEM
    administrative_reference: str = ""
    payer_id: str = ""
    organization_npi: str = ""
    provider_npi: str = ""
    service_on: str = ""
    lines: tuple[int, ...] = ()
    is_final: bool = True


def parameters(said: CdexAttachment) -> Json:
    """
    Return the Parameters.

    Raises: Incomplete, without tracking number, member number or anything attached, or for a claim without a service day.
    """
    _check(said)
    member = {"system": _MEMBER_SYSTEM, "value": clean(said.member_id)}
    found = [_identifier("TrackingId", said.tracking_system, said.tracking_id)]
    if said.administrative_reference:
        found.append({"name": "AdminRefNumber", "valueIdentifier": {"value": clean(said.administrative_reference)}})
    found.append({"name": "AttachTo", "valueCode": said.attach_to})
    named = (
        ("PayerId", _PAYER_SYSTEM, said.payer_id),
        ("OrganizationId", NPI, said.organization_npi),
        ("ProviderId", NPI, said.provider_npi),
    )
    found += [_identifier(name, system, value) for name, system, value in named if value]
    found.append({"name": "MemberId", "valueIdentifier": member})
    if day := date(said.service_on):
        found.append({"name": "ServiceDate", "valueDate": day})
    found += [_attachment(said.tracking_id, one, said.lines, {"identifier": member}) for one in said.evidence]
    found.append({"name": "Final", "valueBoolean": said.is_final})
    return {"resourceType": "Parameters", "parameter": found}


def _check(said: CdexAttachment) -> None:
    if not said.tracking_id:
        raise Incomplete("there is no tracking number", code="missing", where="TrackingId")
    if not said.member_id:
        raise Incomplete("the authorization names no member number", code="missing", where="MemberId")
    if not said.evidence:
        raise Incomplete("there is nothing to attach", code="missing", where="Attachment")
    if said.attach_to == CLAIM and not date(said.service_on):
        raise Incomplete("a claim's attachment needs its day of service", code="missing", where="ServiceDate")


def _attachment(tracking_id: str, one: InlineEvidence, lines: Sequence[int], subject: Json) -> Json:
    code, words = one.loinc
    content = document(one, derived_id("cdex", tracking_id, one.control_number), subject)
    return {
        "name": "Attachment",
        "part": [
            *({"name": "LineItem", "valueString": str(number)} for number in lines),
            {"name": "Code", "valueCodeableConcept": {"coding": [{"system": LOINC, "code": code, "display": words}]}},
            {"name": "Content", "resource": content},
        ],
    }


def _identifier(name: str, system: str, value: str) -> Json:
    return {"name": name, "valueIdentifier": {"system": system, "value": clean(value)}}
