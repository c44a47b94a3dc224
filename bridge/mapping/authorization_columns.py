"""What the columns of a list of authorizations may say, and how their names are compared."""

from __future__ import annotations

# Of the authorization, then of its line; line_number and line_status are the line's own number and decision.
OF_AUTHORIZATION = (
    "number",
    "payer",
    "payer_name",
    "patient_id",
    "issuer_of_patient_id",
    "patient_name",
    "birth_date",
    "member_id",
    "member_suffix",
    "subscriber_id",
    "accession_number",
    "placer_order_number",
    "status",
    "urgency",
    "effective_on",
    "expires_on",
    "received_at",
    "said_at",
    "administrative_reference",
    "trace",
    "reason_codes",
)
OF_LINE = (
    "code",
    "description",
    "modifiers",
    "diagnoses",
    "requested_units",
    "approved_units",
    "place_of_service",
    "rendering_npi",
    "ordering_npi",
    "site_npi",
    "site_name",
    "line_number",
    "sequence",
    "line_status",
)
COLUMNS = (*OF_AUTHORIZATION, *OF_LINE)


def column_key(name: str) -> str:
    """Return a column's name as it is compared: letters and digits, small, one blank between words."""
    return " ".join("".join(char if char.isalnum() else " " for char in name.casefold()).split())
