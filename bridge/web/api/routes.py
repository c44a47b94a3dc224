"""Every blueprint of the REST interface."""

from __future__ import annotations

from bridge.web.api import (
    audit,
    authorizations,
    corrections,
    decided,
    deliveries,
    devices,
    exams,
    figures,
    incidents,
    looks,
    messages,
    openapi,
    orders,
    questions,
    rejections,
    replays,
    shelf,
    splits,
    studies,
    worklist,
)

blueprints = (
    exams.blueprint,
    worklist.blueprint,
    studies.blueprint,
    looks.blueprint,
    figures.blueprint,
    questions.blueprint,
    corrections.blueprint,
    decided.blueprint,
    rejections.blueprint,
    splits.blueprint,
    incidents.blueprint,
    messages.blueprint,
    replays.blueprint,
    deliveries.blueprint,
    shelf.blueprint,
    devices.blueprint,
    authorizations.blueprint,
    orders.blueprint,
    audit.blueprint,
    openapi.blueprint,
)
