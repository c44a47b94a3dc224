"""Explanations and queries as JSON: names as in DICOM, instants in UTC."""

from __future__ import annotations

from typing import Any

from bridge.codecs.dicom.asked_keys import AskedKeys
from bridge.domain.worklist_query import KeptQuery
from bridge.domain.worklist_reasons import Look, Reason, refusal_words
from bridge.flows.explain_worklist import Explanation, StepExplained
from bridge.web.api.shapes import instant, local_time, person

Json = dict[str, Any]


def explanation(one: Explanation) -> Json:
    """Return an explanation: whether it is shown, the sentences, and behind them each step with the queries looked at."""
    return {
        "shown": one.shown,
        "reasons": [reason.sentence for reason in one.reasons],
        "as": one.title or None,
        "recognised": one.recognised or None,
        "details": [_reason(reason) for reason in one.reasons],
        "steps": [_step(step) for step in one.steps],
        "queries": [query(kept, keys) for kept, keys in one.queries],
    }


def query(kept: KeptQuery, keys: AskedKeys | None) -> Json:
    """Return a query that was kept. keys: None where it cannot be read."""
    asked = kept.asked
    return {
        "id": kept.key,
        "asked_at": instant(kept.asked_at),
        "last_asked_at": instant(kept.last_asked_at),
        "times": kept.times,
        "as": asked.calling_ae_title or None,
        "called": asked.called_ae_title or None,
        "address": asked.address or None,
        "association": asked.association or None,
        "outcome": asked.outcome.value,
        "status": f"{asked.status:04X}" if asked.status is not None else None,
        "reason": refusal_words(kept) or None,
        "count": len(asked.step_keys),
        "was_cut": asked.was_cut,
        "secs": asked.secs,
        "transfer_syntax_uid": asked.transfer_syntax_uid or None,
        "character_set": (keys.character_set or None) if keys is not None else None,
        "keys": _keys(keys) if keys is not None else None,
        "hints": list(keys.hints) if keys is not None else [],
    }


def _keys(keys: AskedKeys) -> list[Json]:
    return [
        {"tag": key.tag, "keyword": key.keyword or None, "value": key.value or None, "in_step": key.in_step}
        for key in keys.keys
    ]


def _reason(one: Reason) -> Json:
    return {
        "code": one.code,
        "sentence": one.sentence,
        "query": one.query_key,
        "message": one.message_key,
        "exam": f"order-{one.order_key}" if one.order_key is not None else None,
    }


def _step(one: StepExplained) -> Json:
    return {
        "id": one.step.key,
        "exam": f"order-{one.order.key}",
        "accession_number": one.order.accession_number or None,
        "patient": person(one.patient),
        "scheduled": local_time(one.step.scheduled_start_local),
        "status": one.step.status.value,
        "shown": one.shown,
        "reasons": [reason.sentence for reason in one.reasons],
        "looks": [_look(look) for look in one.looks],
    }


def _look(one: Look) -> Json:
    return {
        "query": one.query.key,
        "last_asked_at": instant(one.query.last_asked_at),
        "was_sent": one.was_sent,
        "finds": one.finds,
        "hidden_by": [{"keyword": key.keyword, "asked": key.asked, "stored": key.stored} for key in one.hidden_by],
    }
