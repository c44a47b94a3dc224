"""Reports as FHIR, R4 and R5, read-only: DiagnosticReport, and their documents as Binary. Source: FHIR R4 3.1, 2.36."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, Response, request

from bridge.codecs.fhir import diagnostic_report, r4, r5
from bridge.codecs.fhir.diagnostic_report import ReportLinks
from bridge.codecs.fhir.imaging_study import House
from bridge.domain.accounts import Permission
from bridge.domain.report import Report
from bridge.errors import Malformed
from bridge.flows.read_document import read_document
from bridge.store import orders, reports
from bridge.store.db import ReadTx
from bridge.store.listings import served, served_reports
from bridge.store.listings.served_reports import WantedReports
from bridge.web import documents, paging, reads
from bridge.web.access import needs, services
from bridge.web.fhir import search

blueprint = Blueprint("fhir_reports", __name__, url_prefix="/fhir/<any(r4,r5):release>")

Json = dict[str, Any]
_COMPARISONS = ("ge", "gt", "le", "lt")


@blueprint.get("/DiagnosticReport")
@needs(Permission.READ_FHIR)
def search_reports(release: str) -> Response:
    """Find reports by _id, identifier, patient, status or _lastUpdated."""
    search.version_of(release)
    asked = search.parameters("DiagnosticReport")
    size = search.count()
    with services().store.read() as tx:
        known = paging.narrowed()
        wanted = _wanted(tx, asked) if known is None else WantedReports(known)
        keys, total = served_reports.find(tx, wanted, before=paging.before(), limit=size + 1)
        shown, more = paging.cut(keys, size)
        if more and known is None and {"identifier", "patient.identifier"} & set(asked):
            known = tuple(served_reports.find(tx, wanted, before=None, limit=paging.MATCHES_MAX)[0])
        listed = reports.get_many(tx, shown)
        found = [_resource(tx, one, release) for one in listed]
    reads.note_patients("fhir_searched", [one.patient_key for one in listed])
    return search.bundle(release, found, total, shown[-1] if more else None, known or ())


@blueprint.get("/DiagnosticReport/<resource_id>")
@needs(Permission.READ_FHIR)
def read_report(release: str, resource_id: str) -> Response:
    """Return one report that is filed with its exam."""
    search.version_of(release)
    with services().store.read() as tx:
        report = _served(tx, search.key_of(resource_id))
        resource = _resource(tx, report, release)
    reads.note("fhir_read", patient_key=report.patient_key, order_key=report.order_key)
    return search.answer(resource)


@blueprint.get("/Binary/<resource_id>")
@needs(Permission.READ_FHIR)
def read_binary(release: str, resource_id: str) -> Response:
    """Return a document of a report that stands: as a resource to who asks for FHIR, else as the file itself."""
    search.version_of(release)
    with services().store.read() as tx:
        document, report_key, number = reports.document(tx, search.key_of(resource_id))
        report = _served(tx, report_key)
    if report.current != number or report.is_withdrawn:
        raise LookupError(resource_id)
    content = read_document(documents.blobs(), document)
    reads.note("document_read", patient_key=report.patient_key, order_key=report.order_key)
    if "json" in request.headers.get("Accept", "") or "json" in request.args.get("_format", ""):
        return search.answer(diagnostic_report.binary(document, content))
    return documents.as_file(document, content)


def _served(tx: ReadTx, key: int) -> Report:
    keys, _ = served_reports.find(tx, WantedReports((key,)), before=None, limit=1)
    if not keys:
        raise LookupError(f"no report {key} to serve")
    return reports.get(tx, key)


def _resource(tx: ReadTx, report: Report, release: str) -> Json:
    settings = services().settings
    order = orders.get(tx, report.order_key) if report.order_key is not None else None
    bound = tuple(served_reports.studies_of(tx, report))
    wanted = served.Wanted(search.quiet_since(), study_keys=bound)
    complete, _ = served.find(tx, wanted, before=None, limit=len(bound) + 1)
    content = diagnostic_report.build(
        report,
        order,
        ReportLinks(
            f"Patient/{report.patient_key}",
            tuple(f"ImagingStudy/{key}" for key in sorted(complete)),
            f"{search.base(release)}/Binary",
        ),
        House(settings.time_zone, settings.identity.system_of),
    )
    resource = r4.diagnostic_report(content) if release == "r4" else r5.diagnostic_report(content)
    changed = report.updated_at
    meta = {"versionId": str(report.version), **({"lastUpdated": changed.isoformat()} if changed is not None else {})}
    return resource | {"id": str(report.key), "meta": meta}


def _wanted(tx: ReadTx, asked: Mapping[str, str]) -> WantedReports:
    subject = asked.get("patient") or asked.get("subject")
    people = search.subjects(tx, subject) if subject else None
    if number := asked.get("patient.identifier"):
        holders = [str(key) for one in number.split(",") for key in search.patient_keys(tx, one)]
        named = search.subjects(tx, ",".join(holders))
        people = named if people is None else [key for key in people if key in named]
    ids, identifier, status = asked.get("_id"), asked.get("identifier"), asked.get("status")
    return WantedReports(
        keys=tuple(int(one) for one in ids.split(",") if search.ROW.fullmatch(one)) if ids else None,
        values=tuple(search.value(one) for one in identifier.split(",")) if identifier else None,
        patient_keys=tuple(people) if people is not None else None,
        statuses=tuple(search.value(one) for one in status.split(",")) if status else None,
        changed=tuple(each for one in request.args.getlist("_lastUpdated") if one for each in _changed(one)),
    )


def _changed(text: str) -> tuple[tuple[str, datetime], ...]:
    """Return comparisons with moments; a day is all of it. Raises: Malformed. Source: FHIR R4 3.1.1.4.7 (date)."""
    how, at = (text[:2], text[2:]) if text[:2] in _COMPARISONS else ("eq", text.removeprefix("eq"))
    try:
        moment = datetime.fromisoformat(at.replace(" ", "+"))
    except ValueError:
        raise Malformed("a date or an instant is wanted", where="_lastUpdated", source="FHIR R4 3.1.1.4.7") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=services().settings.time_zone)
    begin = moment.astimezone(UTC)
    # The first moment that is no longer in what was named.
    end = (moment + (timedelta(days=1) if len(at) == len("2026-03-02") else timedelta(microseconds=1))).astimezone(UTC)
    bounds = {"ge": (("ge", begin),), "gt": (("ge", end),), "le": (("lt", end),), "lt": (("lt", begin),)}
    return bounds.get(how, (("ge", begin), ("lt", end)))
