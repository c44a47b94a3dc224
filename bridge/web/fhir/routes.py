"""Every blueprint of the FHIR server."""

from __future__ import annotations

from bridge.web.fhir import capability, endpoints, interactions, orders, subscriptions

blueprints = (
    capability.blueprint,
    subscriptions.blueprint,
    interactions.blueprint,
    endpoints.blueprint,
    orders.blueprint,
)
