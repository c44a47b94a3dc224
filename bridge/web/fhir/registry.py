"""Which resources can be read and searched, and for whom."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.domain.accounts import Permission
from bridge.web.fhir import appointments, charts, imaging_studies, patients, selections, service_requests, trails
from bridge.web.fhir.kinds import Kind

KINDS: Mapping[str, Kind] = {
    one.name: one
    for one in (
        imaging_studies.KIND,
        patients.KIND,
        patients.ENCOUNTER,
        service_requests.KIND,
        service_requests.TASK,
        appointments.KIND,
        charts.REPORT,
        charts.DOCUMENT,
        charts.PROCEDURE,
        selections.KIND,
        charts.CLAIM,
        charts.CLAIM_RESPONSE,
        trails.PROVENANCE,
        trails.AUDIT_EVENT,
    )
}
# What not everybody who reads FHIR may see, and what else is needed for it.
PERMISSIONS: Mapping[str, Permission] = {trails.AUDIT_EVENT.name: Permission.READ_AUDIT}
READABLE = tuple(name for name in KINDS if name not in PERMISSIONS)
