"""ImagingStudy and DiagnosticReport as FHIR R5 (5.0.0) writes them: concepts where R4 has codings."""

from __future__ import annotations

from typing import Any

from bridge.codecs.fhir import r4
from bridge.codecs.fhir.diagnostic_report import DiagnosticReportContent
from bridge.codecs.fhir.elements import concept_of, without_empty
from bridge.codecs.fhir.imaging_study import ImagingStudyContent, SeriesEntry

Json = dict[str, Any]


def imaging_study(content: ImagingStudyContent) -> Json:
    """
    Return *content* as an R5 ImagingStudy.

    The accession number also stands in basedOn, where R5 looks for it; who reads the study stands on its report.
    """
    return r4.study_frame(content) | without_empty(
        {
            "modality": [concept_of(one) for one in content.modalities],
            "partOf": [{"reference": one} for one in content.procedures],
            "procedure": [{"concept": one} for one in content.procedure_codes],
            "reason": [{"concept": one} for one in content.reasons],
            "series": [_series(one) for one in content.series],
        }
    )


def diagnostic_report(content: DiagnosticReportContent) -> Json:
    """Return *content* as an R5 DiagnosticReport; studies of any kind stand in one element."""
    return r4.report_frame(content) | without_empty({"study": [{"reference": one} for one in content.studies]})


def _series(one: SeriesEntry) -> Json:
    said = r4.series_frame(one) | {"modality": concept_of(one.modality)}
    if one.body_site:
        said["bodySite"] = {"concept": concept_of(one.body_site)}
    if one.laterality:
        said["laterality"] = concept_of(one.laterality)
    return said
