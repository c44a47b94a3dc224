"""Every blueprint of the FHIR server."""

from __future__ import annotations

from bridge.web.fhir import capability, endpoints, exports, histories, interactions, orders, subscriptions, validation

blueprints = (
    capability.blueprint,
    subscriptions.blueprint,
    exports.blueprint,
    interactions.blueprint,
    histories.blueprint,
    endpoints.blueprint,
    validation.blueprint,
    orders.blueprint,
)
