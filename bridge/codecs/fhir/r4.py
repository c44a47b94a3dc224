"""ImagingStudy and DiagnosticReport as FHIR R4 (4.0.1) writes them; R4B writes them alike."""

from __future__ import annotations

from typing import Any

from bridge.codecs.fhir.diagnostic_report import RADIOLOGY, DiagnosticReportContent
from bridge.codecs.fhir.elements import without_empty
from bridge.codecs.fhir.imaging_study import ImagingStudyContent, InstanceEntry, SeriesEntry

Json = dict[str, Any]

_PERFORMER: Json = {
    "coding": [
        {
            "system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
            "code": "PRF",
            "display": "performer",
        }
    ]
}


def imaging_study(content: ImagingStudyContent) -> Json:
    """Return *content* as an R4 ImagingStudy; it has room for one procedure."""
    return study_frame(content) | without_empty(
        {
            "modality": list(content.modalities),
            "interpreter": list(content.interpreters),
            "procedureReference": {"reference": content.procedures[0]} if content.procedures else {},
            "procedureCode": list(content.procedure_codes),
            "reasonCode": list(content.reasons),
            "series": [_series(one) for one in content.series],
        }
    )


def study_frame(content: ImagingStudyContent) -> Json:
    """Return the elements that R4 and R5 write alike."""
    return without_empty(
        {
            "resourceType": "ImagingStudy",
            "identifier": list(content.identifiers),
            "status": content.status,
            "subject": {"reference": content.subject},
            "encounter": content.encounter,
            "started": content.started,
            "basedOn": [content.based_on] if content.based_on else [],
            "referrer": content.referrer,
            "endpoint": [{"reference": one} for one in content.endpoints],
            "numberOfSeries": None if content.instance_count is None else len(content.series),
            "numberOfInstances": content.instance_count,
            "location": content.location,
            "description": content.description,
        }
    )


def series_frame(one: SeriesEntry) -> Json:
    """Return the elements of a series that R4 and R5 write alike."""
    return without_empty(
        {
            "uid": one.uid,
            "number": one.number,
            "description": one.description,
            "numberOfInstances": one.instance_count,
            "endpoint": [{"reference": one.endpoint}] if one.endpoint else [],
            "specimen": list(one.specimens),
            "started": one.started,
            "performer": [{"function": _PERFORMER, "actor": each} for each in one.performers],
            "instance": [_instance(each) for each in one.instances],
        }
    )


def _instance(each: InstanceEntry) -> Json:
    uid, sop_class, number, title = each
    said: Json = {"uid": uid, "sopClass": sop_class}
    if number is not None:
        said["number"] = number
    if title:
        said["title"] = title
    return said


def diagnostic_report(content: DiagnosticReportContent) -> Json:
    """Return *content* as an R4 DiagnosticReport."""
    return report_frame(content) | without_empty({"imagingStudy": [{"reference": one} for one in content.studies]})


def report_frame(content: DiagnosticReportContent) -> Json:
    """Return the elements of a report that R4 and R5 write alike."""
    return without_empty(
        {
            "resourceType": "DiagnosticReport",
            "identifier": list(content.identifiers),
            "basedOn": [content.based_on] if content.based_on else [],
            "status": content.status,
            "category": [RADIOLOGY],
            "code": content.code,
            "subject": {"reference": content.subject},
            "encounter": content.encounter,
            "effectiveDateTime": content.effective,
            "issued": content.issued,
            "resultsInterpreter": [{"display": name} for name in content.interpreters],
            "conclusion": content.conclusion,
            "presentedForm": list(content.presented),
        }
    )


def _series(one: SeriesEntry) -> Json:
    said = series_frame(one) | {"modality": one.modality}
    if one.body_site:
        said["bodySite"] = one.body_site
    if one.laterality:
        said["laterality"] = one.laterality
    return said
