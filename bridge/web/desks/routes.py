"""Every blueprint of the console. The views of `cases` stand on the intake desk's."""

from __future__ import annotations

from bridge.web.desks import (
    admin,
    asking,
    billing,
    board,
    cases,
    corrections,
    devices,
    entry,
    exams,
    incidents,
    it,
    lists,
    messages,
    performed,
    rejections,
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
    rejections.blueprint,
    incidents.blueprint,
    worklist.blueprint,
    worklist_trial.blueprint,
    cases.blueprint,
    asking.blueprint,
    performed.blueprint,
    billing.blueprint,
    messages.blueprint,
    replays.blueprint,
    it.blueprint,
    shelf.blueprint,
    devices.blueprint,
    admin.blueprint,
)
