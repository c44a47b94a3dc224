"""What the columns of a day's list may be called, in the words of those who make such lists."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

_SEPARATORS = re.compile(r"[^0-9a-z]+")

# By what a column says: a field of an order, "patient." before a patient's; then what people call it.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "patient.patient_id": (
        "patient id",
        "patient number",
        "patient no",
        "patient nr",
        "mrn",
        "pid",
        "pat id",
        "patnr",
        "medical record number",
        "chart",
        "chart number",
        "patienten id",
        "patientennummer",
    ),
    "patient.issuer_of_patient_id": ("issuer of patient id", "issuer", "assigning authority"),
    "patient.name": ("name", "patient name", "patient", "full name", "patientenname"),
    "family": ("family", "family name", "last name", "lastname", "surname", "nachname", "nom", "apellido", "apellidos"),
    "given": ("given", "given name", "first name", "firstname", "forename", "vorname", "prenom", "nombre"),
    "patient.birth_date": (
        "birth date",
        "birthdate",
        "date of birth",
        "dob",
        "born",
        "geburtsdatum",
        "date de naissance",
        "fecha de nacimiento",
        "gebdat",
    ),
    "patient.sex": ("sex", "gender", "geschlecht", "sexe", "sexo", "patient sex"),
    "patient.telephone": ("telephone", "phone", "telefon"),
    "accession_number": ("accession number", "accession", "acc", "acc no", "accession no", "accessionnumber"),
    "placer_order_number": ("placer order number", "order number", "order no", "order id", "order", "auftragsnummer"),
    "procedure": (
        "procedure",
        "exam",
        "study",
        "description",
        "procedure description",
        "requested procedure",
        "examination",
        "untersuchung",
        "examen",
        "requested procedure description",
    ),
    "code": ("procedure code", "code", "exam code", "cpt", "service code"),
    "scheme": ("coding scheme", "scheme", "code system"),
    "modality": ("modality", "mod", "modalitat"),
    "station_ae_title": (
        "station ae title",
        "station",
        "ae title",
        "aet",
        "device",
        "room",
        "scanner",
        "gerat",
        "scheduled station ae title",
    ),
    "date": ("date", "exam date", "appointment date", "scheduled date", "day", "datum"),
    "time": ("time", "exam time", "appointment time", "scheduled time", "start", "start time", "uhrzeit", "heure"),
    "scheduled": ("scheduled", "date time", "datetime", "appointment", "start date time", "when", "termin"),
    "priority": ("priority", "urgency", "stat", "prioritat"),
    "reason": ("reason", "indication", "clinical question", "reason for exam", "indikation"),
    "comments": ("comments", "comment", "notes", "remarks", "bemerkung"),
    "referring_physician_name": ("referring physician", "referrer", "referring", "referring doctor", "zuweiser"),
    "requesting_physician": ("requesting physician", "ordering physician", "ordering provider", "requester"),
    "performing_physician": ("performing physician", "performer"),
    "location": ("location", "ward", "unit"),
    "visit": ("visit", "visit number", "encounter", "encounter id", "admission id", "fallnummer", "case number"),
    "authorization": ("authorization", "authorization number", "auth", "auth no", "prior auth", "pre auth number"),
    "payer": ("payer", "insurance", "insurer", "payer name"),
}
_BY_NAME = {name: said for said, names in _NAMES.items() for name in names}


def plain(header: str) -> str:
    """
    Return a header as it is looked up: without case, accents and punctuation.

    >>> plain(" Date_of-Birth "), plain("Gerät")
    ('date of birth', 'gerat')
    """
    folded = unicodedata.normalize("NFKD", header.casefold()).encode("ascii", "ignore").decode()
    return _SEPARATORS.sub(" ", folded).strip()


def field_of(header: str) -> str:
    """Return what a column says, "" for one that says nothing here."""
    name = plain(header)
    return _BY_NAME.get(name) or _BY_NAME.get(name.replace(" ", "")) or ""
