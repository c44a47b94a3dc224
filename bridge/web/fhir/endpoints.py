"""Endpoint and Binary: the ways to the images, and the documents of reports. Source: FHIR R4 and R5, IHE RAD IMR."""

from __future__ import annotations

from flask import Blueprint, Response, request

from bridge.codecs.fhir import diagnostic_report, endpoint
from bridge.domain.accounts import Permission
from bridge.domain.resource_query import Asked, Term, Token, Total
from bridge.store import reports
from bridge.store.report_bytes import read_document
from bridge.store.searches import charts, conditions
from bridge.web import documents, reads
from bridge.web.access import needs, services
from bridge.web.fhir import allowed, answers, asked
from bridge.web.fhir.kinds import ID, Kind, Made, Parameter, Serving, both

PARAMETERS: tuple[Parameter, ...] = (
    ID,
    both("connection-type", "token"),
    both("identifier", "token"),
    both("name", "string"),
    both("organization", "reference", "Organization"),
    both("payload-type", "token"),
    both("status", "token"),
)
KIND = Kind(
    "Endpoint",
    conditions.nowhere(one.name for one in PARAMETERS),
    PARAMETERS,
    lambda _, __, ___: [],
    lambda _, __, ___: None,
)
blueprint = Blueprint("fhir_documents", __name__, url_prefix="/fhir/<any(r4,r5):release>")


def made(serving: Serving) -> list[Made]:
    """Return the ways to the images: of programs, and of people where they reach our pages."""
    write = endpoint.r4 if serving.release == "r4" else endpoint.r5
    ways = endpoint.ways(serving.public_url, has_viewer=serving.house.has_viewer)
    contents = {way: endpoint.build(way, address, serving.organization) for way, address in ways.items()}
    return [
        Made(write(content) | {"id": endpoint.IDS[way], "meta": {"versionId": "1"}})
        for way, content in contents.items()
    ]


def answers_to(found: Made, term: Term) -> bool:
    """Say whether a way answers to a term."""
    said = found.resource
    if term.is_missing is not None:
        return term.is_missing == (term.name == "organization")
    kind = said["connectionType"]
    coding = kind if isinstance(kind, dict) else kind[0]["coding"][0]
    values = {
        "_id": [(None, said["id"])],
        "identifier": [(one["system"], one["value"]) for one in said["identifier"]],
        "connection-type": [(coding["system"], coding["code"])],
        "payload-type": [("http://dicom.nema.org/resources/ontology/DCM", "113014")],
        "status": [("http://hl7.org/fhir/endpoint-status", "active")],
    }
    met = any(
        one.code == code and one.system in (None, system)
        for one in term.tokens()
        for system, code in values.get(term.name, ())
    )
    name = str(said.get("name", "")).lower()
    met = met or (term.name == "name" and any(name.startswith(one.text.lower()) for one in term.words()))
    return met != term.is_negated


@blueprint.get("/Binary/<resource_id>")
@needs(Permission.READ_FHIR)
def read_binary(release: str, resource_id: str) -> Response:
    """Return a document of a report that stands: as a resource to who asks for FHIR, else as the file itself."""
    allowed.check("Binary", "r")
    with services().store.read() as tx:
        serving = asked.serving(tx, release)
        wanted = Asked((Term("_id", (Token(resource_id),)),), count=1, total=Total.NONE)
        found = charts.DOCUMENTS.find(tx, wanted, serving.search).keys
        if not found:
            raise LookupError(resource_id)
        document, report_key, number = reports.document(tx, found[0])
        report = reports.get(tx, report_key)
    if report.current != number or report.is_withdrawn:
        raise LookupError(resource_id)
    content = read_document(documents.blobs(), document)
    reads.note("document_read", patient_key=report.patient_key, order_key=report.order_key)
    if "json" in request.headers.get("Accept", "") or "json" in request.args.get("_format", ""):
        return answers.plain(diagnostic_report.binary(document, content))
    return documents.as_file(document, content)
