"""An authorization beside the exams under it: what is to be warned of now, told once, and gone when it no longer is so."""

from __future__ import annotations

from datetime import datetime, timedelta

from bridge.domain.authorization import LIVE, Authorization, AuthorizationStatus
from bridge.domain.authorization_clock import decision_clock, next_change, status_at
from bridge.domain.authorization_news import NewsKind
from bridge.domain.authorization_warnings import ExamWarning, Scene, warnings_of
from bridge.domain.evidence_needs import NeedRow
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.flows.follow_holdings import follow_holdings
from bridge.flows.link_authorizations import link_by_rule
from bridge.flows.take_authorization_news import STATUS_WORDS
from bridge.leaving.authorized_exams import exam_now
from bridge.leaving.evidence_gaps import evidence_gaps
from bridge.store import (
    authorization_gaps,
    authorization_links,
    authorization_news,
    authorization_warnings,
    authorizations,
    events,
    orders,
    patients,
)
from bridge.store.db import ReadTx, WriteTx
from bridge.store.events import Event, Station

_BY = "authorization rules"


def weigh_authorization(tx: WriteTx, key: int, rules: ReconcileRules, now: datetime) -> datetime | None:
    """Bring links, status and warnings of an authorization in line with what is known at *now*; returns when to look again."""
    one = authorizations.get(tx, key)
    owner = patients.survivor(tx, one.patient_key).key
    link_by_rule(tx, one, rules, by=_BY, at=now)
    one = _as_time_has_it(tx, authorizations.get(tx, key), rules, now)
    found = warnings_of(scene_of(tx, one, owner, rules), now, rules.authorizations)
    new, over = authorization_warnings.replace_all(tx, key, found, now)
    for warning in new:
        _tell(tx, one, warning, warning.sentence, now)
    for warning in over:
        _tell(tx, one, warning, f"no longer: {warning.sentence}", now)
    follow_holdings(tx, one, owner, rules, now)
    rows = _wanted(tx, one, rules, now)
    authorization_gaps.replace_all(tx, key, [row.need for row in rows if not row.is_met])
    ends = [
        next_change(one, now, rules.authorizations.clock_of(one.payer_id)),
        *(_just_after(row.until) for row in rows),
    ]
    return min(filter(None, ends), default=None)


def _wanted(tx: ReadTx, one: Authorization, rules: ReconcileRules, now: datetime) -> tuple[NeedRow, ...]:
    """Return what the payer wants to see, as long as it may still ask for it."""
    return evidence_gaps(tx, one, rules, now) if one.status in LIVE else ()


def _just_after(until: datetime | None) -> datetime | None:
    """Return when what was here until then is too old."""
    return until + timedelta(seconds=1) if until is not None else None


def scene_of(tx: ReadTx, one: Authorization, owner: int, rules: ReconcileRules) -> Scene:
    """Return an authorization with the exams under it as they stand."""
    links = authorization_links.of_authorization(tx, one.key)
    exams = {link.order_key: exam_now(tx, orders.get(tx, link.order_key), rules) for link in links}
    answered = [
        heard.patient_key
        for heard in authorization_news.of_authorization(tx, one.key)
        if heard.news.kind == NewsKind.ANSWERED and heard.news.decides
    ]
    return Scene(one, owner, tuple(links), exams, answered[-1] if answered else None)


def _as_time_has_it(tx: WriteTx, one: Authorization, rules: ReconcileRules, now: datetime) -> Authorization:
    clock_rules = rules.authorizations.clock_of(one.payer_id)
    status = status_at(one, now, clock_rules)
    if status == one.status:
        return one
    clock = decision_clock(one, clock_rules)
    authorizations.set_status(tx, one.key, status, now, due_at=clock.due_at if clock is not None else None)
    if status == AuthorizationStatus.EXPIRED and one.order_key is not None:
        what = f"Authorization {one.name}: {STATUS_WORDS[status]}"
        source = ("authorization", str(one.key))
        events.add(tx, Event(now, Station.AUTHORIZATION, what, _BY, *source, one.order_key))
    return authorizations.get(tx, one.key)


def _tell(tx: WriteTx, one: Authorization, warning: ExamWarning, what: str, now: datetime) -> None:
    if warning.order_key is not None:
        source = ("authorization", str(one.key))
        line = f"Authorization {one.name}, {what[:1].lower()}{what[1:]}"
        events.add(tx, Event(now, Station.AUTHORIZATION, line, _BY, *source, warning.order_key))
