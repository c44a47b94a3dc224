"""What a payer is asked, collected from the rows as they are now; who releases it has seen the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bridge.codecs.fhir.inline_evidence import InlineEvidence
from bridge.codecs.fhir.pas_bundle import PasSubmission
from bridge.codecs.fhir.references import SystemOf
from bridge.domain.authorization import Authorization
from bridge.domain.identifiers import digest_of
from bridge.domain.member_id import MemberId
from bridge.domain.patient import Patient
from bridge.domain.payer_request import PayerRequest, RequestKind, told_by
from bridge.domain.records import replace
from bridge.store import authorizations, coverages, patients, payer_requests
from bridge.store.db import ReadTx


@dataclass(frozen=True, slots=True)
class RequestGround:
    """What is the same for all requests. organization, npi: who asks; base: where our resources would be."""

    organization: str
    npi: str
    base: str
    system_of: SystemOf


def insured(tx: ReadTx, one: Authorization) -> tuple[Authorization, Patient]:
    """Return an authorization with its member as payers know it, and the live record it belongs to."""
    patient = patients.survivor(tx, one.patient_key)
    if one.member_id or one.subscriber_id:
        return one, patient
    known = coverages.of_records(tx, [patient.key, *patients.merged_into(tx, patient.key)])
    members = list(dict.fromkeys(each.member for each in known if one.payer_id and each.payer_id == one.payer_id))
    # Several numbers at one payer: nobody knows which.
    member = members[0] if len(members) == 1 else MemberId("")
    said = {"member_id": member.value, "member_suffix": member.suffix, "subscriber_id": member.subscriber_id}
    return replace(one, **said), patient


def whom_digest(one: Authorization, patient: Patient) -> str:
    """Return the SHA-256 of the person and the member that a request is about."""
    member = (one.payer_id, one.member_id, one.member_suffix, one.subscriber_id)
    return digest_of(repr((*member, patient.patient_name, patient.patient_birth_date, patient.patient_sex)).encode())


def submission_of(
    tx: ReadTx, request: PayerRequest, ground: RequestGround, at: datetime, evidence: tuple[InlineEvidence, ...] = ()
) -> PasSubmission:
    """Return what a request says. evidence: what goes inside. Raises: LookupError."""
    said = authorizations.get(tx, request.authorization_key)
    one, patient = insured(tx, said)
    every = payer_requests.of_authorization(tx, request.authorization_key)
    earlier = [each for each in every if not request.key or each.key < request.key]
    told = told_by(earlier)
    is_update = request.kind in (RequestKind.UPDATE, RequestKind.CANCEL)
    return PasSubmission(
        authorization=replace(one, lines=request.lines),
        patient=patient,
        trace=request.trace,
        provider=ground.organization,
        provider_npi=ground.npi,
        at=at,
        base=ground.base,
        evidence=evidence,
        is_update=is_update,
        known=told.control_numbers,
        known_lines=told.lines if told.is_known else said.lines,
        cancelled=frozenset(request.cancelled),
    )
