"""A DiagnosticReport before it is written in a version of FHIR. Source: FHIR R4 and R5 DiagnosticReport, HL7 v2-to-FHIR."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from bridge.codecs.fhir.elements import clean, display_name, system_of_scheme
from bridge.codecs.fhir.imaging_study import House
from bridge.codecs.fhir.references import (
    Links,
    encounter_reference,
    order_reference,
    study_identifier,
    typed_identifier,
)
from bridge.domain.order import Code, Order
from bridge.domain.report import IMAGING_REPORT, Report, ReportContent, ReportDocument, ReportSection

Json = dict[str, Any]

RADIOLOGY: Json = {
    "coding": [
        {"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "RAD", "display": "Radiology"},
    ]
}
_MIDNIGHT = "000000"


@dataclass(frozen=True, slots=True)
class DiagnosticReportContent:
    """What both versions say. studies: references to studies that are bound to the same patient."""

    status: str
    identifiers: tuple[Json, ...]
    subject: str
    based_on: Json | None
    encounter: Json | None
    code: Json
    effective: str
    issued: str
    interpreters: tuple[str, ...]
    studies: tuple[str, ...]
    conclusion: str
    presented: tuple[Json, ...]


@dataclass(frozen=True, slots=True)
class ReportLinks:
    """
    What a report points to. subject: "Patient/7". studies: "ImagingStudy/5". documents: the address of Binary.

    order: "ServiceRequest/9", encounter: "Encounter/4", "" to name them by number only.
    """

    subject: str
    studies: tuple[str, ...] = ()
    documents: str = ""
    order: str = ""
    encounter: str = ""

    @property
    def of_exam(self) -> Links:
        """The same for what stands beside the report: its order and its visit."""
        return Links(self.subject, service_request=self.order, encounter=self.encounter)


def build(report: Report, order: Order | None, links: ReportLinks, house: House) -> DiagnosticReportContent:
    """
    Return what is said of a report that is filed with its exam.

    One that was taken back keeps its status and numbers and loses its text: who has read it must learn so, and nobody
    reads it anew.
    """
    said = report.content
    told = not report.is_withdrawn
    return DiagnosticReportContent(
        status=said.status.value,
        identifiers=_identifiers(report, house),
        subject=links.subject,
        based_on=None if order is None else order_reference(order, links.of_exam, house.system_of),
        encounter=None if order is None else encounter_reference(order, links.of_exam, house.system_of),
        code=kind_of(report),
        effective=_effective(said, house.zone),
        issued=(said.issued_at or report.said.issued_at).astimezone(UTC).isoformat(),
        interpreters=tuple(name for one in said.interpreters if (name := display_name(one))),
        studies=links.studies,
        conclusion=_lines(said.impression) if told else "",
        presented=_presented(said, links.documents) if told else (),
    )


def binary(document: ReportDocument, content: bytes) -> Json:
    """Return a document as a resource. Source: FHIR R4 and R5 Binary."""
    return {
        "resourceType": "Binary",
        "id": str(document.key),
        "contentType": document.content_type,
        "data": base64.b64encode(content).decode("ascii"),
    }


def plain_text(sections: Sequence[ReportSection]) -> str:
    """Return a report's text with its headings in capitals, lines ended by LF."""
    parts = [f"{one.title.upper()}\n{_lines(one.text)}".strip() for one in sections]
    return "\n\n".join(part for part in parts if part)


def kind_of(report: Report) -> Json:
    """Return what kind of report it is; without a code that anybody knows it is an imaging report by its own name."""
    return _concept(report.content.code, clean(report.content.title))


def _identifiers(report: Report, house: House) -> tuple[Json, ...]:
    filler = report.numbers.filler_order_number
    found = [typed_identifier("FILL", house.system_of(filler.issuer), filler.value)] if filler else []
    if report.numbers.sr_instance_uid:
        found.append(study_identifier(report.numbers.sr_instance_uid))
    return tuple(found)


def _concept(code: Code, title: str) -> Json:
    """Return the code with its system; one of a system that nobody knows is an imaging report by another name."""
    is_known = code.code_value and system_of_scheme(code.coding_scheme_designator)
    known = code if is_known else IMAGING_REPORT
    coding = {"system": system_of_scheme(known.coding_scheme_designator), "code": known.code_value}
    display = clean(known.code_meaning)
    return {"coding": [coding | ({"display": display} if display else {})]} | ({"text": title} if title else {})


def _effective(said: ReportContent, zone: tzinfo) -> str:
    """Return when the exam was; a midnight is a day whose time nobody said."""
    if said.observed_at is None:
        return ""
    if said.observed_local.endswith(_MIDNIGHT):
        return datetime.strptime(said.observed_local[:8], "%Y%m%d").strftime("%Y-%m-%d")
    return said.observed_at.astimezone(zone).isoformat()


def _presented(said: ReportContent, documents_at: str) -> tuple[Json, ...]:
    text = plain_text(said.sections)
    forms: list[Json] = []
    if text:
        data = base64.b64encode(text.encode()).decode("ascii")
        forms.append({"contentType": "text/plain; charset=utf-8", "data": data, "title": "Report text"})
    forms += [
        {"contentType": one.content_type, "url": f"{documents_at}/{one.key}", "title": clean(one.title) or "Report"}
        for one in said.documents
    ]
    return tuple(forms)


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").strip("\n")
