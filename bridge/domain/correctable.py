"""What a person may correct of a bound study beside its binding, and what only the record decides.

UIDs, pixels, laterality, dates and everything that the device measured are never corrected.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bridge.errors import Conflict, Incomplete

# Keyword to the words that a desk shows.
CORRECTABLE: Mapping[str, str] = {
    "StudyDescription": "Study description",
    "ProcedureCodeSequence": "Procedure code",
    "RequestedProcedureDescription": "Requested procedure",
    "RequestedProcedureID": "Requested procedure number",
    "ScheduledProcedureStepID": "Scheduled step number",
    "ReferringPhysicianName": "Referring physician",
    "RequestingPhysician": "Requesting physician",
    "AdmissionID": "Visit number",
    "AccessionNumber": "Accession number",
    "IssuerOfAccessionNumberSequence": "Issuer of the accession number",
    "PatientBirthDate": "Birth date",
    "PatientSex": "Sex",
    "OtherPatientIDs": "Other patient numbers",
    "OtherPatientIDsSequence": "Other patient numbers, with issuers",
}
_RECORD_DECIDES = frozenset({"PatientName", "PatientID", "IssuerOfPatientID", "IssuerOfPatientIDQualifiersSequence"})
# Another number can be taken off, but which numbers a patient has, the record says.
ONLY_TAKEN_OFF = frozenset({"OtherPatientIDs", "OtherPatientIDsSequence"})
_SEXES = ("M", "F", "O", "")


def check_correction(values: Mapping[str, str], bound: Collection[str]) -> None:
    """
    Refuse what may not be corrected.

    bound: the keywords that the binding says already.
    Raises: Conflict, code "record_decides"; Incomplete, code "not_correctable" or "not_in_table".
    """
    if not values:
        raise Incomplete("name an attribute to correct", code="missing", where="attributes")
    for keyword, value in values.items():
        if keyword in _RECORD_DECIDES or keyword in bound:
            words = "the bound record says it: mend the record, or bind the study to the right one"
            raise Conflict(words, code="record_decides", where=keyword)
        if keyword not in CORRECTABLE:
            raise Incomplete(f"one of {', '.join(CORRECTABLE)}", code="not_correctable", where=keyword)
        if keyword in ONLY_TAKEN_OFF and value:
            raise Incomplete("can only be taken off", code="not_in_table", where=keyword)
        if keyword == "PatientSex" and value not in _SEXES:
            raise Incomplete("M, F, O or nothing", code="not_in_table", where=keyword)
