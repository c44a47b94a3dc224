"""What lies over a study's objects when they leave."""

from __future__ import annotations

from sqlalchemy import select

from bridge.domain.overlay import Layer, Overlay
from bridge.domain.study import Study
from bridge.store import decisions, tables
from bridge.store.db import ReadTx


def current(tx: ReadTx, study: Study) -> Overlay:
    """Return what every object of *study* leaves with now; an unbound one has no layers."""
    values = decisions.corrections(tx, study)
    made = tables.decisions.c
    at = tx.execute(
        select(made.decided_at)
        .where(made.study_key == study.key, made.binding_version == study.binding_version)
        .order_by(made.key.desc())
    ).scalar()
    layers = (Layer(at, values),) if values and at is not None else ()
    return Overlay(study.key, study.binding_version, study.binding_version, layers)
