"""Every blueprint of the console."""

from __future__ import annotations

from bridge.web.desks import admin, billing, entry, exams, intake, it, messages, replays, worklist

blueprints = (
    entry.blueprint,
    exams.blueprint,
    worklist.blueprint,
    intake.blueprint,
    billing.blueprint,
    messages.blueprint,
    replays.blueprint,
    it.blueprint,
    admin.blueprint,
)
