"""A payer's checklist for an authorization, filled with what is here. Source: reports, studies and orders as they stand now."""

from __future__ import annotations

from datetime import datetime

from bridge.domain.attachment import HAS_PACKET
from bridge.domain.authorization import Authorization
from bridge.domain.evidence_needs import EvidenceHere, NeedRow, fill
from bridge.domain.packet import PriorStudy
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.leaving.packet_material import order_facts
from bridge.leaving.packet_pictures import choose_pictures
from bridge.leaving.packet_priors import Prior, priors_before, priors_of
from bridge.leaving.payer_checklist import Asked, asked_of, labs_of, notes_of, plain_day, rule_of
from bridge.store import studies
from bridge.store.db import ReadTx
from bridge.store.listings import exam_reports


def evidence_gaps(
    tx: ReadTx, authorization: Authorization, rules: ReconcileRules, now: datetime
) -> tuple[NeedRow, ...]:
    """Return the rows of the checklist of an authorization's payer and services, () where there is none."""
    asked = asked_of(tx, authorization)
    rule = rule_of(tx, asked, rules)
    return fill(rule, _here(tx, asked, rules), now) if rule is not None else ()


def _here(tx: ReadTx, asked: Asked, rules: ReconcileRules) -> EvidenceHere:
    parts = rules.checklist.body_parts
    facts = [order_facts(order) for order in asked.exams]
    found = exam_reports.for_authorization(tx, asked.authorization)
    looked_up: list[tuple[Prior, ...] | None] = [priors_of(tx, one, parts) for one in asked.attached]
    if not asked.attached:
        looked_up = [priors_before(tx, one, parts) for one in asked.exams]
    known = [each for each in looked_up if each is not None]
    priors = list({prior.key: prior.study for each in known for prior in each}.values())
    return EvidenceHere(
        order=tuple(f"order {order.accession_number}".strip() for order in asked.exams),
        reason=tuple(dict.fromkeys(reason for _, reasons in facts for reason in reasons)),
        reports=tuple(one.content.title or "Report" for one in found if one.is_signed),
        unsigned=sum(not one.is_signed for one in found),
        images=tuple(one.received.study_description or "a study" for one in asked.attached),
        priors=len(priors),
        priors_without_report=tuple(f"{one.description} of {_day(one)}" for one in priors if not one.has_report),
        is_region_known=bool(known),
        key_images=_key_images(tx, asked),
        labs=labs_of(tx, asked.owner, rules),
        notes=notes_of(tx, asked.owner, rules),
    )


def _key_images(tx: ReadTx, asked: Asked) -> int:
    """Return how many images of the packets somebody chose or marked."""
    found = set[tuple[str, int]]()
    for one in asked.attachments:
        if one.kind in HAS_PACKET:
            contents = studies.contents(tx, one.study_key)
            values = {"StudyDate": contents.study.received.study_date}
            chosen, _ = choose_pictures(tx, contents, one.instances, values)
            found |= {(each.picture.sop_instance_uid, each.picture.frame) for each in chosen if each.picture.is_chosen}
    return len(found)


def _day(one: PriorStudy) -> str:
    return plain_day(one.study_date)
