"""How urgent a case is, from what is known when it is opened: signals, what left the house, what was ordered."""

from __future__ import annotations

from bridge.domain.case_risk import URGENT_PRIORITIES, CaseRisk, risk_of
from bridge.domain.study import Study
from bridge.domain.verdict import Verdict
from bridge.store import decisions, deliveries, orders, publications
from bridge.store.db import ReadTx
from bridge.store.deliveries import DeliveryState

_SIGNALLED = "V03"


def weigh_case(tx: ReadTx, study: Study, verdict: Verdict) -> CaseRisk:
    """Return the risk of leaving *study* undecided. study: as the decision left it; verdict: what held it."""
    ordered = {one.order_key for one in verdict.candidates} | {study.held_from_order_key}
    priorities = {orders.get(tx, key).requested_procedure_priority for key in ordered if key is not None}
    return risk_of(
        has_signal=verdict.rule == _SIGNALLED or bool(decisions.signals_for(tx, study.study_instance_uid)),
        was_published=study.held_from_patient_key is not None and bool(publications.of_study(tx, study.key)),
        has_left=any(one.state == DeliveryState.SENT for one in deliveries.of_study(tx, study.key)),
        is_urgent=not priorities.isdisjoint(URGENT_PRIORITIES),
    )
