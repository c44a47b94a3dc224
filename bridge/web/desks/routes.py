"""Every blueprint of the console."""

from __future__ import annotations

from bridge.web.desks import admin, billing, board, entry, exams, intake, it, lists, messages, replays, worklist

blueprints = (
    board.blueprint,
    entry.blueprint,
    lists.blueprint,
    exams.blueprint,
    worklist.blueprint,
    intake.blueprint,
    billing.blueprint,
    messages.blueprint,
    replays.blueprint,
    it.blueprint,
    admin.blueprint,
)
