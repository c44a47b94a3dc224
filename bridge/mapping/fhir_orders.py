"""A FHIR ServiceRequest as an order's draft, R4 and R5. Source: FHIR R4 and R5 ServiceRequest, HL7 v2-to-FHIR ORC and OBR."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import orjson

from bridge.domain.identifiers import (
    SHORT_STRING_MAX,
    EntityIdentifier,
    check_ae_title,
    check_uid,
    derive_uid,
    digest_of,
)
from bridge.domain.order import AuthorizationDraft, Code, OrderAction, OrderDraft, StepDraft, StepStatus
from bridge.domain.patient import PatientDraft, VisitDraft
from bridge.errors import Incomplete, Malformed
from bridge.mapping.fhir_fields import FhirGround, Json, Resource, identifier_type, inner_reference
from bridge.mapping.fhir_patients import patient_of, person_name_of, visit_of
from bridge.mapping.typed_fields import Moment

# What a status asks for; None: it is no order yet, or not any more, and changes nothing here.
_ACTIONS = {
    "active": OrderAction.CREATE,
    "on-hold": OrderAction.HOLD,
    "revoked": OrderAction.CANCEL,
    "entered-in-error": OrderAction.CANCEL,
    "completed": OrderAction.REPORT,
    "ended": OrderAction.CANCEL,
    "draft": None,
    "unknown": None,
}
_ORDERS = frozenset({"order", "original-order", "reflex-order", "filler-order", "instance-order"})
_NOT_YET = frozenset({"proposal", "plan", "directive", "option", "reflex-option"})
_PRIORITIES = {"routine": "ROUTINE", "urgent": "HIGH", "asap": "HIGH", "stat": "STAT", "": None}
_IMAGING = frozenset({"363679005", "imaging", "RAD", "IMG", "radiology", "rad", "103693007"})
_STUDY_SYSTEM = "urn:dicom:uid"
_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_LINES_MAX = 1000


@dataclass(frozen=True, slots=True)
class FhirOrder:
    """
    One ServiceRequest as read. draft: None where it is no order yet, with the reason in *why*. patient: None where only
    its sender knows whom the reference means. is_described: it says what is to be done, so that it can make an order.
    """

    draft: OrderDraft | None
    patient: PatientDraft | None
    visit: VisitDraft | None = None
    why: str = ""


def read_service_request(resource: Resource, source: str, ground: FhirGround) -> FhirOrder:
    """
    Return what a ServiceRequest asks for. source: who sends it; issues the numbers that it does not hold.

    Raises: Incomplete, Malformed, each with its expression.
    """
    status, intent = resource.text("status", required=True), resource.text("intent", required=True)
    if status not in _ACTIONS or intent not in _ORDERS | _NOT_YET:
        where = "status" if status not in _ACTIONS else "intent"
        raise Incomplete("not in its value set", code="not_in_table", where=resource.place(where))
    _check_kind(resource)
    subject = resource.first("subject")
    if not subject:
        raise Incomplete("required", code="missing", where=resource.place("subject"))
    patient = patient_of(resource, subject, "subject", ground)
    action = _ACTIONS[status]
    if action is None or intent in _NOT_YET:
        why = "a draft" if action is None else f"a {intent}"
        return FhirOrder(None, patient, why=f"{why} is no order: nothing was scheduled")
    draft = _numbered(resource, source, ground)
    reported = StepStatus.COMPLETED if status == "completed" else None
    control = {"active": "NW", "on-hold": "HD", "completed": "SC"}.get(status, "CA")
    draft = replace(draft, order_control=control, action=action, reported=reported, by_filler=reported is not None)
    if action in (OrderAction.CREATE, OrderAction.HOLD):
        draft = _described(resource, draft, ground)
    return FhirOrder(draft, patient, visit_of(resource, ground))


def numbers_of(resource: Resource, source: str, ground: FhirGround) -> OrderDraft:
    """Return the numbers of a ServiceRequest, and nothing else of it."""
    return _numbered(resource, source, ground)


def _check_kind(resource: Resource) -> None:
    if resource.said.get("doNotPerform"):
        raise Incomplete(
            "an order not to do something is not served", code="not_supported", where=resource.place("doNotPerform")
        )
    categories = {code for _, code in resource.codings("category")}
    if categories and not categories & _IMAGING:
        raise Incomplete("not an imaging order", code="not_supported", where=resource.place("category"))


def _numbered(resource: Resource, source: str, ground: FhirGround) -> OrderDraft:
    """Return a draft with the order's numbers; those that are not said are made of what is, the same ones every time."""
    placer = filler = accession = EntityIdentifier()
    uid, untyped = "", EntityIdentifier()
    for one in resource.each("identifier"):
        value = resource.checked(one.get("value") or "", "identifier")
        system = resource.checked(one.get("system") or "", "identifier")
        kind = identifier_type(one)
        if not value:
            continue
        if system == _STUDY_SYSTEM:
            uid = check_uid(value.removeprefix("urn:oid:"), resource.place("identifier.value"))
            continue
        number = EntityIdentifier(value[:200], ground.issuer_of(system) if system else "")
        if kind == "ACSN":
            accession = accession or _accession(number, resource)
        elif kind == "FILL":
            filler = filler or number
        elif kind == "PLAC":
            placer = placer or number
        else:
            untyped = untyped or number
    placer = placer or untyped or (EntityIdentifier(resource.id, source) if resource.id else EntityIdentifier())
    return _completed(resource, (placer, filler, accession, uid), source, ground)


def _accession(number: EntityIdentifier, resource: Resource) -> EntityIdentifier:
    if len(number.value) > SHORT_STRING_MAX or "\\" in number.value:
        raise Malformed(
            f"an accession number has at most {SHORT_STRING_MAX} characters",
            code="too_long",
            where=resource.place("identifier.value"),
            source="PS3.5 6.2",
        )
    return number


def _completed(
    resource: Resource,
    said: tuple[EntityIdentifier, EntityIdentifier, EntityIdentifier, str],
    source: str,
    ground: FhirGround,
) -> OrderDraft:
    placer, filler, accession, uid = said
    derived = {"requested_procedure_id", "scheduled_procedure_step_id"}
    if not accession:
        derived.add("accession_number")
        number = filler or placer
        issuer = number.issuer
        fits = number and len(number.value) <= SHORT_STRING_MAX and "\\" not in number.value
        # The same bytes are the same order, where it has no number at all.
        made = digest_of(source.encode() + orjson.dumps(resource.said, option=orjson.OPT_SORT_KEYS))[:11].upper()
        if number:
            made = digest_of(f"{number.issuer}\n{number.value}".encode())[:11].upper()
        accession = EntityIdentifier(number.value if fits and number else f"F{made}", issuer)
    if not uid:
        derived.add("study_instance_uid")
    return OrderDraft(
        order_control="NW",
        accession_number=accession.value,
        issuer_of_accession_number=accession.issuer,
        placer_order_number=placer,
        filler_order_number=filler,
        requested_procedure_id=accession.value,
        study_instance_uid=uid or derive_uid(accession.issuer, accession.value),
        where=resource.kind,
        derived=frozenset(derived),
    )


def _described(resource: Resource, draft: OrderDraft, ground: FhirGround) -> OrderDraft:
    """Return *draft* with what is to be done, when, where and why."""
    code = resource.concept(resource.first("code"), "code") if resource.first("code") else None
    if code is None:
        raise Incomplete("what is to be done", code="missing", where=resource.place("code"))
    priority = resource.text("priority")
    if priority not in _PRIORITIES:
        raise Incomplete("not in its value set", code="not_in_table", where=resource.place("priority"))
    requester = resource.first("requester")
    reasons = [resource.concept(one, "reasonCode") for name in ("reasonCode", "reason") for one in resource.each(name)]
    reason = "; ".join(one.code_meaning for one in reasons if one is not None)
    comments = "\r\n".join(resource.checked(one.get("text") or "", "note") for one in resource.each("note"))
    requester_name = person_name_of(resource, requester, "requester") if requester else ""
    described = replace(
        draft,
        requested_procedure_description=_title(resource, code),
        requested_procedure_code=code if code.code_value else None,
        requested_procedure_priority=_PRIORITIES[priority],
        reason_for_the_requested_procedure=reason[:_LINES_MAX] or None,
        requested_procedure_comments=comments[:_LINES_MAX] or None,
        requesting_physician=requester_name or None,
        referring_physician_name=requester_name or None,
        authorizations=_authorizations(resource, ground),
    )
    return replace(described, steps=(_step(resource, described, code, ground),))


def _title(resource: Resource, code: Code) -> str:
    """Return the procedure's words, with the part of the body where they do not name it."""
    sites = [resource.concept(one, "bodySite") for one in resource.each("bodySite")]
    words = [
        one.code_meaning
        for one in sites
        if one is not None and one.code_meaning.casefold() not in code.code_meaning.casefold()
    ]
    return f"{code.code_meaning}, {', '.join(words)}"[:64] if words else code.code_meaning


def _step(resource: Resource, draft: OrderDraft, code: Code, ground: FhirGround) -> StepDraft:
    start = _start(resource, ground)
    stations = _stations(resource, ground)
    modality = _modality(resource, code, stations, ground)
    if not modality:
        resource.warn("no modality: the step is not complete enough for a worklist", "orderDetail")
    performers = [one for one in resource.each("performer") if _is_person(resource, one)]
    return StepDraft(
        scheduled_procedure_step_id=draft.requested_procedure_id,
        modality=modality or None,
        scheduled_station_ae_title=stations or None,
        scheduled_start_local=start.local if start is not None else None,
        scheduled_start_at=start.at if start is not None else None,
        scheduled_procedure_step_description=draft.requested_procedure_description,
        scheduled_protocol_code=code if code.code_value else None,
        scheduled_performing_physician_name=person_name_of(resource, performers[0], "performer")
        if performers
        else None,
    )


def _start(resource: Resource, ground: FhirGround) -> Moment | None:
    period, timing = resource.first("occurrencePeriod"), resource.first("occurrenceTiming")
    events = timing.get("event")
    value = resource.said.get("occurrenceDateTime") or period.get("start")
    value = value or (events[0] if isinstance(events, list) and events else None)
    return resource.moment(value, "occurrence", ground.zone)


def _is_person(resource: Resource, reference: Json) -> bool:
    found = resource.resolve(reference, "performer")
    kind = found.kind if found is not None else str(reference.get("type") or reference.get("reference") or "")
    return kind.partition("/")[0] in ("Practitioner", "PractitionerRole")


def _stations(resource: Resource, ground: FhirGround) -> tuple[str, ...]:
    """Return the AE titles of the devices and places that are to perform it, by any of their names."""
    named = [(one, name) for name in ("performer", "locationReference", "location") for one in resource.each(name)]
    found = []
    for one, name in named:
        titles = (ground.stations.get(called) or called for called in _called(resource, one, name))
        known = [title for title in titles if title in ground.modalities or title in ground.stations.values()]
        found += [check_ae_title(title, resource.place(name)) for title in known]
    return tuple(dict.fromkeys(found))


def _called(resource: Resource, reference: Json, name: str) -> list[str]:
    inner = inner_reference(reference)
    identifier = inner.get("identifier")
    words = [inner.get("display"), str(inner.get("reference") or "").rpartition("/")[2]]
    words += [identifier.get("value")] if isinstance(identifier, Mapping) else []
    found = resource.resolve(reference, name)
    if found is not None:
        words += [found.said.get("name"), *(one.get("value") for one in found.each("identifier"))]
        words += [one.get("name") for one in found.each("deviceName")] if found.kind == "Device" else []
    return [one for one in words if isinstance(one, str) and one]


def _modality(resource: Resource, code: Code, stations: tuple[str, ...], ground: FhirGround) -> str:
    """Return the modality that is named, else the device's, else the procedure's by the site's table."""
    codings = resource.codings("orderDetail", "category", "code") + _parameters(resource)
    named = [ground.known_modalities.get(value, "") for system, value in codings if system == _DCM]
    if any(named):
        return next(filter(None, named))
    by_station = next((ground.modalities[one] for one in stations if ground.modalities.get(one)), "")
    return by_station or ground.procedures.get(code.code_value, "")


def _parameters(resource: Resource) -> list[tuple[str, str]]:
    """Return the codings of an order's details as R5 has them. Source: FHIR R5 ServiceRequest.orderDetail.parameter."""
    details = [detail.get("parameter") for detail in resource.each("orderDetail")]
    said = [one for several in details if isinstance(several, list) for one in several if isinstance(one, Mapping)]
    each = (Resource({**one, "resourceType": "Parameter"}).codings("valueCodeableConcept") for one in said)
    return [coding for codings in each for coding in codings]


def _authorizations(resource: Resource, ground: FhirGround) -> tuple[AuthorizationDraft, ...]:
    """Return the authorizations that insurance and supportingInfo name: a ClaimResponse, or a logical reference to one."""
    payer = _payer(resource)
    found = []
    for name in ("insurance", "supportingInfo"):
        for one in resource.each(name):
            response = resource.resolve(one, name)
            inner = inner_reference(one)
            identifier = inner.get("identifier")
            number = response.text("preAuthRef") if response is not None and response.kind == "ClaimResponse" else ""
            if not number and inner.get("type") == "ClaimResponse" and isinstance(identifier, Mapping):
                number = resource.checked(identifier.get("value") or "", name)
            if number:
                insurer = _named(response.first("insurer")) if response is not None else ("", "")
                payer_id, payer_name = insurer if any(insurer) else payer
                found.append(AuthorizationDraft(number[:64], payer_id=payer_id, payer_name=payer_name))
    return tuple(dict.fromkeys(found))


def _payer(resource: Resource) -> tuple[str, str]:
    for one in resource.each("insurance"):
        coverage = resource.resolve(one, "insurance")
        if coverage is not None and coverage.kind == "Coverage":
            return _named(coverage.first("payor", "insurer"))
    return "", ""


def _named(reference: Json) -> tuple[str, str]:
    identifier = reference.get("identifier")
    value = identifier.get("value") if isinstance(identifier, Mapping) else ""
    return str(value or "")[:80], str(reference.get("display") or "")[:80]
