"""Authorizations that an order message names. Source: HL7 2.5.1 6.5.6 (IN1), 11.6.2 (AUT)."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.codecs.hl7.er7 import Segment
from bridge.domain.order import AuthorizationDraft
from bridge.mapping.evaluate import Evaluator
from bridge.mapping.grammar import Scope


def read_authorizations(
    evaluator: Evaluator, scope: Scope, of_the_message: Sequence[Segment]
) -> tuple[AuthorizationDraft, ...]:
    """
    Return the order's own authorizations; where it has none, those of the message, marked as of the policy.

    scope: the order group. of_the_message: AUT segments before the first ORC. An insurance's authorization (IN1-14) is
    not tied to a procedure, and AUT stands in no order structure: both are taken where they come.
    """
    insurances = list(scope.get("IN1", ()))
    bare = {name: segments for name, segments in scope.items() if name not in ("AUT", "IN1")}
    own = [_read(evaluator, {**bare, "AUT": [aut]}, insurances, False) for aut in scope.get("AUT", ())]
    if not own:
        own = [_read(evaluator, bare, insurances, False)]
    found = [draft for draft in own if draft]
    if not found:
        of_policy = [_read(evaluator, {**bare, "AUT": [aut]}, insurances, True) for aut in of_the_message]
        of_policy += [_read(evaluator, {**bare, "IN1": [in1]}, [in1], True) for in1 in insurances]
        found = [draft for draft in of_policy if draft]
    return tuple({(draft.payer_id, draft.number): draft for draft in found}.values())


def _read(
    evaluator: Evaluator, scope: Scope, insurances: Sequence[Segment], policy_level: bool
) -> AuthorizationDraft | None:
    number = evaluator.get("authorization.number", scope, required=False)
    if not number:
        return None
    payer_id = evaluator.get("authorization.payer_id", scope)
    insurance = next((in1 for in1 in insurances if payer_id and in1.value(3) == payer_id), None)
    if insurance is None and insurances:
        insurance = insurances[0]
    with_insurance: Scope = {**scope, "IN1": [insurance]} if insurance else scope
    return AuthorizationDraft(
        number,
        payer_id=payer_id or evaluator.get("authorization.payer_id", with_insurance) or "",
        payer_name=evaluator.get("authorization.payer_name", with_insurance) or "",
        member_id=evaluator.get("authorization.member_id", with_insurance) or "",
        effective_on=evaluator.get("authorization.effective", scope) or "",
        expires_on=evaluator.get("authorization.expires", scope) or "",
        policy_level=policy_level,
    )
