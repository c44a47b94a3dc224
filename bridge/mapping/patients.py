"""Patient and visit drafts from PID and PV1. Source: HL7 2.5.1 3.4; IHE RAD TF-2 4.1, 4.12."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from bridge.domain.details import VisitDetails
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.domain.patient import PatientDraft, VisitDraft
from bridge.domain.records import replace
from bridge.errors import Incomplete
from bridge.mapping.convert import Moment
from bridge.mapping.evaluate import Evaluator
from bridge.mapping.grammar import Scope

# Numbers of an insurance, a visit or a state: they name the person elsewhere, and must not become the patient's number.
NEVER_PRIMARY = frozenset({"SS", "MA", "MC", "MB", "DL", "PPN", "AN", "VN"})


def read_patient(evaluator: Evaluator, scope: Scope) -> PatientDraft:
    """
    Return what the message says of its patient.

    Raises: Incomplete without a usable number (AE 101 at PID-3), Malformed.
    """
    primary = primary_of(evaluator, evaluator.get("patient.id", scope))
    others = evaluator.get("patient.other_ids", scope) or ()
    identifiers = {identifier.key: identifier for identifier in (primary, *others)}
    name = evaluator.get("patient.name", scope)
    return PatientDraft(
        tuple(identifiers.values()),
        patient_name=name,
        patient_birth_date=evaluator.get("patient.birth_date", scope),
        patient_sex=evaluator.get("patient.sex", scope),
        other_patient_names=_other_names(evaluator, scope, name),
        multiple_birth=evaluator.get("patient.multiple_birth", scope),
        provisional=evaluator.get("patient.unidentified", scope),
        patient_address=evaluator.get("patient.address", scope),
        patient_telephone=evaluator.get("patient.telephone", scope),
    )


def read_details(evaluator: Evaluator, scope: Scope, draft: PatientDraft) -> PatientDraft:
    """Return *draft* with what else the message says of its patient: what devices are told, what was measured or learned."""
    details = evaluator.details("patient", scope)
    oids = universal_ids((one.issuer_of_patient_id, one.issuer_universal_id) for one in draft.identifiers)
    if oids:
        details["issuer_universal_ids"] = oids
    findings = evaluator.findings(scope)
    if not details and not findings:
        return draft
    return replace(draft, details=details, findings=findings)


def universal_ids(issuers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the OIDs of authorities by their names, but for those that have no name besides."""
    return {name: oid for name, oid in issuers if oid and oid != name}


def read_visit(evaluator: Evaluator, scope: Scope) -> VisitDraft | None:
    """Return what the message says of the visit, None without PV1."""
    if not scope.get("PV1"):
        return None
    return VisitDraft(
        evaluator.get("visit.admission_id", scope) or EntityIdentifier(),
        account_number=evaluator.get("visit.account_number", scope),
        patient_class=evaluator.get("visit.patient_class", scope),
        current_patient_location=evaluator.get("visit.location", scope),
        referring_physician_name=evaluator.get("visit.referring_physician", scope),
        admitted_local=_local(evaluator.get("visit.admitted", scope)),
        discharged_local=_local(evaluator.get("visit.discharged", scope)),
        details=cast(VisitDetails, evaluator.details("visit", scope)),
    )


def _local(moment: Moment | str | None) -> str | None:
    return moment.local if isinstance(moment, Moment) else moment


def primary_of(
    evaluator: Evaluator, found: Sequence[PatientIdentifier], where: str = "PID-3", issuer: str = ""
) -> PatientIdentifier:
    """Return the number to go by: of the wanted authority first, then by type (MR, PI), then as sent."""
    wanted = issuer or evaluator.context.authority
    usable = [identifier for identifier in found or () if identifier.identifier_type not in NEVER_PRIMARY]
    if not usable:
        raise Incomplete("no patient number", code="missing", where=where, source="HL7 2.5.1 3.4.2.3")
    order = {"MR": 0, "PI": 1}
    return min(usable, key=lambda i: (i.issuer_of_patient_id != wanted, order.get(i.identifier_type, 2)))


def _other_names(evaluator: Evaluator, scope: Scope, name: str | None) -> tuple[str, ...] | None:
    others = evaluator.get("patient.other_names", scope)
    aliases = evaluator.get("patient.aliases", scope)
    if others is None and aliases is None:
        return None
    return tuple(dict.fromkeys(other for other in (*(others or ()), *(aliases or ())) if other != name))
