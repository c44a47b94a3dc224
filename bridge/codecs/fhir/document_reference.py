"""A document of an exam: a report as it was written. Source: FHIR R4 and R5 DocumentReference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bridge.codecs.fhir import diagnostic_report, people
from bridge.codecs.fhir.elements import LOINC, clean, instant, without_empty
from bridge.codecs.fhir.imaging_study import House
from bridge.codecs.fhir.references import encounter_reference, order_reference
from bridge.domain.order import Order
from bridge.domain.order_people import Person
from bridge.domain.report import WITHDRAWN, Report, ReportDocument, ReportStatus

Json = dict[str, Any]

DOCUMENT_SYSTEM = "urn:imaging-bridge:document"
_CATEGORY: Json = {"coding": [{"system": LOINC, "code": "18726-0", "display": "Radiology studies (set)"}]}
# What is no composition-status of R4 is still a draft.
_DOC_STATUSES = {
    ReportStatus.FINAL: "final",
    ReportStatus.AMENDED: "amended",
    ReportStatus.CORRECTED: "amended",
    ReportStatus.APPENDED: "amended",
    ReportStatus.CANCELLED: "entered-in-error",
    ReportStatus.ENTERED_IN_ERROR: "entered-in-error",
}


@dataclass(frozen=True, slots=True)
class DocumentReferenceContent:
    """What both versions say. related: what the document is about."""

    status: str
    doc_status: str
    identifiers: tuple[Json, ...]
    kind: Json
    subject: str
    dated: str
    authors: tuple[Json, ...]
    content_type: str
    url: str
    title: str
    size_bytes: int
    encounter: Json | None
    based_on: Json | None
    related: tuple[Json, ...]


def of_report(
    report: Report, document: ReportDocument, order: Order | None, links: diagnostic_report.ReportLinks, house: House
) -> DocumentReferenceContent:
    """Return what is said of a document that came with a report. links.documents: the address of Binary."""
    said = report.content
    own = links.of_exam
    return DocumentReferenceContent(
        status="entered-in-error" if said.status in WITHDRAWN else "current",
        doc_status=_DOC_STATUSES.get(said.status, "preliminary"),
        identifiers=({"system": DOCUMENT_SYSTEM, "value": document.digest},),
        kind=diagnostic_report.kind_of(report),
        subject=links.subject,
        dated=instant(said.issued_at or report.said.issued_at),
        authors=tuple(one for name in said.interpreters if (one := people.practitioner(Person(name), house.system_of))),
        content_type=document.content_type,
        url=f"{links.documents}/{document.key}",
        title=clean(document.title) or "Report",
        size_bytes=document.size_bytes,
        encounter=None if order is None else encounter_reference(order, own, house.system_of),
        based_on=None if order is None else order_reference(order, own, house.system_of),
        related=tuple({"reference": one} for one in links.studies),
    )


def r4(content: DocumentReferenceContent) -> Json:
    """Return *content* as an R4 DocumentReference."""
    related = [*content.related, *([content.based_on] if content.based_on else [])]
    context = {"encounter": [content.encounter] if content.encounter else [], "related": related}
    return _frame(content) | without_empty(
        {
            "content": [{"attachment": _attachment(content)}],
            "context": without_empty(context),
        }
    )


def r5(content: DocumentReferenceContent) -> Json:
    """Return *content* as an R5 DocumentReference; what it is about stands in basedOn, which takes no study."""
    based_on = [content.based_on] if content.based_on else []
    return _frame(content) | without_empty(
        {
            "basedOn": based_on,
            "context": [content.encounter] if content.encounter else [],
            # A 64-bit integer is a string in R5's JSON.
            "content": [{"attachment": _attachment(content) | {"size": str(content.size_bytes)}}],
        }
    )


def _attachment(content: DocumentReferenceContent) -> Json:
    return without_empty(
        {"contentType": content.content_type, "url": content.url, "size": content.size_bytes, "title": content.title}
    )


def _frame(content: DocumentReferenceContent) -> Json:
    return without_empty(
        {
            "resourceType": "DocumentReference",
            "identifier": list(content.identifiers),
            "status": content.status,
            "docStatus": content.doc_status,
            "type": content.kind,
            "category": [_CATEGORY],
            "subject": {"reference": content.subject},
            "date": content.dated,
            "author": list(content.authors),
        }
    )
