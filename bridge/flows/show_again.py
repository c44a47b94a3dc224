"""A bound study shows other objects than before: a new version of what leaves, under the same identity."""

from __future__ import annotations

from dataclasses import replace

from bridge.domain.overlay import VersionKind
from bridge.domain.study import Study
from bridge.flows import announce
from bridge.flows.decide_study import Deciding
from bridge.flows.lay_overlay import Made, lay
from bridge.store import overlays, studies
from bridge.store.db import WriteTx


def show_as_now(tx: WriteTx, study: Study, why: str, actor: str, how: Deciding) -> None:
    """Let everything outside follow what a bound study shows by now; what is on its way out is looked at again."""
    if not study.is_bound:
        return
    layers = overlays.current(tx, study).layers
    after = studies.save(tx, replace(study, binding_version=study.binding_version + 1))
    lay(tx, after, layers, Made(how.at, actor, why, VersionKind.FOLLOWED))
    announce.study_changed(tx, after, how.destinations, how.at)
