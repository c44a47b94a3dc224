"""What a worklist answer tells a device besides what it is matched by: details of patients, visits, orders and steps.

They are only ever handed on, so they are kept together and not one by one. In what a message says, a name that is absent
means "not said: keep", and one with an empty value "said to be empty: erase" (HL7 2.5.1 2.5.3). Names are DICOM keywords.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict

from bridge.domain.code import Code

_PREGNANCY_LASTS = timedelta(days=300)
# Stands for "ever since": a finding whose time nobody said.
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


class PatientDetails(TypedDict, total=False):
    """
    Of a patient, as registration says. issuer_universal_ids: the OID of each authority of their numbers.

    patient_telephone_numbers: at home; patient_telecom_information: at work, and e-mail. The species is an animal's.
    """

    patient_mother_birth_name: str
    patient_primary_language_code: tuple[Code, ...]
    patient_telephone_numbers: tuple[str, ...]
    patient_telecom_information: tuple[str, ...]
    patient_comments: str
    additional_patient_history: str
    patient_species_description: str
    patient_breed_description: str
    responsible_person: str
    responsible_organization: str
    issuer_universal_ids: dict[str, str]


class VisitDetails(TypedDict, total=False):
    """Of a visit. admitting_diagnoses_description: one text for each diagnosis; its codes may be fewer."""

    admitting_diagnoses_description: tuple[str, ...]
    admitting_diagnoses_code: tuple[Code, ...]
    special_needs: tuple[str, ...]
    confidentiality_constraint_on_patient_data_description: str


class OrderDetails(VisitDetails, total=False):
    """
    Of an order; what its visit says is carried along, and gives way to diagnoses_… of the order's own.

    issue_of_imaging_service_request, admitted: "YYYYMMDDHHMMSS". procedure_modifiers: as billed (LT, RT, 50, 26).
    requesting_physician_code, referring_physician_code: the physician's number, as code of whoever gave it ("NPI").
    issuer_universal_ids: the OID of each authority of its numbers.
    """

    route_of_admissions: str
    admitted: str
    diagnoses_description: tuple[str, ...]
    diagnoses_code: tuple[Code, ...]
    patient_state: str
    medical_alerts: tuple[str, ...]
    additional_patient_history: str
    patient_transport_arrangements: str
    reason_for_requested_procedure_code: tuple[Code, ...]
    requested_procedure_location: str
    confidentiality_code: str
    reporting_priority: str
    names_of_intended_recipients_of_results: tuple[str, ...]
    requesting_service: str
    reason_for_the_imaging_service_request: str
    imaging_service_request_comments: str
    issue_of_imaging_service_request: str
    order_entered_by: str
    order_enterer_location: str
    order_callback_phone_number: str
    institution_address: str
    institution_code: tuple[Code, ...]
    institutional_department_name: str
    procedure_modifiers: tuple[str, ...]
    issuer_universal_ids: dict[str, str]
    requesting_physician_code: tuple[Code, ...]
    referring_physician_code: tuple[Code, ...]


class StepDetails(TypedDict, total=False):
    """Of a scheduled step. scheduled_duration: minutes, so that the end follows wherever the start is moved."""

    scheduled_duration: str
    scheduled_performing_physician_code: tuple[Code, ...]
    comments_on_the_scheduled_procedure_step: str


def merged(known: Mapping[str, Any], said: Mapping[str, Any]) -> Any:
    """Return *known* with what was *said*: an empty value erases; the OIDs of authorities only ever come to be more."""
    if not said:
        return known
    after = {**known, **said}
    if "issuer_universal_ids" in after:
        after["issuer_universal_ids"] = {
            **known.get("issuer_universal_ids", {}),
            **said.get("issuer_universal_ids", {}),
        }
    return {name: value for name, value in after.items() if value}


@dataclass(frozen=True, slots=True)
class Finding:
    """
    Something that was measured or learned of a patient. value: a number as DS, a text, or several.

    found_at: when, None where it was not said: then the message's own time counts.
    """

    value: str | tuple[str, ...]
    found_at: datetime | None = None


Findings = Mapping[str, Finding]
"""
By DICOM keyword: patient_weight (kg) and patient_size (m) as DS; pregnancy_status, "1" not, "2" possibly, "3" definitely,
"4" unknown (PS3.3 C.7.2.3); allergies and medical_alerts, several texts.
"""


def learned(known: Findings, said: Findings, said_at: datetime) -> Findings:
    """
    Return *known* with what is newer in *said*, each finding by its own time; an empty one erases.

    An erased finding stays, empty, with its time, so that late news does not bring it back.
    """
    after = dict(known)
    for name, finding in said.items():
        found_at = finding.found_at or said_at
        before = known.get(name)
        if before is None or (before.found_at or _LONG_AGO) <= found_at:
            after[name] = Finding(finding.value, found_at)
    return after


def pregnancy_on(findings: Findings, local: str) -> str:
    """
    Return the Pregnancy Status to go by on a day ("YYYYMMDD…", "" for no day yet), "" for none.

    What was said more than ten months before is about a pregnancy, or its absence, that has ended since.
    """
    found = findings.get("pregnancy_status")
    if found is None or not isinstance(found.value, str):
        return ""
    if found.found_at is not None and len(local) >= 8:
        day = datetime(int(local[:4]), int(local[4:6]), int(local[6:8]), tzinfo=UTC)
        if day - found.found_at > _PREGNANCY_LASTS:
            return ""
    return found.value


def to_plain(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return details as JSON can hold them: a code is a list of three texts."""
    return {
        name: [list(_parts(one)) if isinstance(one, Code) else one for one in value]
        if isinstance(value, tuple)
        else value
        for name, value in details.items()
    }


def from_plain(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `to_plain` made of details."""
    return {
        name: tuple(Code(*one) if isinstance(one, list) else one for one in value) if isinstance(value, list) else value
        for name, value in plain.items()
    }


def findings_to_plain(findings: Findings) -> dict[str, Any]:
    """Return findings as JSON can hold them: each a value and a time."""
    return {
        name: [list(one.value) if isinstance(one.value, tuple) else one.value, _text(one.found_at)]
        for name, one in findings.items()
    }


def findings_from_plain(plain: Mapping[str, Any]) -> dict[str, Finding]:
    """Return what `findings_to_plain` made of findings."""
    return {
        name: Finding(tuple(value) if isinstance(value, list) else value, datetime.fromisoformat(at) if at else None)
        for name, (value, at) in plain.items()
    }


def _parts(code: Code) -> Iterator[str]:
    yield from (code.code_value, code.coding_scheme_designator, code.code_meaning)


def _text(at: datetime | None) -> str:
    return "" if at is None else at.astimezone(UTC).isoformat()
