"""A payer's checklist for an authorization, filled with what is here. Source: reports, studies and orders as they stand now."""

from __future__ import annotations

from bridge.domain.authorization import Authorization, number_key
from bridge.domain.authorization_rules import AuthorizationRules
from bridge.domain.body_parts import BodyParts
from bridge.domain.evidence_needs import EvidenceHere, NeedRow, fill, rule_for
from bridge.domain.packet import PriorStudy
from bridge.leaving.packet_material import order_facts
from bridge.leaving.packet_priors import Prior, priors_before, priors_of
from bridge.store import authorizations, orders, patients, studies
from bridge.store.db import ReadTx
from bridge.store.listings import exam_reports


def evidence_gaps(
    tx: ReadTx, authorization: Authorization, rules: AuthorizationRules, parts: BodyParts
) -> tuple[NeedRow, ...]:
    """Return the rows of the checklist of an authorization's payer and services, () where there is none."""
    rule = rule_for(rules.evidence, authorization.payer_id, _codes(tx, authorization, rules))
    return fill(rule, _here(tx, authorization, parts)) if rule is not None else ()


def _codes(tx: ReadTx, authorization: Authorization, rules: AuthorizationRules) -> list[str]:
    """Return the codes of what is asked for; where no line names one, what the exam is billed as."""
    named = [line.code for line in authorization.lines]
    if named or authorization.order_key is None:
        return named
    code = orders.get(tx, authorization.order_key).requested_procedure_code.code_value
    return [rules.codes.get(number_key(code), code)]


def _here(tx: ReadTx, authorization: Authorization, parts: BodyParts) -> EvidenceHere:
    owner = patients.survivor(tx, authorization.patient_key).key
    keys = dict.fromkeys(one.study_key for one in authorizations.attachments_of(tx, authorization.key))
    attached = [one for key in keys if (one := studies.get(tx, key)).is_bound and one.patient_key == owner]
    order_keys = [authorization.order_key, *(one.order_key for one in attached)]
    asked = [orders.get(tx, key) for key in dict.fromkeys(order_keys) if key is not None]
    facts = [order_facts(order) for order in asked]
    found = exam_reports.for_authorization(tx, authorization)
    looked_up: list[tuple[Prior, ...] | None] = [priors_of(tx, one, parts) for one in attached]
    if not attached:
        looked_up = [priors_before(tx, one, parts) for one in asked]
    known = [each for each in looked_up if each is not None]
    priors = list({prior.key: prior.study for each in known for prior in each}.values())
    return EvidenceHere(
        order=tuple(f"order {order.accession_number}".strip() for order in asked),
        reason=tuple(dict.fromkeys(reason for _, reasons in facts for reason in reasons)),
        reports=tuple(one.content.title or "Report" for one in found if one.is_signed),
        unsigned=sum(not one.is_signed for one in found),
        images=tuple(one.received.study_description or "a study" for one in attached),
        priors=len(priors),
        priors_without_report=tuple(f"{one.description} of {_day(one)}" for one in priors if not one.has_report),
        is_region_known=bool(known),
    )


def _day(one: PriorStudy) -> str:
    return f"{one.study_date[:4]}-{one.study_date[4:6]}-{one.study_date[6:8]}"
