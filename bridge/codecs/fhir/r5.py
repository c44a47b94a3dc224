"""ImagingStudy, DiagnosticReport and Endpoint as FHIR R5 (5.0.0) writes them: concepts where R4 has codings."""

from __future__ import annotations

from typing import Any

from bridge.codecs.fhir import r4
from bridge.codecs.fhir.codings import DCM
from bridge.codecs.fhir.diagnostic_report import DiagnosticReportContent
from bridge.codecs.fhir.imaging_study import ImagingStudyContent, SeriesEntry

Json = dict[str, Any]


def imaging_study(content: ImagingStudyContent) -> Json:
    """Return *content* as an R5 ImagingStudy; the accession number also stands in basedOn, where R5 looks for it."""
    return r4.study_frame(content) | {
        "modality": [_concept(one) for one in content.modalities],
        "series": [_series(one) for one in content.series],
    }


def diagnostic_report(content: DiagnosticReportContent) -> Json:
    """Return *content* as an R5 DiagnosticReport; studies of any kind stand in one element."""
    return r4.report_frame(content) | r4.without_empty({"study": [{"reference": one} for one in content.studies]})


def endpoint(address: str, name: str) -> Json:
    """Return the way to the images, found again by its address. Source: FHIR R5 Endpoint."""
    return r4.endpoint_frame(address, name) | {
        "connectionType": [_concept({"system": r4.CONNECTION_TYPES, "code": "dicom-wado-rs"})],
        "payload": [
            {
                "type": [_concept({"system": DCM, "code": "113014", "display": "Study"})],
                "mimeType": ["application/dicom"],
            }
        ],
    }


def _series(one: SeriesEntry) -> Json:
    said = r4.series_frame(one) | {"modality": _concept(one.modality)}
    if one.body_site:
        said["bodySite"] = {"concept": _concept(one.body_site)}
    if one.laterality:
        said["laterality"] = _concept(one.laterality)
    return said


def _concept(coding: Json) -> Json:
    """Return a CodeableConcept; a coding that is nothing but words becomes text."""
    if "code" not in coding:
        return {"text": coding["display"]}
    return {"coding": [coding]}
