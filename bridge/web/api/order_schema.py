"""What an order without HL7 looks like, as OpenAPI describes it. Source: JSON Schema 2020-12."""

from __future__ import annotations

from typing import Any

from bridge.mapping.typed_orders import ORDER_KEYS

Json = dict[str, Any]


def _text(about: str, limit: int = 64) -> Json:
    return {"type": ["string", "null"], "maxLength": limit, "description": about}


def _object(about: str, required: list[str], **properties: Json) -> Json:
    return {
        "type": "object",
        "description": about,
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


_NUMBER: Json = {
    "description": "a number, with its issuer where it has one",
    "oneOf": [_text("", 64), _object("", ["value"], value=_text("", 64), issuer=_text("", 64))],
}
_CODE: Json = {
    "description": "a code, or its meaning alone",
    "oneOf": [
        _text("the meaning"),
        _object(
            "", [], code=_text("", 16), scheme=_text("DICOM coding scheme, 99LOCAL if not said", 16), meaning=_text("")
        ),
    ],
}
_STEP: dict[str, Json] = {
    "modality": _text("CT, MR, US, DX, ES …; a site's table may know it by the procedure's code", 16),
    "station_ae_title": _text("the device; left out: every device of the modality", 16),
    "station_ae_titles": {"type": "array", "items": {"type": "string", "maxLength": 16}},
    "station_name": _text("", 16),
    "location": _text("", 16),
    "scheduled": _text("YYYY-MM-DDTHH:MM by the hospital's clock, or with an offset; left out in a new order: now"),
    "performing_physician": _text("PN, or Family, Given", 200),
    "contrast_agent": _text(""),
    "pre_medication": _text(""),
    "protocol": _CODE,
}
_PATIENT = _object(
    "patient_id left out: somebody whose number is not known gets one for now, marked as provisional",
    ["name"],
    patient_id=_text("", 64),
    issuer_of_patient_id=_text("the house's own authority if not said", 64),
    name=_text("PN, or Family, Given", 200),
    birth_date=_text("YYYY-MM-DD", 10),
    sex=_text("M, F, O or U", 8),
    other_names=_text("PN", 200),
    address=_text("", 200),
    telephone=_text(""),
    weight_kg={"type": ["number", "null"]},
    size_m={"type": ["number", "null"]},
    pregnancy={"enum": ["no", "possible", "yes", "unknown", None]},
    allergies=_text("several, with semicolons between them", 1000),
    medical_alerts=_text("several, with semicolons between them", 1000),
    confirmed={"type": "boolean", "description": "the patient with this number is meant, whatever name was typed"},
)
_VISIT = _object(
    "with an admission_id, the procedure may be left out (encounter-based imaging)",
    [],
    admission_id=_NUMBER,
    patient_class=_text("", 16),
    location=_text(""),
)
_AUTHORIZATION = _object(
    "an authorization of a payer",
    ["number"],
    number=_text(""),
    payer_id=_text("", 80),
    payer_name=_text("", 80),
    member_id=_text(""),
    effective_on=_text("YYYY-MM-DD", 10),
    expires_on=_text("YYYY-MM-DD", 10),
)
_OTHERS: dict[str, Json] = {
    "patient": _PATIENT,
    "visit": _VISIT,
    "accession_number": _text("made up if not said", 16),
    "issuer_of_accession_number": _text(""),
    "placer_order_number": _NUMBER,
    "filler_order_number": _NUMBER,
    "requested_procedure_id": _text("", 16),
    "study_instance_uid": _text(""),
    "procedure": _CODE,
    "steps": {
        "type": "array",
        "description": "several steps; fields of the order itself hold for those that are silent",
        "items": _object("", [], id=_text("", 16), description=_text(""), **_STEP),
        "maxItems": 20,
    },
    "priority": {"enum": ["STAT", "HIGH", "ROUTINE", "MEDIUM", "LOW", "URGENT", "ASAP", None]},
    "reason": _text("", 1000),
    "comments": _text("", 1000),
    "referring_physician_name": _text("PN, or Family, Given", 200),
    "requesting_physician": _text("PN, or Family, Given", 200),
    "institution_name": _text(""),
    "authorization": _AUTHORIZATION,
    "authorizations": {"type": "array", "items": _AUTHORIZATION, "maxItems": 20},
}
ORDER_SCHEMA = _object("an order", [], **{name: {**_STEP, **_OTHERS}.get(name, {}) for name in ORDER_KEYS})
