"""What a DiagnosticReport says, in both versions; fhir.resources is the judge of form."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.codecs.fhir.diagnostic_report import ReportLinks, binary, build, plain_text
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.domain.order import Code
from bridge.domain.patient import PatientDraft
from bridge.domain.report import (
    IMAGING_REPORT,
    Report,
    ReportContent,
    ReportDocument,
    ReportNumbers,
    ReportSection,
    ReportStatus,
    Said,
)
from tests.unit.codecs.fhir.test_imaging_study import CODECS, HOUSE, MODELS, ORDER

Json = dict[str, Any]

AT = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)
CONTENT = ReportContent(
    ReportStatus.FINAL,
    Code("71260", "C4", "CT CHEST"),
    "CT chest with contrast",
    AT,
    "20260302101500",
    datetime(2026, 3, 2, 15, 15, tzinfo=UTC),
    ("BRANDT^EVA^^DR", "HOLM^OLE"),
    (ReportSection("Findings", "Lungs clear.\r\n  No effusion."), ReportSection("Impression", "No acute finding.")),
    (ReportDocument("Signed report", "application/pdf", 30, "ab" * 32, key=9),),
)
REPORT = Report(
    4,
    ReportNumbers(filler_order_number=EntityIdentifier("F1", "RIS"), sr_instance_uid="2.25.8"),
    PatientDraft((PatientIdentifier("1", "RIS"),)),
    CONTENT,
    1,
    Said(AT, AT),
)


def written(report: Report, version: str, studies: tuple[str, ...] = ("ImagingStudy/5",)) -> Json:
    content = build(report, ORDER, ReportLinks("Patient/7", studies, "https://bridge.example/fhir/r4/Binary"), HOUSE)
    resource: Json = CODECS[version].diagnostic_report(content)
    MODELS[version].get_fhir_model_class("DiagnosticReport").model_validate(resource)
    return resource


def said(**changes: Any) -> Report:
    return replace(REPORT, content=replace(CONTENT, **changes))


@pytest.mark.parametrize(("version", "element"), [("R4", "imagingStudy"), ("R5", "study")])
def test_a_report_points_to_its_patient_order_and_images(version: str, element: str) -> None:
    found = written(REPORT, version)

    assert found["subject"] == {"reference": "Patient/7"}
    assert found["basedOn"][0]["identifier"]["value"] == "A1"
    assert found[element] == [{"reference": "ImagingStudy/5"}]
    assert [one["value"] for one in found["identifier"]] == ["F1", "urn:oid:2.25.8"]


@pytest.mark.parametrize("version", ["R4", "R5"])
def test_a_report_says_who_read_what_and_when(version: str) -> None:
    found = written(REPORT, version)

    assert (found["status"], found["conclusion"]) == ("final", "No acute finding.")
    assert found["code"]["coding"][0]["code"] == "71260"
    assert found["code"]["text"] == "CT chest with contrast"
    assert found["effectiveDateTime"] == "2026-03-02T10:15:00-05:00"
    assert found["issued"] == "2026-03-02T17:00:00+00:00"
    assert [one["display"] for one in found["resultsInterpreter"]] == ["DR EVA BRANDT", "OLE HOLM"]


@pytest.mark.parametrize("version", ["R4", "R5"])
def test_text_and_documents_are_presented_forms(version: str) -> None:
    text, document = written(REPORT, version)["presentedForm"]

    assert base64.b64decode(text["data"]).decode() == plain_text(CONTENT.sections)
    assert document == {
        "contentType": "application/pdf",
        "url": "https://bridge.example/fhir/r4/Binary/9",
        "title": "Signed report",
    }


def test_the_text_keeps_its_headings_and_lines() -> None:
    assert plain_text(CONTENT.sections) == ("FINDINGS\nLungs clear.\n  No effusion.\n\nIMPRESSION\nNo acute finding.")


@pytest.mark.parametrize("version", ["R4", "R5"])
@pytest.mark.parametrize("status", list(ReportStatus))
def test_every_status_is_one_of_fhir_s(version: str, status: ReportStatus) -> None:
    assert written(said(status=status), version)["status"] == status.value


@pytest.mark.parametrize("status", [ReportStatus.ENTERED_IN_ERROR, ReportStatus.CANCELLED])
def test_what_was_taken_back_tells_so_and_nothing_of_its_text(status: ReportStatus) -> None:
    found = written(said(status=status), "R4")

    assert "conclusion" not in found
    assert "presentedForm" not in found
    assert found["identifier"][0]["value"] == "F1"


@pytest.mark.parametrize("code", [IMAGING_REPORT, Code("CTCH", "L", "CT chest"), Code("", "", "CT chest")])
def test_a_code_of_no_known_system_is_an_imaging_report(code: Code) -> None:
    found = written(said(code=code), "R4")["code"]

    assert found["coding"] == [{"system": "http://loinc.org", "code": "18748-4", "display": "Diagnostic imaging study"}]
    assert found["text"] == "CT chest with contrast"


def test_a_day_without_a_time_stays_a_day() -> None:
    assert written(said(observed_local="20260302000000"), "R4")["effectiveDateTime"] == "2026-03-02"


def test_a_report_with_hardly_anything_in_it_is_still_one() -> None:
    bare = ReportContent(ReportStatus.PARTIAL)
    found = written(replace(REPORT, content=bare, numbers=ReportNumbers()), "R5", ())

    assert found["status"] == "partial"
    assert "study" not in found


@pytest.mark.parametrize("version", ["R4", "R5"])
def test_a_document_is_a_resource_too(version: str) -> None:
    found = binary(CONTENT.documents[0], b"%PDF-1.4")

    MODELS[version].get_fhir_model_class("Binary").model_validate(found)
    assert base64.b64decode(found["data"]) == b"%PDF-1.4"
