"""Orders under authorizations: by named rules, by a person, and undone by a person. What was undone no rule does again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bridge.domain.authorization import LIVE, Authorization
from bridge.domain.authorization_links import Link, LinkRule, is_stronger, the_exam_that_fits
from bridge.domain.order import Order
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.leaving.authorized_exams import exam_now
from bridge.store import authorization_links, authorizations, events, news, orders
from bridge.store.db import WriteTx
from bridge.store.events import Event, Station

_WORDS = {
    LinkRule.NUMBER: "named by the order",
    LinkRule.NAMED: "names the order",
    LinkRule.MEMBER_CODE_DATE: "fits the order by payer, member, code and day",
    LinkRule.INSURANCE: "stands on the order's insurance",
    LinkRule.BY_HAND: "linked by hand",
}


def link_order(
    tx: WriteTx,
    authorization: Authorization,
    order: Order,
    rule: LinkRule,
    rules: ReconcileRules,
    *,
    by: str,
    at: datetime,
    line: str = "",
) -> bool:
    """Put an order under an authorization; False where it stands there already, by no weaker rule, or a person ended that."""
    if rule != LinkRule.BY_HAND and rule.value not in rules.authorizations.link_rules:
        return False
    every = authorization_links.of_authorization(tx, authorization.key, ended=True)
    here = [one for one in every if one.order_key == order.key]
    standing = next((one for one in here if one.ended_at is None), None)
    if standing is not None and not (is_stronger(rule, standing.rule) or (rule == LinkRule.BY_HAND and line)):
        return False
    if standing is None and rule != LinkRule.BY_HAND and any(one.ended_by != _STRONGER for one in here):
        return False
    if standing is not None:
        authorization_links.end(tx, standing.key, _STRONGER, f"linked anew: {rule.value}", at)
    authorization_links.add(tx, Link(0, authorization.key, order.key, rule, line, by), at)
    if (_is_filed_loosely(authorization, every) and rule != LinkRule.INSURANCE) or authorization.order_key is None:
        authorizations.file_with(tx, authorization.key, order.key)
    news.look_at(tx, news.AUTHORIZATION, authorization.key, at)
    if standing is None:
        what = f"Authorization {authorization.name} {_WORDS[rule]}"
        source = ("authorization", str(authorization.key))
        events.add(tx, Event(at, Station.AUTHORIZATION, what, by, *source, order.key))
    return True


_STRONGER = "rule"


def link_by_rule(tx: WriteTx, authorization: Authorization, rules: ReconcileRules, *, by: str, at: datetime) -> None:
    """Link what payer, member, code and day make certain."""
    if authorization.policy_level or authorization.status not in LIVE or not authorization.lines:
        return
    open_orders = orders.open_of_patient(tx, authorization.patient_key)
    others = authorization_links.of_orders(tx, [order.key for order in open_orders])
    taken = frozenset(one.order_key for one in others if one.rule != LinkRule.INSURANCE)
    exams = [exam_now(tx, order, rules) for order in open_orders]
    found = dict(the_exam_that_fits(authorization, exams, taken))
    for order in open_orders:
        if order.key in found:
            rule = LinkRule.MEMBER_CODE_DATE
            link_order(tx, authorization, order, rule, rules, by=by, at=at, line=found[order.key])


def _is_filed_loosely(authorization: Authorization, every: Sequence[Link]) -> bool:
    """Say whether an authorization is filed with an order that only has it on its insurance."""
    filed = [one for one in every if one.order_key == authorization.order_key and one.ended_at is None]
    return bool(filed) and all(one.rule == LinkRule.INSURANCE for one in filed)
