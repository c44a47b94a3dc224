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
    """

    converters: tuple[str, ...] = ("text",)
    limit: int = 0
    may_cut: bool = False
    may_drop: bool = False


_SH, _LO, _LT, _CS, _AE = 16, 64, 10240, 16, 16
_NAMES = ("person_name", "xcn_name", "cnn_name", "text")
_TEXT_LO = Target(("text", "free_text"), _LO, True)
_TEXT_SH = Target(("text", "free_text"), _SH, True)
_ENTITY = Target(("entity", "account"), _LO)
_DATE = Target(("date", "birth_date"), 8)
_DROPPABLE_DATE = Target(("date", "birth_date"), 8, may_drop=True)

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
    "visit.admission_id": Target(("account", "entity"), _LO),
    "visit.patient_class": Target(("text",), _CS, may_drop=True),
    "visit.location": Target(("location", "text"), _LO, True),
    "visit.referring_physician": Target(("xcn_name", "cnn_name", "person_name", "text")),
    "visit.admitted": Target(("local_datetime",), may_drop=True),
    "visit.discharged": Target(("local_datetime",), may_drop=True),
    "visit.account_number": Target(("account", "entity"), _LO, may_drop=True),
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
    "requested_procedure.accession": Target(("entity", "account"), _SH),
    "requested_procedure.id": Target(("text",), _SH),
    "requested_procedure.study_instance_uid": Target(("text",), 64),
    "requested_procedure.universal_service": Target(("code",)),
    "requested_procedure.code": Target(("code",)),
    "requested_procedure.description": _TEXT_LO,
    "requested_procedure.side": Target(("side", "text"), _SH),
    "requested_procedure.priority": Target(("text",), _SH),
    "requested_procedure.reason": _TEXT_LO,
    "requested_procedure.comments": Target(("free_text", "text"), _LT, True),
    "requested_procedure.requesting_physician": Target(("xcn_name", "cnn_name", "person_name", "text")),
    "requested_procedure.referring_physician": Target(("xcn_name", "cnn_name", "person_name", "text")),
    "requested_procedure.institution": _TEXT_LO,
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
    "appointment.placer_id": _ENTITY,
    "appointment.filler_id": _ENTITY,
    "appointment.status": Target(("text",)),
    "appointment.placer_order_number": _ENTITY,
    "appointment.filler_order_number": _ENTITY,
    "appointment.start": Target(("local_datetime",)),
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
}
