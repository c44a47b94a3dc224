"""DiagnosticReport, DocumentReference, Procedure, Claim and ClaimResponse: what else a chart has of an exam."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from bridge.codecs.fhir import authorization, diagnostic_report, document_reference, procedure, r4, r5
from bridge.codecs.fhir.diagnostic_report import ReportLinks
from bridge.codecs.fhir.references import Links
from bridge.domain.attachment import AttachmentState
from bridge.domain.order import Order
from bridge.domain.report import Report
from bridge.leaving import procedures
from bridge.leaving.studies import ORDER_ID, visit_of
from bridge.store import authorizations, orders, patients, performed, placements, reports, studies
from bridge.store.db import ReadTx
from bridge.store.listings import served, served_reports
from bridge.store.searches import authorizations as authorized
from bridge.store.searches import changes
from bridge.store.searches import charts as search
from bridge.web.fhir.kinds import (
    ID,
    LAST_UPDATED,
    NUMBER,
    PATIENT,
    SUBJECT,
    Kind,
    Made,
    Parameter,
    Serving,
    both,
    mark_of,
    meta_of,
    rows_of,
)

Json = dict[str, Any]


def make_reports(tx: ReadTx, keys: Sequence[int], serving: Serving) -> list[Made]:
    """Return reports with the studies of their own patient that they are about."""
    made = []
    for report in reports.get_many(tx, keys):
        order = orders.get(tx, report.order_key) if report.order_key is not None else None
        content = diagnostic_report.build(report, order, _links(tx, report, order, serving), serving.house)
        said = r4.diagnostic_report(content) if serving.release == "r4" else r5.diagnostic_report(content)
        meta = meta_of(said, str(report.version), _since(tx, report.updated_at, [order] if order else []))
        made.append(Made(said | {"id": str(report.key), "meta": meta}, report.patient_key, None, report.order_key))
    return made


def make_documents(tx: ReadTx, keys: Sequence[int], serving: Serving) -> list[Made]:
    """Return the documents of reports as they stand."""
    made = []
    for key in keys:
        document, report_key, _ = reports.document(tx, key)
        report = reports.get(tx, report_key)
        order = orders.get(tx, report.order_key) if report.order_key is not None else None
        links = _links(tx, report, order, serving)
        content = document_reference.of_report(report, document, order, links, serving.house)
        said = document_reference.r4(content) if serving.release == "r4" else document_reference.r5(content)
        meta = meta_of(said, str(report.version), _since(tx, report.updated_at, [order] if order else []))
        made.append(Made(said | {"id": str(key), "meta": meta}, report.patient_key, None, report.order_key))
    return made


def make_procedures(tx: ReadTx, keys: Sequence[int], serving: Serving) -> list[Made]:
    """Return performed steps of orders, those that are certainly of one patient."""
    made = []
    for key in keys:
        mpps = performed.get(tx, key)
        found = procedures.certain(tx, mpps)
        if found is None:
            continue
        ordered, patient_key = found
        order = ordered[0]
        links = Links(f"Patient/{patient_key}", service_request=_order(order), encounter=visit_of(tx, order))
        content = procedure.build(mpps, performed.attributes_of(tx, key), order, links, serving.house)
        said = procedure.r4(content) if serving.release == "r4" else procedure.r5(content)
        changed = _since(tx, mpps.updated_at, ordered)
        meta = meta_of(said, "", changed) | mark_of(any(one.is_test for one in ordered))
        made.append(Made(said | {"id": str(key), "meta": meta}, patient_key, None, order.key))
    return made


def _authorized(answer: bool) -> Callable[[ReadTx, Sequence[int], Serving], list[Made]]:
    def make(tx: ReadTx, keys: Sequence[int], serving: Serving) -> list[Made]:
        return [_one_authorized(tx, key, serving, answer) for key in keys]

    return make


def _one_authorized(tx: ReadTx, key: int, serving: Serving, answer: bool) -> Made:
    found = authorizations.get(tx, key)
    patient_key = patients.survivor(tx, found.patient_key).key
    attached = [
        studies.get(tx, one.study_key)
        for one in authorizations.attachments_of(tx, key)
        if one.state == AttachmentState.SENT
    ]
    own = tuple(
        dict.fromkeys(
            one.study_instance_uid
            for one in attached
            if one.is_bound
            and one.patient_key is not None
            and patients.survivor(tx, one.patient_key).key == patient_key
        )
    )
    content = authorization.build(found, f"Patient/{patient_key}", serving.organization, own)
    said = authorization.response(content, f"Claim/{key}") if answer else authorization.claim(content)
    changed = changes.of_authorizations(tx, [key])[key]
    meta = meta_of(said, f"{changed.timestamp():.0f}", changed)
    return Made(said | {"id": str(key), "meta": meta}, patient_key, None, found.order_key)


def _links(tx: ReadTx, report: Report, order: Order | None, serving: Serving) -> ReportLinks:
    bound = tuple(served_reports.studies_of(tx, report))
    wanted = served.Wanted(serving.search.quiet_since, study_keys=bound)
    complete, _ = served.find(tx, wanted, before=None, limit=len(bound) + 1)
    named = placements.resource_ids(tx, sorted(complete))
    about = tuple(f"ImagingStudy/{named[key]}" for key in sorted(named))
    links = ReportLinks(f"Patient/{report.patient_key}", about, f"{serving.base}/Binary")
    return links if order is None else replace(links, order=_order(order), encounter=visit_of(tx, order))


def _since(tx: ReadTx, own: datetime | None, ordered: Sequence[Order]) -> datetime | None:
    """Return since when something is said as it is, that its orders say, too."""
    known = [own, *(at for _, at in changes.of_orders(tx, [one.key for one in ordered]).values())]
    return max((at for at in known if at is not None), default=None)


def _order(order: Order) -> str:
    return f"ServiceRequest/{ORDER_ID}{order.key}"


REPORT = Kind(
    "DiagnosticReport",
    search.REPORTS,
    (
        ID,
        LAST_UPDATED,
        NUMBER,
        PATIENT,
        SUBJECT,
        both("based-on", "reference", "ServiceRequest"),
        both("category", "token"),
        both("code", "token"),
        both("date", "date"),
        both("encounter", "reference", "Encounter"),
        both("issued", "date"),
        Parameter("imaging-study", "reference", "", "study", ("ImagingStudy",)),
        both("status", "token"),
    ),
    make_reports,
    rows_of(search.REPORTS),
    includes={"patient": "subject", "subject": "subject", "based-on": "basedOn", "encounter": "encounter"},
)
DOCUMENT = Kind(
    "DocumentReference",
    search.DOCUMENTS,
    (
        ID,
        LAST_UPDATED,
        NUMBER,
        PATIENT,
        SUBJECT,
        both("contenttype", "token"),
        both("date", "date"),
        Parameter("based-on", "reference", "", "based-on", ("ServiceRequest",)),
        Parameter("encounter", "reference", "encounter", "context", ("Encounter",)),
        Parameter("related", "reference", "related", "", ("ImagingStudy", "ServiceRequest")),
        both("status", "token"),
    ),
    make_documents,
    rows_of(search.DOCUMENTS),
    includes={"patient": "subject", "subject": "subject", "based-on": "basedOn"},
)
PROCEDURE = Kind(
    "Procedure",
    search.PROCEDURES,
    (
        ID,
        LAST_UPDATED,
        NUMBER,
        PATIENT,
        SUBJECT,
        both("based-on", "reference", "ServiceRequest"),
        both("date", "date"),
        both("encounter", "reference", "Encounter"),
        both("status", "token"),
    ),
    make_procedures,
    rows_of(search.PROCEDURES),
    includes={"patient": "subject", "subject": "subject", "based-on": "basedOn", "encounter": "encounter"},
    is_judged=True,
)
_AUTHORIZED = (
    ID,
    LAST_UPDATED,
    NUMBER,
    PATIENT,
    both("created", "date"),
    both("insurer", "reference", "Organization"),
    both("status", "token"),
    both("use", "token"),
)
CLAIM = Kind(
    "Claim",
    authorized.CLAIMS,
    (*_AUTHORIZED, both("priority", "token"), both("provider", "reference", "Practitioner", "Organization")),
    _authorized(False),
    rows_of(authorized.CLAIMS),
    includes={"patient": "patient"},
    revincludes=(("ClaimResponse", "request"),),
)
CLAIM_RESPONSE = Kind(
    "ClaimResponse",
    authorized.CLAIM_RESPONSES,
    (
        *_AUTHORIZED,
        both("disposition", "string"),
        both("outcome", "token"),
        both("request", "reference", "Claim"),
        both("requestor", "reference", "Practitioner", "Organization"),
    ),
    _authorized(True),
    rows_of(authorized.CLAIM_RESPONSES),
    includes={"patient": "patient", "request": "request"},
)
