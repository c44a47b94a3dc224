"""What a payer asks to see of an authorization by now, wherever it said so."""

from __future__ import annotations

from bridge.domain.authorization import Authorization
from bridge.domain.evidence_request import AskState
from bridge.store import claim_outcomes, evidence_requests
from bridge.store.db import ReadTx


def codes_asked(tx: ReadTx, authorization: Authorization) -> tuple[str, ...]:
    """Return the codes (LOINC, PWK01) of its answer, of its Tasks that are open, else answered, and of its last 277; () for none."""
    tasks = evidence_requests.of_authorization(tx, authorization.key)
    current = [one for one in tasks if one.state == AskState.OPEN]
    current = current or [one for one in tasks if one.state == AskState.ANSWERED]
    _, of_claim = claim_outcomes.asked_for(tx, authorization.key) or ("", ())
    every = (*authorization.wanted, *(code for one in current for code in one.codes), *of_claim)
    return tuple(dict.fromkeys(every))
