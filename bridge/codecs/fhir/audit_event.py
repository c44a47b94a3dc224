"""One row of the audit trail as an AuditEvent; fed by audit_rows. Source: FHIR R4 and R5 AuditEvent, IHE BALP, PS3.15 A.5."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bridge.codecs.fhir import people
from bridge.codecs.fhir.elements import DCM, clean, instant, without_empty

Json = dict[str, Any]

_EVENT_TYPES = "http://terminology.hl7.org/CodeSystem/audit-event-type"
_INTERACTIONS = "http://hl7.org/fhir/restful-interaction"
_OBJECT_TYPES = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_OBJECT_ROLES = "http://terminology.hl7.org/CodeSystem/object-role"
_PARTICIPATIONS = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_OUTCOMES = "http://terminology.hl7.org/CodeSystem/audit-event-outcome"
_SOURCE: Json = {"system": DCM, "code": "110153", "display": "Source Role ID"}
_DESTINATION: Json = {"system": DCM, "code": "110152", "display": "Destination Role ID"}
_USER: Json = {"system": _PARTICIPATIONS, "code": "IRCP", "display": "information recipient"}


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a row's action is: a REST interaction, or an event of DICOM's. action: C, R, U, D or E."""

    code: str
    display: str
    action: str
    interaction: str = ""


_READ = _Kind("rest", "RESTful Operation", "R", "read")
_SEARCH = _Kind("rest", "RESTful Operation", "E", "search-type")
_ACCESS = _Kind("110103", "DICOM Instances Accessed", "R")
_QUERY = _Kind("110112", "Query", "E")
_RECORD = _Kind("110110", "Patient Record", "U")
_LOOK = _Kind("110110", "Patient Record", "R")
_RECEIVED = _Kind("110104", "DICOM Instances Transferred", "C")
_ORDER = _Kind("110109", "Order Record", "U")
_PERFORMED = _Kind("110111", "Procedure Record", "U")
_SIGN_IN = _Kind("110114", "User Authentication", "E")
_SECURITY = _Kind("110113", "Security Alert", "E")
_DELETED = _Kind("110105", "DICOM Study Deleted", "D")
_IMPORTED = _Kind("110107", "Import", "C")
_EXPORTED = _Kind("110106", "Export", "R")
_ACTIVITY = _Kind("110100", "Application Activity", "E")
_KINDS: Mapping[str, _Kind] = {
    "fhir_read": _READ,
    "fhir_searched": _SEARCH,
    "dicomweb_searched": _QUERY,
    "dicom_searched": _QUERY,
    "patients_searched": _QUERY,
    "dicomweb_stored": _RECEIVED,
    "study_received": _RECEIVED,
    "media_imported": _IMPORTED,
    "study_imported": _IMPORTED,
    "study_removed": _DELETED,
    "image_viewed": _ACCESS,
    "study_viewed": _ACCESS,
    "study_looked_at": _ACCESS,
    "document_read": _LOOK,
    "view_opened": _SIGN_IN,
    "view_closed": _SIGN_IN,
    "view_looked_at": _LOOK,
    "studies_invoked": _QUERY,
    "study_shared": _SECURITY,
    "study_share_ended": _SECURITY,
    "viewer_link_made": _SECURITY,
    "viewer_link_revoked": _SECURITY,
    "message_applied": _ORDER,
    "performed_step": _PERFORMED,
    "workitem_created": _PERFORMED,
    "claim_text_given": _EXPORTED,
    "attachment_released": _EXPORTED,
    "payer_request_released": _EXPORTED,
    "evidence_sent": _EXPORTED,
    "packet_exported": _EXPORTED,
    "payer_file_exported": _EXPORTED,
    "bind": _RECORD,
    "merge_undone": _RECORD,
    "patient_restored": _RECORD,
    "sign_in": _SIGN_IN,
    "sign_out": _SIGN_IN,
    "password_chosen": _SIGN_IN,
    "token_created": _SECURITY,
    "token_revoked": _SECURITY,
    "client_added": _SECURITY,
    "access_token_given": _SIGN_IN,
    "user_added": _SECURITY,
    "user_changed": _SECURITY,
}


@dataclass(frozen=True, slots=True)
class AuditEventContent:
    """
    One row. outcome: "" for success. actor: as `store.audit.add` takes it. origin: an address or a peer, "" for none.

    observer: the site. patient, study, order: "Patient/7", "" where the row names none. request_id: the call's own.
    """

    action: str
    recorded_at: datetime
    outcome: str
    actor: str
    origin: str
    observer: str
    patient: str = ""
    study: str = ""
    order: str = ""
    request_id: str = ""


def r4(content: AuditEventContent) -> Json:
    """Return *content* as an R4 AuditEvent."""
    kind = _kind(content)
    return without_empty(
        {
            "resourceType": "AuditEvent",
            "type": _type(kind),
            "subtype": [_subtype(kind, content.action)],
            "action": kind.action,
            "recorded": instant(content.recorded_at),
            "outcome": "4" if content.outcome else "0",
            "outcomeDesc": clean(content.outcome),
            "agent": [_r4_agent(*one) for one in _agents(content, kind)],
            "source": {"observer": people.software() | {"display": content.observer}, "type": [_APPLICATION]},
            "entity": [_r4_entity(*one) for one in _entities(content)],
        }
    )


def r5(content: AuditEventContent) -> Json:
    """Return *content* as an R5 AuditEvent."""
    kind = _kind(content)
    failed = {"system": _OUTCOMES, "code": "4", "display": "Minor failure"}
    done = {"system": _OUTCOMES, "code": "0", "display": "Success"}
    said: Json = {
        "resourceType": "AuditEvent",
        "category": [{"coding": [_type(kind)]}],
        "code": {"coding": [_subtype(kind, content.action)]},
        "action": kind.action,
        "recorded": instant(content.recorded_at),
        "outcome": without_empty(
            {
                "code": failed if content.outcome else done,
                "detail": [{"text": clean(content.outcome)}] if content.outcome else [],
            }
        ),
        "agent": [_r5_agent(*one) for one in _agents(content, kind)],
        "source": {"observer": people.software() | {"display": content.observer}, "type": [{"coding": [_APPLICATION]}]},
        "patient": {"reference": content.patient} if content.patient else {},
        "entity": [_r5_entity(*one) for one in _entities(content)],
    }
    return without_empty(said)


_APPLICATION: Json = {
    "system": "http://terminology.hl7.org/CodeSystem/security-source-type",
    "code": "4",
    "display": "Application Server",
}
# Who is named: an account or a token of ours, whom an EHR says that they are, whom a link was made for.
_NAMED = ("user:", "token:", "ehr:", "link:")
_TYPES = {"1": "Person", "2": "System Object"}
_ROLES = {"1": "Patient", "3": "Report", "4": "Domain Resource", "24": "Query"}


def _kind(content: AuditEventContent) -> _Kind:
    if content.action in _KINDS:
        return _KINDS[content.action]
    if content.action.endswith("_viewed"):
        return _LOOK
    return _QUERY if content.action.endswith("_listed") else _ACTIVITY


def _type(kind: _Kind) -> Json:
    system = _EVENT_TYPES if kind.interaction else DCM
    return {"system": system, "code": kind.code, "display": kind.display}


def _subtype(kind: _Kind, action: str) -> Json:
    if kind.interaction:
        return {"system": _INTERACTIONS, "code": kind.interaction}
    return {"system": "urn:imaging-bridge:audit-action", "code": action}


def _agents(content: AuditEventContent, kind: _Kind) -> list[tuple[Json, Json, str, bool]]:
    """Return the server, the client and who used it: type, who, address, whether it asked. Source: IHE BALP 3:5.7."""
    ours, theirs = (_SOURCE, _DESTINATION) if kind.action == "R" else (_DESTINATION, _SOURCE)
    server = (ours, people.software(), "", False)
    client = (theirs, _client(content), content.origin, False)
    if not content.actor.startswith(_NAMED):
        return [server, (*client[:3], True)]
    return [server, client, (_USER, people.user(content.actor), "", True)]


def _client(content: AuditEventContent) -> Json:
    kind, _, name = content.actor.partition(":")
    if kind == "peer":
        return people.device(name) or people.software()
    return {"type": "Device", "display": clean(name if kind == "sender" else content.origin) or "Imaging Bridge"}


def _r4_agent(kind: Json, who: Json, address: str, asked: bool) -> Json:
    network = {"address": clean(address), "type": "2" if _is_address(address) else "1"} if address else {}
    return without_empty({"type": {"coding": [kind]}, "who": who, "requestor": asked, "network": network})


def _r5_agent(kind: Json, who: Json, address: str, asked: bool) -> Json:
    return without_empty({"type": {"coding": [kind]}, "who": who, "requestor": asked, "networkString": clean(address)})


def _is_address(text: str) -> bool:
    return bool(text) and all(char in "0123456789abcdefABCDEF.:" for char in text) and not text.isalpha()


def _entities(content: AuditEventContent) -> list[tuple[Json, str, str]]:
    """Return what it was about: what, its type and its role."""
    found: list[tuple[str, str, str]] = [
        (content.patient, "1", "1"),
        (content.study, "2", "3"),
        (content.order, "2", "4"),
    ]
    named: list[tuple[Json, str, str]] = [({"reference": one}, kind, role) for one, kind, role in found if one]
    if content.request_id:
        named.append(({"identifier": {"value": clean(content.request_id)}}, "2", "4"))
    return named


def _r4_entity(what: Json, kind: str, role: str) -> Json:
    return {
        "what": what,
        "type": {"system": _OBJECT_TYPES, "code": kind, "display": _TYPES[kind]},
        "role": {"system": _OBJECT_ROLES, "code": role, "display": _ROLES[role]},
    }


def _r5_entity(what: Json, kind: str, role: str) -> Json:
    return {"what": what, "role": {"coding": [{"system": _OBJECT_ROLES, "code": role, "display": _ROLES[role]}]}}
