"""Every blueprint of the FHIR server."""

from __future__ import annotations

from bridge.web.fhir import capability, endpoints, imaging_studies, orders, patients, reports

blueprints = (
    capability.blueprint,
    imaging_studies.blueprint,
    patients.blueprint,
    endpoints.blueprint,
    orders.blueprint,
    reports.blueprint,
)
