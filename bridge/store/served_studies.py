"""ImagingStudies as we serve them ourselves: which resource a study is, and what ends it at once.

A study that is bound to another person is another resource: what stood in the wrong chart stays there, entered in error.
"""

from __future__ import annotations

from datetime import datetime

from bridge.codecs.fhir.imaging_study import ENTERED_IN_ERROR, withdrawn
from bridge.domain.chart import OWN, ChartVersion, Whose
from bridge.domain.study import Study
from bridge.store import chart_versions, patients, placements
from bridge.store.chart_causes import cause_of
from bridge.store.chart_versions import Standing
from bridge.store.db import ReadTx, WriteTx


def reference_of(tx: ReadTx, study: Study) -> str:
    """Return the resource that a bound study is, or will be, for the patient whom it is bound to now."""
    placed = placements.current(tx, study.key)
    return f"ImagingStudy/{placed.resource_id if placed is not None else study.key}"


def end(tx: WriteTx, study: Study, at: datetime, status: str = ENTERED_IN_ERROR) -> None:
    """Take a study out of every chart that is read here; its subject stays, so that its readers learn of it."""
    for one in chart_versions.newest_of_studies(tx, OWN, [study.key]):
        if not one.is_ended:
            _end(tx, study, one, status, at)


def end_of_others(tx: WriteTx, study: Study, at: datetime) -> None:
    """Take a bound study out of the charts of everybody but its patient; what was cancelled there was an error, too."""
    for one in chart_versions.newest_of_studies(tx, OWN, [study.key]):
        if one.status != ENTERED_IN_ERROR and not _is_of(tx, one, study):
            _end(tx, study, one, ENTERED_IN_ERROR, at)


def _end(tx: WriteTx, study: Study, one: ChartVersion, status: str, at: datetime) -> None:
    said = chart_versions.said_by(tx, [one.key])[one.key]
    ended = Standing(OWN, one.reference, {release: withdrawn(was, status) for release, was in said.items()})
    why = cause_of(tx, study, ended, study.binding_version, is_ours=True)
    whose = Whose(study.key, one.whose.patient_key, one.whose.order_key, study.binding_version)
    chart_versions.keep(tx, ended, whose, why, at)


def _is_of(tx: ReadTx, one: ChartVersion, study: Study) -> bool:
    """Say whether a version is in the chart of the person whom *study* is bound to, under whatever record."""
    if one.whose.patient_key is None or study.patient_key is None:
        return False
    return patients.survivor(tx, one.whose.patient_key).key == patients.survivor(tx, study.patient_key).key
