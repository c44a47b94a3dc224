"""Every blueprint of the console."""

from __future__ import annotations

from bridge.web.desks import (
    admin,
    billing,
    board,
    corrections,
    devices,
    entry,
    exams,
    intake,
    it,
    lists,
    messages,
    performed,
    replays,
    shelf,
    studies,
    worklist,
    worklist_trial,
)

blueprints = (
    board.blueprint,
    entry.blueprint,
    lists.blueprint,
    exams.blueprint,
    studies.blueprint,
    corrections.blueprint,
    worklist.blueprint,
    worklist_trial.blueprint,
    intake.blueprint,
    performed.blueprint,
    billing.blueprint,
    messages.blueprint,
    replays.blueprint,
    it.blueprint,
    shelf.blueprint,
    devices.blueprint,
    admin.blueprint,
)
