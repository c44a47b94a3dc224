"""Every blueprint of the FHIR server."""

from __future__ import annotations

from bridge.web.fhir import (
    capability,
    endpoints,
    exports,
    histories,
    interactions,
    orders,
    subscriptions,
    tokens,
    validation,
)

blueprints = (
    capability.blueprint,
    tokens.blueprint,
    subscriptions.blueprint,
    exports.blueprint,
    interactions.blueprint,
    histories.blueprint,
    endpoints.blueprint,
    validation.blueprint,
    orders.blueprint,
)
