"""What charts have of a study as JSON: by REST and in the terminal alike."""

from __future__ import annotations

from typing import Any

from bridge.domain.chart import Cause, ChartVersion, ChartWithdrawal
from bridge.store.deliveries import Delivery
from bridge.web.api import shapes
from bridge.web.chart_views import Chart, ChartView, Entry, PartEntry, ShownVersion


def whole(view: ChartView, *, sees_all: bool) -> dict[str, Any]:
    """Return a study in its charts. sees_all: what its versions say, and people's words, are shown, too."""
    return {
        "id": view.exam.study.key if view.exam.study is not None else None,
        "study_instance_uid": view.exam.study_instance_uid,
        "withdrawn": _withdrawal(view.withdrawal, sees_all=sees_all) if view.withdrawal is not None else None,
        "withdrawals": [_withdrawal(one, sees_all=sees_all) for one in view.withdrawals],
        "charts": [_of_server(one, sees_all=sees_all) for one in view.charts],
    }


def _of_server(chart: Chart, *, sees_all: bool) -> dict[str, Any]:
    return {
        "server": chart.server,
        "own": chart.is_own,
        **_entry(chart, sees_all=sees_all),
        "parts": [_part(one, sees_all=sees_all) for one in chart.parts],
        "endpoints": _entry(chart.ways, sees_all=sees_all) if chart.ways is not None else None,
    }


def _part(one: PartEntry, *, sees_all: bool) -> dict[str, Any]:
    return {
        "part": one.part.name,
        "resource_type": one.part.kind,
        "of_exam": one.is_of_exam,
        "withdrawn": _withdrawal(one.withdrawal, sees_all=sees_all) if one.withdrawal is not None else None,
        **_entry(one, sees_all=sees_all),
    }


def _entry(one: Entry, *, sees_all: bool) -> dict[str, Any]:
    return {
        "standing": [_version(each, sees_all=sees_all) for each in one.standing],
        "delivery": _delivery(one.delivery) if one.delivery is not None else None,
        "versions": [_shown(each, sees_all=sees_all) for each in one.versions],
    }


def _delivery(sent: Delivery) -> dict[str, Any]:
    return {
        "id": sent.key,
        "state": sent.state.value,
        "held_reason": sent.held_reason or None,
        "last_error": sent.last_error or None,
        "attempts": sent.attempts,
        "next_at": shapes.instant(sent.next_at),
    }


def _shown(one: ShownVersion, *, sees_all: bool) -> dict[str, Any]:
    changed = one.changed
    return _version(one.version, sees_all=sees_all) | {
        "stands": one.stands,
        "kept": one.version.has_content,
        "provenance": None
        if one.provenance is None
        else {
            "state": one.provenance.state.value,
            "detail": one.provenance.detail or one.provenance.last_error or None,
        },
        "changes": list(changed.sentences) if changed is not None else None,
        "elements": None
        if changed is None
        else [{"path": each.path, "before": each.before, "after": each.after} for each in changed.elements],
    }


def _version(one: ChartVersion, *, sees_all: bool) -> dict[str, Any]:
    tells_all = sees_all or one.why.cause == Cause.EVENT
    return {
        "reference": one.reference,
        "number": one.number,
        "server_version": one.server_version or None,
        "at": shapes.instant(one.at),
        "status": one.status,
        "subject": one.subject if sees_all else None,
        "cause": one.why.cause.value,
        "by": one.why.by or None,
        "why": (one.why.words or None) if tells_all else None,
    }


def _withdrawal(one: ChartWithdrawal, *, sees_all: bool) -> dict[str, Any]:
    return {
        "at": shapes.instant(one.made_at),
        "by": one.made_by,
        "reason": one.reason if sees_all else None,
        "taken_back_at": shapes.instant(one.taken_back_at),
        "taken_back_by": one.taken_back_by or None,
        "taken_back_reason": (one.taken_back_reason or None) if sees_all else None,
    }
