"""What lies over a study's objects when they leave: every version, append-only."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, bindparam, select

from bridge.domain.overlay import Change, Layer, Overlay, OverlayVersion, Reason, VersionKind
from bridge.domain.study import Study
from bridge.errors import Unavailable
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.prepared import Prepared
from bridge.store.tables import overlay_versions, studies

_columns = overlay_versions.c
_OF_STUDY = Prepared(
    select(overlay_versions).where(_columns.study_key == bindparam("study_key")).order_by(_columns.number.desc())
)
_OF_BINDING = Prepared(
    select(overlay_versions).where(
        _columns.study_key == bindparam("study_key"), _columns.binding_version == bindparam("binding_version")
    )
)


def current(tx: ReadTx, study: Study) -> Overlay:
    """
    Return what every object of *study* leaves with now; an unbound one has no layers.

    Raises: Unavailable, if nothing says so for its binding: nothing may leave then.
    """
    if not study.is_bound:
        return Overlay(study.key, study.binding_version, study.binding_version)
    row = _OF_BINDING.first(tx, study_key=study.key, binding_version=study.binding_version)
    if row is None:
        raise Unavailable("what lies over the study is not known", code="no_overlay")
    found = _version(row)
    return Overlay(study.key, study.binding_version, found.since, found.layers)


def leaves_as(binding_version: ColumnElement[int]) -> ColumnElement[bool]:
    """Say, in a statement about `studies`, whether what left under *binding_version* would leave the same, byte for byte, now."""
    present = (_columns.study_key == studies.c.key, _columns.binding_version == studies.c.binding_version)
    since = select(_columns.since).where(*present).correlate(studies).scalar_subquery()
    return and_(binding_version >= since, binding_version <= studies.c.binding_version)


def left_otherwise() -> ColumnElement[bool]:
    """Say, in a statement about `studies`, whether a study may have left before with other values than it leaves with now."""
    now = overlay_versions.alias("as_it_leaves_now")
    earlier = select(_columns.key).where(
        _columns.study_key == studies.c.key, _columns.patient_key.is_not(None), _columns.since < now.c.since
    )
    query = select(now.c.key).where(
        now.c.study_key == studies.c.key, now.c.binding_version == studies.c.binding_version, earlier.exists()
    )
    return query.exists()


def of_study(tx: ReadTx, study_key: int) -> list[OverlayVersion]:
    """Return every version of a study, newest first."""
    return [_version(row) for row in _OF_STUDY.all(tx, study_key=study_key)]


def add(tx: WriteTx, version: OverlayVersion) -> None:
    """Append *version*."""
    values = {name: getattr(version, name) for name in OverlayVersion.__slots__}
    values["kind"] = version.kind.value
    values["layers"] = [_layer_to_json(layer) for layer in version.layers]
    values["changes"] = [{"keyword": one.keyword, "before": one.before, "after": one.after} for one in version.changes]
    insert_row(tx, overlay_versions, **values)


def _layer_to_json(layer: Layer) -> dict[str, Any]:
    return {
        "version": layer.version,
        "at": layer.at.isoformat(),
        "reason": layer.reason.value,
        "values": dict(layer.values),
    }


def _version(row: Row[Any]) -> OverlayVersion:
    values = {name: getattr(row, name) for name in OverlayVersion.__slots__}
    values["kind"] = VersionKind(row.kind)
    values["layers"] = tuple(
        Layer(datetime.fromisoformat(one["at"]), one["values"], Reason(one["reason"]), one["version"])
        for one in row.layers
    )
    values["changes"] = tuple(Change(**one) for one in row.changes)
    return OverlayVersion(**values)
