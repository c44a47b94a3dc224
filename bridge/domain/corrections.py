"""What leaves with another value than it came with. What was received is never changed; this is its overlay.

Source: PS3.3 C.12.1.1.9 (Original Attributes Sequence), reason COERCE.
"""

from __future__ import annotations

from bridge.domain.evidence import OrderRecord, PatientRecord
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.names import parse_name
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.repairs import as_received
from bridge.domain.study import Difference, Header, RequestAttributes

_ISSUERS = frozenset({"IssuerOfPatientID", "IssuerOfAccessionNumberSequence"})


def published_identifier(patient: PatientRecord, rules: ReconcileRules) -> PatientIdentifier:
    """Return the number that leaves: the first of ours, else the primary one."""
    identifiers = patient.patient.identifiers
    return next((one for one in identifiers if rules.is_ours(one.issuer_of_patient_id)), identifiers[0])


def published_identity(patient: PatientRecord, order: OrderRecord | None, rules: ReconcileRules) -> dict[str, str]:
    """
    Return what every object of a study leaves with once it is theirs, keyword to value; what is not known is left out.

    A study's objects may name their patient in different spellings: each is held against this when it leaves.
    """
    identifier = published_identifier(patient, rules)
    record = patient.patient
    identity = {
        "PatientID": identifier.patient_id,
        "IssuerOfPatientID": identifier.issuer_of_patient_id,
        "PatientName": record.patient_name,
        "PatientBirthDate": record.patient_birth_date,
        "PatientSex": record.patient_sex,
    }
    if order is not None and order.order.accession_number:
        identity["AccessionNumber"] = order.order.accession_number
        identity["IssuerOfAccessionNumberSequence"] = order.order.issuer_of_accession_number
    return {keyword: value for keyword, value in identity.items() if value}


def corrections(
    header: Header, patient: PatientRecord, order: OrderRecord | None, rules: ReconcileRules
) -> tuple[Difference, ...]:
    """
    Return every value of *header* that the record's takes the place of, letter for letter, padding apart.

    What the record doesn't know is not erased. UIDs, dates, modality, body part and institution are never corrected.
    """
    received = received_values(header)
    return tuple(
        Difference(keyword, received[keyword], published)
        for keyword, published in published_identity(patient, order, rules).items()
        if _bare(keyword, received[keyword]) != _bare(keyword, published)
    )


def received_values(header: Header) -> dict[str, str]:
    """Return what stood in the attributes that may leave with another value, keyword to value, whatever a rule made of it."""
    request = header.request_attributes[0] if len(header.request_attributes) == 1 else RequestAttributes()
    read = {
        "PatientID": header.patient_id,
        "IssuerOfPatientID": header.issuer_of_patient_id,
        "PatientName": header.patient_name,
        "PatientBirthDate": header.patient_birth_date,
        "PatientSex": header.patient_sex,
        "AccessionNumber": header.accession_number,
        "IssuerOfAccessionNumberSequence": header.issuer_of_accession_number,
        "StudyDescription": header.study_description,
        "ReferringPhysicianName": header.referring_physician_name,
        "RequestedProcedureID": request.requested_procedure_id,
        "ScheduledProcedureStepID": request.scheduled_procedure_step_id,
    }
    return read | {keyword: value for keyword, value in as_received(header.repairs).items() if keyword in read}


def _bare(keyword: str, value: str) -> str:
    text = value.strip(" \0")
    if keyword != "PatientName":
        return text
    return "=".join(group.rstrip("^ ") for group in text.split("=")).rstrip("=")


def corrects(difference: Difference, rules: ReconcileRules) -> bool:
    """
    Say whether *difference* changes what the header says, rather than how it is written.

    An issuer that the header leaves out, another spelling of ours, and a name with the same family and given name but
    for case, accents, titles or groups are not corrections, though they leave in the record's form.
    """
    if difference.keyword in _ISSUERS:
        received = rules.authority_of(difference.received)
        return bool(received) and received != rules.authority_of(difference.record)
    if difference.keyword == "PatientName":
        return not _is_same_name(difference.received, difference.record)
    return True


def _is_same_name(received: str, record: str) -> bool:
    one, other = parse_name(received), parse_name(record)
    written = {(reading.family.letters, reading.given.letters) for reading in one.readings}
    if any((reading.family.letters, reading.given.letters) in written for reading in other.readings):
        return True
    natives = {native.whole for native in one.natives}
    return not one.readings and any(native.whole in natives for native in other.natives)
