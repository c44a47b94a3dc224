"""A request to a payer for authorization, with its evidence inside: the Bundle of Claim/$submit and of Claim/$inquire.

Pure: the same submission gives the same Bundle. Every resource that is referred to lies in it. Source: HL7 Da Vinci PAS,
profile-pas-request-bundle, profile-claim, profile-claim-update, profile-claim-inquiry; FHIR R4.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bridge.codecs.fhir import patient as patient_codec
from bridge.codecs.fhir.elements import clean, date, instant, without_empty
from bridge.codecs.fhir.inline_evidence import InlineEvidence, document
from bridge.codecs.fhir.people import NPI
from bridge.codecs.fhir.references import SystemOf, derived_id, typed_identifier
from bridge.domain.authorization import Authorization, AuthorizationLine, Urgency
from bridge.domain.patient import Patient
from bridge.domain.payer_request import LineChange, change_of
from bridge.errors import Incomplete

Json = dict[str, Any]

_PAS = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/"
_CODES = "http://hl7.org/fhir/us/davinci-pas/CodeSystem/PASTempCodes"
_X12 = "https://codesystem.x12.org/005010/"
_CPT = "http://www.ama-assn.org/go/cpt"
_HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
_PLACES = "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set"
_ICD_10 = "http://hl7.org/fhir/sid/icd-10-cm"
_PAYER_SYSTEM = "urn:imaging-bridge:payer"
_MEMBER_SYSTEM = "urn:imaging-bridge:member"
_TRACE_SYSTEM = "urn:imaging-bridge:trace"
# X12 1322 initial, revised, cancel; 1365 diagnostic X-ray, MRI or CT.
INITIAL, REVISED, CANCEL, IMAGING = "I", "S", "3", "4"
ELECTRONIC = "EL"


@dataclass(frozen=True, slots=True)
class PasSubmission:
    """
    What is asked of a payer. trace: the requester's number, the same for the request's whole life (TRN02).

    provider, provider_npi: who asks. at: when. base: where our resources would be, for full URLs. is_update: the payer has
    an earlier one with this trace, of which it was told *known* (control numbers of evidence) and known_lines; cancelled:
    sequence numbers of lines that are asked for no more.
    """

    authorization: Authorization
    patient: Patient
    trace: str
    provider: str
    provider_npi: str
    at: datetime
    base: str
    evidence: tuple[InlineEvidence, ...] = ()
    is_update: bool = False
    known: frozenset[str] = frozenset()
    known_lines: tuple[AuthorizationLine, ...] | None = None
    cancelled: frozenset[int] = frozenset()

    def change_of(self, line: AuthorizationLine) -> LineChange:
        """Return what the payer is told of a line: one that new evidence is for is changed, too."""
        if not self.is_update:
            return LineChange.ADDED
        known = self.authorization.lines if self.known_lines is None else self.known_lines
        change = change_of(line, known, self.cancelled)
        has_news = any(one.control_number not in self.known for one in self.evidence)
        return LineChange.CHANGED if change is LineChange.SAME and has_news else change


def request(said: PasSubmission, system_of: SystemOf) -> Json:
    """Return the Bundle of Claim/$submit. Raises: Incomplete, without a member number or a procedure to ask for."""
    _check(said)
    update = "-update" if said.is_update else ""
    claim = _claim(said, f"profile-claim{update}") | without_empty(
        {
            "related": [_earlier(said)] if said.is_update else [],
            "careTeam": _care_team(said),
            "diagnosis": [
                {"sequence": number, "diagnosisCodeableConcept": {"coding": [{"system": _ICD_10, "code": code}]}}
                for number, code in enumerate(_diagnoses(said), start=1)
            ],
            "supportingInfo": [_information(said, number, one) for number, one in enumerate(said.evidence, start=1)],
            "item": [_item(said, number, one) for number, one in enumerate(said.authorization.lines, start=1)],
        }
    )
    person = _reference(said, "Patient")
    documents = [document(one, _id(said, "documentreference", one.control_number), person) for one in said.evidence]
    return _bundle(said, "request", [claim, *_parties(said, system_of), *_practitioners(said), *documents])


def inquiry(said: PasSubmission, system_of: SystemOf) -> Json:
    """Return the Bundle of Claim/$inquire: whether the payer has the request with this trace, and how it stands."""
    _check(said)
    items = [_item(said, number, one) for number, one in enumerate(said.authorization.lines, start=1)]
    plain = [{k: v for k, v in one.items() if k not in _OF_REQUESTS} for one in items]
    claim = _claim(said, "profile-claim-inquiry") | {"item": plain}
    return _bundle(said, "inquiry-request", [claim, *_parties(said, system_of)])


_OF_REQUESTS = ("informationSequence", "diagnosisSequence", "careTeamSequence", "modifierExtension")


def _check(said: PasSubmission) -> None:
    if not said.authorization.member_id and not said.authorization.subscriber_id:
        raise Incomplete("the authorization names no member number", code="missing", where="member_id")
    if not said.authorization.lines:
        raise Incomplete("no procedure is named", code="missing", where="lines")
    if not said.authorization.payer_id:
        raise Incomplete("the payer's number is not known", code="missing", where="payer_id")


def _claim(said: PasSubmission, profile: str) -> Json:
    urgent = said.authorization.urgency is Urgency.EXPEDITED
    level = [_extension("levelOfServiceCode", valueCodeableConcept=_x12("1338", "U"))] if urgent else []
    return without_empty(
        {
            "resourceType": "Claim",
            "id": _id(said, "claim"),
            "meta": {"profile": [_PAS + profile]},
            "extension": level,
            "identifier": [_trace(said)],
            "status": "active",
            "type": _concept("http://terminology.hl7.org/CodeSystem/claim-type", "professional"),
            "use": "preauthorization",
            "patient": _reference(said, "Patient"),
            "created": instant(said.at),
            "insurer": _reference(said, "Organization", "insurer"),
            "provider": _reference(said, "Organization", "provider"),
            "priority": _concept(
                "http://terminology.hl7.org/CodeSystem/processpriority", "stat" if urgent else "normal"
            ),
            "insurance": [{"sequence": 1, "focal": True, "coverage": _reference(said, "Coverage")}],
        }
    )


_CERTIFICATION = {LineChange.CHANGED: REVISED, LineChange.CANCELLED: CANCEL}
_CANCELLED: Json = {"url": f"{_PAS}modifierextension-infoCancelled", "valueBoolean": True}


def _item(said: PasSubmission, number: int, line: AuthorizationLine) -> Json:
    one, diagnoses = said.authorization, _diagnoses(said)
    change = said.change_of(line)
    certification = _CERTIFICATION.get(change) or ("" if said.is_update else one.certification) or INITIAL
    names = (line.trace or f"{said.trace}-{line.sequence or number}", line.number or one.number)
    extensions = [
        _extension("serviceItemRequestType", valueCodeableConcept=_x12("1525", one.request_category or "HS")),
        _extension("certificationType", valueCodeableConcept=_x12("1322", certification)),
        _extension("itemTraceNumber", valueIdentifier={"system": _TRACE_SYSTEM, "value": names[0]}),
    ]
    if names[1]:
        extensions.append(_extension("authorizationNumber", valueString=clean(names[1])))
    if one.administrative_reference:
        extensions.append(_extension("administrationReferenceNumber", valueString=clean(one.administrative_reference)))
    if said.is_update and change is not LineChange.SAME:
        what = "added" if change is LineChange.ADDED else "changed"
        extensions.append(_extension("infoChanged", valueCode=what))
    units = line.requested_units if line.requested_units.isdecimal() else ""
    return without_empty(
        {
            "extension": extensions,
            "modifierExtension": [_CANCELLED] if change is LineChange.CANCELLED else [],
            "sequence": line.sequence or number,
            "careTeamSequence": [at for at, npi in enumerate(_npis(said), start=1) if npi in _npis_of(line)],
            "diagnosisSequence": [at for at, code in enumerate(diagnoses, start=1) if code in line.diagnoses],
            "informationSequence": list(range(1, len(said.evidence) + 1)),
            "category": _x12("1365", one.service_type or IMAGING),
            "productOrService": _procedure(line),
            "modifier": [{"coding": [{"system": _CPT, "code": each}]} for each in line.modifiers],
            **_serviced(line),
            "locationCodeableConcept": _concept(_PLACES, line.place_of_service) if line.place_of_service else {},
            "quantity": {"value": int(units)} if units else {},
        }
    )


def _serviced(line: AuthorizationLine) -> Json:
    first, last = date(line.service_from), date(line.service_to)
    if first and last and first != last:
        return {"servicedPeriod": {"start": first, "end": last}}
    return {"servicedDate": first} if first else {}


def _procedure(line: AuthorizationLine) -> Json:
    # HCPCS level II begins with a letter, CPT (level I) with a digit.
    system = _HCPCS if line.code[:1].isalpha() else _CPT
    return without_empty({"coding": [{"system": system, "code": clean(line.code)}], "text": clean(line.description)})


def _information(said: PasSubmission, number: int, one: InlineEvidence) -> Json:
    parts = [
        {"url": "reportTypeCode", "valueCodeableConcept": _x12("755", one.report_type)},
        {"url": "transmissionMethod", "valueCodeableConcept": _x12("756", ELECTRONIC)},
        {"url": "controlNumber", "valueString": one.control_number},
        {"url": "description", "valueString": clean(one.title)},
    ]
    extensions: list[Json] = [{"url": f"{_PAS}extension-documentInformation", "extension": parts}]
    if said.is_update and one.control_number not in said.known:
        extensions.append(_extension("infoChanged", valueCode="added"))
    return {
        "extension": extensions,
        "sequence": number,
        "category": _concept(_CODES, "additionalInformation"),
        "valueReference": _reference(said, "DocumentReference", one.control_number),
    }


def _parties(said: PasSubmission, system_of: SystemOf) -> list[Json]:
    one = said.authorization
    member = typed_identifier("MB", _MEMBER_SYSTEM, one.member_id or one.subscriber_id)
    person = patient_codec.patient(said.patient, system_of)
    person["identifier"] = [member, *person.get("identifier", [])]
    payer = {"system": _PAYER_SYSTEM, "value": clean(one.payer_id)}
    npi = {"system": NPI, "value": said.provider_npi}
    coverage: Json = {
        "resourceType": "Coverage",
        "id": _id(said, "coverage"),
        "meta": {"profile": [f"{_PAS}profile-coverage"]},
        "identifier": [member],
        "status": "active",
        "subscriberId": clean(one.subscriber_id or one.member_id),
        "dependent": clean(one.member_suffix),
        "beneficiary": _reference(said, "Patient"),
        "relationship": _concept("http://terminology.hl7.org/CodeSystem/subscriber-relationship", _relation(one)),
        "payor": [_reference(said, "Organization", "insurer")],
    }
    return [
        _organization(said, "provider", said.provider, npi if said.provider_npi else {}, "X3"),
        _organization(said, "insurer", one.payer_name or one.payer_id, payer, "PR"),
        without_empty(coverage),
        person | {"id": _id(said, "patient"), "meta": {"profile": [f"{_PAS}profile-beneficiary"]}},
    ]


def _relation(one: Authorization) -> str:
    return "self" if one.member_id in ("", one.subscriber_id) or not one.subscriber_id else "other"


def _organization(said: PasSubmission, role: str, name: str, identifier: Json, kind: str) -> Json:
    profile = "profile-requestor" if role == "provider" else "profile-insurer"
    return without_empty(
        {
            "resourceType": "Organization",
            "id": _id(said, "organization", role),
            "meta": {"profile": [_PAS + profile]},
            "identifier": [identifier] if identifier else [],
            "active": True,
            "type": [_x12("98", kind)],
            "name": clean(name),
        }
    )


def _npis_of(line: AuthorizationLine) -> tuple[str, ...]:
    return tuple(filter(None, (line.ordering_npi, line.rendering_npi)))


def _npis(said: PasSubmission) -> list[str]:
    return list(dict.fromkeys(npi for line in said.authorization.lines for npi in _npis_of(line)))


def _care_team(said: PasSubmission) -> list[Json]:
    return [
        {
            "extension": [_extension("careTeamClaimScope", valueBoolean=False)],
            "sequence": number,
            "provider": _reference(said, "Practitioner", npi),
        }
        for number, npi in enumerate(_npis(said), start=1)
    ]


def _practitioners(said: PasSubmission) -> list[Json]:
    return [
        {
            "resourceType": "Practitioner",
            "id": _id(said, "practitioner", npi),
            "identifier": [{"system": NPI, "value": npi}],
        }
        for npi in _npis(said)
    ]


def _diagnoses(said: PasSubmission) -> list[str]:
    return list(dict.fromkeys(code for line in said.authorization.lines for code in line.diagnoses))


def _earlier(said: PasSubmission) -> Json:
    relation = _concept("http://terminology.hl7.org/CodeSystem/ex-relatedclaimrelationship", "prior")
    return {"claim": {"type": "Claim", "identifier": _trace(said)}, "relationship": relation}


def _trace(said: PasSubmission) -> Json:
    # The originator (TRN03) is who asks. Source: Da Vinci PAS, profile-claim identifier.
    system = f"urn:trnorg:{said.provider_npi}" if said.provider_npi else _TRACE_SYSTEM
    return {"system": system, "value": said.trace}


def _bundle(said: PasSubmission, kind: str, resources: list[Json]) -> Json:
    return {
        "resourceType": "Bundle",
        "meta": {"profile": [f"{_PAS}profile-pas-{kind}-bundle"]},
        "identifier": {"system": _TRACE_SYSTEM, "value": _id(said, kind, instant(said.at))},
        "type": "collection",
        "timestamp": instant(said.at),
        "entry": [{"fullUrl": f"{said.base}/{one['resourceType']}/{one['id']}", "resource": one} for one in resources],
    }


def _reference(said: PasSubmission, kind: str, which: str = "") -> Json:
    return {"reference": f"{kind}/{_id(said, kind.lower(), *([which] if which else []))}"}


def _id(said: PasSubmission, *parts: str) -> str:
    return derived_id("pas", said.trace, *parts)


def _extension(name: str, **value: Any) -> Json:
    return {"url": f"{_PAS}extension-{name}"} | value


def _concept(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def _x12(element: str, code: str) -> Json:
    return _concept(_X12 + element, code)
