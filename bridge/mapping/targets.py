"""What a mapping file may fill, and what fits there. Source: PS3.5 6.2 (VR lengths)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """
    A value that rules may fill.

    converters: the first is taken where a file names none; the others give the same kind of value. limit: characters of
    the attribute's VR, 0 for none. may_cut: a longer text is cut with a notice; a longer identifier never is.
    may_drop: a value that cannot be read is left out with a notice, as no message is worth refusing for it.
    detail: what it fills among those that are only handed on to devices; finding: among those that are measured or learned.
    """

    converters: tuple[str, ...] = ("text",)
    limit: int = 0
    may_cut: bool = False
    may_drop: bool = False
    detail: str = ""
    finding: str = ""


_SH, _LO, _ST, _LT, _CS, _AE = 16, 64, 1024, 10240, 16, 16
_NAMES = ("person_name", "xcn_name", "cnn_name", "text")
_TEXT_LO = Target(("text", "free_text"), _LO, True)
_TEXT_SH = Target(("text", "free_text"), _SH, True)
_ENTITY = Target(("entity", "account"), _LO)
_DATE = Target(("date", "birth_date"), 8)
_DROPPABLE_DATE = Target(("date", "birth_date"), 8, may_drop=True)
_PROVIDERS = ("xcn_name", "cnn_name", "person_name", "text")


def _line(detail: str) -> Target:
    return Target(("text", "free_text"), _LO, True, detail=detail)


def _lines(detail: str) -> Target:
    return Target(("free_text", "text"), _LT, True, detail=detail)


def _listed(detail: str) -> Target:
    return Target(("each_text", "coded_texts"), detail=detail)


def _codes(detail: str) -> Target:
    return Target(("codes",), detail=detail)


def _moment(detail: str) -> Target:
    return Target(("local_datetime",), may_drop=True, detail=detail)


TARGETS: Mapping[str, Target] = {
    "patient.id": Target(("identifiers",)),
    "patient.other_ids": Target(("identifiers",)),
    "patient.name": Target(_NAMES),
    "patient.other_names": Target(("other_person_names", "all_person_names")),
    "patient.aliases": Target(("all_person_names", "other_person_names")),
    "patient.birth_date": _DATE,
    "patient.sex": Target(("text",), _CS),
    "patient.multiple_birth": Target(("yes_no",)),
    "patient.unidentified": Target(("yes_no",)),
    "patient.address": Target(("address", "text"), _LO, True),
    "patient.telephone": Target(("telephone", "text"), _LO, True),
    "patient.telephones": Target(("each_telephone", "each_text"), detail="patient_telephone_numbers"),
    "patient.telecom": Target(("each_telephone", "each_text"), detail="patient_telecom_information"),
    "patient.mother": Target(_NAMES, detail="patient_mother_birth_name"),
    "patient.language": Target(("languages", "codes"), detail="patient_primary_language_code"),
    "patient.comments": _lines("patient_comments"),
    "patient.history": _lines("additional_patient_history"),
    "patient.species": _line("patient_species_description"),
    "patient.breed": _line("patient_breed_description"),
    "patient.responsible_person": Target(_NAMES, detail="responsible_person"),
    "patient.responsible_organization": _line("responsible_organization"),
    "patient.weight": Target(("weight",), finding="patient_weight"),
    "patient.size": Target(("size",), finding="patient_size"),
    "patient.pregnancy": Target(("text",), _CS, may_drop=True, finding="pregnancy_status"),
    "patient.allergies": Target(("coded_texts", "each_text"), finding="allergies"),
    "patient.medical_alerts": Target(("coded_texts", "each_text"), finding="medical_alerts"),
    "visit.admission_id": Target(("account", "entity"), _LO),
    "visit.patient_class": Target(("text",), _CS, may_drop=True),
    "visit.location": Target(("location", "text"), _LO, True),
    "visit.referring_physician": Target(("xcn_name", "cnn_name", "person_name", "text")),
    "visit.admitted": Target(("local_datetime",), may_drop=True),
    "visit.discharged": Target(("local_datetime",), may_drop=True),
    "visit.account_number": Target(("account", "entity"), _LO, may_drop=True),
    "visit.diagnoses": Target(("coded_texts", "each_text"), detail="admitting_diagnoses_description"),
    "visit.diagnosis_codes": _codes("admitting_diagnoses_code"),
    "visit.special_needs": _listed("special_needs"),
    "visit.confidentiality": _line("confidentiality_constraint_on_patient_data_description"),
    "merge.retired_id": Target(("identifiers",)),
    "merge.prior_account": Target(("account", "entity"), _LO),
    "merge.prior_visit": Target(("account", "entity"), _LO),
    "order.control": Target(("text",)),
    "order.status": Target(("text",)),
    "order.placer_number": _ENTITY,
    "order.filler_number": _ENTITY,
    "order.parent_placer_number": Target(("entity_in_parts",), _LO, may_drop=True),
    "order.parent_filler_number": Target(("entity_in_parts",), _LO, may_drop=True),
    "order.transaction_time": Target(("local_datetime",), may_drop=True),
    "order.reason": _line("reason_for_the_imaging_service_request"),
    "order.comments": _lines("imaging_service_request_comments"),
    "order.issued": _moment("issue_of_imaging_service_request"),
    "order.entered_by": Target(_PROVIDERS, detail="order_entered_by"),
    "order.entered_at": Target(("location", "text"), _SH, True, detail="order_enterer_location"),
    "order.callback": Target(("each_telephone", "each_text"), detail="order_callback_phone_number"),
    "requested_procedure.accession": Target(("entity", "account"), _SH),
    "requested_procedure.id": Target(("text",), _SH),
    "requested_procedure.study_instance_uid": Target(("text",), 64),
    "requested_procedure.universal_service": Target(("code",)),
    "requested_procedure.code": Target(("code",)),
    "requested_procedure.description": _TEXT_LO,
    "requested_procedure.modifiers": Target(("each_text",), detail="procedure_modifiers"),
    "requested_procedure.side": Target(("side", "text"), _SH),
    "requested_procedure.priority": Target(("text",), _SH),
    "requested_procedure.reason": _TEXT_LO,
    "requested_procedure.comments": Target(("free_text", "text"), _LT, True),
    "requested_procedure.requesting_physician": Target(("xcn_name", "cnn_name", "person_name", "text")),
    "requested_procedure.referring_physician": Target(("xcn_name", "cnn_name", "person_name", "text")),
    "requested_procedure.requesting_physician_number": Target(
        ("xcn_number", "cnn_number"), detail="requesting_physician_code"
    ),
    "requested_procedure.referring_physician_number": Target(
        ("xcn_number", "cnn_number"), detail="referring_physician_code"
    ),
    "requested_procedure.institution": _TEXT_LO,
    "requested_procedure.institution_address": Target(("address", "text"), _ST, True, detail="institution_address"),
    "requested_procedure.institution_code": _codes("institution_code"),
    "requested_procedure.department": _line("institutional_department_name"),
    "requested_procedure.requesting_service": _line("requesting_service"),
    "requested_procedure.recipients": Target(("each_xcn_name",), detail="names_of_intended_recipients_of_results"),
    "requested_procedure.reason_codes": _codes("reason_for_requested_procedure_code"),
    "requested_procedure.diagnoses": Target(("coded_texts", "each_text"), detail="diagnoses_description"),
    "requested_procedure.diagnosis_codes": _codes("diagnoses_code"),
    "requested_procedure.transport": _line("patient_transport_arrangements"),
    "requested_procedure.location": Target(("location", "text"), _LO, True, detail="requested_procedure_location"),
    "requested_procedure.confidentiality": _line("confidentiality_code"),
    "requested_procedure.reporting_priority": Target(("text",), _SH, True, detail="reporting_priority"),
    "requested_procedure.patient_state": _line("patient_state"),
    "requested_procedure.medical_alerts": _listed("medical_alerts"),
    "requested_procedure.history": _lines("additional_patient_history"),
    "scheduled_step.id": Target(("text",), _SH),
    "scheduled_step.modality": Target(("text",), _CS),
    "scheduled_step.modality_of_procedure": Target(("text",), _CS),
    "scheduled_step.station_ae_title": Target(("each_text",), _AE),
    "scheduled_step.station_name": _TEXT_SH,
    "scheduled_step.location": _TEXT_SH,
    "scheduled_step.start": Target(("local_datetime",)),
    "scheduled_step.description": _TEXT_LO,
    "scheduled_step.protocol": Target(("code",)),
    "scheduled_step.performing_physician": Target(("cnn_name", "xcn_name", "person_name", "text")),
    "scheduled_step.contrast_agent": _TEXT_LO,
    "scheduled_step.pre_medication": _TEXT_LO,
    "scheduled_step.end": Target(("local_datetime",), may_drop=True),
    "scheduled_step.performing_physician_number": Target(
        ("cnn_number", "xcn_number"), detail="scheduled_performing_physician_code"
    ),
    "scheduled_step.comments": _lines("comments_on_the_scheduled_procedure_step"),
    "report.study_instance_uid": Target(("text",), 64, may_drop=True),
    "report.sr_instance_uid": Target(("text",), 64, may_drop=True),
    "report.accession": Target(("entity", "account"), _LO, may_drop=True),
    "report.placer_number": Target(("entity", "account"), _LO, may_drop=True),
    "report.filler_number": Target(("entity", "account"), _LO, may_drop=True),
    "report.status": Target(("text",), _CS),
    "report.code": Target(("code",)),
    "report.title": _TEXT_LO,
    "report.department": Target(("text",), _LO, True),
    "report.issued": Target(("local_datetime",), may_drop=True),
    "report.observed": Target(("local_datetime",), may_drop=True),
    "report.interpreters": Target(("each_cnn_name",)),
    "document.type": Target(("code",)),
    "document.written": Target(("local_datetime",), may_drop=True),
    "document.author": Target(("xcn_name", "cnn_name", "person_name", "text")),
    "document.number": Target(("entity", "account"), _LO),
    "document.parent": Target(("entity", "account"), _LO, may_drop=True),
    "document.completion": Target(("text",), _CS),
    "document.availability": Target(("text",), _CS),
    "appointment.placer_id": _ENTITY,
    "appointment.filler_id": _ENTITY,
    "appointment.status": Target(("text",)),
    "appointment.placer_order_number": _ENTITY,
    "appointment.filler_order_number": _ENTITY,
    "appointment.start": Target(("local_datetime",)),
    "appointment.end": Target(("local_datetime",), may_drop=True),
    "appointment.duration": Target(("minutes",), _SH, may_drop=True),
    "appointment.comments": Target(("free_text", "text"), _LT, True),
    "appointment.performing_physician_number": Target(("xcn_number", "cnn_number")),
    "appointment.service": Target(("code",)),
    "appointment.modality_of_service": Target(("text",), _CS),
    "appointment.station_ae_title": Target(("text",), _SH),
    "appointment.location": Target(("location", "text"), _SH, True),
    "appointment.performing_physician": Target(("xcn_name", "cnn_name", "person_name", "text")),
    "authorization.number": Target(("text",), _LO),
    "authorization.payer_id": Target(("text",), _LO),
    "authorization.payer_name": Target(("text",), _LO, True),
    "authorization.member_id": Target(("text",), _LO),
    "authorization.effective": _DROPPABLE_DATE,
    "authorization.expires": _DROPPABLE_DATE,
    "referral.trace": Target(("text",), _LO, may_drop=True),
    "referral.reference": Target(("text",), _LO, may_drop=True),
    "referral.urgency": Target(("text",), _SH, may_drop=True),
    "referral.placer_number": _ENTITY,
    "referral.filler_number": _ENTITY,
    "referral.accession": Target(("entity", "account"), _SH, may_drop=True),
    "referral.procedure": Target(("code",)),
    "referral.modifiers": Target(("each_text",)),
    "referral.diagnosis": Target(("code",)),
    "referral.requested_units": Target(("text",), _SH, may_drop=True),
    "referral.approved_units": Target(("text",), _SH, may_drop=True),
    "coverage.payer_id": Target(("text",), _LO, may_drop=True),
    "coverage.payer_name": Target(("text",), _LO, True),
    "coverage.member_id": Target(("text",), _LO, may_drop=True),
    "coverage.subscriber_id": Target(("text",), _LO, may_drop=True),
}
