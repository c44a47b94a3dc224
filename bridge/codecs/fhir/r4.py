"""ImagingStudy, DiagnosticReport and Endpoint as FHIR R4 (4.0.1) writes them; R4B writes them alike."""

from __future__ import annotations

from typing import Any

from bridge.codecs.fhir import endpoint as ways
from bridge.codecs.fhir.diagnostic_report import RADIOLOGY, DiagnosticReportContent
from bridge.codecs.fhir.elements import without_empty
from bridge.codecs.fhir.imaging_study import ImagingStudyContent, SeriesEntry

Json = dict[str, Any]


def imaging_study(content: ImagingStudyContent) -> Json:
    """Return *content* as an R4 ImagingStudy."""
    return study_frame(content) | {
        "modality": list(content.modalities),
        "series": [_series(one) for one in content.series],
    }


def study_frame(content: ImagingStudyContent) -> Json:
    """Return the elements that R4 and R5 write alike."""
    said: Json = {
        "resourceType": "ImagingStudy",
        "identifier": list(content.identifiers),
        "status": content.status,
        "subject": {"reference": content.subject},
        "started": content.started,
        "basedOn": [content.based_on] if content.based_on else [],
        "referrer": {"display": content.referrer} if content.referrer else None,
        "endpoint": [{"reference": content.endpoint}] if content.endpoint else [],
        "numberOfSeries": len(content.series),
        "numberOfInstances": content.instance_count,
        "description": content.description,
    }
    return without_empty(said)


def series_frame(one: SeriesEntry) -> Json:
    """Return the elements of a series that R4 and R5 write alike."""
    return without_empty(
        {
            "uid": one.uid,
            "number": one.number,
            "description": one.description,
            "numberOfInstances": one.instance_count,
            "started": one.started,
            "instance": [
                without_empty({"uid": each.uid, "sopClass": each.sop_class, "number": each.number, "title": each.title})
                for each in one.instances
            ],
        }
    )


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
            "effectiveDateTime": content.effective,
            "issued": content.issued,
            "resultsInterpreter": [{"display": name} for name in content.interpreters],
            "conclusion": content.conclusion,
            "presentedForm": list(content.presented),
        }
    )


def endpoint(address: str, name: str) -> Json:
    """Return the way to the images by WADO-RS. address: its base URL."""
    return ways.r4(ways.build(ways.Connection.WADO_RS, address, name))


def _series(one: SeriesEntry) -> Json:
    said = series_frame(one) | {"modality": one.modality}
    if one.body_site:
        said["bodySite"] = one.body_site
    if one.laterality:
        said["laterality"] = one.laterality
    return said
